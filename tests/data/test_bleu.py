"""BLEU: values by hand, equality with sacrebleu, and the classic mistakes, each of which a test here kills."""
from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad.data.bleu import bleu, bleu_counts

CAT = "the cat is on the mat".split()


def corpora(count=60):
    """Random corpora: hypotheses that share words, pairs and order with their references; some empty, some short."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        words = [f"w{k}" for k in range(rng.integers(2, 12))]
        references = [[words[k] for k in rng.integers(len(words), size=rng.integers(1, 15))]
                      for _ in range(rng.integers(1, 8))]
        hypotheses = []
        for reference in references:
            kept = [w for w in reference if rng.random() < 0.9]
            kept += [words[k] for k in rng.integers(len(words), size=rng.integers(0, 4))]
            hypotheses.append([] if rng.random() < 0.1 else kept)
        yield hypotheses, references


def test_a_translation_that_is_the_reference_scores_100_and_one_that_shares_nothing_0():
    assert bleu([CAT, CAT[:5]], [CAT, CAT[:5]]) == pytest.approx(100, abs=1e-12)
    assert bleu([["a"] * 6], [CAT]) == 0


def test_the_papers_example_counts_the_seventh_the_no_longer():
    """Papineni's "the the the the the the the": two of seven, for its reference has two. Unclipped it is 7 of 7."""
    counts = bleu_counts([["the"] * 7], [CAT], n=1)
    assert counts.matches == [2] and counts.total == [7]
    assert bleu([["the"] * 7], [CAT], n=1) == pytest.approx(100 * 2 / 7)


def test_by_hand():
    """the cat sat on the mat: 5/6 words; the-cat, on-the, the-mat of 5; on-the-mat of 4; none of 3."""
    hypothesis = "the cat sat on the mat".split()
    counts = bleu_counts([hypothesis], [CAT])
    assert (counts.matches, counts.total) == ([5, 3, 1, 0], [6, 5, 4, 3]) and counts.brevity == 1
    assert bleu([hypothesis], [CAT], n=3) == pytest.approx(100 * (5 / 6 * 3 / 5 * 1 / 4) ** (1 / 3))
    assert bleu([hypothesis], [CAT]) == 0                        # no four words in order: the product is 0


def test_a_short_translation_pays_for_what_it_leaves_out_and_a_long_one_only_in_precision():
    """BP = e^(1 - r/c). With r and c changed about, the short one would pay nothing and the long one something."""
    short, long = CAT[:4], [*CAT, "today", "again"]
    assert bleu([short], [CAT]) == pytest.approx(100 * math.exp(1 - 6 / 4))
    assert bleu_counts([long], [CAT]).brevity == 1
    assert bleu([long], [CAT]) == pytest.approx(100 * (6 / 8 * 5 / 7 * 4 / 6 * 3 / 5) ** 0.25)


def test_counts_and_lengths_are_those_of_the_corpus_not_means_over_sentences():
    """A perfect long sentence and a useless short one: the mean of both scores is 50, BLEU is not."""
    hypotheses, references = [CAT * 2, ["a", "b", "c", "d"]], [CAT * 2, ["e", "f", "g", "h"]]
    got = bleu(hypotheses, references)
    assert got == pytest.approx(100 * (12 / 16 * 11 / 14 * 10 / 12 * 9 / 10) ** 0.25) and abs(got - 50) > 10
    brief, wordy = [CAT[:5], [*CAT, "now"]], [CAT, CAT]          # 12 words for 12: nobody was brief in all
    assert bleu_counts(brief, wordy).brevity == 1


def test_precisions_are_joined_by_their_geometric_mean():
    """An arithmetic one gives 67 here, and half of it to a translation without any pair of words in order."""
    assert bleu([["a", "b", "c", "x"]], [["a", "b", "c", "d"]], n=2) == pytest.approx(100 * math.sqrt(3 / 4 * 2 / 3))
    assert bleu([["b", "a"]], [["a", "b"]], n=2) == 0


def test_empty_hypotheses_count_as_brief_and_a_corpus_of_them_scores_0():
    assert bleu([[], CAT], [CAT, CAT]) == pytest.approx(100 * math.exp(1 - 12 / 6))
    assert bleu([[]], [CAT]) == 0 and bleu_counts([[]], [CAT]).precisions == [0] * 4
    assert bleu([["a", "b", "c"]], [["a", "b", "c"]]) == 0       # three words have no four-gram: p_4 is 0


def test_tokens_may_be_ids():
    assert bleu([[3, 4, 5, 6]], [[3, 4, 5, 6]]) == pytest.approx(100, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_it_equals_sacrebleu(n):
    """Without tokeniser and smoothing. Equal but for the last digits: sums of logarithms in another order."""
    metrics = pytest.importorskip("sacrebleu.metrics")
    theirs = metrics.BLEU(tokenize="none", smooth_method="none", max_ngram_order=n, force=True)
    scores = []
    for hypotheses, references in corpora():
        want = theirs.corpus_score([" ".join(h) for h in hypotheses], [[" ".join(r) for r in references]])
        assert bleu(hypotheses, references, n) == pytest.approx(want.score, abs=1e-9)
        counts = bleu_counts(hypotheses, references, n)
        assert (counts.matches, counts.total, counts.length, counts.reference) == (
            want.counts, want.totals, want.sys_len, want.ref_len)
        scores.append(want.score)
    assert max(scores) > 50 and len(set(scores)) > 20 and (n == 1 or min(scores) == 0)       # worth comparing


@pytest.mark.parametrize("hypotheses, references, n, text", [
    ([], [], 4, "0 hypotheses, 0 references"), ([CAT], [CAT, CAT], 4, "1 hypotheses, 2 references"),
    ([CAT], [CAT], 0, "n is 0"), (["the cat"], [CAT], 4, "'the cat' is one text")])
def test_what_cannot_be_compared_is_refused(hypotheses, references, n, text):
    with pytest.raises(ValueError, match=text):
        bleu(hypotheses, references, n)
