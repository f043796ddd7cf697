"""Words, characters and sentences: what is kept together, and that nothing is lost."""
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.data import characters, sentences, words
from tests.data import quiet


@pytest.mark.parametrize("text, want", [
    ("French people work an average of 35 hours a week.", "french people work an average of 35 hours a week ."),
    ("The cat's egg-sample (1,000.50 g)!", "the cat's egg-sample ( 1,000.50 g ) !"),
    ("On 1979-05-03, at 3.", "on 1979 - 05 - 03 , at 3 ."),
    ("__init__ 2nd x1 e.g. <unk> <b>", "__init__ 2nd x1 e . g . <unk> < b >"),
    ("L’été — déjà?", "l’été — déjà ?"),
    ("", ""),
])
def test_words_numbers_and_marks_stand_apart(text, want):
    assert words(text) == want.split()


def test_capitals_stay_when_asked_for():
    assert words("The UK", lower=False) == ["The", "UK"]


@quiet
@given(st.text())
def test_words_lose_nothing_but_white_space(text):
    assert "".join(words(text, lower=False)) == re.sub(r"\s", "", text)


@quiet
@given(st.text())
def test_characters_are_the_text(text):
    assert "".join(characters(text)) == text


@pytest.mark.parametrize("text, want", [
    ("It rains. It pours!  Does it?", ["It rains.", "It pours!", "Does it?"]),
    ("Dr. Smith met J. Brown, e.g. in Rome. They ate.", ["Dr. Smith met J. Brown, e.g. in Rome.", "They ate."]),
    ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
    ("Pi is 3.14 or so. 7 is more.", ["Pi is 3.14 or so.", "7 is more."]),
    ("A heading\n\nOne line\nand more. Two.", ["A heading", "One line and more.", "Two."]),
    ("so did I. He too.", ["so did I.", "He too."]),
    ("wait ... and see", ["wait ... and see"]),
    ("  \n\n ", []),
])
def test_sentences_end_where_a_reader_ends_them(text, want):
    assert sentences(text) == want


@quiet
@given(st.text(st.sampled_from("aB .!?\n\")")))
def test_sentences_lose_nothing_but_white_space(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
