"""Strict comparison of what came with what is expected, in words that hold no value of either.

Two things are told apart. The *form* is type, length, shape and dtype. The *values* are judged also where the form is
wrong but can be repaired (a list for an array, (1, 4) for (4,), floats for whole numbers), so that a mistake in the
form costs the points of the form. `want` leads the recursion: a hostile `got` may be deep, the comparison is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

_KINDS = {"f": "float", "i": "integer", "u": "integer", "b": "bool", "c": "complex"}
_WORDS = {"float": "a float", "integer": "a whole number", "bool": "a bool", "complex": "a complex number"}


@dataclass(frozen=True)
class Mismatch:
    """One difference. kind: type | length | shape | dtype (form); nonfinite | value (values)."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """Form and values of one result; `got` is the result in the form of the expected one, where that was possible."""

    form: Mismatch | None = None
    value: Mismatch | None = None
    note: str | None = None
    got: Any = None
    repairable: bool = True         # is each entry of the expected one in `got`?

    @property
    def mismatch(self) -> Mismatch | None:
        return self.form or self.value


def compare(got: Any, want: Any, tol: float, *, examples: int | None = None, float32: bool = False) -> Mismatch | None:
    """The first difference of form or value, or None. See `judge`."""
    return judge(got, want, tol, examples=examples, float32=float32).mismatch


def judge(got: Any, want: Any, tol: float, *, examples: int | None = None, float32: bool = False) -> Verdict:
    """Compare `got` with `want`: |got - want| <= tol * (1 + max|want|), for each array by itself.

    examples: the axis along which each entry is an example with a largest value of its own; without it, an error in an
    example a million times smaller than another would be hidden by the tolerance of that one.
    float32: the inputs were; a result in float64 is then worth a note, and no more than that.
    """
    walk = _Walk(tol, examples, float32)
    repaired = walk.visit(got, want, "")
    return Verdict(walk.form, walk.value, walk.note, repaired, walk.repairable)


def in_form(got: Any, want: Any) -> Any:
    """A repairable verdict's `got` with the types of the expected result, for whoever computes with it.

    Raises ValueError where that would change a number, as 2.5 where a whole one is expected.
    """
    if type(want) in (list, tuple):
        return type(want)(in_form(g, w) for g, w in zip(got, want, strict=True))
    if type(want) is dict:
        return {key: in_form(got[key], w) for key, w in want.items()}
    expected = np.asarray(want)
    if expected.dtype.kind not in _KINDS:               # a text, None, a whole number beyond 64 bits
        return got
    array = np.asarray(got)
    real = array.real if array.dtype.kind == "c" and expected.dtype.kind != "c" else array
    same_kind = _KINDS[real.dtype.kind] == _KINDS[expected.dtype.kind]
    with np.errstate(all="ignore"):                     # NaN as a whole number
        cast = real if same_kind else real.astype(expected.dtype)
    if not np.array_equal(cast, array, equal_nan=cast.dtype.kind in "fc"):
        raise ValueError("the numbers do not fit into the expected type")
    return cast if isinstance(want, np.ndarray) else type(want)(cast.item())


class _Walk:
    """The first mismatch of each sort, found while walking down `want`."""

    def __init__(self, tol: float, examples: int | None, float32: bool) -> None:
        self.tol, self.examples, self.float32 = tol, examples, float32
        self.form: Mismatch | None = None
        self.value: Mismatch | None = None
        self.note: str | None = None
        self.repairable = True

    def wrong_form(self, kind: str, sentence: str, where: str) -> None:
        self.form = self.form or Mismatch(kind, where + sentence)

    def wrong_value(self, kind: str, sentence: str, where: str) -> None:
        self.value = self.value or Mismatch(kind, where + sentence)

    def wrong_both(self, kind: str, sentence: str, where: str) -> None:
        self.wrong_form(kind, sentence, where)
        self.wrong_value(kind, sentence, where)
        self.repairable = False

    def unusable(self, got: Any, want: Any, where: str) -> None:
        """Nothing in `got` can be compared."""
        self.wrong_both("type", f"{described(got)} came, {described(want)} is expected", where)

    def visit(self, got: Any, want: Any, where: str) -> Any:
        if isinstance(want, (np.ndarray, np.generic, bool, int, float, complex)):
            return self.numbers(got, want, where)
        if type(want) in (list, tuple):
            return self.sequence(got, want, where)
        if type(want) is dict:
            return self.mapping(got, want, where)
        if type(got) is not type(want):
            self.unusable(got, want, where)
        elif got != want:
            self.wrong_value("value", "another text came" if type(want) is str else "the values differ", where)
        return got

    def sequence(self, got: Any, want: Any, where: str) -> Any:
        items = got
        if type(got) is not type(want):
            if type(got) not in (list, tuple) and not (type(got) is np.ndarray and got.ndim):
                self.unusable(got, want, where)
                return got
            self.wrong_form("type", f"{described(got)} came, {described(want)} is expected", where)
            items = got
        if len(items) != len(want):
            self.wrong_both("length", f"{len(items)} entries came, {len(want)} are expected", where)
            return got
        if self.near_floats(items, want):
            return type(want)(items)
        pairs = enumerate(zip(items, want, strict=True))
        return type(want)(self.visit(g, w, f"{where}entry {i}: ") for i, (g, w) in pairs)

    def near_floats(self, got: Any, want: Any) -> bool:
        """Floats all, finite, and near, in one go: a curve of losses has hundreds. Else each is looked at by itself."""
        if not want or not all(type(item) is float for item in (*got, *want)):
            return False
        came, due = np.array(got), np.array(want)
        with np.errstate(all="ignore"):
            return bool((np.isfinite(due) & (np.abs(came - due) <= self.tol * (1 + np.abs(due)))).all())

    def mapping(self, got: Any, want: dict[Any, Any], where: str) -> Any:
        if type(got) is not dict:
            self.unusable(got, want, where)
            return got
        if got.keys() != want.keys():
            self.wrong_both("length", "the dict has other keys than expected", where)
            return got
        return {key: self.visit(got[key], want[key], f"{where}one entry of the dict: ") for key in want}

    def numbers(self, got: Any, want: Any, where: str) -> Any:
        if type(got) is float and type(want) is float and math.isfinite(got) and math.isfinite(want):
            if abs(got - want) > self.tol * (1 + abs(want)):        # as below; a list of losses has hundreds of these
                self.wrong_value("value", "the values differ", where)
            return np.asarray(got)
        expected = np.asarray(want)
        if expected.dtype.kind not in _KINDS:              # a whole number beyond 64 bits
            if type(got) is not int:
                self.unusable(got, want, where)
            elif got != want:
                self.wrong_value("value", "the values differ", where)
            return got
        array = _array(got)
        if array is None:
            self.unusable(got, want, where)
            return got
        if type(got) in (list, tuple):
            self.wrong_form("type", f"{described(got)} came, {described(want)} is expected", where)
        elif array.shape != expected.shape:
            self.wrong_form("shape", f"{array.shape} came, {expected.shape} is expected", where)
        if array.shape != expected.shape:
            if array.size != expected.size:
                self.wrong_both("shape", f"{array.shape} came, {expected.shape} is expected", where)
                return array
            array = array.reshape(expected.shape)
        self.dtypes(array, expected, where)
        self.entries(array, expected, where)
        return array

    def dtypes(self, got: np.ndarray, want: np.ndarray, where: str) -> None:
        came, expected = _KINDS[got.dtype.kind], _KINDS[want.dtype.kind]
        if came != expected and got.size:
            thing = _WORDS[came] if not got.ndim else f"an array of {came}s"
            lost = (expected, came) == ("float", "integer")
            what = f"the result is {thing}: was a division or a cast lost?" if lost else f"{thing} came, not {expected}"
            self.wrong_form("dtype", what, where)
        elif self.float32 and expected == "float" and got.dtype == np.float64 and got.ndim:
            self.note = "float32 came in and float64 went out: on a graphics card that costs half the speed or more"

    def entries(self, got: np.ndarray, want: np.ndarray, where: str) -> None:
        if want.dtype.kind in "biu":
            if not np.array_equal(got, want):
                self.wrong_value("value", "the values differ", where)
            return
        error, scale = _error_and_scale(got, want, None, self.examples)
        if ((error <= self.tol * (1 + scale)) & (scale < np.inf)).all():        # NaN and inf are looked at below
            return
        finite = np.isfinite(want)
        bad = ~np.isfinite(got) & finite
        if bad.any():
            self.wrong_value("nonfinite", "NaN" if np.isnan(got[bad]).any() else "inf", where)
            return
        error, scale = _error_and_scale(got, want, finite, self.examples)
        if (error > self.tol * (1 + scale)).any() or not np.array_equal(got[~finite], want[~finite], equal_nan=True):
            self.wrong_value("value", "the values differ", where)


def _error_and_scale(got: np.ndarray, want: np.ndarray, finite: np.ndarray | None,
                     examples: int | None) -> tuple[Any, Any]:
    """The largest error and the largest expected entry: of the whole, or for each example. `finite`: where to look."""
    with np.errstate(all="ignore"):
        error, scale = np.abs(got - want), np.abs(want)
    if finite is not None:
        error, scale = np.where(finite, error, 0), np.where(finite, scale, 0)
    if examples is None or want.ndim <= examples:
        return error.max(initial=0), scale.max(initial=0)
    others = tuple(axis for axis in range(want.ndim) if axis != examples)
    return error.max(axis=others, initial=0), scale.max(axis=others, initial=0)


def _array(got: Any) -> np.ndarray | None:
    """Numbers as an array: arrays and scalars as they are, lists if they are rectangular; None for anything else."""
    kind = type(got)
    if not (kind in (np.ndarray, bool, int, float, complex, list, tuple) or isinstance(got, np.generic)):
        return None
    if kind in (list, tuple) and not _of_numbers(got):
        return None
    try:
        array = np.asarray(got)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    return array if array.dtype.kind in _KINDS else None


def _of_numbers(items: Any) -> bool:
    """Numbers all the way down. One long text among a thousand short ones would make an array of a thousand long ones:
    16 MB that came would be 16 GB here."""
    return all(_of_numbers(item) if type(item) in (list, tuple) else
               isinstance(item, (np.ndarray, np.generic, bool, int, float, complex)) for item in items)


def described(value: Any) -> str:
    """What sort of thing a value is, for a sentence."""
    if value is None:
        return "nothing (None)"
    if type(value) is np.ndarray:
        return "an array" if value.ndim else "a number"
    if isinstance(value, (bool, np.bool_)):
        return "a bool"
    if isinstance(value, (int, np.integer)):
        return "a whole number"
    if isinstance(value, (float, np.floating)):
        return "a float"
    names: dict[type, str] = {str: "a text", list: "a list", tuple: "a tuple", dict: "a dict", set: "a set"}
    return names.get(type(value), f"a value of type {type(value).__name__}")


def same(got: Any, want: Any, tol: float, *, examples: int | None = None) -> bool:
    """Are the values equal, whatever the form? For recognising a mutant's output in a wrong shape."""
    return judge(got, want, tol, examples=examples).value is None

