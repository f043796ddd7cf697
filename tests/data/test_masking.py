"""Hidden words: how many, which, what stands there instead, and what is asked."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.masking import CLS, IGNORE, MASK, mask_words, masking_vocabulary, with_cls

WORDS = [f"w{k:02d}" for k in range(50)]
VOCABULARY = masking_vocabulary(WORDS)


@pytest.fixture
def batch(rng):
    """400 sentences of 1 to 40 words."""
    return with_cls(VOCABULARY, [list(rng.choice(WORDS, n)) for n in rng.integers(1, 41, 400)])


def test_specials_stand_first_and_words_in_the_order_of_the_alphabet():
    made = masking_vocabulary(["b", "a", "b"])
    assert made.tokens == ["<pad>", MASK, CLS, "a", "b"] and made.pad == 0
    ids, lengths = with_cls(made, [["b"], ["a", "b", "a"]])
    assert ids.tolist() == [[2, 4, 0, 0], [2, 3, 4, 3]] and lengths.tolist() == [2, 4]


@pytest.mark.parametrize("share", [0.15, 0.5, 1.0])
def test_of_n_words_a_share_is_picked_and_at_least_one_never_cls_or_padding(share, batch, rng):
    ids, lengths = batch
    _, targets = mask_words(rng, ids, lengths, VOCABULARY, share=share)
    picked = targets != IGNORE
    assert picked.sum(1).tolist() == [max(1, round(share * (n - 1))) for n in lengths.tolist()]
    assert not picked[:, 0].any() and not picked[np.arange(ids.shape[1]) >= lengths[:, None]].any()


def test_a_target_is_the_word_that_stood_there_and_nothing_else_is_changed(batch, rng):
    ids, lengths = batch
    hidden, targets = mask_words(rng, ids, lengths, VOCABULARY)
    picked = targets != IGNORE
    assert (targets[picked] == ids[picked]).all() and (hidden[~picked] == ids[~picked]).all()


def test_of_the_picked_words_8_in_10_are_masked_1_is_another_and_1_is_kept(batch, rng):
    """Some 1,200 of 400 sentences, 10 times over: shares are known to about 0.004; 1 in 50 draws is the word itself."""
    ids, lengths = batch
    fates = np.zeros(3)
    for _ in range(10):
        hidden, targets = mask_words(rng, ids, lengths, VOCABULARY)
        new, old = hidden[targets != IGNORE], targets[targets != IGNORE]
        fates += (new == VOCABULARY[MASK]).sum(), ((new != VOCABULARY[MASK]) & (new != old)).sum(), (new == old).sum()
        assert new.min() >= VOCABULARY[MASK] and not (new == VOCABULARY[CLS]).any()        # a random word is a word
    share = fates / fates.sum()
    assert np.allclose(share, [0.8, 0.098, 0.102], atol=0.015)


def test_every_place_is_picked_as_often(rng):
    ids, lengths = with_cls(VOCABULARY, [WORDS[:10]] * 4000)
    _, targets = mask_words(rng, ids, lengths, VOCABULARY)
    share = (targets != IGNORE).mean(0)[1:]
    assert np.allclose(share, 0.2, atol=0.03)                  # round(1.5) = 2 of 10


@pytest.mark.parametrize("parts, what", [((1.0, 0.0), "mask"), ((0.0, 0.0), "same"), ((0.0, 1.0), "words")])
def test_the_parts_can_be_set(parts, what, batch, rng):
    ids, lengths = batch
    hidden, targets = mask_words(rng, ids, lengths, VOCABULARY, masked=parts[0], other=parts[1])
    new = hidden[targets != IGNORE]
    if what == "mask":
        assert (new == VOCABULARY[MASK]).all()
    elif what == "same":
        assert np.array_equal(hidden, ids)
    else:
        assert (new > VOCABULARY[CLS]).all() and len(set(new.tolist())) == 50


def test_one_generator_hides_one_way_and_what_cannot_be_is_refused(batch, rng):
    ids, lengths = batch
    one, two, three = (mask_words(np.random.default_rng(seed), ids, lengths, VOCABULARY)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, three)
    for options in ({"share": 0.0}, {"share": 1.5}, {"masked": 0.9, "other": 0.2}, {"other": -0.1}):
        with pytest.raises(ValueError, match="mask_words takes 0 < share <= 1"):
            mask_words(rng, ids, lengths, VOCABULARY, **options)
    with pytest.raises(ValueError, match="nothing to pick in a sentence without a word"):
        mask_words(rng, ids[:2], np.array([3, 1]), VOCABULARY)
