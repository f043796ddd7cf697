"""Tagged sentences: their numbers, and the three grammars, in which the naive rules are at chance."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from minigrad.data import named_entities as names
from minigrad.data import word_classes as classes
from minigrad.data.apple import APPLE, FUTURE, NAME, OTHER, PAST, apple_sentences
from minigrad.data.tag_schemes import illegal, spans_of
from minigrad.data.tagged_sentences import IGNORE, TagCoder, distinct, marked, sentence, stems

TWO = [sentence("a bee saw a".split(), "D N V D".split(), ["", "x", "", ""]), sentence(["bee"], ["N"])]


def pairs(texts):
    return list(zip(texts[::2], texts[1::2], strict=True))


# ----- Numbers

def test_what_lies_behind_a_sentence_is_padding_and_has_no_tag():
    batch = (coder := TagCoder(TWO))(TWO)
    assert batch.words.shape == batch.tags.shape == batch.forms.shape == (2, 4) and batch.lengths.tolist() == [4, 1]
    assert batch.words[1].tolist() == [coder.words["bee"], 0, 0, 0]
    assert batch.tags[1].tolist() == [coder.tags.index("N"), IGNORE, IGNORE, IGNORE]
    assert coder.names(batch.tags, batch.lengths) == [list(s.tags) for s in TWO]


def test_each_different_word_is_spelled_once():
    batch = (coder := TagCoder(TWO))(TWO)
    spelled = ["".join(coder.letters.decode(row[:n])) for row, n in zip(batch.letters, batch.spelled, strict=True)]
    assert spelled == ["a", "bee", "saw"]
    assert [spelled[k] for k in batch.forms[0]] == list(TWO[0].words) and spelled[batch.forms[1, 0]] == "bee"


def test_some_rows_are_what_coding_those_sentences_gives():
    """The letters that are left are those of the words that are left, and nothing is padded more than it must be."""
    texts = names.entity_sentences(np.random.default_rng(0), 12, stems(np.random.default_rng(1), 8))
    coder = TagCoder(texts)
    which = np.array([3, 1, 7])
    part, alone = coder(texts).rows(which), coder([texts[k] for k in which])
    for name in ("words", "lengths", "tags"):
        assert np.array_equal(getattr(part, name), getattr(alone, name))
    for batch in (part, alone):
        for row, length, k in zip(batch.forms, batch.lengths, which, strict=True):
            assert ["".join(coder.letters.decode(batch.letters[f, :batch.spelled[f]])) for f in row[:length]] == list(
                texts[k].words)
    assert part.letters.shape[1] == alone.letters.shape[1] == part.spelled.max()


def test_a_new_word_is_unknown_as_a_word_and_known_by_its_letters():
    batch = (coder := TagCoder(TWO))([sentence(["wasb"], ["N"])])
    assert batch.words.tolist() == [[coder.words.unk]]
    assert coder.letters.decode(batch.letters[0]) == list("wasb")


def test_marks_are_found_where_they_stand():
    assert marked(TWO, "x").tolist() == [[False, True, False, False], [False] * 4]


def test_a_sentence_with_a_word_too_many_or_an_unknown_tag_is_refused():
    with pytest.raises(ValueError, match="2 words, 1 tags, 2 marks"):
        sentence(["a", "b"], ["O"])
    with pytest.raises(ValueError, match="tag 'X' is none of D, N, V"):
        TagCoder(TWO)([sentence(["a"], ["X"])])


def test_more_sentences_than_there_are_are_refused():
    with pytest.raises(ValueError, match="only 1 of 2 different groups"):
        distinct(lambda: [TWO[0]], 2)
    with pytest.raises(ValueError, match="there are 9180 stems, not 9200"):
        stems(np.random.default_rng(0), 9200)


def test_stems_are_different_and_those_of_a_seed():
    drawn = [stems(np.random.default_rng(seed), 50) for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2] and len(set(drawn[0])) == 50


# ----- Apple

def test_the_two_of_an_apple_pair_have_the_same_words_and_opposite_answers(rng):
    """A bag of words says the same to both: exactly one half."""
    for one, two in pairs(apple_sentences(rng, 100)):
        assert Counter(one.words) == Counter(two.words) and one.words != two.words
        assert [one.tags[one.words.index(APPLE)], two.tags[two.words.index(APPLE)]] == [NAME, OTHER]
        assert [bool(m) for m in one.marks] == [w == APPLE for w in one.words]


def test_half_of_the_apples_are_told_by_the_past_and_half_by_the_future(rng):
    texts = apple_sentences(rng, 100)
    assert Counter(m for s in texts for m in s.marks if m) == {PAST: 100, FUTURE: 100}
    for one, two in pairs(texts):
        at, mark = one.words.index(APPLE), "".join(one.marks)
        assert two.words[at] == APPLE
        before, behind = (one.words[:at] == two.words[:at]), (one.words[at:] == two.words[at:])
        assert (before, behind) == ((True, False) if mark == FUTURE else (False, True))


def test_no_apple_sentence_comes_twice_and_other_words_are_no_names(rng):
    texts = apple_sentences(rng, 300)
    assert len({s.words for s in texts}) == 600
    assert {tag for s in texts for w, tag in zip(s.words, s.tags, strict=True) if w != APPLE} == {OTHER}
    with pytest.raises(ValueError, match="5 pairs cannot"):
        apple_sentences(rng, 5)


# ----- Names

def test_the_slides_sentence_is_1_1_0_0_0_0_1():
    """Télécom, [NER example]."""
    assert names.binary(names.MACRON.tags) == [1, 1, 0, 0, 0, 0, 1]
    assert names.binary(["B-DATE", "I-DATE", "B-ORG", "O"]) == [0, 0, 1, 0]


def test_all_seven_kinds_occur_and_all_tags_are_legal(rng):
    texts = names.entity_sentences(rng, 300, stems(rng, 20))
    spans = [span for s in texts for span in spans_of(s.tags)]
    assert {span.kind for span in spans} == set(names.KINDS) and not any(illegal(s.tags) for s in texts)
    assert {1, 2, 3} <= {span.end - span.start for span in spans if span.kind == "ORG"}
    assert len({s.words for s in texts}) == 300


def test_where_a_name_stands_and_how_long_it_is_says_nothing_of_its_kind(rng):
    """After each word and for each length the three kinds are as likely: within 4 standard errors of one third."""
    counts: dict[tuple[str, int], Counter[str]] = {}
    for s in names.entity_sentences(rng, 2000, stems(rng, 30)):
        for span in spans_of(s.tags):
            if span.kind in names.NAMES:
                before = s.words[span.start - 1] if span.start else "<start>"
                counts.setdefault((before, span.end - span.start), Counter())[span.kind] += 1
    for key, kinds in counts.items():
        n = kinds.total()
        if n > 30:
            assert all(abs(kinds[kind] / n - 1 / 3) < 4 * np.sqrt(2 / 9 / n) for kind in names.NAMES), (key, kinds)


def test_the_ending_of_the_last_word_tells_the_kind_and_the_words_before_it_do_not(rng):
    roots = [s.capitalize() for s in stems(rng, 30)]
    first: dict[str, Counter[str]] = {}
    for s in names.entity_sentences(rng, 1500, [r.lower() for r in roots]):
        for start, end, kind in spans_of(s.tags):
            if kind in names.NAMES:
                assert s.words[end - 1].endswith(names.NAMES[kind]) and set(s.words[start:end - 1]) <= set(roots)
                for word in s.words[start:end - 1]:
                    first.setdefault(word, Counter())[kind] += 1
    assert all(len(kinds) == 3 for kinds in first.values()) and len(first) == 30


def test_names_of_other_stems_share_no_word(rng):
    known, new = np.array_split(stems(rng, 40), 2)
    told = [{w for s in names.entity_sentences(rng, 200, part.tolist()) for w, m in zip(s.words, s.marks, strict=True)
             if m} for part in (known, new)]
    assert not told[0] & told[1] and all(len(words) > 50 for words in told)


def test_numbers_are_of_all_kinds_and_of_none(rng):
    """12 begins a date, a time, an amount, a percentage, or a count of people: the word alone does not say."""
    tags = {t for s in names.entity_sentences(rng, 1500, stems(rng, 20))
            for w, t in zip(s.words, s.tags, strict=True) if w == "7"}
    assert {"O", "B-DATE", "B-TIME", "B-MONEY", "I-MONEY", "B-PERCENT", "I-PERCENT"} <= tags


# ----- Parts of speech

@pytest.mark.parametrize("mark", [classes.PAST, classes.FUTURE, classes.FAR])
def test_in_each_pair_one_form_is_a_noun_and_then_a_verb(mark, rng):
    texts = classes.ambiguous_sentences(rng, 80, mark)
    assert len({s.words for s in texts}) == 160
    for one, two in pairs(texts):
        places = [s.marks.index(mark) for s in (one, two)]
        assert [s.tags[t] for s, t in zip((one, two), places, strict=True)] == ["NOUN", "VERB"]
        assert one.words[places[0]] == two.words[places[1]]
        assert [s.marks.count(mark) for s in (one, two)] == [1, 1]


@pytest.mark.parametrize("mark, reach", [(classes.FUTURE, 1), (classes.FAR, 3)])
def test_what_tells_lies_behind_the_form_and_at_the_distance_that_is_promised(mark, reach, rng):
    """Far: the words as far as 2 behind are the same too, so a window of 5 sees no difference."""
    for one, two in pairs(classes.ambiguous_sentences(rng, 80, mark)):
        at = one.marks.index(mark)
        assert one.words[:at + reach] == two.words[:at + reach] and one.words[at + 1:] != two.words[at + 1:]
        if mark == classes.FUTURE:
            assert one.words[at + 1] != two.words[at + 1]


def test_the_commonest_tag_is_right_in_one_half_of_the_forms(rng):
    for mark in (classes.PAST, classes.FUTURE, classes.FAR):
        texts = classes.ambiguous_sentences(rng, 50, mark)
        counts = Counter(t for s in texts for t, m in zip(s.tags, s.marks, strict=True) if m)
        assert counts == {"NOUN": 50, "VERB": 50}


def test_new_words_have_the_ending_of_their_class_and_their_place_tells_it_only_where_promised(rng):
    roots = stems(rng, 40)
    frames: dict[tuple[str, ...], set[str]] = {}
    for mark in (classes.PLACE, classes.FORM):
        for s in classes.open_sentences(rng, 200, mark, roots):
            for w, t, m in zip(s.words, s.tags, s.marks, strict=True):
                if m:
                    assert w.endswith(classes.ENDINGS[t])
            if mark == classes.FORM:
                frame = tuple("_" if m else w for w, m in zip(s.words, s.marks, strict=True))
                frames.setdefault(frame, set()).add(s.tags[s.marks.index(mark)])
    assert set.union(*frames.values()) == set(classes.ENDINGS)
    assert sum(len(tags) > 1 for tags in frames.values()) > 10         # one frame, several classes


def test_every_known_word_has_one_class_and_no_form_is_among_them():
    known = [w for words in classes._CLASSES.values() for w in words.split()]
    assert len(known) == len(set(known)) and not set(classes.BOTH) & set(known)


def test_marks_of_the_other_kind_are_refused(rng):
    with pytest.raises(ValueError, match="mark is 'past', 'future' or 'far', not 'form'"):
        classes.ambiguous_sentences(rng, 2, classes.FORM)
    with pytest.raises(ValueError, match="mark is 'place' or 'form', not 'past'"):
        classes.open_sentences(rng, 2, classes.PAST, ["kora"])


def test_one_seed_gives_one_set_of_sentences():
    for draw in (lambda r: apple_sentences(r, 4), lambda r: names.entity_sentences(r, 4, ["kora", "mel"]),
                 lambda r: classes.ambiguous_sentences(r, 4, classes.FAR)):
        a, b, c = (draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert a == b != c
