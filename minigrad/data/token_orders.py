"""Letters of which two change places: was a before b?  What a model without an order cannot know.

    f c a d h b e      1          f c b d h a e      0

Texts come in pairs that differ in the places of a and b alone, so a pair has one bag of letters and two answers: any
sum or mean over letters, and any attention that knows no positions, gives both the same answer and is right in exactly
one half.   For Télécom, *Positional Encoding (1)*.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .streams import padded

LETTERS = ("<pad>", *"abcdefgh")
A, B = LETTERS.index("a"), LETTERS.index("b")


@dataclass(frozen=True)
class TokenOrders:
    """ids (N, T) of LETTERS, filled up with <pad>; lengths (N,); labels (N,): 1 where a stands before b, else 0.

    Texts 2k and 2k + 1 are a pair.
    """

    ids: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray


def token_orders(rng: np.random.Generator, pairs: int, lengths: Sequence[int]) -> TokenOrders:
    """`pairs` pairs of texts; each pair draws its length from `lengths`, its letters, and two places for a and b.

    a and b occur once each, the other six letters any number of times. Raises ValueError for no pair, no length, or one
    below 2.
    """
    if pairs < 1 or not len(lengths) or min(lengths) < 2:
        raise ValueError(f"token_orders needs a pair and lengths of at least 2, not {pairs} pairs and lengths "
                         f"{list(lengths)}")
    rows, labels = [], []
    for _ in range(pairs):
        text = rng.integers(B + 1, len(LETTERS), int(rng.choice(lengths)))
        places = rng.choice(len(text), 2, replace=False)
        for one, two in ((A, B), (B, A)):
            text[places] = one, two
            rows.append(text.copy())
            labels.append(int((places[0] < places[1]) == (one == A)))
    ids, n = padded(rows)
    return TokenOrders(ids, n, np.array(labels))
