"""The results of a run, as they lie in the course: read when they are asked for, and not kept.

What a class of thousands wrote takes a gigabyte as Python objects; a run must not need more memory the more students
there are. Looks like a list otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from autograder.course import Course, read_json
from autograder.errors import CourseError


class Shelf(Sequence[dict[str, Any]]):
    """The results of some students of an assignment, in this order. A later run changes what is read."""

    def __init__(self, course: Course, assignment: str, students: Sequence[str]) -> None:
        self.course, self.assignment, self.students = course, assignment, students

    def __len__(self) -> int:
        return len(self.students)

    @overload
    def __getitem__(self, i: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, i: slice) -> Shelf: ...

    def __getitem__(self, i: int | slice) -> dict[str, Any] | Shelf:
        """One result; raises CourseError where its file was taken away meanwhile."""
        if isinstance(i, slice):
            return Shelf(self.course, self.assignment, self.students[i])
        path = self.course.result_path(self.assignment, self.students[i])
        found = read_json(path)
        if not isinstance(found, dict):
            raise CourseError(f"the result {path} was there a moment ago and cannot be read now; "
                              f"autograder grade {self.course.shown} {self.assignment} makes it again")
        return found
