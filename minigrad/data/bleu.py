"""BLEU: how much of a translation its reference has, from 0 to 100.   Télécom, *Bleu score for long sentences*.

    BLEU = 100 BP (p_1 p_2 p_3 p_4)^(1/4)        BP = min(1, e^(1 - r / c))

    p_n    of all n-grams of the translations, the share that is in their references; one counts there as often as the
           reference has it at most ("clipped": "the the the" has one right word where the reference has one "the")
    c, r   words of all translations, and of all references: who leaves out is not precise, but brief

Papineni, Roukos, Ward, Zhu (2002), *BLEU: a Method for Automatic Evaluation of Machine Translation*. It is of a corpus:
counts are added up over sentences before anything is divided, and the mean of sentences' scores is another number.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from ..errors import describe

Tokens = Sequence[Hashable]


class Counts(NamedTuple):
    """What BLEU is made of: for n = 1, 2, ... clipped matches and n-grams of the translations; their words; r."""

    matches: list[int]
    total: list[int]
    length: int
    reference: int

    @property
    def precisions(self) -> list[float]:
        """p_1, p_2, ...; 0 where there are no n-grams at all."""
        return [m / t if t else 0.0 for m, t in zip(self.matches, self.total, strict=True)]

    @property
    def brevity(self) -> float:
        """BP = min(1, e^(1 - r / c)); 0 for no words at all."""
        return min(1.0, math.exp(1 - self.reference / self.length)) if self.length else 0.0


def bleu(hypotheses: Sequence[Tokens], references: Sequence[Tokens], n: int = 4) -> float:
    """BLEU of a corpus: a hypothesis and its one reference for each sentence, as lists of tokens.

    0 as soon as one of p_1 ... p_n is 0, as in the paper. That is sacrebleu's corpus score with tokenize="none" and
    smooth_method="none"; its default smoothing differs only where one of them is 0.
    Raises ValueError for no sentence, another number of references, n below 1, or a text that is no list of tokens.
    """
    counts = bleu_counts(hypotheses, references, n)
    if not all(counts.matches):
        return 0.0
    return 100 * counts.brevity * math.exp(math.fsum(map(math.log, counts.precisions)) / n)


def bleu_counts(hypotheses: Sequence[Tokens], references: Sequence[Tokens], n: int = 4) -> Counts:
    """The numbers that BLEU comes from, added up over the corpus. Raises as `bleu`."""
    if n < 1 or len(hypotheses) != len(references) or not len(hypotheses):
        raise ValueError(describe(f"bleu compares sentence by sentence and wants n of 1 or more; there are "
                                  f"{len(hypotheses)} hypotheses, {len(references)} references, and n is {n}.",
                                  fix="bleu([words of a translation, ...], [words of its reference, ...])"))
    if wrong := next((text for text in (*hypotheses, *references) if isinstance(text, str)), None):
        raise ValueError(describe(f"bleu counts tokens, and {wrong!r} is one text: its letters would be the tokens.",
                                  fix="text.split()"))
    matches, total = [0] * n, [0] * n
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        for k in range(1, n + 1):
            found = Counter(_grams(hypothesis, k))
            matches[k - 1] += (found & Counter(_grams(reference, k))).total()      # & takes the smaller count: clipping
            total[k - 1] += found.total()
    return Counts(matches, total, sum(map(len, hypotheses)), sum(map(len, references)))


def _grams(tokens: Tokens, n: int) -> Iterator[tuple[Hashable, ...]]:
    return (tuple(tokens[k:k + n]) for k in range(len(tokens) - n + 1))
