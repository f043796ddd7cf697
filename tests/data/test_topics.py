"""The help pages as a text, and splits that share no paragraph. Pages differ between versions: nothing exact here."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.data import split_text, topics_text
from tests.data import quiet
from tests.texts import expect, message


def paragraphs(text: str) -> list[str]:
    """Between blank lines, with white space made equal."""
    return [" ".join(part.split()) for part in text.split("\n\n")]


def test_the_pages_are_a_long_text_in_which_no_paragraph_comes_twice():
    """465,000 characters or more before, of which every fifth paragraph is said again."""
    text = topics_text()
    found = paragraphs(text)
    assert 200_000 < len(text) < 1_000_000 and "assert" in text
    assert len(found) > 1000 and len(set(found)) == len(found)


@pytest.mark.parametrize("parts", [(0.8, 0.1, 0.1), (0.5, 0.5), (1.0,)])
def test_parts_share_no_paragraph_and_have_their_size(rng, parts):
    text = topics_text()
    split = split_text(text, rng, parts)
    sets = [set(paragraphs(part)) for part in split]
    assert sum(map(len, sets)) == len(set().union(*sets)) == len(paragraphs(text))
    for part, share in zip(split, parts, strict=True):
        assert abs(len(part) / len(text) - share) < 0.01             # half the longest paragraph is less


def test_a_paragraph_that_comes_twice_is_in_one_part_once(rng):
    """The trap of this text: without it, the test set is memory."""
    text = "\n\n".join(f"paragraph {k % 60}  of the text" for k in range(600))
    split = split_text(text, rng)
    once = [f"paragraph {k} of the text" for k in range(60)]
    assert sorted(p for part in split for p in paragraphs(part)) == sorted(once)


def test_paragraphs_of_a_part_stand_in_the_order_of_the_text(rng):
    for part in split_text("\n\n".join(f"{k:03d} words" for k in range(200)), rng):
        assert paragraphs(part) == sorted(paragraphs(part))


def test_another_seed_splits_otherwise_and_the_same_seed_alike():
    text = "\n\n".join(f"paragraph {k}" for k in range(100))
    a, b, c = (split_text(text, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert a == b != c


@pytest.mark.parametrize("text, between", [("\n".join(f"line {k}" for k in range(300)), "\n"),
                                           (" ".join(f"w{k}" for k in range(5000)), " ")])
def test_a_text_without_paragraphs_is_split_by_smaller_pieces(rng, text, between):
    """Lines of a word list; text8 is one line of 100,000,000 characters."""
    split = split_text(text, rng)
    assert sorted(between.join(split).split(between)) == sorted(text.split(between))
    assert [round(len(part) / len(text), 1) for part in split] == [0.8, 0.1, 0.1]


@quiet
@given(st.text(st.sampled_from("ab \n"), max_size=80), st.integers(1, 3))
def test_every_short_text_is_split_without_loss_or_refused(text, parts):
    rng = np.random.default_rng(0)
    try:
        split = split_text(text, rng, [1 / parts] * parts)
    except ValueError as error:
        assert "parts are too many for a text of" in str(error)
    else:
        assert all(part.strip() for part in split)
        assert {w for part in split for w in part.split()} == set(text.split())


def test_windows_line_ends_are_line_ends(rng):
    text = "\r\n\r\n".join(f"a {k}\r\nb" for k in range(100))
    assert sorted(len(part.split("\n\n")) for part in split_text(text, rng)) == [10, 10, 80]


def test_what_cannot_be_split_is_refused(rng):
    assert message(ValueError, lambda: split_text("one two", rng)) == expect("""
        3 parts are too many for a text of 1 different pieces.
          fix: a longer text, or fewer parts.""")
    for parts in ((), (0.5, 0.4), (1.2, -0.2), (1.0, 0.0)):
        with pytest.raises(ValueError, match="positive and add up to 1"):
            split_text(topics_text(), rng, parts)
