"""The texts of agreement: pairs that no count of words tells apart, gaps and attractors as asked, right answers."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from minigrad.data import agreement_texts
from minigrad.data.agreement import ANSWERS, BLANK, GENDER, IGNORE, MIXED, NONE, NOUNS, NUMBER, WORDS, encode, sentence


def sentences(text):
    """The words of each sentence of a text, without its full stop."""
    cut = [k for k, word in enumerate(text) if word == "."]
    return [text[a:b] for a, b in zip([0, *(k + 1 for k in cut)], cut, strict=False)]


def answers(data, row):
    return [ANSWERS[a] for a in data.y[row] if a != IGNORE]


@pytest.mark.parametrize("kind", [MIXED, NUMBER, GENDER, NONE])
def test_both_texts_of_a_pair_have_read_the_same_words_before_each_question(kind, rng):
    """Equal count vectors: a bag of words gives both one answer. No word before tells more than its place does."""
    data = agreement_texts(rng, 40, range(4, 15), kind)
    for k in range(0, 80, 2):
        one, two = data.texts[k:k + 2]
        blanks = [t for t, word in enumerate(one) if word == BLANK]
        assert blanks == [t for t, word in enumerate(two) if word == BLANK] and len(blanks) == 4
        for t in blanks:
            assert Counter(one[:t + 1]) == Counter(two[:t + 1])
            counts = [np.bincount(data.x[row, :t + 1], minlength=len(WORDS)) for row in (k, k + 1)]
            assert np.array_equal(*counts)


@pytest.mark.parametrize("kind, verbs, pronouns", [(NUMBER, 1, 1), (GENDER, 0, 1), (NONE, 0, 0)])
def test_the_answers_of_a_pair_differ_at_an_attractor_and_nowhere_else(kind, verbs, pronouns, rng):
    """So on attractors one answer to both is right in exactly one half."""
    data = agreement_texts(rng, 40, [5, 9], kind)
    for k in range(0, 80, 2):
        assert [a != b for a, b in zip(answers(data, k), answers(data, k + 1), strict=True)] == [verbs, pronouns] * 2


def test_an_answer_is_what_the_subject_asks_for(rng):
    data = agreement_texts(rng, 60, [4, 7, 12])
    for k, text in enumerate(data.texts):
        assert answers(data, k) == [form for words in sentences(text) for form in NOUNS[words[1]]]
        assert "".join(text).count(BLANK) == 4 and not set(text) & set(ANSWERS)     # no answer is ever read


@pytest.mark.parametrize("gap", [4, 5, 11, 30])
def test_a_gap_has_as_many_words_as_asked_and_ends_in_a_noun(gap, rng):
    for text in agreement_texts(rng, 20, [gap]).texts:
        for words in sentences(text):
            assert words.index(BLANK) - 2 == gap and words[2] == "which"
            assert words[1] in NOUNS and words[words.index(BLANK) - 1] in NOUNS


def test_the_attractor_is_of_the_kind_asked(rng):
    def last(kind):
        texts = agreement_texts(rng, 60, [6], kind).texts
        return [(NOUNS[w[1]], NOUNS[w[w.index(BLANK) - 1]]) for text in texts for w in sentences(text)]
    assert all(a[0] != b[0] for a, b in last(NUMBER))
    assert all(a[0] == b[0] == "was" and a[1] != b[1] for a, b in last(GENDER))
    assert all(a == b for a, b in last(NONE))
    mixed = last(MIXED)
    share = Counter("number" if a[0] != b[0] else "gender" if a != b else "none" for a, b in mixed)
    assert share["none"] > share["number"] > 30 and share["gender"] > 20            # of 240: means 120, 72 and 48
    assert 80 < sum(a[0] == "were" for a, _ in mixed) < 160                         # one half is plural


def test_nouns_in_the_middle_of_a_gap_lead_astray_too(rng):
    texts = agreement_texts(rng, 50, [14]).texts
    middle = [NOUNS[w] for text in texts for words in sentences(text) for w in words[3:words.index(BLANK) - 1]
              if w in NOUNS]
    assert {"was", "were"} == {verb for verb, _ in middle} and len(middle) > 100


def test_short_texts_are_filled_up_behind_their_end_and_nothing_is_asked_there(rng):
    data = agreement_texts(rng, 30, [4, 20])
    for k, text in enumerate(data.texts):
        assert [WORDS[i] for i in data.x[k, :len(text)]] == list(text)
        assert {WORDS[i] for i in data.x[k, len(text):]} <= {"."} and (data.y[k, len(text):] == IGNORE).all()
        assert [t for t, a in enumerate(data.y[k]) if a != IGNORE] == [t for t, w in enumerate(text) if w == BLANK]


def test_verbs_and_pronouns_are_asked_for_in_turn():
    data = encode(sentence("king", ["often"], "queens"), sentence("aunts", [], "boy", ("ill", "sang")))
    assert " ".join(data.texts[0]) == ("the king which often praised the queens _ tired and _ slept . "
                                       "the aunts which praised the boy _ ill and _ sang .")
    assert answers(data, 0) == ["was", "he", "were", "they"]
    assert np.nonzero(data.asked("verb")[0])[0].tolist() == [7, 19]
    assert np.nonzero(data.asked("pronoun")[0])[0].tolist() == [10, 22]
    with pytest.raises(ValueError, match="not for 'noun'"):
        data.asked("noun")


def test_what_is_due_is_the_coming_answer_from_behind_the_subject_to_the_blank():
    data = encode(sentence("king", ["often"], "queens"), sentence("aunts", [], "boy", ("ill", "sang")))
    was, were, he, they = (ANSWERS.index(form) for form in ("was", "were", "he", "they"))
    assert data.due("verb")[0].tolist() == [-100] * 2 + [was] * 6 + [-100] * 7 + [were] * 5 + [-100] * 5
    assert data.due("pronoun")[0].tolist() == [-100] * 2 + [he] * 9 + [-100] * 4 + [they] * 8 + [-100] * 2


def test_one_seed_gives_one_set_of_texts():
    same = [agreement_texts(np.random.default_rng(seed), 5, [4, 8]).texts for seed in (3, 3, 4)]
    assert same[0] == same[1] != same[2]


def test_fresh_texts_are_none_of_those_trained_on():
    """A text has two sentences, and gap 4 alone has 32 x 31 x 6 x 36 of them: repetition would be strange."""
    train = set(agreement_texts(np.random.default_rng(0), 1000, range(4, 13)).texts)
    assert len(train) == 2000
    assert not train & set(agreement_texts(np.random.default_rng(1), 300, range(4, 13), NUMBER).texts)


@pytest.mark.parametrize("ask, message", [
    ((0, [4]), "not 0 pairs"), ((3, []), r"gaps \[\]"), ((3, [3, 5]), r"at least 4 words.*gaps \[3, 5\]"),
    ((3, [4], "noun"), "attractor is .* not 'noun'")])
def test_what_cannot_be_drawn_is_refused(ask, message, rng):
    with pytest.raises(ValueError, match=message):
        agreement_texts(rng, *ask)
