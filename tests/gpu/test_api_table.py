"""Every name and keyword that the package asks of a namespace is in `strict_api.json`, the table of CuPy 14.

The source is read, so that a branch which no test runs is held to it too. `test_api_cupy.py` holds the table to CuPy.
"""
from __future__ import annotations

import inspect
import io
import json
import tokenize
from pathlib import Path

import pytest

from minigrad import strict

from .api_uses import PACKAGE, Use, cupy_names, package_uses, problems, uses

TABLE = json.loads(Path(strict.__file__).with_name("strict_api.json").read_text())
# What the double defines itself, and what only the host and a GPU are asked for: the strict double shares no memory.
OWN = {**{name: " ".join(inspect.signature(getattr(strict, name)).parameters)
          for name in ("array", "asarray", "asnumpy")}, "from_dlpack": "array"}


def test_every_name_and_keyword_that_the_package_uses_is_in_the_table():
    """One `xp.` that CuPy lacks would be an AttributeError on somebody's GPU."""
    assert problems(package_uses(), TABLE, strict._ATOMIC, OWN) == []


def test_the_reader_of_the_source_finds_every_place():
    """As many as there are tokens `xp . name`, and what is called through another name."""
    found = list(package_uses())
    places = {use.where for use in found}
    for path in PACKAGE.rglob("*.py"):
        tokens = list(tokenize.generate_tokens(io.StringIO(path.read_text()).readline))
        for name, dot, _ in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if (name.string, dot.string) == ("xp", ".") and name.type == tokenize.NAME:
                assert f"{path.relative_to(PACKAGE.parent)}:{name.start[0]}" in places, (path, name.line)
    called = [use for use in found if use.where.startswith("minigrad/optim/methods.py") and use.name == "multiply"]
    assert len(found) > 250 and any("out" in use.keywords for use in called)


WRONG = {
    "a name that CuPy lacks": "def f(xp, a): return xp.block([a])",
    "a keyword that CuPy lacks": "def f(xp, a): return xp.sum(a, initial=0)",
    "a ufunc's where": "def f(xp, a): return xp.exp(a, where=a > 0)",
    "through an attribute": "def f(self, a): return self.device.xp.vecdot(a, a)",
    "through another name": "def f(x):\n    space = x.device.xp\n    return space.unstack(x)",
    "a function under another name": "def f(xp, a):\n    add_up = xp.sum\n    return add_up(a, where=a > 0)",
    "a pair of names": "def f(xp, a):\n    one, two = xp.add, xp.multiply\n    return two(a, a, where=a)",
    "a walrus": "def f(xp, a): return (g := xp.sum)(a) + g(a, initial=1)",
    "in a closure": "def f(xp, a):\n    total = xp.sum\n    return lambda g: total(g, initial=0)",
    "in a class": "class A:\n    def f(self): return self.xp.einsum_path()",
    "an atomic that CuPy lacks": "def f(xp, a, i): xp.logaddexp.at(a, i, 1)",
    "a reduction of a ufunc": "def f(xp, a): return xp.maximum.reduce(a)",
    "too many arguments": "def f(xp, a): return xp.argmax(a, 0, None)",
    "a random number of the device": "def f(xp): return xp.random.rand(3)",
    "a name that is computed": "def f(xp, name): return getattr(xp, name)",
    "a name as text": "def f(xp): return getattr(xp, 'geomspace')",
}
RIGHT = ["def f(xp, a): return xp.sum(a, axis=0, keepdims=True)", "def f(xp, a, i): xp.add.at(a, i, a)",
         "def f(np, a): return np.block([a])", "def f(xp, a): return xp.finfo(a.dtype).eps + xp.float32(1)",
         "def f(xp, a):\n    g = xp.sum\n    return (lambda g: g(initial=0))(a)",
         "def f(xp, a, **kw): return xp.einsum('ij', a, **kw), xp.broadcast_arrays(a, a, a, a)",
         "def f(xp):\n    total = xp.sum\n    total = max\n    return total(1, default=2)"]


@pytest.mark.parametrize("case", WRONG)
def test_what_cupy_lacks_is_named(case):
    """A reader that never says no checks nothing."""
    said = problems(uses(WRONG[case]), TABLE, strict._ATOMIC, OWN)
    assert len(said) == 1 and said[0].startswith("source:"), said


@pytest.mark.parametrize("source", RIGHT)
def test_what_cupy_has_is_let_through(source):
    """And what is no namespace at all."""
    assert problems(uses(source), TABLE, strict._ATOMIC, OWN) == []


def test_a_use_shows_its_place_and_its_call():
    """What a failing test prints."""
    use, = uses("x = 1\ny = xp.sum(x, 0, keepdims=True)", "a.py")
    assert use == Use("sum", "a.py:2", ("keepdims",), 2) and repr(use) == "a.py:2: xp.sum(_, _, keepdims)"


def test_dotted_names_of_cupy_are_read():
    """However they are imported."""
    source = "import cupy as cp\nfrom cupy_backends.cuda.api import driver\ncp.cuda.Stream()\ndriver.funcSetAttribute"
    assert cupy_names(source) >= {"cupy", "cupy.cuda.Stream", "cupy_backends.cuda.api.driver.funcSetAttribute"}
