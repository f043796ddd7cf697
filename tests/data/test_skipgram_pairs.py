"""Pairs, windows, subsampling, noise, Huffman's tree and co-occurrence counts, each beside the plainest loop."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data import Vocabulary
from minigrad.data.cooccurrence import cooccurrence
from minigrad.data.huffman import huffman
from minigrad.data.skipgram_pairs import (
    Noise,
    contexts,
    corpus_of,
    keep_probability,
    pairs,
    reach,
    sides,
    subsample,
)


def text_of(rng, count=60, words=7):
    """Ids, and sentences of 1 to 6 words."""
    sentence = np.repeat(np.arange(count), rng.integers(1, 7, count))[:count]
    return rng.integers(0, words, count), sentence


def near(sentence, far, k):
    """The places that word k is paired with, by the definition."""
    return [j for j in range(len(sentence)) if j != k and abs(j - k) <= far[k] and sentence[j] == sentence[k]]


def test_words_outside_of_the_vocabulary_are_not_there_and_sentences_keep_their_numbers():
    vocabulary = Vocabulary.build("a a b".split(), specials=())
    corpus = corpus_of([["a", "x", "b"], ["x"], [], ["b"]], vocabulary)
    assert [corpus.words[k] for k in corpus.ids] == ["a", "b", "b"] and list(corpus.sentence) == [0, 0, 3]
    assert list(corpus.counts) == [1, 2]
    with pytest.raises(ValueError, match="no word of these sentences"):
        corpus_of([["x"]], vocabulary)


@pytest.mark.parametrize("dynamic", [True, False])
def test_pairs_are_those_of_the_definition_in_the_order_of_the_text(rng, dynamic):
    ids, sentence = text_of(rng)
    far = reach(rng, len(ids), 3, dynamic)
    left, right = sides(sentence, far)
    centre, context = pairs(ids, left, right)
    want = [(ids[k], ids[j]) for k in range(len(ids)) for j in near(sentence, far, k)]
    assert list(zip(centre, context, strict=True)) == want and len(want) == (left + right).sum()


def test_a_context_has_the_words_of_its_pairs_and_nothing_else(rng):
    ids, sentence = text_of(rng)
    far = reach(rng, len(ids), 4)
    rows, there = contexts(ids, *sides(sentence, far), 4)
    for k in range(len(ids)):
        assert sorted(rows[k][there[k]]) == sorted(ids[j] for j in near(sentence, far, k))
    assert not rows[~there].any()


def test_a_drawn_window_pairs_neighbours_always_and_the_farthest_once_in_w_times(rng):
    far = reach(rng, 20_000, 5)
    shares = [(far >= d).mean() for d in range(1, 7)]
    assert np.allclose(shares, [1, 0.8, 0.6, 0.4, 0.2, 0], atol=0.015)         # 4 standard deviations of 20,000 draws
    assert (reach(rng, 9, 5, dynamic=False) == 5).all()
    with pytest.raises(ValueError, match="at least one word"):
        reach(rng, 9, 0)


def test_the_program_keeps_more_than_the_paper_says():
    """f = 4 %, t = 1e-2: sqrt(t/f) = 0.5 in the paper; the C program and gensim add t/f = 0.25. Rare words stay."""
    counts = np.array([960, 40, 0])
    assert np.allclose(keep_probability(counts, 0.01)[1], 0.5)
    assert np.allclose(keep_probability(counts, 0.01, "program")[1], 0.75)
    assert keep_probability(np.array([999, 1]), 0.01)[1] == 1
    for bad in ({"formula": "c"}, {"threshold": 0}):
        with pytest.raises(ValueError, match="subsampling needs"):
            keep_probability(counts, **{"threshold": 0.01, "formula": "paper"} | bad)


def test_gensim_keeps_as_the_program_does():
    Word2Vec = pytest.importorskip("gensim.models").Word2Vec
    text = [["a"] * 90 + ["b"] * 9 + ["c"]] * 10
    model = Word2Vec(sample=0.05, min_count=1)
    model.build_vocab(text)
    theirs = [model.wv.get_vecattr(w, "sample_int") / (2 ** 32 - 1) for w in "abc"]
    assert np.allclose(keep_probability(np.array([900, 90, 10]), 0.05, "program"), theirs, atol=1e-6)


def test_subsampling_leaves_each_word_with_its_share_and_sentences_in_order(rng):
    ids, sentence = np.tile([0, 0, 0, 1], 10_000), np.repeat(np.arange(4000), 10)
    left, of = subsample(rng, ids, sentence, np.array([0.25, 1.0]))
    assert (left == 1).sum() == 10_000 and abs((left == 0).sum() - 7500) < 4 * np.sqrt(30_000 * 0.25 * 0.75)
    assert (np.diff(of) >= 0).all()


def test_noise_is_drawn_by_the_count_to_three_quarters(rng):
    noise = Noise(np.array([16, 0, 1]))
    assert np.allclose(noise.p, [8 / 9, 0, 1 / 9])                               # 16^0.75 = 8
    drawn = noise.draw(rng, (100, 90))
    assert drawn.shape == (100, 90) and not (drawn == 1).any()
    assert abs((drawn == 2).mean() - 1 / 9) < 4 * np.sqrt(8 / 81 / 9000)
    with pytest.raises(ValueError, match="count above 0"):
        Noise(np.zeros(3))


def test_huffmans_paths_are_a_code_as_short_as_entropy_allows(rng):
    """No path is the start of another, they fill the tree (sum of 2^-length is 1), and the mean length is within 1 of
    the entropy; a word that occurs more often has no longer path."""
    counts = rng.integers(1, 1000, 50)
    tree = huffman(counts)
    paths = {tuple(zip(n[s != 0], s[s != 0], strict=True)) for n, s in zip(tree.nodes, tree.signs, strict=True)}
    assert len(paths) == 50 and np.isclose((0.5 ** tree.lengths).sum(), 1)
    assert all(path[:k] not in paths for path in paths for k in range(1, len(path)))
    p = counts / counts.sum()
    entropy = -(p * np.log2(p)).sum()
    assert entropy <= (p * tree.lengths).sum() < entropy + 1
    assert (np.diff(tree.lengths[np.argsort(counts, kind="stable")]) <= 0).all()
    with pytest.raises(ValueError, match="at least two words"):
        huffman(np.array([3]))


@pytest.mark.parametrize("distance", [True, False])
def test_cooccurrence_counts_both_sides_and_weighs_by_distance(rng, distance):
    ids, sentence = text_of(rng)
    want = np.zeros((7, 7))
    for k in range(len(ids)):
        for j in near(sentence, np.full(len(ids), 4), k):
            want[ids[k], ids[j]] += 1 / abs(j - k) if distance else 1
    i, j, x = cooccurrence(ids, sentence, 7, 4, distance)
    got = np.zeros((7, 7))
    got[i, j] = x
    assert np.allclose(got, want, atol=1e-12) and (x > 0).all()                 # want is symmetric by its making
    assert (np.diff(i * 7 + j) > 0).all()
    with pytest.raises(ValueError, match="at least one word"):
        cooccurrence(ids, sentence, 7, 0)
