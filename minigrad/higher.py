"""Derivatives of derivatives: the Jacobian, the Hessian, and its product with a vector.

    jacobian                  J_ij = dy_i / dx_j              one backward pass for each y_i
    hessian                   H_jk = d^2 y / dx_j dx_k         the Jacobian of the gradient
    hessian_vector_product    H v = d(g . v) / dx,  g = dy/dx  two backward passes, whatever the size of x

The last is Pearlmutter, *Fast exact multiplication by the Hessian* (1994). KTH, *Exploding and vanishing gradients*:
the gradient through time is a product of the Jacobians dh_t / dh_{t-1}; `jacobian(step, h)` shows one of them.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ops
from .backward import grad
from .errors import GradError, ShapeError, describe
from .tensor import Tensor


def jacobian(f: Callable[[Tensor], Tensor], x: Tensor, *, create_graph: bool = False) -> Tensor:
    """All derivatives of f at x: entry [i, j] is dy_i / dx_j, of shape y.shape + x.shape.

    x: a float tensor; whether it requires a gradient does not matter.  create_graph: make the result differentiable.
    Zeros where y does not depend on x.  Raises GradError if f returns no Tensor, or create_graph meets an operation
    without second order.
    """
    start = _leaf(x, create_graph)
    y = _called(f, start)
    xp, device = y.device.xp, y.device
    rows: list[Tensor] = []
    flat = ops.reshape(y, (-1,))
    for i in range(y.data.size):
        row = None
        if y.requires_grad:
            seed = xp.zeros(flat.shape, dtype=flat.dtype)
            seed[i] = 1
            (row,) = grad(flat, start, Tensor(seed, False, device), retain_graph=True, create_graph=create_graph,
                          allow_unused=True)
        rows.append(row if row is not None else Tensor(xp.zeros(x.shape, dtype=x.dtype), False, device))
    if not rows:
        return Tensor(xp.zeros((*y.shape, *x.shape), dtype=x.dtype), False, device)
    return ops.reshape(ops.stack(rows, 0), (*y.shape, *x.shape))


def hessian(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """All second derivatives of a single-valued f at x, of shape x.shape + x.shape.

    Raises GradError if f's value is not a single number, or an operation of f has no second order.
    """
    def slope(at: Tensor) -> Tensor:
        return _gradient(f, at)
    return jacobian(slope, x)


def hessian_vector_product(f: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    """The Hessian of a single-valued f at x, times v: of x's shape, at the price of two backward passes.

    Raises ShapeError if v has not x's shape; GradError as `hessian`.
    """
    if tuple(v.shape) != tuple(x.shape):
        raise ShapeError(describe(f"hessian_vector_product takes v of x's shape {tuple(x.shape)}, and this one is "
                                  f"{tuple(v.shape)}.", v=v._made(), fix="v is a direction in which x moves"))
    start = _leaf(x, False)
    slope = _gradient(f, start)
    found = None
    if slope.requires_grad:                    # a linear f has a constant gradient
        (found,) = grad((slope * v.detach()).sum(), start, allow_unused=True)
    return found if found is not None else Tensor(x.device.xp.zeros(x.shape, dtype=x.dtype), False, x.device)


def _leaf(x: Tensor, keep: bool) -> Tensor:
    """x itself where its history is wanted, else a leaf of the same values."""
    return x if keep and x.requires_grad else Tensor(x.data, True, x.device)


def _called(f: Callable[[Tensor], Any], x: Tensor) -> Tensor:
    y = f(x)
    if not isinstance(y, Tensor):
        raise GradError(describe(f"the function must return a Tensor, and it returned {type(y).__name__}."))
    return y


def _gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The recorded gradient of f at x."""
    y = _called(f, x)
    if y.data.size != 1:
        raise GradError(describe(f"the Hessian is of a single value, and f gives {tuple(y.shape)}.", made_at=y._made(),
                                 fix="reduce it: f(x).sum(); or jacobian(f, x) for all first derivatives"))
    found = None
    if y.requires_grad:
        (found,) = grad(y.sum(), x, create_graph=True, allow_unused=True)
    return found if found is not None else Tensor(x.device.xp.zeros(x.shape, dtype=x.dtype), False, x.device)
