"""n-gram models to ARPA files and back, for those who use SRILM or KenLM beside this course.

A back-off table is what an ARPA file holds, so nothing is lost: `data.arpa` has the format, this file the names.
"""
from __future__ import annotations

import os

import numpy as np

from ..data.arpa import ArpaLevel, read_arpa, write_arpa
from ..data.vocabulary import BOS, EOS, UNK, Vocabulary
from ..errors import describe
from .ngram import NGram
from .ngram_smoothing import Tables
from .ngram_trie import Trie

NAMES = {BOS: "<s>", EOS: "</s>", UNK: "<unk>"}
READ = {**{theirs: ours for ours, theirs in NAMES.items()}, "<UNK>": UNK}


def to_arpa(model: NGram, path: str | os.PathLike[str], digits: int = 9) -> None:
    """Write a model: <bos>, <eos>, <unk> as <s>, </s>, <unk>; <pad> is left out.  digits: see `write_arpa`.

    Raises ValueError for a model without a Vocabulary, one that does not back off (mle and add-k of order above 1: the
    format has no place for it), or a word that the format cannot hold.
    """
    if model.vocabulary is None:
        raise ValueError("an ARPA file holds words: NGram(order, smoothing, vocab=vocabulary) knows them")
    if model.smoothing in ("mle", "add-k") and model.order > 1:
        raise ValueError(describe(f"{model.smoothing} never asks a shorter context, and an ARPA file always does.",
                                  fix="NGram(order, 'interpolation'), 'katz' or 'kneser-ney'."))
    if clash := set(model.vocabulary.tokens) & {"<s>", "</s>"}:
        raise ValueError(f"an ARPA file says {min(clash)} for an end of a sentence, and here it is a word")
    names = [NAMES.get(token, token) for token in model.vocabulary.tokens]
    levels = []
    with np.errstate(divide="ignore"):                           # log10 0 = -inf, which the file says as -99
        logs = [np.log10(w) for w in model.tables.weight] + [np.zeros(model.sizes[-1])]
        words = np.array([i for i in range(len(names)) if i != model.pad])
        rows = model.trie.rows(words[:, None])                   # a word that was never seen has no row: weight 1
        first = np.where(rows >= 0, logs[1][rows], 0.0)
        levels.append(ArpaLevel([(names[i],) for i in words], np.log10(model.distribution()[words]), first))
        grams: list[tuple[str, ...]] = [(names[i],) for i in model.trie.levels[1].word]
        for n in range(2, model.order + 1):
            level = model.trie.levels[n]
            grams = [(*grams[c], names[w]) for c, w in zip(level.context.tolist(), level.word.tolist(), strict=True)]
            levels.append(ArpaLevel(grams, np.log10(model.tables.prob[n]), logs[n]))
    write_arpa(path, levels, digits)


def from_arpa(path: str | os.PathLike[str]) -> NGram:
    """The model of an ARPA file, by whatever program.

    Its smoothing is "arpa", its vocabulary the file's 1-grams in their order (<s>, </s>, <unk> as <bos>, <eos>, <unk>).
    A file without <unk> has no id for other words. Raises ValueError for a file that is none, and for an n-gram with a
    word that is no 1-gram, without its beginning among the shorter ones, or there twice.
    """
    levels = read_arpa(path)
    vocabulary = Vocabulary([READ.get(w, w) for (w,) in levels[0].grams])
    ids = {w: i for i, (w,) in enumerate(levels[0].grams)}
    grams, prob, weight = [], [np.zeros(0)], [np.zeros(1)]
    for n, level in enumerate(levels, 1):
        try:
            rows = np.array([[ids[w] for w in gram] for gram in level.grams], np.int64).reshape(-1, n)
        except KeyError as missing:
            raise ValueError(f"{path}: a {n}-gram has the word {missing}, which is no 1-gram") from None
        order = np.lexsort(rows.T[::-1])
        rows = rows[order]
        if (same := (rows[1:] == rows[:-1]).all(1)).any():
            raise ValueError(f"{path}: the {n}-gram {level.grams[order[np.argmax(same)]]} stands there twice")
        grams.append(rows)
        prob.append(10.0 ** level.log_prob[order])
        weight.append(10.0 ** level.log_weight[order])
    if vocabulary.bos is not None:
        prob[1][vocabulary.bos] = 0            # KenLM writes log10 1 for it; nothing predicts <s>
    try:
        trie = Trie(grams, [np.zeros(len(g), np.int64) for g in grams], len(vocabulary))
    except ValueError as wrong:
        raise ValueError(f"{path}: {wrong}") from None
    return NGram.ready(trie, Tables(prob, weight[:-1]), vocabulary)
