"""Courses are made once a run (nbgrader takes seconds) and copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mini_solutions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of solutions with one assignment of two functions."""
    from tests.autograder.grading_help import write_mini

    return write_mini(tmp_path_factory.mktemp("solutions"))


@pytest.fixture(scope="session")
def mini_master(tmp_path_factory: pytest.TempPathFactory, mini_solutions: Path) -> Path:
    from autograder.make_course import make

    folder = tmp_path_factory.mktemp("courses") / "mini course"
    make(folder, mini_solutions)
    return folder


@pytest.fixture
def mini(mini_master: Path, tmp_path: Path) -> Path:
    """A course with the assignment 01_mini, in a folder whose name has a space."""
    from tests.autograder.grading_help import copy_course

    return copy_course(mini_master, tmp_path / "mini course")


@pytest.fixture(scope="session")
def rnn_master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from autograder.make_course import make

    folder = tmp_path_factory.mktemp("courses") / "rnn"
    make(folder, Path(__file__).resolve().parents[2] / "solutions" / "03_rnn")
    return folder


@pytest.fixture
def rnn(rnn_master: Path, tmp_path: Path) -> Path:
    """A course with the real assignment 03_rnn."""
    from tests.autograder.grading_help import copy_course

    return copy_course(rnn_master, tmp_path / "rnn")
