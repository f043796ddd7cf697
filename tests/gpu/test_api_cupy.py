"""The table of CuPy 14 beside CuPy itself, by introspection: it imports without a driver and without a GPU."""
from __future__ import annotations

import importlib
import inspect
import re
from functools import reduce

import numpy as np
import pytest

from minigrad import doctor, strict

from .api_uses import PACKAGE, cupy_names, package_uses
from .test_api_table import OWN, TABLE

cupy = pytest.importorskip("cupy")


def test_this_cupy_is_of_the_tables_major_version():
    """Another one has another table."""
    assert cupy.__version__.split(".")[0] == TABLE["cupy"].split(".")[0] == str(doctor.OLDEST_CUPY[0])


@pytest.mark.parametrize("name", [*TABLE["functions"], *OWN])
def test_a_function_has_cupys_parameters_in_cupys_order(name):
    """Names that the table leaves out are allowed; a name too many, or another place, is not."""
    theirs = _parameters(getattr(cupy, name))
    assert theirs, f"neither a signature nor a docstring shows the parameters of {name}"
    assert _fits({**TABLE["functions"], **OWN}[name], theirs), theirs


def _fits(table: str, theirs: list[str]) -> bool:
    """Does CuPy's function take what a row of the table says, and at the same places?"""
    words = table.split()
    several = [w for w in words if w.startswith("*") and w != "*"]             # *args
    places = [w for w in (words[:words.index("*")] if "*" in words else words) if w not in several]
    named = {w for w in words if w not in several} - {"*"} <= {w.lstrip("*") for w in theirs}
    ordered = several or places == [w for w in theirs if not w.startswith("*")][:len(places)]
    return set(several) <= set(theirs) and bool(_any(theirs) or named and ordered)


@pytest.mark.parametrize("table, fits", [("a axis out", True), ("a axis * out", True), ("a out axis", False),
                                         ("a axis where", False), ("*a axis", False), ("a", True)])
def test_a_row_with_a_wrong_name_or_place_does_not_fit(table, fits):
    """A keyword too many is an error on a GPU, a place that differs a wrong argument in silence."""
    assert _fits(table, ["a", "axis", "out", "keepdims"]) == fits


def _any(theirs: list[str]) -> bool:
    """Does it take any keyword?"""
    return theirs[-1].startswith("**")


def _parameters(function) -> list[str]:
    """The names of its parameters, "*args" and "**kwargs" too; of compiled ones from the head of the docstring."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        head = re.match(r"[\w.]*\w\((.*?)\)\s*(?:->.*)?$", (function.__doc__ or "").split("\n\n")[0].strip(), re.S)
        words = re.sub(r"[(\[][^()\[\]]*[)\]]", "", head[1]).split(",") if head else []
        names = [w.split("=")[0].split(":")[0].split() for w in words]
        return [w[-1] for w in names if w and w[-1] not in "/*" and w[-1] != "self"]
    star = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [star.get(p.kind, "") + p.name for p in found if p.name != "self"]


def test_ufuncs_are_ufuncs_and_their_atomics_are_cupys():
    """`at` is there for all ufuncs, and works for those four."""
    assert all(isinstance(getattr(cupy, name), cupy.ufunc) for name in TABLE["ufuncs"])
    assert all(hasattr(getattr(cupy, name), "at") for name in strict._ATOMIC)


@pytest.mark.parametrize("name", TABLE["methods"])
def test_a_method_has_cupys_parameters(name):
    """As they stand in the first line of its docstring."""
    theirs, words = _parameters(getattr(cupy.ndarray, name)), TABLE["methods"][name].split()
    assert {w for w in words if w != "*"} <= set(theirs), (words, theirs)


def test_constants_and_dtypes_are_numpys():
    """So `xp.float32` and `np.float32` are one."""
    for name in TABLE["host"]:
        theirs = getattr(cupy, name)
        assert theirs is getattr(np, name) or theirs != theirs or theirs == getattr(np, name), name


def test_every_use_of_the_package_exists_in_this_cupy():
    """The two tests above in one step, and what the GPU's own files take from CuPy by dotted names."""
    for use in package_uses():
        assert reduce(getattr, use.name.split("."), cupy) is not None, use
    for path in PACKAGE.rglob("*.py"):
        if path.name != "doctor.py":                         # a variable of that name
            for dotted in cupy_names(path.read_text()):
                assert _exists(dotted), (path, dotted)


def _exists(dotted: str) -> bool:
    words = dotted.split(".")
    for n in range(len(words), 0, -1):
        try:
            found = importlib.import_module(".".join(words[:n]))
        except ImportError:
            continue
        return all(hasattr(found, words[n]) and (found := getattr(found, words[n])) is not None
                   for n in range(n, len(words)))
    return False


def test_a_dotted_name_that_cupy_lacks_is_seen():
    """The last test must be able to fail."""
    assert _exists("cupy.cuda.Stream") and not _exists("cupy.cuda.Streem") and not _exists("cupyy")
