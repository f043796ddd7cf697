"""docs/lectures.md: every row of the decks once, names that exist, and the rows that `minigrad list` shows."""
from __future__ import annotations

import importlib
import re

import pytest

from minigrad.experiments import find, names

from . import lecture_docs

TEXT = lecture_docs.PAGE.read_text()
SLIDES = {"C": 44, "K": 52, "E": 30, "T": 81, "R": 41}                 # rows of each deck
ROWS = {found[1]: found[2] for found in re.finditer(r"^\| ([CKETR]\d+) \|.*\| (.*) \|$", TEXT, re.M)}
PLACES = {"nn": "minigrad.nn", "F": "minigrad.nn.functional", "models": "minigrad.models", "data": "minigrad.data",
          "viz": "minigrad.viz", "optim": "minigrad.optim", "mg": "minigrad"}


def commands(cell: str) -> set[str]:
    """The experiments that a cell names."""
    return set(re.findall(r"`minigrad run (\w+)`", cell))


def missing(cell: str) -> list[str]:
    """The names in a cell that are not in the package: `nn.LSTM`, `minigrad run hello`."""
    found = []
    for place, name in re.findall(r"`(\w+)\.(\w+)`", cell):
        package = importlib.import_module(PLACES[place])
        if not hasattr(package, name):
            try:
                importlib.import_module(f"{package.__name__}.{name}")
            except ModuleNotFoundError:
                found.append(f"{place}.{name}")
    return found + sorted(commands(cell) - set(names()))


def test_every_row_of_the_inventory_stands_in_the_page_once_and_in_order():
    """248 rows: a slide that is left out is one that a lecturer will miss."""
    wanted = [f"{deck}{k}" for deck, n in SLIDES.items() for k in range(1, n + 1)]
    assert re.findall(r"^\| ([CKETR]\d+) \|", TEXT, re.M) == wanted == list(ROWS)


@pytest.mark.parametrize("deck", SLIDES)
def test_every_row_says_where_it_is_and_what_it_names_exists(deck):
    wrong = {row: missing(cell) for row, cell in ROWS.items() if row[0] == deck and (missing(cell) or not cell.strip())}
    assert not wrong


def test_a_name_that_does_not_exist_is_found():
    assert missing("`nn.LSTM`, `models.NGram`; `minigrad run hello`, `data.ngram_counts`") == []
    assert missing("`nn.LTSM`; `minigrad run helo`") == ["nn.LTSM", "helo"]


@pytest.mark.parametrize("name", names())
def test_the_list_shows_the_rows_that_the_page_gives_an_experiment(name):
    """`minigrad list` and the page are read side by side."""
    rows = find(name).ids.split()
    assert set(rows) == {row for row, cell in ROWS.items() if name in commands(cell)}
    assert len(rows) == len(set(rows)) and find(name).slide


def test_the_measured_numbers_are_those_of_the_proofs():
    """No number in the page was typed: python -m tests.lecture_docs."""
    assert TEXT == lecture_docs.page(TEXT)


@pytest.mark.parametrize("name", names())
def test_every_experiment_has_a_proof_and_a_figure_in_the_page(name):
    assert list(lecture_docs.proofs(name)) and lecture_docs.figures(find(name))
