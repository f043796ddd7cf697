"""The late penalty, by nbgrader's own plugin: the course's, with its settings, or nbgrader's with course.toml's policy.

    c.AssignLatePenalties.plugin_class = "late_days.TenPercentADay"     # in nbgrader_config.py, module in the folder
    c.TenPercentADay.per_day = 0.1

`nbgrader autograde` runs AssignLatePenalties as a preprocessor; `autograder grade` asks the same plugin with the same
configuration files, so both give one penalty.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autograder.course import Course
from autograder.errors import AutograderError, CourseError
from autograder.nbgrader_api import CONFIG, read_config, short


class Late:
    """The plugin of one course, made once a run. Raises CourseError where the configuration or the class fails."""

    def __init__(self, course: Course) -> None:
        self.file = course.root / f"{CONFIG}.py"
        with _importable(course.root):
            config = read_config(course)
            from nbgrader.preprocessors import AssignLatePenalties
            from traitlets.utils.importstring import import_item

            wanted = config.AssignLatePenalties.get("plugin_class", "LateSubmissionPlugin")
            try:
                if isinstance(wanted, str) and "." in wanted:
                    import_item(wanted)        # traitlets would not say why an import fails
                step = AssignLatePenalties(config=config)
                step.init_plugin()
            except Exception as e:      # whatever a class of the course does when it is imported or made
                raise CourseError(f"{self.file}: the late plugin {wanted!r} cannot be made ({short(e)}); it should be "
                                  "a class of nbgrader.plugins.BasePlugin that Python can import from the course "
                                  "folder") from None
        self.enabled = bool(step.enabled)
        self.plugin: Any = step.plugin_inst

    def penalty(self, student: str, score: float, seconds_late: float) -> float | None:
        """What is taken off a notebook's `score`, capped as nbgrader caps it; None for nothing. AutograderError."""
        if not (self.enabled and seconds_late > 0):
            return None
        try:
            found = self.plugin.late_submission_penalty(student, score, seconds_late)
            return None if found is None else min(max(float(found), 0.0), score)
        except Exception as e:
            raise AutograderError(f"the late plugin {type(self.plugin).__name__} of {self.file} failed for {student}, "
                                  f"{seconds_late:g} s late ({short(e)}); mend it and grade again") from None


@contextmanager
def _importable(root: Path) -> Iterator[None]:
    """Modules of the course folder can be imported, and are forgotten: another course may have others of that name."""
    before = set(sys.modules)
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(f"{root}/"):
                del sys.modules[name]
