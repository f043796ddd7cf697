"""Was a before b?  Pairs with the same letters and opposite answers."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.token_orders import LETTERS, A, B, token_orders


def test_a_pair_has_the_same_letters_at_the_same_places_but_for_a_and_b(rng):
    data = token_orders(rng, 60, range(2, 21))
    for k in range(0, 120, 2):
        one, two = data.ids[k:k + 2]
        assert np.array_equal(*(np.bincount(row, minlength=len(LETTERS)) for row in (one, two)))
        differ = one != two
        assert differ.sum() == 2 and set(one[differ]) == set(two[differ]) == {A, B}
        assert data.labels[k] == 1 - data.labels[k + 1] and data.lengths[k] == data.lengths[k + 1]


def test_the_label_says_whether_a_stands_first(rng):
    data = token_orders(rng, 60, range(2, 21))
    for row, n, label in zip(data.ids, data.lengths, data.labels, strict=True):
        letters = [LETTERS[k] for k in row[:n]]
        assert letters.count("a") == letters.count("b") == 1 and not row[n:].any()
        assert label == (letters.index("a") < letters.index("b"))


def test_no_other_letter_and_no_place_of_one_letter_tells_the_answer(rng):
    """Within a pair everything but the two places is equal, so one half of all answers is 1, whatever else is given."""
    data = token_orders(rng, 400, [8])
    assert data.labels.mean() == 0.5
    first = data.ids[:, 0]
    assert all(data.labels[first == k].mean() == 0.5 for k in range(B + 1, len(LETTERS)))


def test_one_seed_gives_one_set_and_bad_sizes_are_refused(rng):
    same = [token_orders(np.random.default_rng(seed), 5, [6]).ids.tolist() for seed in (3, 3, 4)]
    assert same[0] == same[1] != same[2]
    for pairs, lengths in ((0, [4]), (3, []), (3, [1, 4])):
        with pytest.raises(ValueError, match=f"not {pairs} pairs and lengths"):
            token_orders(rng, pairs, lengths)
