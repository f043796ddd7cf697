"""Word vectors of any text: sentences, vocabulary, training, in one call."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import generator
from ..data.skipgram_pairs import corpus_of
from ..data.tokenise import sentences, words
from ..data.vocabulary import Vocabulary
from .cbow import CBOW
from .glove import GloVe
from .skipgram import SkipGram
from .word_training import Seen, train_words
from .word_vectors import WordVectors


def train_on_text(text: str | Sequence[Sequence[str]], *, model: str = "skipgram", dim: int = 100, min_count: int = 5,
                  max_size: int | None = None, subsampling: float | None = 1e-3, formula: str = "program",
                  epochs: int | None = None, rng: np.random.Generator | None = None,
                  report: Callable[[Seen], None] | None = None, **options: Any) -> WordVectors:
    """The vectors of a text's words, commonest first.

    text: a string, or sentences as lists of words.  model: "skipgram", "cbow" (both with negative sampling) or "glove".
    min_count, max_size: rarer words are left out, as if they were not there; so are marks without a letter or digit.
    epochs: 5, for GloVe 25.  report: called with a `Seen` up to 20 times.  options: of `train_words`.
    Raises ValueError for another model, or a text of which no pair of words is left.
    """
    if model not in ("skipgram", "cbow", "glove"):
        raise ValueError(f"model is 'skipgram', 'cbow' or 'glove', not {model!r}")
    lines = [words(line) for line in sentences(text)] if isinstance(text, str) else text
    lines = [[word for word in line if any(map(str.isalnum, word))] for line in lines]
    vocabulary = Vocabulary.build((word for line in lines for word in line), min_count=min_count, max_size=max_size,
                                  specials=())
    corpus = corpus_of(lines, vocabulary)
    counts, rng = corpus.counts, generator() if rng is None else rng
    trained: Any = (SkipGram(counts, dim) if model == "skipgram" else CBOW(counts, dim) if model == "cbow"
                    else GloVe(len(counts), dim, x_max=10.0))                    # 100 is for billions of words
    if model != "glove":
        options |= {"subsampling": subsampling, "formula": formula}
    for seen in train_words(trained, corpus, epochs=epochs or (25 if model == "glove" else 5), rng=rng, **options):
        if report:
            report(seen)
    return WordVectors(corpus.words, trained.vectors)
