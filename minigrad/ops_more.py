"""The primitives outside of the core, in the form of `ops.py`: special functions, reductions, einsum, shapes.

What composes from other primitives is composed, and is then differentiable at any order: a product is a tournament of
products, so that zeros need no special case. Gather and sort are in `ops_select.py`, convolution in `ops_windows.py`.
"""
from __future__ import annotations

import builtins
import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import create
from .contract import contract
from .errors import ShapeError, describe
from .indexing import axis_of
from .kernels import of
from .ops import (
    _OPERANDS,
    _axes,
    _count,
    _operator,
    _stretch,
    _under,
    astype,
    broadcast_to,
    concat,
    mul,
    permute,
    pow,
    primitive,
    put,
    reshape,
    squeeze,
    sum,
    swapaxes,
    where,
)
from .ops import _here as _core
from .tensor import Tensor

# ---------------------------------------------------------------------------------------------- elementwise

@primitive
def maximum(xp, a, b):
    """y = max(a, b);  da = g [a > b] + g/2 [a = b], and so for b"""
    return xp.maximum(a, b), lambda g: (lambda: g * _share(xp, a, b, g), lambda: g * _share(xp, b, a, g))


@primitive
def minimum(xp, a, b):
    """y = min(a, b);  da = g [a < b] + g/2 [a = b], and so for b"""
    return xp.minimum(a, b), lambda g: (lambda: g * _share(xp, b, a, g), lambda: g * _share(xp, a, b, g))


def _share(xp, a, b, g):
    """1 where a is the larger, 1/2 where they tie, else 0; of g's dtype and shape."""
    one, zero = xp.ones_like(g), xp.zeros_like(g)
    return xp.where(a > b, one, xp.where(a < b, zero, one * 0.5))


@primitive
def clip(xp, a, min=None, max=None):
    """y = a within [min, max];  da = g [min <= a <= max]"""
    y = xp.clip(a, min, max)
    return y, lambda g: (g * (a == y),)


@primitive
def abs(xp, a):
    """y = |a|;  da = g sign a"""
    return xp.absolute(a), lambda g: (g * xp.sign(a),)


@primitive
def sign(xp, a):
    """y = sign a;  da = 0"""
    return xp.sign(a), lambda g: (xp.zeros_like(g),)


@primitive
def remainder(xp, a, b):
    """y = a - b floor(a / b);  da = g, db = -g floor(a / b)"""
    return a % b, lambda g: (g, lambda: -g * (a // b))


@primitive
def expm1(xp, a):
    """y = e^a - 1;  da = g (y + 1)"""
    y = xp.expm1(a)
    return y, lambda g: (g * (y + 1),)


@primitive
def log1p(xp, a):
    """y = log(1 + a);  da = g / (1 + a)"""
    return xp.log1p(a), lambda g: (g / (1 + a),)


@primitive
def sin(xp, a):
    """y = sin a;  da = g cos a"""
    return xp.sin(a), lambda g: (g * xp.cos(a),)


@primitive
def cos(xp, a):
    """y = cos a;  da = -g sin a"""
    return xp.cos(a), lambda g: (-g * xp.sin(a),)


@primitive
def erf(xp, a):
    """y = 2/sqrt(pi) int_0^a e^(-t^2) dt;  da = g 2/sqrt(pi) e^(-a^2)

    NumPy has none. Within 4e-16 of math.erf, relatively: the power series up to 1, then 1 - e^(-a^2) P(s).
    """
    y = erf(a) if xp is _core else _erf(xp, a)
    return y, lambda g: (g * (xp.exp(-a * a) * (2 / math.sqrt(math.pi))),)


@functools.cache
def _erf_polynomials(terms: int) -> tuple[list[float], list[float], float, float]:
    """Coefficients, highest first: of erf(a) / a in a^2; of e^(a^2) erfc(a), 1 <= a <= 6, in s = (t - middle) / half.

    t = 1 / (1 + a/2) makes the second function smooth: 18 Chebyshev nodes, at which math.erfc is exact, are enough
    for float64, 9 for float32.
    """
    series = [2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(terms, -1, -1)]
    middle, half = (2 / 3 + 1 / 4) / 2, (2 / 3 - 1 / 4) / 2
    s = np.cos((np.arange(terms) + 0.5) * np.pi / terms)
    nodes = 2 / (middle + half * s) - 2
    tail = np.polynomial.chebyshev.chebfit(s, [math.erfc(x) * math.exp(x * x) for x in nodes], terms - 1)
    return series, np.polynomial.chebyshev.cheb2poly(tail)[::-1].tolist(), middle, half


def _erf(xp: Any, a: Any) -> Any:
    series, tail, middle, half = _erf_polynomials(18 if a.dtype == np.float64 else 9)
    size = xp.absolute(a)
    near, far = xp.minimum(size, 1.0), xp.clip(size, 1.0, 6.0)       # erf(6) is 1 in float64; NaN stays NaN
    s = (1 / (1 + 0.5 * far) - middle) / half
    beyond = 1 - _horner(tail, s) * xp.exp(-far * far)
    return xp.sign(a) * xp.where(size < 1, near * _horner(series, near * near), beyond)


def _horner(coefficients: list[float], x: Any) -> Any:
    y = x * coefficients[0]
    for c in coefficients[1:-1]:
        y += c
        y *= x
    return y + coefficients[-1]


@primitive
def leaky_relu(xp, a, negative_slope=0.01):
    """y = a where a > 0, else slope a;  da = g where a > 0, else slope g"""
    return (xp.where(a > 0, a, a * negative_slope),
            lambda g: (xp.where(a > 0, g, g * negative_slope),))


@primitive
def silu(xp, a):
    """y = a s with s = sigmoid(a);  da = g s (1 + a (1 - s))"""
    s = xp.tanh(a * 0.5) * 0.5 + 0.5
    return a * s, lambda g: (g * (s * (1 + a * (1 - s))),)


@primitive
def softplus(xp, a, beta=1.0, threshold=20.0):
    """y = log(1 + e^(beta a)) / beta (a where beta a > threshold);  da = g sigmoid(beta a)"""
    x = a * beta
    y = xp.where(x > threshold, a, (xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.absolute(x)))) / beta)
    return y, lambda g: (g * xp.where(x > threshold, xp.ones_like(x), xp.tanh(x * 0.5) * 0.5 + 0.5),)


@primitive
def gelu(xp, a, approximate="none"):
    """y = a P(N < a);  da = g (P(N < a) + a n(a)), n the normal density

    Hendrycks and Gimpel, *Gaussian Error Linear Units* (2016). approximate="tanh" is their approximation.
    """
    if approximate == "tanh":
        c = math.sqrt(2 / math.pi)
        t = xp.tanh(c * (a + 0.044715 * a * a * a))
        slope = c * (1 + 3 * 0.044715 * a * a)
        return 0.5 * a * (1 + t), lambda g: (g * (0.5 * (1 + t) + 0.5 * a * (1 - t * t) * slope),)
    if approximate != "none":
        raise ValueError(f"approximate is 'none' or 'tanh', not {approximate!r}")
    if k := of(xp, a.dtype):                   # erf alone is some thirty launches
        return _gelu_by_kernel(k, xp, a)
    p = 0.5 * (1 + _under(xp, erf, a * math.sqrt(0.5)))
    return a * p, lambda g: (g * (p + a * xp.exp(-0.5 * a * a) * (1 / math.sqrt(2 * math.pi))),)


def _gelu_by_kernel(k: Any, xp: Any, a: Any) -> Any:
    x, shape, n, blocks = xp.ascontiguousarray(a), a.shape, a.size, -(-a.size // 256)
    y = xp.empty(shape, dtype=a.dtype)
    k("bias_gelu_forward", blocks, 256, x, None, None, y, n)

    def vjp(g: Any) -> Any:
        dx = xp.empty(shape, dtype=x.dtype)
        k("bias_gelu_backward", blocks, 256, x, None, None, xp.ascontiguousarray(g), dx, n)
        return (dx,)
    return y, vjp


# ---------------------------------------------------------------------------------------------- reductions

def _degrees(shape: tuple, axis: Any, correction: float) -> float:
    """n - correction, which a variance divides by."""
    free = _count(shape, axis) - correction
    if free <= 0:
        raise ShapeError(describe(f"there is no variance of so few values: shape {shape}, dim {axis}, correction "
                                  f"{correction}.", fix="correction=0 divides by n"))
    return free


@primitive
def var(xp, a, axis=None, correction=1, keepdims=False):
    """y = sum_i (a_i - m)^2 / (n - correction);  da_i = 2 g (a_i - m) / (n - correction)

    m is the mean. Raises ShapeError where n <= correction, where PyTorch warns and gives NaN.
    """
    shape, free = a.shape, _degrees(a.shape, axis, correction)
    d = a - xp.mean(a, axis=axis, keepdims=True)
    return (xp.sum(d * d, axis=axis, keepdims=keepdims) / free,
            lambda g: (_stretch(xp, g * (2 / free), shape, axis, keepdims) * d,))


@primitive
def std(xp, a, axis=None, correction=1, keepdims=False):
    """y = sqrt(sum_i (a_i - m)^2 / (n - correction));  da_i = g (a_i - m) / (y (n - correction)) (0 where y = 0)"""
    shape, free = a.shape, _degrees(a.shape, axis, correction)
    d = a - xp.mean(a, axis=axis, keepdims=True)
    s = xp.sum(d * d, axis=axis, keepdims=True) / free
    y, inverse = _root(xp, s)
    return _drop(xp, y, axis, keepdims), lambda g: (_stretch(xp, g, shape, axis, keepdims) * (d * inverse / free),)


@primitive
def _norm(xp, a, axis=None, keepdims=False):
    """y = sqrt(sum_i a_i^2);  da_i = g a_i / y (0 where y = 0)"""
    shape = a.shape
    y, inverse = _root(xp, xp.sum(a * a, axis=axis, keepdims=True))
    return _drop(xp, y, axis, keepdims), lambda g: (_stretch(xp, g, shape, axis, keepdims) * (a * inverse),)


def _root(xp: Any, s: Any) -> tuple[Any, Any]:
    """sqrt(s) and 1 / sqrt(s), both 0 where s is 0, at any order of the gradient."""
    alive = s > 0
    y = xp.sqrt(xp.where(alive, s, xp.ones_like(s)))
    rest = xp.where(s == s, xp.zeros_like(s), s)                   # a NaN stays
    return xp.where(alive, y, rest), xp.where(alive, 1 / y, rest)


def _drop(xp: Any, y: Any, axis: Any, keepdims: bool) -> Any:
    """A reduction's value, made with keepdims, as it was asked for."""
    return y if keepdims else xp.squeeze(y) if axis is None else xp.squeeze(y, axis)


def norm(a: Tensor, p: float = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """(sum_i |a_i|^p)^(1/p), p >= 1; p = inf is the largest |a_i|. The gradient at 0 is 0."""
    if p == 2:
        return _norm(a, dim, keepdim)
    if p == math.inf:
        return _core.amax(abs(a), dim, keepdim)
    if p < 1:
        raise ValueError(f"norm has p >= 1, not {p!r}")
    s = sum(abs(a) if p == 1 else pow(abs(a), p), dim, keepdim)
    return s if p == 1 else where(s > 0, pow(where(s > 0, s, 1.0), 1 / p), 0.0)


@primitive
def cumsum(xp, a, axis):
    """y_i = a_0 + ... + a_i;  da_i = g_i + ... + g_n"""
    return xp.cumsum(a, axis=axis), lambda g: (xp.flip(xp.cumsum(xp.flip(g, axis), axis=axis), axis),)


def prod(a: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The product of entries, as a tournament of log2 n products: right where entries are 0, at any order."""
    a = a.to(np.int64) if a.dtype.kind in "bui" else a         # small integers overflow in silence
    y, axis = (reshape(a, (a.data.size,)), 0) if dim is None or not a.ndim else (a, axis_of(a.shape, dim))
    at = (slice(None),) * axis
    if y.shape[axis] == 0:
        y = sum(y, axis, True) + 1             # of no factors
    while (n := y.shape[axis]) > 1:
        half = n // 2
        pairs = mul(y[(*at, slice(0, half))], y[(*at, slice(half, 2 * half))])
        y = pairs if n % 2 == 0 else concat([pairs, y[(*at, slice(n - 1, n))]], axis)
    if dim is not None and a.ndim:
        return y if keepdim else squeeze(y, axis)
    return reshape(y, (1,) * a.ndim if keepdim else ())


@primitive
def log_softmax(xp, a, axis=-1):
    """y = a - log sum e^a;  da = g - e^y sum g

    A row of -inf gives -inf and a zero gradient.
    """
    top = xp.amax(a, axis=axis, keepdims=True)
    d = a - xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    e = xp.exp(d)
    s = xp.sum(e, axis=axis, keepdims=True)
    alive = s != 0                                                  # a NaN is, and stays
    s = xp.where(alive, s, xp.ones_like(s))

    def vjp(g):
        return (xp.where(alive, g - e * (xp.sum(g, axis=axis, keepdims=True) / s), xp.zeros_like(g)),)
    return d - xp.log(s), vjp


# ---------------------------------------------------------------------------------------------- products

@primitive
def _einsum(xp, *arrays, equation):
    """y = the sum over letters not in the output;  da = that sum of g and the other factors, for a's letters"""
    inputs, out = equation.split("->")
    terms = inputs.split(",")
    sizes = {}
    for term, a in zip(terms, arrays, strict=True):
        for letter, n in zip(term, a.shape, strict=True):
            sizes[letter] = builtins.max(sizes.get(letter, 1), n) if n else 0

    def part(i, g):
        target, sources, factors = "", [out], [g]
        fresh = iter(set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") - set(sizes))
        for j, (term, a) in enumerate(zip(terms, arrays, strict=True)):
            if j != i:
                sources.append(term)
                factors.append(a)
        for letter in terms[i]:
            if letter in target:               # a diagonal: the identity puts its gradient back on it
                target += next(fresh)
                sizes[target[-1]] = n = sizes[letter]
                sources.append(letter + target[-1])
                factors.append(_eye(xp, n, g))
            else:
                target += letter
        known = [letter for letter in target if any(letter in s for s in sources)]
        d = _contract(xp, ",".join(sources) + "->" + "".join(known), factors)
        lengths = iter(d.shape)
        d = xp.reshape(d, tuple([next(lengths) if letter in known else 1 for letter in target]))
        return xp.broadcast_to(d, tuple([sizes[letter] for letter in target]))
    return _contract(xp, equation, arrays), lambda g: tuple([lambda i=i: part(i, g) for i in range(len(arrays))])


def _contract(xp: Any, equation: str, factors: Sequence[Any]) -> Any:
    """The sum, by matrix products where it can (without optimize NumPy loops; CuPy's own cannot be captured)."""
    if xp is _core:
        return einsum(equation, *factors)
    return np.einsum(equation, *factors, optimize=True) if xp is np else contract(xp, equation, factors)


def _eye(xp: Any, n: int, like: Any) -> Any:
    return create.eye(n, like.dtype, like.device) if xp is _core else xp.eye(n, dtype=like.dtype)


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Einstein's sum, `einsum("bij,bjk->bik", a, b)`: ellipses, diagonals and an omitted output as in NumPy.

    Raises ShapeError where the letters do not fit an operand, or one another.
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    inputs, arrow, out = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise ShapeError(describe(f"einsum {equation!r} has {len(terms)} terms for {len(operands)} operands."))
    free = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in equation]
    dots = ""
    for i, (term, a) in enumerate(zip(terms, operands, strict=True)):
        extra = a.ndim - len(term.replace("...", ""))
        if extra < 0 or extra and "..." not in term:
            raise ShapeError(describe(f"einsum {equation!r}: term {term!r} does not fit {tuple(a.shape)}.",
                                      operand=a._made()))
        letters = "".join(free[:extra][::-1])
        dots = builtins.max(dots, letters, key=len)
        terms[i] = term.replace("...", letters)
    if not arrow:
        joined = inputs.replace("...", "").replace(",", "")
        out = "..." + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    out = out.replace("...", dots)
    sizes: dict[str, int] = {}
    for term, a in zip(terms, operands, strict=True):
        for letter, n in zip(term, a.shape, strict=True):
            known = sizes.get(letter, 1)
            if known != n and 1 not in (known, n):
                raise ShapeError(describe(f"einsum {equation!r}: the letter {letter!r} is {known}, and {n} in "
                                          f"{tuple(a.shape)}.", operand=a._made()))
            sizes[letter] = n if known == 1 else known
    if not "".join(sizes).isalpha() and sizes or len(set(out)) < len(out) or set(out) - set(sizes):
        raise ShapeError(describe(f"einsum {equation!r}: axes are letters, and each of the output's stands there once, "
                                  "and in a term."))
    return _einsum(*operands, equation=",".join(terms) + "->" + out)


def outer(a: Tensor, b: Tensor) -> Tensor:
    """y_ij = a_i b_j of two vectors."""
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(describe(f"outer joins two vectors, not {tuple(a.shape)} and {tuple(b.shape)}.",
                                  a=a._made(), b=b._made(), fix="a.flatten(), or mg.einsum"))
    return mul(reshape(a, (a.shape[0], 1)), b)


# ---------------------------------------------------------------------------------------------- shapes

def transpose(a, dim0, dim1=None):
    """Two axes exchanged, as in PyTorch; or, given one tuple, all axes in that order, as in NumPy."""
    return swapaxes(a, dim0, dim1) if dim1 is not None else permute(a, axes=tuple(dim0))


def flatten(a: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Axes start_dim ... end_dim as one.  Raises IndexRangeError, ShapeError."""
    first, last = axis_of(a.shape, start_dim), axis_of(a.shape, end_dim)
    if first > last:
        raise ShapeError(describe(f"flatten from axis {start_dim} to {end_dim} of {tuple(a.shape)}: the first comes "
                                  "behind the last.", made_at=a._made()))
    return reshape(a, (*a.shape[:first], math.prod(a.shape[first:last + 1]), *a.shape[last + 1:]))


def expand(a: Tensor, *shape: Any) -> Tensor:
    """The tensor stretched to a shape; -1 keeps an axis as it is."""
    new = _axes(shape)
    lead = len(new) - a.ndim
    return broadcast_to(a, tuple([a.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(new)]))


@primitive
def _flip(xp, a, axis):
    """y = a backward along axes;  da = g backward along the same axes"""
    return xp.flip(a, axis), lambda g: (xp.flip(g, axis),)


def flip(a: Tensor, dims: Any = None, *more: int, axis: Any = None) -> Tensor:
    """Backward along axes: flip(a, 0), flip(a, (0, 1)), flip(a, 0, 1); along all of them without any."""
    dims = axis if dims is None else dims
    return _flip(a, tuple(range(a.ndim)) if dims is None else _axes((dims, *more)))


@primitive
def roll(xp, a, shift, axis=None):
    """y_i = a_(i - shift), round the end;  da_i = g_(i + shift)"""
    back = -shift if isinstance(shift, int) else tuple([-s for s in shift])
    return xp.roll(a, shift, axis), lambda g: (xp.roll(g, back, axis),)


@primitive
def tril(xp, a, k=0):
    """y = a where column - row <= k, else 0;  da = g there, else 0"""
    return xp.tril(_matrices("tril", a), k), lambda g: (xp.tril(g, k),)


@primitive
def triu(xp, a, k=0):
    """y = a where column - row >= k, else 0;  da = g there, else 0"""
    return xp.triu(_matrices("triu", a), k), lambda g: (xp.triu(g, k),)


def _matrices(name: str, a: Any) -> Any:
    if a.ndim < 2:
        raise ShapeError(describe(f"{name} needs matrices, not shape {tuple(a.shape)}."))
    return a


def pad(a: Tensor, widths: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Values around: widths (before, after) of the last axis, then of the one before it, and so on, as in PyTorch."""
    n = len(widths) // 2
    if mode != "constant" or len(widths) % 2 or n > a.ndim or builtins.min(widths, default=0) < 0:
        raise ShapeError(describe(f"pad cannot lay {tuple(widths)} ({mode}) around {tuple(a.shape)}.",
                                  made_at=a._made(), fix="two widths >= 0 for each axis, the last axis first; "
                                                         "mode is 'constant'"))
    pairs = [(0, 0)] * (a.ndim - n) + [(widths[2 * i], widths[2 * i + 1]) for i in reversed(range(n))]
    shape = tuple([before + m + after for (before, after), m in zip(pairs, a.shape, strict=True)])
    place = tuple([slice(before, before + m) for (before, _), m in zip(pairs, a.shape, strict=True)])
    y = put(a, index=place, shape=shape)
    if not value:
        return y
    border = a.device.xp.full(shape, value, dtype=a.dtype)
    border[place] = 0
    return y + Tensor(border, False, a.device)


def moveaxis(a: Tensor, source: int, target: int) -> Tensor:
    """One axis moved to another place."""
    source, target = axis_of(a.shape, source), axis_of(a.shape, target)
    order = [i for i in range(a.ndim) if i != source]
    order.insert(target, source)
    return permute(a, axes=tuple(order))


# ---------------------------------------------------------------------------------------------- assignments

def _augmented(name: str, sign: str) -> Any:
    """`p -= step`: a new value, but on a leaf that requires a gradient a write, as in PyTorch: p is a model's weight.

    Raises InplaceError for such a leaf outside of `no_grad`.
    """
    plain, write = getattr(Tensor, f"__{name}__"), getattr(operator, f"i{name}")

    def method(a, b):
        if a.edge is not None or not a.requires_grad or not isinstance(b, _OPERANDS):
            return plain(a, b)
        other = a._other(b)
        write(a._write(sign), other)
        return a
    return method


clamp, absolute = clip, abs                    # absolute: the name that array namespaces use
for _function in (abs, maximum, minimum, clip, sign, remainder, expm1, log1p, sin, cos, erf, var, std, norm, cumsum,
                  prod, log_softmax, outer, transpose, flatten, expand, flip, roll, tril, triu, moveaxis):
    setattr(Tensor, _function.__name__, _function)
for _name, _sign in dict(add="+=", sub="-=", mul="*=", truediv="/=").items():
    setattr(Tensor, f"__i{_name}__", _augmented(_name, _sign))
for _name, _dtype in dict(float="float32", double="float64", int="int32", long="int64", bool="bool").items():
    setattr(Tensor, _name, functools.partialmethod(astype, _dtype))
for _name, _method in dict(clamp=clip, __abs__=abs, __mod__=_operator(remainder),
                           __rmod__=_operator(remainder, reflected=True)).items():
    setattr(Tensor, _name, _method)

__all__ = [
    "abs", "clamp", "clip", "cos", "cumsum", "einsum", "erf", "expand", "expm1", "flatten", "flip", "gelu",
    "leaky_relu", "log1p", "log_softmax", "maximum", "minimum", "moveaxis", "norm", "outer", "pad", "prod", "remainder",
    "roll", "sign", "silu", "sin", "softplus", "std", "transpose", "tril", "triu", "var",
]
