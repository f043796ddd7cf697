"""How the oracle reaches a student's functions, and how such a call can fail.

    StudentFailure
    |-- MissingName        the notebook defines no such function
    |-- StudentError       the function raised
    |-- StudentTimeout     it had not answered in time
    |-- StudentDied        its process ended (os._exit, a crash, too much memory)
    `-- Untransferable     it returned something that is no data: an object, a generator, a subclass of ndarray

Two classes answer to `Student`: the sandbox's Session, by messages to another process, and kernel.InKernel, for a plain
notebook kernel. The oracle sees no difference, so a score cannot depend on the door that a submission came through.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


class StudentFailure(Exception):
    """A call of a student's function that brought no value. Nothing in it comes from the Check or a drawn input."""


class MissingName(StudentFailure):
    """The notebook has no global of this name that can be called."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class StudentError(StudentFailure):
    """The function raised.

    ename: the exception's type. line: the student's own line that it came from, "" if unknown. number: that line's
    number in its cell, 0 if unknown. text: the exception's own words; they may hold drawn values, so no feedback
    shows them, and `repr` leaves them out. function: the function or class that the line stands in, "" if unknown.
    """

    def __init__(self, ename: str, line: str = "", number: int = 0, text: str = "", function: str = "") -> None:
        super().__init__(ename, line, number)
        self.ename, self.line, self.number, self.text, self.function = ename, line, number, text, function

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.ename, self.line, self.number, self.text, self.function)


class StudentTimeout(StudentFailure):
    """No answer within the time of the draw, the cell or the submission. The text says which, and how long that was."""


class StudentDied(StudentFailure):
    """The process that ran the notebook is gone. The text says what is known of the cause."""


class Untransferable(StudentFailure):
    """The result is of a type that is not plain data; `type_name` is its name."""

    def __init__(self, type_name: str) -> None:
        super().__init__(type_name)
        self.type_name = type_name


class Student(Protocol):
    """A student's notebook whose functions can be called."""

    def call(self, name: str, args: tuple[Any, ...], *, timeout: float | None = None,
             budget: float | None = None) -> tuple[Any, tuple[Any, ...]]:
        """Call the notebook's global function `name` with copies of `args`.

        Returns the value and the arguments as they are after the call: an argument that the function changed differs
        from the one that was passed. Raises a StudentFailure and nothing else. `timeout` is in seconds; without it
        the limit of a draw holds. `budget` is in seconds of a processor, which no other program on a busy machine uses
        up. A student that has an attribute `seconds_used` (its own seconds so far, see clock.py) is timed by it.
        """
        ...


@runtime_checkable
class Spoiler(Protocol):
    """A Student that can also be asked whether results share memory with arguments."""

    def spoiled(self, name: str, args: tuple[Any, ...], *, timeout: float | None = None,
                budget: float | None = None) -> tuple[Any, ...]:
        """Call the function, then change every array of its result in place; return the arguments as they are then.

        An argument that shares memory with the result differs from the one that was passed.
        """
        ...
