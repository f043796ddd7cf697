"""nbgrader's own programs, called in this process: the settings that they would read, and their log."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from autograder.course import Course
from autograder.errors import CourseError

CONFIG = "nbgrader_config"


def read_config(course: Course) -> Any:
    """What `nbgrader` reads in the course's folder: Jupyter's folders first, then the course's file, which wins.

    course.toml's late policy comes before all of them. Raises CourseError with file, error and line.
    """
    from jupyter_core.paths import jupyter_config_path
    from traitlets.config import Config
    from traitlets.config.loader import ConfigFileNotFound, JSONFileConfigLoader, PyFileConfigLoader

    config = Config()
    config.LateSubmissionPlugin.penalty_method = course.late_policy
    for folder in [*reversed(jupyter_config_path()), str(course.root)]:
        for loader in (JSONFileConfigLoader(f"{CONFIG}.json", folder), PyFileConfigLoader(f"{CONFIG}.py", folder)):
            try:
                config.merge(loader.load_config())
            except ConfigFileNotFound:
                continue
            except Exception as e:          # the file is Python: anything can be raised
                raise CourseError(f"{Path(folder) / loader.filename} cannot be used{_line(e, loader.filename)}: "
                                  f"{short(e)}") from None
    return config


def course_config(course: Course) -> Any:
    """The same for a program that is started anywhere: with the course's folder, gradebook and name."""
    found = read_config(course)
    found.CourseDirectory.root = str(course.root)
    found.CourseDirectory.db_url = course.db_url
    found.CourseDirectory.setdefault("course_id", course.name)
    return found


def call(config: Any, verb: str, assignment: str, **options: Any) -> dict[str, Any]:
    """One call of nbgrader's API; its answer: success, log, and error where it failed. Nothing is printed."""
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    quiet = logging.getLogger("traitlets")
    old, quiet.disabled = quiet.disabled, True
    here = os.getcwd()
    try:
        api = NbGraderAPI(CourseDirectory(config=config), config=config, log=silent_log())
        answer: dict[str, Any] = getattr(api, verb)(assignment, **options)
    finally:
        os.chdir(here)          # nbgrader's converters change the folder
        quiet.disabled = old
    return answer


def silent_log() -> logging.Logger:
    """A log for objects of nbgrader's that would write to the terminal."""
    log = logging.getLogger("autograder.nbgrader")
    log.propagate, log.handlers = False, [logging.NullHandler()]
    return log


def short(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _line(error: Exception, name: str) -> str:
    """", line 12" of the file `name`, where the error says it."""
    line = getattr(error, "lineno", None)
    trace = error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""
