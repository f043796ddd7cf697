"""Small Checks and students for the tests of the oracle: a line, its gradient, a cumulative sum that uses the line."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograder.check import GRADIENT, Check, Draw, Solution, sizes
from autograder.kernel import InKernel
from autograder.oracle import CellResult, grade_cell

SEED = "5eed" * 16
SEEDS = [f"{i:064x}" for i in range(3, 6)]

LINE = """
def line(x, W, b):
    return x @ W.T + b
"""
BACK = """
def line_backward(dy, x, W):
    dx = dy @ W
    dW = dy.T @ x
    db = dy.sum(axis=0)
    return dx, dW, db
"""
SUMS = """
def sums(xs, W, b):
    total, out = 0, []
    for x in xs:
        total = total + line(x, W, b)
        out.append(total)
    return np.stack(out)
"""
FIRSTS = """
def firsts(n):
    return [i * i for i in range(n)]
"""


def line_check() -> Check:
    c = Check("line", cell="line-test", slide="Deck, *Line*", equation="y = W x + b",
              args=("x (B, D)", "W (H, D)", "b (H,)"), results=("y (B, H)",))

    @c.draws
    def draw(rng):
        for s in sizes(rng, "BDH", one={"B": 4}):
            yield Draw(c.normal(rng, s))
        yield Draw(c.normal(rng, next(sizes(rng, "BDH")), scale=300), {"large inputs": True})
        yield Draw(tuple(a.astype(np.float32) for a in c.normal(rng, next(sizes(rng, "BDH")))), {"single": True})

    c.part("shape", 2, kind="shape")
    c.part("values", 5)
    c.part("batch 1", 3, where=lambda d: d["B"] == 1, edge=True)
    c.mutant("no_bias", replace=" + b", by="", says="The bias is part of the line.", family="bias left out")
    c.mutant("minus_bias", replace=" + b", by=" - b", says="The bias is added.")
    c.mutant("negative", replace="return x", by="return -x", says="No minus before W x.",
             question="What is y for b = 0?")
    c.variant("einsum", "def line(x, W, b):\n    return b + np.einsum('bd,hd->bh', x, W)")
    c.question = "What is y at x = 0?"
    return c


def back_check() -> Check:
    c = Check("line_backward", cell="back-test", slide="Deck, *Back*", equation="dW = dy^T x", tol=GRADIENT,
              args=("dy (B, H)", "x (B, D)", "W (H, D)"), results=("dx (B, D)", "dW (H, D)", "db (H,)"))

    @c.draws
    def draw(rng):
        for s in sizes(rng, "BDH"):
            yield Draw(c.normal(rng, s))
        args = c.normal(rng, {"B": 4, "D": 3, "H": 2})
        args[0][1] *= 1e6
        yield Draw(args, {"mixed scales": True}, mixed=True)
        yield Draw(c.normal(rng, {"B": 20, "D": 100, "H": 100}), {"large": True}, budget=0.2)

    c.part("dx", 2)
    c.part("dW", 3)
    c.part("weights", 3, outputs=("dW", "db"))
    c.mutant("dx_transposed", replace="dy @ W", by="dy @ W.T if len(W) == len(W.T) else dy @ W * 2",
             says="dx = W^T dy.")
    c.mutant("dW_half", replace="dy.T @ x", by="dy.T @ x / 2", says="No half in dW.")
    c.mutant("mean", replace="dy.sum", by="dy.mean", says="Sum over the batch.")
    return c


def sums_check() -> Check:
    c = Check("sums", cell="sums-test", slide="Deck, *Sums*", equation="s_t = s_{t-1} + y_t",
              args=("xs (T, B, D)", "W (H, D)", "b (H,)"), results=("s (T, B, H)",))

    @c.draws
    def draw(rng):
        for s in sizes(rng, "TBDH", one={"B": 2, "T": 4}):
            yield Draw(c.normal(rng, s))

    c.part("shape", 2, kind="shape")
    c.part("values", 4)
    c.part("T = 1", 4, where=lambda d: d["T"] == 1)
    c.mutant("reset", replace="total + line", by="0 * total + line", says="The sum goes on.")
    return c


def firsts_check() -> Check:
    c = Check("firsts", cell="firsts-test", slide="Deck", equation="i^2", args=("n",), results=("squares",))

    @c.draws
    def draw(rng):
        for _ in range(5):
            n = int(rng.integers(3, 12))
            yield Draw((n,), {"odd": n % 2 == 1})

    c.part("all", 4)
    c.mutant("from_one", replace="range(n)", by="range(1, n + 1)", says="Counting starts at 0.")
    return c


def course() -> dict[str, Check]:
    """The four Checks, bound to their solutions."""
    checks = [line_check(), back_check(), sums_check(), firsts_check()]
    sources = dict(zip(["line", "line_backward", "sums", "firsts"], [LINE, BACK, SUMS, FIRSTS], strict=True))
    Solution(sources, checks)
    return {c.function: c for c in checks}


CHECKS = course()


class Limits:
    draw, cell = 0.3, 2.0


def student(source: str) -> InKernel:
    """A notebook that is right, but for what `source` defines."""
    space = CHECKS["line"].text.namespace()
    exec(source, space)
    return InKernel(space)


def grade(name: str, source: str, seed: str = SEED, limits: Any = Limits) -> CellResult:
    return grade_cell(CHECKS[name], student(source), seed, limits)


def earned(result: CellResult) -> dict[str, float]:
    return {p.name: p.earned for p in result.parts}


def texts(result: CellResult) -> str:
    """Everything in a verdict that a student may read."""
    said = [result.message, result.question or "", *result.notes, *(p.sentence for p in result.parts),
            *(m.sentence for m in result.misconceptions)]
    return "\n".join(said)
