"""Options that one experiment has for itself: their values, their folders, and what is refused."""
from __future__ import annotations

import json

import pytest

from minigrad.experiments import Experiment, Option
from minigrad.experiments._console import Console
from minigrad.experiments._options import prefix, settings

OPTIONS = [Option("corpus", "what to learn", choices=("pages", "notes")), Option("text", "a file", metavar="FILE")]


def test_the_value_is_the_one_given_or_the_first_choice_or_nothing():
    assert settings(OPTIONS, {}) == {"corpus": "pages", "text": None}
    assert settings(OPTIONS, {"text": "a", "corpus": "notes"}) == {"corpus": "notes", "text": "a"}


@pytest.mark.parametrize("given, says", [({"corps": "notes"}, "no option 'corps'; there are: corpus, text"),
                                         ({"corpus": "note"}, "option corpus is one of pages, notes, not 'note'")])
def test_an_option_or_a_choice_that_there_is_not_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        settings(OPTIONS, given)
    with pytest.raises(ValueError, match="no option 'x'; there are: none"):
        settings([], {"x": 1})


@pytest.mark.parametrize("given, folder", [({}, ""), ({"corpus": "pages"}, ""), ({"corpus": "notes"}, "corpus-notes-"),
                                           ({"text": "../my texts/Hamlet, 1.txt"}, "text-Hamlet-1-"),
                                           ({"text": "é.txt"}, "text-other-")])
def test_other_values_have_a_folder_of_their_own(given, folder):
    assert prefix(OPTIONS, settings(OPTIONS, given)) == folder


def test_a_run_sees_its_options_and_its_record_and_its_table_name_them(tmp_path, capsys):
    seen = []
    e = Experiment("toy", slide="", seconds=0, options=OPTIONS)
    e.run(lambda ctx: seen.append(ctx.options))
    for given in ({}, {"corpus": "notes"}):
        record = e.execute([0, 1], out=tmp_path, console=Console(quiet=True), options=given)
        assert record["options"] == seen[-1] == settings(OPTIONS, given)
    assert sorted(p.name for p in (tmp_path / "toy").iterdir()) == [
        "corpus-notes-seed-0", "corpus-notes-seed-1", "corpus-notes-seeds-0-1", "seed-0", "seed-1", "seeds-0-1"]
    numbers = json.loads((tmp_path / "toy/corpus-notes-seed-1/numbers.json").read_text())
    assert numbers["options"] == {"corpus": "notes", "text": None}
    e.execute([0], out=tmp_path, console=Console(), options={"corpus": "notes"})
    assert "(seed 0, corpus notes, cpu, " in capsys.readouterr().out
