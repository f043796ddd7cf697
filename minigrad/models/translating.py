"""What all models from one sequence to another share: batches of pairs, the loss, and three ways to write.

    p(y_1 .. y_Ty | x_1 .. x_Tx) = prod_tau p(y_tau | y_1 .. y_(tau-1), x)         Télécom, *Machine Translation*

    loss        -mean_tau ln p(y_tau | y_<tau, x) with the true y_<tau (teacher forcing), over the real tokens
    greedy      the best token at each step, fed back
    search      beam search: the sentence of the largest ln p / length^alpha that was found

A model is a `Translator`: from tokens of one vocabulary (B, S) to scores of another one (B, T, V). Sentences on the
target's side stand between <bos> and <eos>; behind the ends is padding, on both sides, which never counts.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..backend import cpu
from ..create import tensor
from ..data.streams import batches_by_length, padded
from ..data.vocabulary import Vocabulary
from ..errors import MinigradError, ShapeError, describe
from ..nn import functional as F
from ..ops import unsqueeze, where
from ..tensor import Tensor
from . import decoding
from .lengths import on_device, on_host, steps

IGNORE = -100                                  # a target that does not count: `ignore_index` of the cross-entropy
Pair = tuple[Sequence[int] | np.ndarray, Sequence[int] | np.ndarray]


class Translator(Protocol):
    """What `loss`, `greedy`, `search` and `translate` need of a model; it is an nn.Module besides.

    bos, eos: ids in the target's vocabulary.  A state is whatever the model needs between two steps. `start` and `step`
    run without dropout and record nothing, whatever mode the model is in.
    """

    bos: int
    eos: int

    def __call__(self, source: Tensor, lengths: Any, target: Tensor) -> Tensor:
        """ids (B, S), lengths (B,) or None, ids (B, T) that begin with <bos> -> scores of each next token (B, T, V)"""

    def start(self, source: Tensor, lengths: Any = None) -> Any:
        """The state before the first token: the source is read here, once."""

    def step(self, ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """One more token of each sentence, ids (B,) -> ln p of the next one (B, V) in float64, state."""

    def pick(self, state: Any, rows: np.ndarray) -> Any:
        """The state of these sentences of the batch, in this order; a row may come twice."""


# ---------------------------------------------------------------------------------------------- pairs

def encoded(pairs: Sequence[tuple[Sequence[str], Sequence[str]]], source: Vocabulary, target: Vocabulary
            ) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of tokens -> pairs of ids, the target between <bos> and <eos>.

    Raises MinigradError for a target vocabulary without these two.
    """
    if target.bos is None or target.eos is None:
        raise MinigradError(describe("a target is written between <bos> and <eos>, and its vocabulary lacks one.",
                                     fix="Vocabulary.build(tokens), with the usual specials"))
    return [(source.encode(x), np.array([target.bos, *target.encode(y), target.eos])) for x, y in pairs]


def batch_of(pairs: Sequence[Pair], rows: Sequence[int] | np.ndarray, pad: int = 0
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some of N pairs of ids, as `encoded` makes them, as one batch -> source (B, S), its lengths (B,), target (B, T).

    `data.batches_by_length(lengths, B, rng)` chooses rows that need little padding.
    """
    source, lengths = padded([pairs[k][0] for k in rows], pad)
    target, _ = padded([pairs[k][1] for k in rows], pad)
    return source, lengths, target


# ---------------------------------------------------------------------------------------------- training

def loss(model: Translator, source: Any, lengths: Any, target: Any, *, pad: int = 0, **options: Any) -> Tensor:
    """-mean ln p(y_tau | y_<tau, x) over the real tokens of target[:, 1:], with target[:, :-1] as y_<tau.

    source (B, S), lengths (B,), target (B, T), Tensors or arrays of ids: a target begins with <bos>, ends with <eos>,
    and is filled up with `pad`.  options: of `F.cross_entropy`, such as label_smoothing=0.1 or reduction="sum".
    Raises ShapeError for a target without a token to predict, MinigradError for one that does not begin with <bos>.
    """
    source, target = ids_of(model, source), ids_of(model, target)
    if target.ndim != 2 or target.shape[1] < 2:
        raise ShapeError(describe(f"a target is ids (B, T) from <bos> to <eos>, T at least 2, not "
                                  f"{tuple(target.shape)}.", target=target._made()))
    if target.device is cpu and bool((target.data[:, 0] != model.bos).any()):    # elsewhere a look would wait
        raise MinigradError(describe(f"a target begins with <bos>, id {model.bos}, and here one begins with id "
                                     f"{int(target.data[target.data[:, 0] != model.bos][0, 0])}.",
                                     target=target._made(), fix="translating.encoded(pairs, ...) writes both ends"))
    scores = model(source, lengths, target[:, :-1])                # (B, T - 1, V)
    due = target[:, 1:]
    due = where(due == pad, IGNORE, due)
    return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), due.reshape(-1), ignore_index=IGNORE, **options)


# ---------------------------------------------------------------------------------------------- writing

def greedy(model: Translator, source: Any, lengths: Any = None, most: int = 50) -> list[list[int]]:
    """The best token at each step, fed back until <eos>: of B sentences, each at most `most` ids, without <bos>, <eos>.

    source (B, S), lengths (B,).  Of equal scores the lowest id is taken.
    """
    state = model.start(ids_of(model, source), lengths)
    ids = np.full(len(source), model.bos)
    texts: list[list[int]] = [[] for _ in ids]
    going = np.ones(len(ids), bool)
    for _ in range(most):
        log_p, state = model.step(ids, state)
        ids = log_p.argmax(-1)
        going &= ids != model.eos
        if not going.any():
            break
        for b in np.flatnonzero(going):
            texts[b].append(int(ids[b]))
    return texts


def search(model: Translator, source: Any, lengths: Any = None, most: int = 50, *, beam: int = 4, alpha: float = 1.0
           ) -> list[list[int]]:
    """The best sentence that `decoding.beam_search` finds for each source: at most `most` ids, without <bos>, <eos>.

    source (B, S), lengths (B,).  beam, alpha: how many beginnings are kept, and how length counts.
    """
    state, texts = model.start(ids_of(model, source), lengths), []
    for b in range(len(source)):               # most + 1: the last one is <eos>
        found = decoding.beam_search(model.step, [model.bos], most + 1, beam=beam, stop=model.eos, alpha=alpha,
                                     state=model.pick(state, np.array([b])), pick=model.pick)
        texts.append([k for k in found[0].ids if k != model.eos][:most])
    return texts


def translate(model: Translator, sources: Sequence[Sequence[int] | np.ndarray], most: int = 50, *, batch: int = 64,
              pad: int = 0, beam: int = 0, alpha: float = 1.0) -> list[list[int]]:
    """Translations of N sources of any lengths, in their order: `greedy`, or `search` with a beam.

    Sources of about one length are read together, `batch` at a time.
    """
    texts: list[list[int]] = [[] for _ in sources]
    for rows in batches_by_length([len(s) for s in sources], batch):
        x, lengths = padded([sources[k] for k in rows], pad)
        found = (search(model, x, lengths, most, beam=beam, alpha=alpha) if beam else greedy(model, x, lengths, most))
        for k, text in zip(rows, found, strict=True):
            texts[k] = text
    return texts


# ---------------------------------------------------------------------------------------------- for the models

def ids_of(model: Any, ids: Any) -> Tensor:
    """Ids as a Tensor on the model's device; a Tensor stays as it is."""
    return ids if isinstance(ids, Tensor) else tensor(np.asarray(ids), device=next(model.parameters()).device)


def check_target(source: Tensor, target: Tensor) -> None:
    """Raise ShapeError unless the target is ids (B, T) of as many sentences as the source, of at least one token."""
    if target.ndim != 2 or target.shape[1] == 0 or target.shape[0] != source.shape[0]:
        raise ShapeError(describe(f"sources {tuple(source.shape)} have no targets {tuple(target.shape)}.",
                                  source=source._made(), target=target._made(),
                                  fix="ids (B, S) and (B, T): a target for each source, and T at least 1"))


def behind(lengths: Any, source: Tensor) -> Tensor | None:
    """Where the padding of a source is: lengths (B,) or None -> bool (B, S), or None where there is none."""
    S = source.shape[1]
    if lengths is None:
        return None
    if on_device(lengths):
        return steps(S, source.device) >= unsqueeze(lengths, 1)
    n = on_host(lengths)
    return None if n.min() == S else tensor(np.arange(S) >= n[:, None], device=source.device)


def log_probabilities(scores: Tensor) -> np.ndarray:
    """ln softmax of scores (B, V), on the host in float64: what a `step` returns."""
    return F.log_softmax(scores.detach(), -1).cpu().numpy().astype(np.float64)
