"""Convolution and pooling: two mirrored primitives, windows and their overlap, and what is composed of them.

A convolution is one matrix product over all windows (im2col); pooling reduces each window. Groups and dilation are not
here: no lecture model has them.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import ShapeError, describe
from .ops import _here as _core
from .ops import _under, expand_dims, matmul, primitive, reshape, squeeze, swapaxes, where
from .ops_more import pad
from .tensor import Tensor


@primitive
def _windows(xp, a, *, kernel, stride):
    """y_(c, i, n, o) = a_(c, n, o stride + i);  da = the windows of g, added where they overlap

    a (C, N, *space) -> (C, *kernel, N, *out): C and kernel are the rows of one matrix, N and out its columns.
    """
    shape = a.shape
    if xp is _core:
        y = _windows(a, kernel=kernel, stride=stride)
    else:
        places = _offsets(shape[2:], kernel, stride)
        y = xp.empty((shape[0], *kernel, shape[1], *_out(shape[2:], kernel, stride)), dtype=a.dtype)
        for offset, place in places:
            y[(slice(None), *offset)] = a[place]
    return y, lambda g: (_under(xp, _overlap, g, kernel=kernel, stride=stride, shape=shape),)


@primitive
def _overlap(xp, a, *, kernel, stride, shape):
    """y = the windows of a, added where they overlap;  da_(c, i, n, o) = g_(c, n, o stride + i)"""
    if xp is _core:
        y = _overlap(a, kernel=kernel, stride=stride, shape=shape)
    else:
        y = xp.zeros(shape, dtype=a.dtype)
        for offset, place in _offsets(shape[2:], kernel, stride):
            y[place] += a[(slice(None), *offset)]
    return y, lambda g: (_under(xp, _windows, g, kernel=kernel, stride=stride),)


def _out(space: tuple, kernel: tuple, stride: tuple) -> tuple:
    """How many windows fit along each axis."""
    return tuple([(n - k) // s + 1 for n, k, s in zip(space, kernel, stride, strict=True)])


def _offsets(space: tuple, kernel: tuple, stride: tuple) -> list[tuple[tuple, tuple]]:
    """For each place in the kernel, the strided slice of the space that it meets."""
    out = _out(space, kernel, stride)
    return [(offset, (slice(None), slice(None), *[slice(i, i + (m - 1) * s + 1, s)
                                                  for i, m, s in zip(offset, out, stride, strict=True)]))
            for offset in np.ndindex(*kernel)]


def _pair(value: Any, n: int) -> tuple:
    """A number for each of n directions.  Raises ShapeError."""
    pair = (value,) * n if isinstance(value, (int, np.integer)) else value
    if not isinstance(pair, (tuple, list)) or len(pair) != n or not all(isinstance(v, (int, np.integer)) for v in pair):
        raise ShapeError(describe(f"a kernel, stride or padding is a whole number, or {n} of them: not {value!r}."))
    return tuple([int(v) for v in pair])


def _prepare(name: str, a: Tensor, kernel: tuple, stride: Any, padding: Any, fill: float = 0.0) -> tuple[Tensor, tuple]:
    """The input padded and as (C, N, *space), and the stride; refuses what does not fit."""
    n = len(kernel)
    strides, around = _pair(stride, n), _pair(padding, n)
    space = tuple([m + 2 * p for m, p in zip(a.shape[2:], around, strict=True)]) if a.ndim == n + 2 else ()
    if a.ndim != n + 2 or any(m < k for m, k in zip(space, kernel, strict=True)) or min(strides) < 1:
        axes = "(N, C, L)" if n == 1 else "(N, C, H, W)"
        raise ShapeError(describe(f"{name} cannot lay a kernel of {kernel}, stride {strides}, padding {around}, on "
                                  f"{tuple(a.shape)}.", made_at=a._made(),
                                  fix=f"the input is {axes}, one example has no N; the kernel must fit"))
    if any(around):
        a = pad(a, [p for p in reversed(around) for _ in range(2)], value=fill)
    return swapaxes(a, 0, 1), strides


def _convolve(name: str, a: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any) -> Tensor:
    kernel = weight.shape[2:]
    if a.ndim == len(kernel) + 1:
        return squeeze(_convolve(name, expand_dims(a, 0), weight, bias, stride, padding), 0)
    if a.ndim == len(kernel) + 2 and a.shape[1] != weight.shape[1]:
        raise ShapeError(describe(f"{name} of {a.shape[1]} channels with a weight for {weight.shape[1]}.",
                                  input=f"{tuple(a.shape)}", weight=f"{tuple(weight.shape)} from {weight._made()}",
                                  fix="the weight is (out, in, *kernel)"))
    x, strides = _prepare(name, a, kernel, stride, padding)
    columns = _windows(x, kernel=kernel, stride=strides)
    rows, tail = math.prod(weight.shape[1:]), columns.shape[1 + len(kernel):]
    y = matmul(reshape(weight, (weight.shape[0], rows)), reshape(columns, (rows, math.prod(tail))))
    if bias is not None:
        y = y + reshape(bias, (-1, 1))
    return swapaxes(reshape(y, (weight.shape[0], *tail)), 0, 1)


def conv1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0) -> Tensor:
    """y_(n, o, t) = b_o + sum_(c, i) w_(o, c, i) x_(n, c, t stride + i).  x (N, C, L) or (C, L), w (O, C, k), b (O).

    No groups, no dilation. Raises ShapeError where channels differ or the kernel does not fit.
    """
    return _convolve("conv1d", input, weight, bias, stride, padding)


def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0) -> Tensor:
    """The same in two directions.  x (N, C, H, W) or (C, H, W), w (O, C, kh, kw), b (O) -> (N, O, H', W').

    stride, padding: a number or one for each direction. No groups, no dilation. Raises ShapeError.
    """
    return _convolve("conv2d", input, weight, bias, stride, padding)


def _pool(name: str, a: Tensor, kernel_size: Any, stride: Any, padding: Any, fill: float) -> Tensor:
    """The entries of each window side by side: (C, kernel, N, H', W')."""
    kernel = _pair(kernel_size, 2)
    if any(2 * p > k for p, k in zip(_pair(padding, 2), kernel, strict=True)):
        raise ShapeError(describe(f"{name} pads {padding} for a kernel of {kernel}: a window would hold padding alone.",
                                  fix="pad at most half of the kernel"))
    x, strides = _prepare(name, a, kernel, kernel if stride is None else stride, padding, fill)
    columns = _windows(x, kernel=kernel, stride=strides)
    return reshape(columns, (columns.shape[0], math.prod(kernel), *columns.shape[3:]))


def max_pool2d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Tensor:
    """The largest entry of each window; of equals the first gets the gradient.  (N, C, H, W) or (C, H, W).

    stride: the kernel's size if None. Raises ShapeError where the kernel does not fit.
    """
    if input.ndim == 3:
        return squeeze(max_pool2d(expand_dims(input, 0), kernel_size, stride, padding), 0)
    columns = _pool("max_pool2d", input, kernel_size, stride, padding, -math.inf)
    hit = Tensor(_first_largest(columns.device.xp, columns.data), False, columns.device)
    return swapaxes(where(hit, columns, 0.0).sum(1), 0, 1)


def _first_largest(xp: Any, a: Any) -> Any:
    """True at the first of the largest entries along axis 1, a NaN before all: an argmax takes thrice as long."""
    hit = (a == xp.amax(a, axis=1, keepdims=True)) | (a != a)
    seen = hit[:, 0].copy()
    for k in range(1, a.shape[1]):
        now = hit[:, k] & ~seen
        seen |= hit[:, k]
        hit[:, k] = now
    return hit


def avg_pool2d(input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Tensor:
    """The mean of each window, padding counted as zeros.  (N, C, H, W) or (C, H, W). Raises ShapeError."""
    if input.ndim == 3:
        return squeeze(avg_pool2d(expand_dims(input, 0), kernel_size, stride, padding), 0)
    return swapaxes(_pool("avg_pool2d", input, kernel_size, stride, padding, 0.0).mean(1), 0, 1)


__all__ = ["avg_pool2d", "conv1d", "conv2d", "max_pool2d"]
