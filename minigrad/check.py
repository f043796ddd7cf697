"""Checking gradients against differences, and arrays against each other.

`gradcheck` compares one number: the derivative along a random direction, by the tape and by central differences. Two
evaluations of f decide for inputs of any size, and a wrong gradient is missed only by a direction orthogonal to the
error. On failure it looks at single entries and prints where they differ.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .backward import grad
from .errors import DTypeError, GradError, describe
from .tensor import Tensor


def gradcheck(f: Callable[..., Any], inputs: Tensor | Sequence[Tensor], *, eps: float = 1e-6, tol: float = 1e-6,
              order: int = 1, directions: int = 2, seed: int = 0) -> bool:
    """Is the tape's gradient of f at these inputs equal to central differences?

    f: Tensors to a Tensor or a tuple of them.  inputs: float64; those that require a gradient are checked.
    order: 2 checks the gradient of the gradient as well.  tol: of the error, relative to 1 + |derivative|.
    Returns True. Raises GradError with a table of the worst entries; DTypeError for inputs in float32.
    """
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, x in enumerate(xs) if isinstance(x, Tensor) and x.requires_grad]
    for i in checked:
        if xs[i].dtype != np.float64:
            raise DTypeError(describe(f"gradcheck needs float64, and input {i} is {xs[i].dtype}: differences in "
                                      "float32 have 3 digits.", fix="mg.tensor(..., dtype=mg.float64)"))
    rng = np.random.default_rng(seed)
    weights: list[np.ndarray] = []

    def scalar(*args: Tensor) -> Any:
        """f's outputs joined with fixed random weights, so that no gradient cancels."""
        ys = f(*args)
        total = None
        for k, y in enumerate(ys if isinstance(ys, (tuple, list)) else (ys,)):
            if len(weights) <= k:
                weights.append(rng.standard_normal(y.shape))
            term = (y * Tensor(y.device.asarray(weights[k]), False, y.device)).sum()
            total = term if total is None else total + term
        return total

    _compare_directions(scalar, xs, checked, eps, tol, directions, rng, "first")
    if order == 2:
        probes = {i: rng.standard_normal(xs[i].shape) for i in checked}

        def slope(*args: Tensor) -> Tensor:
            """The derivative of `scalar` along a fixed direction, as a recorded value."""
            found = grad(scalar(*args), [args[i] for i in checked], create_graph=True, allow_unused=True)
            parts = [(g * Tensor(g.device.asarray(probes[i]), False, g.device)).sum()
                     for i, g in zip(checked, found, strict=True) if g is not None]
            return sum(parts[1:], parts[0])
        _compare_directions(slope, xs, checked, eps, tol, directions, rng, "second")
    return True


def _compare_directions(f: Callable[..., Tensor], xs: list[Tensor], checked: list[int], eps: float, tol: float,
                        directions: int, rng: np.random.Generator, name: str) -> None:
    def leaves(shift: dict[int, np.ndarray]) -> list[Tensor]:
        """Fresh leaves (f may have written into the old ones), moved by `shift`."""
        fresh = list(xs)
        for i in checked:
            host = xs[i].device.numpy(xs[i].data)
            fresh[i] = Tensor(xs[i].device.asarray(host + shift.get(i, 0)), True, xs[i].device)
        return fresh

    def value(shift: dict[int, np.ndarray]) -> float:
        y = f(*leaves(shift))
        return float(y.detach().item())

    args = leaves({})
    y = f(*args)
    found = (grad(y, [args[i] for i in checked], allow_unused=True) if y.requires_grad else [None] * len(checked))
    tape = {i: np.zeros(xs[i].shape) if g is None else xs[i].device.numpy(g.detach().data)
            for i, g in zip(checked, found, strict=True)}
    for _ in range(directions):
        v = {i: rng.standard_normal(xs[i].shape) for i in checked}
        numeric = (value({i: eps * v[i] for i in checked}) - value({i: -eps * v[i] for i in checked})) / (2 * eps)
        analytic = sum(float((tape[i] * v[i]).sum()) for i in checked)
        if not abs(numeric - analytic) <= tol * (1 + abs(numeric)):
            raise GradError(_table(value, xs, checked, tape, eps, name, analytic, numeric))


def _table(value: Callable[[dict[int, np.ndarray]], float], xs: list[Tensor], checked: list[int],
           tape: dict[int, np.ndarray], eps: float, name: str, analytic: float, numeric: float) -> str:
    """The worst entries among at most 200 of each input: where the two gradients differ."""
    rows = []
    for i in checked:
        for j in list(np.ndindex(*xs[i].shape))[:200]:
            step = np.zeros(xs[i].shape)
            step[j] = eps
            n = (value({i: step}) - value({i: -step})) / (2 * eps)
            rows.append((abs(n - tape[i][j]), i, j, float(tape[i][j]), n))
    rows.sort(key=lambda r: -r[0])
    lines = [f"  input {i} at {j}: tape {a:+.6g}, differences {n:+.6g}" for _, i, j, a, n in rows[:5]]
    return "\n".join([f"the {name}-order gradient is wrong: along a random direction the tape gives {analytic:.8g}, "
                      f"differences give {numeric:.8g}.", *lines])


def compare(got: Any, want: Any, *, rtol: float = 1e-7, atol: float = 0.0, name: str = "value") -> None:
    """Raise AssertionError unless two arrays or tensors agree in shape, dtype kind and value; name the worst entry."""
    a, b = (x.device.numpy(x.detach().data) if isinstance(x, Tensor) else np.asarray(x) for x in (got, want))
    if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
        raise AssertionError(f"{name}: {a.dtype} {a.shape} came, {b.dtype} {b.shape} is expected")
    if a.size and not np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
        error = np.where(np.isnan(a) & np.isnan(b), 0, np.abs(a - b))
        at = np.unravel_index(int(np.argmax(np.where(np.isnan(error), np.inf, error))), a.shape)
        raise AssertionError(f"{name}: {a[at]!r} came at {tuple(map(int, at))}, {b[at]!r} is expected "
                             f"(rtol {rtol}, atol {atol})")


