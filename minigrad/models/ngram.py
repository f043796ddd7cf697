"""n-gram language models.   KTH, *n-gram Language Models*; Télécom, *Language model: Notation*.

    P(w_1 .. w_L) = prod_i P(w_i | w_{i-n+1} .. w_{i-1})          the last n - 1 words stand for all that came before

A sentence stands between <bos> and <eos>: <bos> is given, <eos> is predicted, and the first words have shorter
contexts, which reach back to <bos> (as in SRILM and KenLM). A stream of ids is one long text without either. The
probabilities are in `ngram_smoothing`, the n-grams in `ngram_trie`.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.ngram_counts import flat
from ..data.vocabulary import Vocabulary
from ..errors import IndexRangeError, describe
from . import ngram_smoothing as smooth
from .ngram_trie import Trie

Ids = Sequence[int] | np.ndarray
SMOOTHINGS = ("mle", "add-k", "interpolation", "katz", "kneser-ney")


class NGram:
    """An n-gram model: `NGram(3, "kneser-ney", vocab=vocabulary).fit(sentences).perplexity(others)`.

    order: n, the context has n - 1 tokens.  smoothing: one of SMOOTHINGS.
    vocab: a Vocabulary, or how many ids there are (default: those of the text).  bos, eos: their ids, where a number is
    given; None for sentences without.  <bos> and <pad> are never predicted, all other ids share the probability.
    k: of add-k (default 1).  lambdas: weights of interpolation, (n + 1,), the uniform distribution's first; by default
    they are fitted.  discounts: of kneser-ney: one D, or (D_1, D_2, D_3+), or one of these for each length 1 ... n.

    A text is sentences (an iterable of id sequences, without <bos> and <eos>), or a stream (ids (T,)).
    After `fit`: trie, the n-grams; tables, their probabilities; lambdas and discounts, those in use.
    Raises ValueError for an unknown smoothing, an order below 1, an option that another smoothing has, or one that
    gives no probabilities; RuntimeError where a model is asked before it was fitted.
    """

    def __init__(self, order: int, smoothing: str = "mle", *, vocab: Vocabulary | int | None = None,
                 bos: int | None = None, eos: int | None = None, k: float | None = None,
                 lambdas: Sequence[float] | None = None, discounts: Any = None) -> None:
        if smoothing not in SMOOTHINGS:
            raise ValueError(f"no smoothing {smoothing!r}; there are: {', '.join(SMOOTHINGS)}")
        if order < 1:
            raise ValueError(f"an n-gram has at least 1 word, not {order}")
        for name, value, owner in (("k", k, "add-k"), ("lambdas", lambdas, "interpolation"),
                                   ("discounts", discounts, "kneser-ney")):
            if value is not None and smoothing != owner:
                raise ValueError(f"{name} is an option of {owner!r}, and the smoothing is {smoothing!r}")
        self.order, self.smoothing = order, smoothing
        self.vocabulary = vocab if isinstance(vocab, Vocabulary) else None
        self.bos, self.eos, self.pad = (bos, eos, None) if self.vocabulary is None else (
            self.vocabulary.bos, self.vocabulary.eos, self.vocabulary.pad)
        self._vocab = len(vocab) if isinstance(vocab, Vocabulary) else vocab
        self._k = 1.0 if k is None else float(k)
        if self._k < 0:
            raise ValueError(f"k is what is added to a count: at least 0, not {k}")
        self._lambdas = None if lambdas is None else _weights(lambdas, order)
        self._discounts = None if discounts is None else _discounts(discounts, order)
        self.lambdas: np.ndarray | None = None
        self.discounts: list[tuple[float, ...]] | None = None
        self.base = np.zeros(0)                # (V,): the uniform distribution over what can be predicted
        self._trie: Trie | None = None
        self.tables = smooth.Tables([], [])

    # ------------------------------------------------------------------------------------------ counts to probabilities

    def fit(self, text: Any, held_out: Any = None) -> NGram:
        """Count a text and estimate. Returns the model.

        held_out: a text for the weights of an interpolation without `lambdas`; by default the last tenth of the text is
        kept aside for them, and counted afterwards. Raises ValueError for a text with <bos>, <eos> or <pad> in a
        sentence, or without tokens; IndexRangeError for an id outside of the vocabulary.
        """
        text = _listed(text)
        ids, lengths = self._joined(text, self._vocab)
        if not len(ids):
            raise ValueError("there is nothing to count: the text is empty")
        vocab = int(ids.max()) + 1 if self._vocab is None else self._vocab
        base = np.ones(vocab)
        base[[i for i in (self.bos, self.pad) if i is not None]] = 0
        self.base = base / base.sum()
        if self.smoothing == "interpolation":
            shares = self._fitted_shares(text, held_out) if self._lambdas is None else smooth.shares_of(self._lambdas)
            self.lambdas = smooth.lambdas_of(shares)
        self._trie = trie = Trie.count(ids, lengths, self.order, vocab)
        if self._flat:
            self.tables = smooth.add_k(trie, self.base, self._k if self.smoothing == "add-k" else 0.0)
        elif self.smoothing == "interpolation":
            self.tables = smooth.interpolation(trie, self.base, shares)
        elif self.smoothing == "katz":
            self.tables = smooth.katz(trie, self.base)
        else:
            self.tables, self.discounts = smooth.kneser_ney(trie, self.base, self.bos, self._discounts)
        return self

    @classmethod
    def ready(cls, trie: Trie, tables: smooth.Tables, vocabulary: Vocabulary) -> NGram:
        """A model from tables that are there already; its smoothing is "arpa"."""
        model = cls(trie.order, vocab=vocabulary)
        model.smoothing, model._trie, model.tables = "arpa", trie, tables
        model.base = np.zeros(trie.vocab)      # all probability stands in the 1-grams
        return model

    @property
    def trie(self) -> Trie:
        """The n-grams. Raises RuntimeError before `fit`."""
        if self._trie is None:
            raise RuntimeError("this n-gram model has counted nothing yet: model.fit(text) first")
        return self._trie

    @property
    def sizes(self) -> list[int]:
        """How many distinct n-grams of each length 1 ... n are stored."""
        return [len(level) for level in self.trie.levels[1:]]

    @property
    def entries(self) -> int:
        """How many distinct n-grams of all lengths are stored: at most min(V^n, tokens) of each."""
        return sum(self.sizes)

    # ------------------------------------------------------------------------------------------ one context

    def distribution(self, context: Ids = ()) -> np.ndarray:
        """P(w | context) of every w, (V,), float64; the last n - 1 ids of the context count, [bos] begins a sentence.

        Maximum likelihood has no value after a context that was never followed by a word (0 / 0): all NaN.
        """
        trie = self.trie
        history = _ids(list(context), trie.vocab)
        history = history[max(0, len(history) - self.order + 1):]
        p = self.base.copy()
        for n in range(len(history) + 1):
            row = int(trie.rows(history[None, len(history) - n:])[0])
            lower = self.base if self._flat else p
            if row < 0:
                p = lower * self._absent
            else:
                after = trie.after(n, row)
                p = lower * self.tables.weight[n][row]
                p[trie.levels[n + 1].word[after]] = self.tables.prob[n + 1][after]
        return p

    def prob(self, context: Ids, w: int) -> float:
        """P(w | context), as in `distribution`."""
        return float(self.distribution(context)[_ids([w], self.trie.vocab)[0]])

    def top(self, context: Ids, k: int = 5) -> list[tuple[int, float]]:
        """The k most probable next ids with their probabilities; of equal ones the smaller id first, none for 0 / 0."""
        p = self.distribution(context)
        if np.isnan(p).any():
            return []
        return [(int(w), float(p[w])) for w in np.argsort(-p, kind="stable")[:k]]

    def sample(self, rng: np.random.Generator, length: int = 100, context: Ids | None = None) -> list[int]:
        """Ids drawn one after another, up to <eos> (not returned) or `length` of them.

        context: what came before, not returned either; by default [bos], the beginning of a sentence.
        Under maximum likelihood it ends too where the context was never followed by a word.
        """
        before = list(context) if context is not None else [] if self.bos is None else [self.bos]
        drawn: list[int] = []
        while len(drawn) < length:
            p = self.distribution(before + drawn)
            if np.isnan(p).any():
                break
            w = int(rng.choice(len(p), p=p / p.sum()))
            if w == self.eos:
                break
            drawn.append(w)
        return drawn

    # ------------------------------------------------------------------------------------------ whole texts

    def log_probs(self, text: Any) -> np.ndarray:
        """ln P of each predicted token of a text, <eos> of each sentence included, (T,): -inf for 0 and for 0 / 0."""
        text = _listed(text)
        ids, past = self._read(text)
        base = self.base[ids]
        p = base
        for n, (context, rows) in enumerate(self.trie.walk(ids, past), 1):
            weight = _take(self.tables.weight[n - 1], context, self._absent)
            unseen = weight * (base if self._flat else p)
            p = np.where(past < n - 1, p, np.where(rows >= 0, _take(self.tables.prob[n], rows, 0.0), unseen))
        with np.errstate(divide="ignore"):
            logs = np.log(np.nan_to_num(p, nan=0.0))
        return logs if self.bos is None or _is_stream(text) else logs[past > 0]

    def score(self, sentence: Ids) -> float:
        """ln P(sentence), the sum over its tokens and its end.   Télécom, *(2) Test using a RNN*."""
        return float(self.log_probs([sentence]).sum())

    def perplexity(self, text: Any) -> float:
        """exp of the mean of -ln P over all predicted tokens; inf where one has no probability."""
        logs = self.log_probs(text)
        if not len(logs):
            raise ValueError("there is nothing to predict: the text is empty")
        return math.exp(min(-logs.mean(), 709)) if np.isfinite(logs).all() else math.inf

    def sparsity(self, text: Any) -> np.ndarray:
        """How sparse the counts are for a text, (n, 2).   KTH, *Problems with n-gram Language Models - Sparsity*.

        Row n - 1: the share of the text's n-grams that the counts lack (numerator 0: probability 0), and of those whose
        first n - 1 tokens no token ever followed (denominator 0: no probability at all). NaN where it has no n-grams.
        """
        text = _listed(text)
        ids, past = self._read(text)
        given = 0 if self.bos is None or _is_stream(text) else 1                # <bos> is not predicted
        shares = []
        for n, (context, rows) in enumerate(self.trie.walk(ids, past), 1):
            there = past >= max(n - 1, given)
            followed = np.bincount(self.trie.levels[n].context, minlength=len(self.trie.levels[n - 1])) > 0
            shares.append([np.mean(rows[there] < 0), np.mean(~_take(followed, context, False)[there])]
                          if there.any() else [np.nan] * 2)
        return np.array(shares)

    # ------------------------------------------------------------------------------------------ helpers

    @property
    def _flat(self) -> bool:
        """Is an unseen word's probability one share of the uniform, whatever the shorter context says?"""
        return self.smoothing in ("mle", "add-k")

    @property
    def _absent(self) -> float:
        """The weight of a context that was never seen."""
        return math.nan if self.smoothing == "mle" or self.smoothing == "add-k" and not self._k else 1.0

    def _fitted_shares(self, text: Any, held_out: Any) -> np.ndarray:
        """s_1 ... s_N of the interpolation, by expectation-maximisation on the held-out text."""
        if held_out is None:
            cut = len(text) - max(1, len(text) // 10)
            if cut < 1:
                raise ValueError(describe("one sentence is too little to keep a tenth aside for the weights.",
                                          fix="NGram(order, 'interpolation', lambdas=...), or fit(text, held_out)."))
            text, held_out = text[:cut], text[cut:]
        counted = Trie.count(*self._joined(text, len(self.base)), self.order, len(self.base))
        counts = smooth.counts_of(counted, self.base)
        ids, past = self._read(held_out)
        parts, depth = [self.base[ids]], np.zeros(len(ids), int)
        for n, (context, rows) in enumerate(counted.walk(ids, past), 1):
            total = _take(counted.totals(n, counts[n]), context, 0.0)
            parts.append(_take(counts[n], rows, 0.0) / np.maximum(total, 1))
            depth[total > 0] = n
        return smooth.shares_by_em(np.stack(parts, 1), depth)

    def _read(self, text: Any) -> tuple[np.ndarray, np.ndarray]:
        """A text as ids (T,) and how many tokens of its sentence stand before each."""
        ids, lengths = self._joined(_listed(text), len(self.base))
        return ids, np.arange(len(ids)) - np.repeat(lengths.cumsum() - lengths, lengths)

    def _joined(self, text: Any, vocab: int | None) -> tuple[np.ndarray, np.ndarray]:
        """A text as ids (T,) and the lengths of its sentences, <bos> before and <eos> after each."""
        stream = _is_stream(text)
        ids, lengths = (text, np.array([len(text)])) if stream else flat(text)
        ids = _ids(ids, vocab)
        marks = [self.bos, self.pad, *([] if stream else [self.eos])]
        if bad := [i for i in marks if i is not None and (ids == i).any()]:
            raise ValueError(describe(f"the text holds the id {bad[0]}, which stands for <bos>, <eos> or <pad>.",
                                      fix="sentences without them: the model sets <bos> and <eos> itself."))
        before, after = (0, 0) if stream else (self.bos is not None, self.eos is not None)
        whole = lengths + before + after
        starts = whole.cumsum() - whole
        joined = np.empty(whole.sum(), np.int64)
        joined[np.repeat(starts + before - (lengths.cumsum() - lengths), lengths) + np.arange(len(ids))] = ids
        if before:
            joined[starts] = self.bos
        if after:
            joined[starts + whole - 1] = self.eos
        return joined, whole


def _is_stream(text: Any) -> bool:
    """Ids (T,), and not sentences of ids?"""
    if isinstance(text, np.ndarray):
        return text.ndim == 1 and text.dtype != object
    return isinstance(text, (list, tuple)) and len(text) > 0 and isinstance(text[0], (int, np.integer))


def _listed(text: Any) -> Any:
    """A text that can be read twice."""
    return text if isinstance(text, (np.ndarray, list, tuple)) else list(text)


def _ids(ids: Any, vocab: int | None) -> np.ndarray:
    """Ids as int64 (T,). Raises IndexRangeError for one outside of the vocabulary."""
    array = np.asarray(ids, np.int64).reshape(-1)
    if array.size and (array.min() < 0 or vocab is not None and array.max() >= vocab):
        bad = array.min() if array.min() < 0 else array.max()
        raise IndexRangeError(f"no token has the id {bad}: there are {vocab if vocab else 'no negative'} ids")
    return array


def _take(values: np.ndarray, rows: np.ndarray, absent: Any) -> np.ndarray:
    """values[rows], and `absent` for a row of -1."""
    return np.where(rows >= 0, values[rows], absent) if len(values) else np.full(len(rows), absent)


def _weights(lambdas: Sequence[float], order: int) -> np.ndarray:
    weights = np.asarray(lambdas, np.float64)
    if weights.shape != (order + 1,) or weights.min() < 0 or abs(weights.sum() - 1) > 1e-9:
        raise ValueError(f"interpolation of order {order} has {order + 1} weights of at least 0 that add up to 1, the "
                         f"uniform distribution's first, not {lambdas}")
    return weights


def _discounts(discounts: Any, order: int) -> list[tuple[float, ...]]:
    """For each length (D_1, D_2, D_3+), from one D, from one such triple, or from one for each."""
    given = np.asarray(discounts, np.float64)
    if given.shape not in ((), (3,), (order, 3)) or given.min() < 0 or (given > [1, 2, 3]).any():
        raise ValueError(f"discounts are one D, (D_1, D_2, D_3+) or {order} of these, with 0 <= D_r <= r, "
                         f"not {discounts}")
    return [tuple(row) for row in np.broadcast_to(given, (order, 3)).tolist()]
