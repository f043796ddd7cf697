"""The declaration of one graded function: how to draw inputs, what counts, which mistakes students make.

A checks.py reads like this; its reference is the SOLUTION region of the notebook.py beside it:

    from autograder.check import GRADIENT, Check, Draw, sizes

    step = Check("rnn_step", cell="rnn-step-test", slide="Chemnitz, *Recurrent neural network*",
                 equation="h_t = tanh(W_x x_t + W_h h_{t-1} + b)",
                 args=("x (B, D)", "h (B, H)", "W_x (H, D)", "W_h (H, H)", "b (H,)"), results=("h_t (B, H)",))

    @step.draws
    def draw(rng):
        for s in sizes(rng, "BDH"):         # all different, all equal, B = 1
            yield Draw(step.normal(rng, s))
        big = step.normal(rng, {"B": 3, "D": 4, "H": 5}, scale=300)
        yield Draw(big, {"large inputs": True})

    step.part("shape", 2, kind="shape")     # type, shape and dtype, on all draws
    step.part("values", 9)                  # no where: the draws that no other part selects
    step.part("batch 1 and D = H", 3, where=lambda d: d["B"] == 1 or d["D"] == d["H"], edge=True)

    step.mutant("no_recurrence", replace=" + h @ W_h.T", by="", family="state not carried",
                says="Without W_h h_{t-1} this is a feed-forward layer: nothing is remembered.")
    step.variant("loop over the batch", "def rnn_step(x, h, W_x, W_h, b):\\n    return np.stack([...])")
    step.question = "What would h_t be if x_t were 0?"

- Letters. "xs (T, B, D)" names an argument and its axes. The sizes of a draw are read off its arrays, so `where`,
  "fails for B = 1" and "right up to step t" need nothing more. Axis B holds examples, T steps. "grads" alone: no axes.
- Several results: results=("dx (B, D)", "dW (H, D)"), with tol=GRADIENT. A part that has a result's name judges that
  one; outputs=("dx", "dW") gives each an equal share; neither: all of them, earned as a whole.
- `tol` may be a dict by result. A draw with a float32 array is compared at 1e-4; its reference runs in float64.
- Draw(..., mixed=True) compares each example of axis B by its own largest entry. Draw(..., budget=0.2) may cost
  so many seconds of a processor, or this draw alone is lost; another draw that takes longer than the limit ends its
  cell.
- `edge=True` marks the part that is lost when the function changes its arguments; without one, the cheapest part.
- copies=True: the function promises new arrays; a result that shares memory with an argument loses the edge part.
- Mutant: replace/by, or substitutions=((old, new), ...) for several places. Each `old` occurs once in the cell.
- driver="run_rollout": a function of a given cell that is called in place of the graded one and calls it: where an
  argument or a result is no data (a function, a class, a graph of objects), the driver makes it from data inside the
  student's process and hands data back. It holds no expected value. `args` and `results` are the driver's.
- order=("b", "x", "h", "W_x", "W_h"): the function takes its arguments in this order; `args` and the draws are written
  in another one (a term's version of an assignment has it: autograder vary).
- judge=f, for a function that no comparison can judge: f(got, draw, want, call) returns {part: None or a sentence} for
  each draw. `got` has the form of `want` when it is called; call(name, *args) calls the student's own function.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import FunctionType
from typing import Any, Protocol

import numpy as np

from autograder.draws import CheckError, Draw, Named, as_float32, copied, sizes, widened

__all__ = ["FLOAT32", "GRADIENT", "VALUE", "Check", "CheckError", "Draw", "Mutant", "Part", "Solution", "Variant",
           "as_float32", "sizes"]

VALUE, GRADIENT, FLOAT32 = 1e-7, 1e-11, 1e-4    # a fourth-order difference reaches 1e-11; a complex step is too slow
KEPT = 200                                      # answers of the reference that a Check keeps, see `expected`

Function = Callable[..., Any]
DrawFunction = Callable[[np.random.Generator], Iterable["Draw"]]
Judge = Callable[[Any, "Draw", Any, Function], Mapping[str, "str | None"]]


class _Cell(Protocol):
    @property
    def source(self) -> str: ...


class SolutionText(Protocol):
    """What a Check needs of an assignment: the solution's text, and namespaces made from it."""

    def solution_cell(self, function: str) -> _Cell: ...
    def namespace(self, replace: Mapping[str, str] | None = None,
                  given: Mapping[str, Function] | None = None) -> dict[str, Any]: ...
    @property
    def checks(self) -> Mapping[str, Check]: ...


@dataclass(frozen=True)
class Part:
    """A named share of the points: a set of draws and outputs."""

    name: str
    points: float
    outputs: tuple[str, ...]        # those it looks at
    where: Callable[[Draw], bool] | None
    kind: str = "value"             # or "shape"
    edge: bool = False
    shares: bool = False            # each output earns its share alone


@dataclass(frozen=True)
class Mutant:
    """The solution with one student's mistake, and the sentence that explains the mistake."""

    name: str
    substitutions: tuple[tuple[str, str], ...]
    says: str
    family: str = ""
    visible: bool | None = None     # does the visible test catch it? measured by a test
    question: str | None = None


@dataclass(frozen=True)
class Variant:
    """A right solution written differently: it must earn every part."""

    name: str
    source: str


class Check:
    """One graded function. See the head of this file for how a checks.py reads."""

    def __init__(self, function: str, *, cell: str, slide: str, equation: str, args: Iterable[str],
                 results: Iterable[str], tol: float | Mapping[str, float] = VALUE, copies: bool = False,
                 question: str | None = None, judge: Judge | None = None, driver: str = "", order: Iterable[str] = (),
                 nan_hint: str = "is there an `exp` of a large number, a maximum not subtracted?") -> None:
        self.function, self.cell, self.slide, self.equation = function, cell, slide, equation
        self.written, self.results = [Named.parse(a) for a in args], [Named.parse(r) for r in results]
        names, wanted = [a.name for a in self.written], tuple(order)
        if wanted and sorted(wanted) != sorted(names):
            raise CheckError(f"order of {function}: it names {', '.join(wanted)}; args are {', '.join(names)}")
        self.places = [names.index(name) for name in wanted or names]
        self.args = [self.written[i] for i in self.places]
        self.names = tuple(r.name for r in self.results)
        self.tol = {name: tol.get(name, VALUE) if isinstance(tol, Mapping) else tol for name in self.names}
        self.copies, self.question, self.judge, self.nan_hint = copies, question, judge, nan_hint
        self.called = driver or function        # what is called in the student's process
        self.parts: list[Part] = []
        self.mutants: list[Mutant] = []
        self.variants: list[Variant] = []
        self._draw: DrawFunction | None = None
        self._text: SolutionText | None = None
        self._made: dict[tuple[str, ...], Function | None] = {}
        self._expected: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Check({self.function!r}, cell={self.cell!r})"

    # ----- Declaring

    def draws(self, function: DrawFunction) -> DrawFunction:
        """Decorator: a generator of Draws from a NumPy Generator, and from nothing else that changes."""
        self._draw = function
        return function

    def part(self, name: str, points: float, *, outputs: str | Iterable[str] | None = None,
             where: Callable[[Draw], bool] | None = None, kind: str = "value", edge: bool = False) -> None:
        """Add a part. Raises CheckError for an unknown output, kind or a name that is used twice."""
        given = (outputs,) if isinstance(outputs, str) else tuple(outputs) if outputs is not None else ()
        chosen = given or ((name,) if name in self.names and kind == "value" else self.names)
        unknown = [o for o in chosen if o not in self.names]
        if unknown or kind not in ("value", "shape") or any(p.name == name for p in self.parts) or points <= 0:
            raise CheckError(f"part '{name}' of {self.function}: unknown outputs {unknown}, kind '{kind}', points "
                             f"{points:g}, or a second part of this name")
        self.parts.append(Part(name, float(points), chosen, where, kind, edge, shares=len(given) > 1))

    def mutant(self, name: str, *, says: str, replace: str | None = None, by: str = "",
               substitutions: Iterable[tuple[str, str]] = (), family: str = "", visible: bool | None = None,
               question: str | None = None) -> None:
        """Add a mutant: the solution with `replace` turned into `by`, or with several `substitutions`."""
        pairs = (() if replace is None else ((replace, by),)) + tuple((old, new) for old, new in substitutions)
        if not pairs or any(m.name == name for m in self.mutants):
            raise CheckError(f"mutant '{name}' of {self.function} replaces nothing, or is a second one of this name")
        self.mutants.append(Mutant(name, pairs, says, family, visible, question))

    def variant(self, name: str, source: str) -> None:
        """Add a right solution written differently: the source of the whole solution cell."""
        self.variants.append(Variant(name, source))

    # ----- What the oracle asks

    @property
    def points(self) -> float:
        return sum(p.points for p in self.parts)

    @property
    def edge_part(self) -> Part | None:
        """The part that is lost when arguments are changed: the one marked, else the cheapest."""
        marked = [p for p in self.parts if p.edge]
        return marked[0] if marked else min(self.parts, key=lambda p: p.points, default=None)

    def bind(self, text: SolutionText) -> None:
        """Tell where the solution's text is; an Assignment does it while it loads."""
        self._text, self._made, self._expected = text, {}, {}
        vars(self).pop("uses", None)

    @property
    def text(self) -> SolutionText:
        if self._text is None:
            raise CheckError(f"the Check of {self.function} is bound to no solution")
        return self._text

    def drawn(self, rng: np.random.Generator) -> list[Draw]:
        """All draws, with their sizes as tags; those with a budget of their own come last."""
        if self._draw is None:
            raise CheckError(f"the Check of {self.function} has no draws")
        found = [replace(draw) for draw in self._draw(rng)]
        for draw in found:
            if len(draw.args) != len(self.args):
                raise CheckError(f"a draw of {self.function} has {len(draw.args)} arguments, not {len(self.args)}")
            draw.args = tuple(draw.args[i] for i in self.places)
            draw.tags = self.sizes_of(draw.args) | draw.tags
        return sorted(found, key=lambda d: d.budget is not None)

    def sizes_of(self, args: tuple[Any, ...]) -> dict[str, int]:
        """{"B": 3, "D": 4} from the shapes of the arguments; CheckError where two of them disagree."""
        sizes: dict[str, int] = {}
        for named, arg in zip(self.args, args, strict=True):
            if not named.axes or not isinstance(arg, np.ndarray):
                continue
            if arg.ndim != len(named.axes):
                raise CheckError(f"{self.function}: {named.name} was drawn with shape {arg.shape}, not {named.axes}")
            for letter, size in zip(named.axes, arg.shape, strict=True):
                if letter.isidentifier() and sizes.setdefault(letter, size) != size:
                    raise CheckError(f"{self.function}: {letter} = {sizes[letter]} and {size} in one draw")
        return sizes

    def draws_of(self, part: Part, draws: list[Draw]) -> list[int]:
        """Which draws a part looks at: its own, all for a shape part, else those that no other part selects."""
        if part.kind == "shape":
            return list(range(len(draws)))
        if part.where is not None:
            return [i for i, d in enumerate(draws) if part.where(d)]
        others = [p.where for p in self.parts if p.where is not None and p.kind == "value"]
        return [i for i, d in enumerate(draws) if not any(where(d) for where in others)]

    def normal(self, rng: np.random.Generator, sizes: Mapping[str, int], scale: float = 1.0) -> tuple[Any, ...]:
        """Normal arrays for all arguments that have axes: no bias, weight or state is ever 0."""
        missing = [a.name for a in self.written if not a.axes]
        if missing:
            raise CheckError(f"{self.function}: normal() cannot draw {', '.join(missing)}, which have no axes")
        return tuple(scale * rng.normal(size=[sizes[letter] for letter in a.axes]) for a in self.written)

    def split(self, value: Any) -> list[Any] | None:
        """The results one by one, or None if they are not as many as named."""
        if len(self.names) == 1:
            return [value]
        return list(value) if type(value) in (tuple, list) and len(value) == len(self.names) else None

    # ----- Texts made into functions

    def reference(self) -> Function:
        """The solution. Raises CheckError where its text does not define the function."""
        made = self.mutated()
        assert made is not None
        return made

    def mutated(self, *mutants: Mutant) -> Function | None:
        """The solution with these mistakes; None where they touch the same text and do not combine."""
        key = tuple(m.name for m in mutants)
        if key not in self._made:
            source = self.source(*mutants)
            self._made[key] = None if source is None else self._compile(source, "+".join(key) or "reference")
        return self._made[key]

    def source(self, *mutants: Mutant) -> str | None:
        """The solution cell's text with these mistakes in it."""
        source = self.text.solution_cell(self.function).source
        for old, new in (pair for m in mutants for pair in m.substitutions):
            if source.count(old) != 1:
                return None
            source = source.replace(old, new)
        return source

    def _compile(self, source: str, label: str) -> Function:
        """The cell alone in a copy of the reference's namespace: 30 times faster than running all cells again."""
        space = dict(self.space)
        try:
            exec(compile(source, f"<{self.function}: {label}>", "exec"), space)
            if self.called == self.function:
                return space[self.function]
            driver = space[self.called]         # the same code, that finds this function among its globals
            return FunctionType(driver.__code__, space, driver.__name__, driver.__defaults__, driver.__closure__)
        except Exception as error:
            raise CheckError(f"{self.function}, {label}: {type(error).__name__}: {error}") from error

    @property
    def space(self) -> dict[str, Any]:
        """The namespace of the reference: what the given cells and the solution define. Do not write into it."""
        text = self.text
        space = getattr(text, "_reference_namespace", None)     # one for all Checks of an assignment
        if space is None:
            space = text.namespace()
            text._reference_namespace = space                   # type: ignore[attr-defined]  # a cache on its owner
        return space

    @cached_property
    def uses(self) -> tuple[str, ...]:
        """The other graded functions that the solution calls: through these an earlier mistake is carried forward."""
        source = self.source()
        assert source is not None
        names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        return tuple(c.function for c in self.text.checks.values() if c.function in names and c is not self)

    def carried(self, student: Mapping[str, Function]) -> Function:
        """The reference around the student's own earlier functions."""
        return self.text.namespace(given=student)[self.called]

    def expected(self, draw: Draw) -> Any:
        """What the reference returns for a draw.

        Where a draw is a few plain values (the seed of a training, one of a hundred), a class of hundreds draws each of
        them several times; the answer is kept then.
        """
        if not all(type(a) in (bool, int, float, str) for a in draw.args):
            return self.run(self.reference(), draw)
        key = repr(draw.args)
        if key not in self._expected:
            if len(self._expected) >= KEPT:
                self._expected.clear()
            self._expected[key] = self.run(self.reference(), draw)
        return copied(self._expected[key])      # a judge may write into it

    def run(self, function: Function, draw: Draw) -> Any:
        """Call one of our own functions with copies of the draw's arguments; float32 is widened to float64.

        What the function raises comes through: the oracle decides whether that is a mutant's nature or our fault.
        """
        args = [widened(a) for a in draw.args] if draw.float32 else copied(draw.args)
        with np.errstate(all="ignore"):
            return function(*args)


class Solution:
    """A solution that is not in a notebook: {function: source}, and the code that all of them need. For tests."""

    @dataclass(frozen=True)
    class Text:
        source: str

    def __init__(self, sources: Mapping[str, str], checks: Iterable[Check], given: str = "import numpy as np") -> None:
        self.sources, self.given = dict(sources), given
        self.checks = {c.cell: c for c in checks}
        for check in self.checks.values():
            check.bind(self)

    def solution_cell(self, function: str) -> Text:
        return self.Text(self.sources[function])

    def namespace(self, replace: Mapping[str, str] | None = None,
                  given: Mapping[str, Function] | None = None) -> dict[str, Any]:
        space: dict[str, Any] = {}
        for source in [self.given, *(self.sources | dict(replace or {})).values()]:
            exec(source, space)
        space.update(given or {})     # in place: functions look their globals up in this very dict
        return space
