"""docs/deploy.md: every command in it exists with its options, and what it says of files and settings is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from autograder import cli
from autograder.course import Course
from autograder.nbgrader_api import course_config
from autograder.roster import read

from .assignment_help import ROOT

GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Every line of the shell blocks, and every whole command in the text."""
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.M | re.S) for line in block.splitlines()]
    return lines + re.findall(r"`((?:autograder|nbgrader|jupyter) [^`]+)`", GUIDE)


def test_there_are_commands() -> None:
    assert len([line for line in commands() if line.startswith("autograder ")]) > 12


@pytest.mark.parametrize("line", commands())
def test_each_command_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "nbgrader":
        from nbgrader.apps import NbGraderApp

        assert words[1] in NbGraderApp.subcommands
        return
    if words[0] != "autograder":
        assert words[:2] in (["chmod", "-R"], ["jupyter", "lab"])
        return
    verb = cli.main.get_command(click.Context(cli.main), words[1])
    assert verb is not None, f"no verb {words[1]}"
    parser = verb.make_parser(click.Context(verb))
    if len(words) > 2:
        values, rest, _ = parser.parse_args(words[2:])          # raises for an option that it does not have
        assert not rest
        for option in verb.params:
            if isinstance(option.type, click.Choice) and values.get(option.name or "") is not None:
                assert values[str(option.name)] in option.type.choices


def test_the_options_that_the_text_names_are_there() -> None:
    known = {name for verb in cli.VERBS for option in (cli.main.get_command(click.Context(cli.main), verb) or
                                                       click.Command("")).params for name in option.opts}
    named = set(re.findall(r"`(--[a-z-]+)", GUIDE))
    assert named and named <= known, named - known


def test_the_columns_of_a_roster_of_ones_own_are_read(tmp_path: Path) -> None:
    words = re.search(r"with the columns `id` and any of (.*?)\.", GUIDE, re.S)
    assert words
    names = re.findall(r"`(\w+)`", words[1])
    for name in names:
        path = tmp_path / f"{name}.csv"
        extra = ",last_name" if name == "first_name" else ",first_name" if name == "last_name" else ""
        path.write_text(f"id,{name}{extra}\ns1,octo{',Cat' if extra else ''}\n")
        roster = read(path)
        assert any("octo" in text for _, text in roster.found), name


def test_the_line_of_the_exchange_is_what_the_verbs_read(mini: Path) -> None:
    line = re.search(r'^c\.Exchange\.root = "(.*)"$', GUIDE, re.M)
    assert line
    with (mini / "nbgrader_config.py").open("a") as file:
        file.write("\n" + line[0] + "\n")
    assert course_config(Course.open(mini)).Exchange.root == line[1]
    assert "exports/" in (mini / ".gitignore").read_text()
