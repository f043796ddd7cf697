"""The texts about a NaN or Inf: which operation made it, on which line, of what. For `debug.py` and `explain.py`."""
from __future__ import annotations

from typing import Any

import numpy as np

from .backward import tape
from .errors import describe, place
from .tensor import Node, Op, Tensor
from .trace import extent, host

# What makes a NaN or Inf of finite numbers, operation by operation: the likely cause, and what to write instead.
CAUSES = {
    "log": ("the logarithm of 0 or of a negative number",
            "log_softmax instead of log(softmax(x)); or x.clip(min=1e-12)"),
    "log1p": ("the logarithm of 0 or of a negative number", "keep the argument above -1"),
    "sqrt": ("the root of a negative number; or, in backward, of 0, where its slope is infinite",
             "sqrt(x + 1e-12) keeps away from 0"),
    "norm": ("the norm's slope at 0 is 0/0", "add 1e-12 under the root"),
    "div": ("a division by 0", "divide by x + 1e-12, or choose with mg.where before dividing"),
    "pow": ("0 to a negative power, or a root of a negative number", "keep the base above 0"),
    "exp": ("overflow: float32 ends at e^88", "subtract the largest entry first, as softmax and logsumexp do"),
    "mul": ("overflow, or 0 times Inf", "choose with mg.where instead of multiplying by a mask"),
    "sub": ("Inf minus Inf", "mask the scores before the softmax, not after it"),
    "matmul": ("values grew until they overflowed",
               "smaller initial weights, a smaller learning rate, or clip_grad_norm_"),
    "mean": ("an overflowing sum", "a smaller learning rate"), "sum": ("an overflowing sum", "a smaller learning rate"),
}
ELEMENTWISE = frozenset("add sub mul div pow exp expm1 log log1p sqrt tanh sigmoid maximum minimum neg abs".split())
_KINDS = {(True, False): "NaN", (False, True): "Inf", (True, True): "NaN and Inf"}


def kind(found: Any) -> str:
    """`NaN`, `Inf` or `NaN and Inf`, with how many of how many."""
    return f"{_KINDS[bool(found.nans), bool(found.infs)]} in {found.nans + found.infs} of {found.size} entries"


def born(value: Any, args: Any) -> tuple | None:
    """The index of the first entry that is NaN (or Inf of finite operands); None if there is none."""
    array = host(value)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return None
    if not np.isnan(array).any() and not all(extent(a).finite for a in args if hasattr(a, "dtype")
                                             or isinstance(a, float)):
        return None                            # a mask's -Inf goes where it was sent
    return _first(array)


def _first(array: np.ndarray) -> tuple:
    wrong = np.isnan(array) if np.isnan(array).any() else np.isinf(array)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), array.shape))


def _there(name: str, operand: Any, shape: tuple, at: tuple) -> str:
    """The operand's value at the place of the failure, where an elementwise operation makes that a question."""
    if name not in ELEMENTWISE:
        return ""
    return f", {float(np.broadcast_to(host(operand), shape)[at]):.4g} there"


def forward_text(op: Op, args: Any, value: Any, at: tuple, where: Any = None) -> str:
    """Which operation made the first NaN or Inf, of what."""
    array, lines = host(value), {}
    likely, fix = CAUSES.get(op.name, (None, None))
    for i, x in enumerate([a for a in args if hasattr(a, "shape")], 1):
        made = x._made() if isinstance(x, Tensor) else None
        found = extent(x.data if isinstance(x, Tensor) else x)
        lines[f"operand {i}"] = (f"{tuple(x.shape)}" + _there(op.name, x, array.shape, at)
                                 + ("" if found.finite else f", already {kind(found)}")
                                 + (f", from {made}" if made else ""))
        if found.nans:
            likely, fix = f"operand {i} brought it: it was not made here", "look at the data, or at where it was made"
    return describe(f"{op.name} made {kind(extent(array))}, the first at {at}.",
                    made_at=place(where or tape.caller()), **lines, likely=likely, fix=fix)


def backward_text(node: Node, i: int, target: Any, g: Any, gx: Any) -> str:
    """Which node's vjp made the first NaN or Inf, for which operand."""
    array = host(gx)
    at = _first(array)
    seen = getattr(target, "data", None)
    if seen is None and getattr(target, "ref", None) is not None and target.ref() is not None:
        seen = target.ref().data
    same = not isinstance(g, list) and tuple(g.shape) == array.shape
    likely, fix = CAUSES.get(node.op.name, (None, None))
    formula = (node.op.fn.__doc__ or "").split("\n")[0]
    return describe(
        f"the gradient of {node.op.name} is {kind(extent(array))}, the first at {at}.",
        node=f"{node.op.name} -> {node.shape}", made_at=place(node.where),
        operand=f"{i + 1}, {tuple(target.shape)}" + (_there(node.op.name, seen, array.shape, at)
                                                     if seen is not None and same else ""),
        incoming=f"{float(host(g)[at]):.4g} there" if same else None, formula=formula, likely=likely, fix=fix)
