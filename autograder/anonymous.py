"""Names that stand for students in what leaves the course: the same in every export, and not to be turned back.

A plain hash of a student id can be undone by hashing the whole roster; this one is keyed with the course's secret,
which never leaves DIR/.autograder.
"""

from __future__ import annotations

import hashlib
import hmac

from autograder.course import Course

PURPOSE = b"pseudonym\0"        # the same key draws the seeds: neither may be a value of the other


def pseudonym(course: Course, student: str) -> str:
    """`s-` and 10 hex digits for `student`: within one course always the same, in another course another."""
    text = PURPOSE + student.encode("utf-8", "surrogateescape")
    return "s-" + hmac.new(course.secret(), text, hashlib.sha256).hexdigest()[:10]
