"""The tasks from sequence to sequence: right answers, no source twice, lengths, and that naive rules fail."""
from __future__ import annotations

import datetime
from collections import Counter, defaultdict

import numpy as np
import pytest

from minigrad.data._distinct import distinct_pairs
from minigrad.data.sequence_tasks import (
    FORMS,
    LETTERS,
    PAUSE,
    copying_text,
    dates,
    held_letters,
    in_words,
    merged,
    number_words,
    reversal,
    written,
)

TASKS = [dates, number_words, reversal, copying_text, held_letters]


@pytest.mark.parametrize("task", TASKS)
def test_no_source_occurs_twice_and_the_same_generator_gives_the_same_pairs(task):
    pairs = task(np.random.default_rng(0), 400)
    assert len(pairs) == len({tuple(source) for source, _ in pairs}) == 400
    assert pairs == task(np.random.default_rng(0), 400) != task(np.random.default_rng(1), 400)
    assert all(isinstance(token, str) for pair in pairs[:20] for side in pair for token in side)


# ------------------------------------------------------------------------------------------ dates

@pytest.mark.parametrize("form, text", list(zip(FORMS, (
    "3 May 1979", "3 May 1979", "May 3, 1979", "May 3, 1979", "03.05.1979", "3.5.79", "05/03/1979", "5/3/79",
    "3rd of May 1979", "Thursday, 3 May 1979", "Thursday, May 3rd, 1979"), strict=True)))
def test_a_date_is_written_in_every_form(form, text):
    assert written(datetime.date(1979, 5, 3), form) == text


def test_ordinals_end_as_in_english():
    first = datetime.date(2000, 1, 1)
    got = [written(first + datetime.timedelta(k), "{th}") for k in range(31)]
    assert " ".join(got[k - 1] for k in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 30, 31)) == (
        "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 30th 31st")


def test_no_date_comes_twice_and_no_text_has_two_meanings():
    """A split leaks no date in another form, and "5/3/79" is never 5 March."""
    pairs = dates(np.random.default_rng(0), 10000)
    assert len({"".join(target) for _, target in pairs}) == 10000
    meant = defaultdict(set)
    for day in (datetime.date(1969, 1, 1) + datetime.timedelta(k) for k in range(0, 36525, 11)):
        for form in FORMS:
            meant[written(day, form)].add(day)
    assert all(len(days) == 1 for days in meant.values())
    for source, target in pairs[:500]:
        assert datetime.date.fromisoformat("".join(target))
        assert len(target) == 10 and 6 <= len(source) <= 32


def test_two_digits_of_a_year_are_of_1969_to_2068():
    years = {text[-2:]: "".join(target)[:4] for source, target in dates(np.random.default_rng(0), 20000)
             if (text := "".join(source))[-3] in "./" and len(text) <= 8}
    assert len(years) == 100 and years["69"] == "1969" and years["68"] == "2068" and years["00"] == "2000"


def test_every_form_is_about_as_frequent():
    """Those with two digits of the year are possible for one half of the dates."""
    shapes = Counter("".join("9" if c.isdigit() else c for c in "".join(source) if not c.isalpha() or c in "stndrh")
                     for source, _ in dates(np.random.default_rng(0), 4000))
    dotted = sum(n for shape, n in shapes.items() if "." in shape)
    stroked = sum(n for shape, n in shapes.items() if "/" in shape)
    assert abs(dotted - stroked) < 120 and 400 < dotted < 700


# ------------------------------------------------------------------------------------------ numbers

@pytest.mark.parametrize("number, words", [
    (0, "zero"), (7, "seven"), (13, "thirteen"), (40, "forty"), (98, "ninety eight"), (100, "one hundred"),
    (207, "two hundred and seven"), (350, "three hundred and fifty"), (1000, "one thousand"),
    (1001, "one thousand and one"), (2300, "two thousand three hundred"), (12012, "twelve thousand and twelve"),
    (100000, "one hundred thousand"), (120305, "one hundred and twenty thousand three hundred and five"),
    (999999, "nine hundred and ninety nine thousand nine hundred and ninety nine")])
def test_numbers_in_words(number, words):
    assert in_words(number) == words.split()


def test_numbers_have_the_digits_asked_for_and_words_of_their_own():
    pairs = number_words(np.random.default_rng(0), 600, (2, 4))
    assert {len(target) for _, target in pairs} == {2, 3, 4}
    assert all(in_words(int("".join(target))) == source for source, target in pairs)
    assert len({tuple(in_words(k)) for k in range(20000)}) == 20000
    assert len(number_words(np.random.default_rng(0), 10, (1, 1))) == 10


def test_digits_stand_for_words_that_differ_in_number():
    """A digit a word is wrong nearly always: hundred is none, twelve is two, and zeros are not said."""
    digit = {word: str(k) for k, word in enumerate("zero one two three four five six seven eight nine".split())}
    pairs = number_words(np.random.default_rng(0), 2000)
    right = [[digit[w] for w in source if w in digit] == target for source, target in pairs]
    assert np.mean(right) < 0.02


# ------------------------------------------------------------------------------------------ letters

def test_a_reversal_is_reversed_and_a_copy_is_not():
    backward, forward = (task(np.random.default_rng(0), 200, (3, 7)) for task in (reversal, copying_text))
    assert [b for b, _ in backward] == [f for f, _ in forward]
    assert all(target == source[::-1] for source, target in backward)
    assert all(target == source and target is not source for source, target in forward)
    assert {len(source) for source, _ in forward} == set(range(3, 8))
    assert {c for source, _ in forward for c in source} == set(LETTERS)


def test_held_letters_are_said_by_merging_where_nothing_is_noisy():
    pairs = held_letters(np.random.default_rng(0), 300, noise=0)
    assert all(merged(heard) == said for heard, said in pairs)
    doubled = [said for _, said in pairs if any(a == b for a, b in zip(said, said[1:], strict=False))]
    assert len(doubled) > 60                   # else nobody need tell "ll" from a long "l"


def test_merging_fails_under_noise_and_sources_are_far_longer_than_targets():
    pairs = held_letters(np.random.default_rng(0), 1000)
    assert np.mean([merged(heard) == said for heard, said in pairs]) < 0.2
    assert np.mean([len(heard) / len(said) for heard, said in pairs]) > 5
    assert all(len(heard) >= 3 * len(said) for heard, said in pairs)
    assert {symbol for heard, _ in pairs for symbol in heard} == set(LETTERS[:8] + PAUSE)


def test_the_time_of_a_letter_tells_nothing_of_how_often_it_was_said():
    """A long "l" may be longer than "ll": whoever divides the time by its mean is often wrong."""
    pairs = held_letters(np.random.default_rng(0), 60, (1, 2), letters="l", noise=0)
    frames = {n: [len([h for h in heard if h != PAUSE]) for heard, said in pairs if len(said) == n] for n in (1, 2)}
    assert max(frames[1]) > min(frames[2])


@pytest.mark.parametrize("call, text", [
    (lambda rng: dates(rng, 80000), "there are 73049 dates from 1900 to 2099, not 80000"),
    (lambda rng: number_words(rng, 11, (1, 1)), "numbers of 1 to 1 digits: no new one after 10 of 11"),
    (lambda rng: number_words(rng, 5, (1, 7)), r"from 1 to 6, not \(1, 7\)"),
    (lambda rng: reversal(rng, 5, (4, 2)), r"from 1 up, not \(4, 2\)"),
    (lambda rng: copying_text(rng, 5, (0, 2)), r"from 1 up, not \(0, 2\)"),
    (lambda rng: reversal(rng, 99, (1, 1)), "texts of 1 to 1 of the letters 'abcdefghijklmnop': no new one after 16"),
    (lambda rng: held_letters(rng, 5, held=(0, 2)), r"from 1 up, not \(0, 2\)"),
    (lambda rng: held_letters(rng, 5, noise=1.0), "from 0 to below 1, not 1.0"),
    (lambda rng: distinct_pairs(lambda: (["a"], ["b"]), -1, "x"), "there are no -1 pairs"),
])
def test_what_cannot_be_drawn_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call(np.random.default_rng(0))
