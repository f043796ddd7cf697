"""What hypothesis draws for every primitive: shapes, options, the call in minigrad and the same in NumPy.

CASES: name of a primitive (or of a function composed of them) -> a function that draws an Example. A primitive that is
missing here fails `test_properties.py`.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minigrad as mg
from minigrad import ops, ops_more, ops_select, ops_windows, philox
from minigrad.tensor import Op


@dataclass
class Example:
    """One call: `ours` takes Tensors, `ref` takes float64 arrays of `shapes`, whose values are of a kind (see `values`)."""

    ours: Callable[..., Any]
    ref: Callable[..., Any]
    shapes: list[tuple]
    kind: str = "any"
    tracked: bool = True                       # False: the result has no gradient
    order: int = 2
    note: str = field(default="", compare=False)


Draw = Callable[[st.SearchStrategy], Any]
CASES: dict[str, Callable[[Draw], Example]] = {}


def shapes(low: int = 0, high: int = 3, side: int = 0) -> st.SearchStrategy:
    """Shapes of `low` to `high` axes, each of `side` to 4."""
    return st.lists(st.integers(side, 4), min_size=low, max_size=high).map(tuple)


def values(rng: np.random.Generator, shape: tuple, kind: str, place: int = 0) -> np.ndarray:
    """float64, all different and away from 0 (kinks and ties have no derivative); operand `place` 1 ties with none of 0.

    kind: "any" both signs; "positive"; "small" within 1; "wide" up to 9.
    """
    x = rng.permutation(np.linspace(0.3, 1.7, math.prod(shape))).reshape(shape) * 0.91 ** place + 0.0131415 * place
    if kind != "positive":
        x = x * np.where(rng.random(shape) < 0.5, -1, 1)
    return x * {"small": 0.5, "wide": 5.0}.get(kind, 1.0)


def case(*names: str) -> Callable:
    """Register a function that draws an Example under these names."""
    def register(build: Callable[[Draw], Example]) -> Callable[[Draw], Example]:
        CASES.update(dict.fromkeys(names, build))
        return build
    return register


def unary(name: str, ours: Callable, ref: Callable, kind: str = "any", **kw: Any) -> None:
    """An elementwise function of one tensor of any shape."""
    CASES[name] = lambda draw: Example(ours, ref, [draw(shapes())], kind, **kw)


@st.composite
def pairs(draw: Draw) -> list[tuple]:
    """Two shapes that NumPy can stretch to one."""
    full = draw(shapes())
    cut = [tuple(1 if draw(st.booleans()) and draw(st.booleans()) else n for n in full)[draw(st.integers(0, len(full))):]
           for _ in range(2)]
    return [full, cut[0]] if draw(st.booleans()) else [cut[1], cut[0]] if not full else [cut[0], full]


def binary(name: str, ours: Callable, ref: Callable, kind: str = "any", **kw: Any) -> None:
    """An elementwise function of two tensors, stretched."""
    CASES[name] = lambda draw: Example(ours, ref, draw(pairs()), kind, **kw)


def reduction(name: str, ours: Callable, ref: Callable, kind: str = "any", side: int = 1, several: bool = True,
              whole: bool = True, keep: bool = True, **kw: Any) -> None:
    """ours(a, dim, keepdim), ref(a, axis, keepdims) over one axis, several, or all."""
    def build(draw: Draw) -> Example:
        shape = draw(shapes(1, 3, side))
        axis: Any = draw(st.integers(-len(shape), len(shape) - 1))
        if several and draw(st.booleans()):
            axis = tuple(draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
        if whole and draw(st.integers(0, 3)) == 0:
            axis = None
        keepdims = keep and draw(st.booleans())
        return Example(lambda a: ours(a, axis, keepdims), lambda a: ref(a, axis, keepdims), [shape], kind,
                       note=f"dim={axis}, keepdim={keepdims}", **kw)
    CASES[name] = build


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


_erf = np.vectorize(math.erf, otypes=[float])


def _softmax(a: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(a - a.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# ---------------------------------------------------------------------------------------------- elementwise

for _name in "exp expm1 sin cos tanh abs sign".split():
    unary(_name, getattr(mg, _name), getattr(np, _name))
for _name in "log log1p sqrt".split():
    unary(_name, getattr(mg, _name), getattr(np, _name), "positive")
unary("neg", lambda a: -a, lambda a: -a)
unary("sigmoid", mg.sigmoid, _sigmoid)
unary("relu", mg.relu, lambda a: np.maximum(a, 0))
unary("leaky_relu", lambda a: mg.leaky_relu(a, 0.2), lambda a: np.where(a > 0, a, 0.2 * a))
unary("silu", mg.silu, lambda a: a * _sigmoid(a), "wide")
unary("softplus", lambda a: mg.softplus(a, 2.0), lambda a: np.log1p(np.exp(2 * a)) / 2)
unary("erf", mg.erf, _erf, "wide")
unary("gelu", mg.gelu, lambda a: a * 0.5 * (1 + _erf(a / math.sqrt(2))))
unary("clip", lambda a: mg.clip(a, -0.501, 0.702), lambda a: np.clip(a, -0.501, 0.702))
unary("clone", mg.clone, np.copy)
unary("cast", lambda a: a.to(a.dtype), np.copy)
unary("_move", lambda a: a.to("cpu").to(a.device), np.copy, order=1)
unary("isfinite", mg.isfinite, np.isfinite, tracked=False)
unary("zeros_like", mg.zeros_like, np.zeros_like, tracked=False)
unary("ones_like", mg.ones_like, np.ones_like, tracked=False)
unary("full_like", lambda a: ops.full_like(a, 7.5), lambda a: np.full_like(a, 7.5), tracked=False)
unary("masked_fill", lambda a: mg.masked_fill(a, a.detach() > 0, -1.0), lambda a: np.where(a > 0, -1.0, a))
unary("dropout", lambda a: mg.dropout(a, 0.4, seed=5), lambda a: a * philox.mask(np, 5, 0.4, a.shape, a.dtype))
for _name, _sign in dict(add="+", sub="-", mul="*", div="/").items():
    _f = eval(f"lambda a, b: a {_sign} b")     # the same text for tensors and arrays
    binary(_name, _f, _f)
binary("pow", lambda a, b: a ** b, lambda a, b: a ** b, "positive")
binary("remainder", lambda a, b: a % b, lambda a, b: a % b)
binary("maximum", mg.maximum, np.maximum)
binary("minimum", mg.minimum, np.minimum)
binary("where", lambda a, b: mg.where(a > b, a * 2, b), lambda a, b: np.where(a > b, a * 2, b))
binary("_compare", lambda a, b: (a > b) & ~(a == b) | (b <= a), lambda a, b: (a > b) & ~(a == b) | (b <= a), tracked=False)

# ---------------------------------------------------------------------------------------------- reductions

reduction("sum", mg.sum, lambda a, d, k: a.sum(d, keepdims=k), side=0)
reduction("mean", mg.mean, lambda a, d, k: a.mean(d, keepdims=k))
reduction("amax", mg.amax, lambda a, d, k: a.max(d, keepdims=k))
reduction("amin", mg.amin, lambda a, d, k: a.min(d, keepdims=k))
reduction("logsumexp", mg.logsumexp, lambda a, d, k: np.log(np.exp(a).sum(d, keepdims=k)), whole=False)
reduction("var", lambda a, d, k: mg.var(a, d, correction=0, keepdim=k), lambda a, d, k: a.var(d, keepdims=k))
reduction("std", lambda a, d, k: mg.std(a, d, correction=1, keepdim=k), lambda a, d, k: a.std(d, ddof=1, keepdims=k), side=2)
reduction("_norm", lambda a, d, k: mg.norm(a, 2, d, k), lambda a, d, k: np.sqrt((a * a).sum(d, keepdims=k)))
reduction("norm", lambda a, d, k: mg.norm(a, 3, d, k), lambda a, d, k: (abs(a) ** 3).sum(d, keepdims=k) ** (1 / 3))
reduction("prod", mg.prod, lambda a, d, k: a.prod(d, keepdims=k), side=0, several=False)
reduction("max", lambda a, d, k: mg.max(a, d, k)[0], lambda a, d, k: a.max(d, keepdims=k), several=False, whole=False)
reduction("min", lambda a, d, k: mg.min(a, d, k)[0], lambda a, d, k: a.min(d, keepdims=k), several=False, whole=False)
reduction("all", lambda a, d, k: mg.all(a > 0, d, k), lambda a, d, k: (a > 0).all(d, keepdims=k), tracked=False)
reduction("any", lambda a, d, k: mg.any(a > 0, d, k), lambda a, d, k: (a > 0).any(d, keepdims=k), tracked=False)
reduction("argmax", mg.argmax, lambda a, d, k: a.argmax(d, keepdims=k), several=False, tracked=False)
reduction("argmin", mg.argmin, lambda a, d, k: a.argmin(d, keepdims=k), several=False, tracked=False)
reduction("cumsum", lambda a, d, k: mg.cumsum(a, d), lambda a, d, k: a.cumsum(d), side=0, several=False, whole=False)
reduction("softmax", lambda a, d, k: mg.softmax(a, d), lambda a, d, k: _softmax(a, d), several=False, whole=False)
reduction("log_softmax", lambda a, d, k: mg.log_softmax(a, d), lambda a, d, k: np.log(_softmax(a, d)), several=False, whole=False)
reduction("_flip", lambda a, d, k: mg.flip(a, d), lambda a, d, k: np.flip(a, d), side=0)
reduction("roll", lambda a, d, k: mg.roll(a, 2, d), lambda a, d, k: np.roll(a, 2, d), several=False, side=0)
reduction("_argsort", lambda a, d, k: mg.argsort(a, d, k), lambda a, d, k: np.argsort(-a if k else a, d), several=False,
          whole=False, tracked=False, side=0)
reduction("sort", lambda a, d, k: mg.sort(a, d, k)[0], lambda a, d, k: np.flip(np.sort(a, d), d) if k else np.sort(a, d),
          several=False, whole=False, side=0)
reduction("topk", lambda a, d, k: mg.topk(a, 1, d, not k)[0],
          lambda a, d, k: a.min(d, keepdims=True) if k else a.max(d, keepdims=True), several=False, whole=False)
reduction("squeeze", lambda a, d, k: mg.squeeze(mg.unsqueeze(a, d), d), lambda a, d, k: a, several=False, whole=False, side=0)
reduction("expand_dims", lambda a, d, k: mg.unsqueeze(a, d), lambda a, d, k: np.expand_dims(a, d), whole=False, side=0)
reduction("unbind", lambda a, d, k: mg.unbind(a, d)[-1], lambda a, d, k: np.moveaxis(a, d, 0)[-1], several=False, whole=False)
reduction("_split", lambda a, d, k: mg.split(a, 2, d)[k and a.shape[d] > 2], several=False, whole=False,
          ref=lambda a, d, k: np.split(a, [2, 4] if a.shape[d] > 2 else [2], d)[k and a.shape[d] > 2])
reduction("chunk", lambda a, d, k: mg.chunk(a, 2, d)[0] * 3, several=False, whole=False,
          ref=lambda a, d, k: np.array_split(a, 2, d)[0] * 3)

# ---------------------------------------------------------------------------------------------- products

@case("matmul")
def _matmul(draw: Draw) -> Example:
    n, m, k = (draw(st.integers(0, 4)) for _ in range(3))
    batch = draw(shapes(0, 2, 1))
    left = draw(st.sampled_from([(n, k), (k,), (*batch, n, k)]))
    right = draw(st.sampled_from([(k, m), (k,), (*batch, k, m), (*[1] * len(batch), k, m)]))
    return Example(lambda a, b: a @ b, lambda a, b: a @ b, [left, right])


@case("_einsum", "einsum")
def _einsums(draw: Draw) -> Example:
    equation = draw(st.sampled_from(["ij,jk->ik", "ij->j", "ii->i", "ii", "iij->ji", "bij,bjk", "...ij,jk->...ik", "i,j->ij",
                                     "i,i->", "ij,kj,l->li", "...i->i...", "ij,ji->", "...i,...i->...", "ijk->"]))
    sizes = {c: draw(st.integers(0, 3)) for c in "bijkl"}
    extra = draw(shapes(0, 2, 1)) if "..." in equation else ()
    terms = equation.split("->")[0].split(",")
    arrays = [tuple(n for c in t.replace("...", ".") for n in (extra if c == "." else (sizes[c],))) for t in terms]
    return Example(lambda *a: mg.einsum(equation, *a), lambda *a: np.einsum(equation, *a), arrays, note=equation)


@case("outer")
def _outer(draw: Draw) -> Example:
    return Example(mg.outer, np.outer, [draw(shapes(1, 1)), draw(shapes(1, 1))])


# ---------------------------------------------------------------------------------------------- shapes

@case("reshape", "flatten")
def _reshape(draw: Draw) -> Example:
    shape = draw(shapes())
    new = tuple(draw(st.permutations([*shape, 1]))) if draw(st.booleans()) else (math.prod(shape),)
    return Example(lambda a: a.reshape(new), lambda a: a.reshape(new), [shape], note=f"{new}")


@case("permute", "swapaxes", "moveaxis", "transpose")
def _permute(draw: Draw) -> Example:
    shape = draw(shapes(1))
    axes = tuple(draw(st.permutations(range(len(shape)))))
    i, j = (draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
    return draw(st.sampled_from([
        Example(lambda a: a.permute(*axes), lambda a: a.transpose(axes), [shape], note=f"{axes}"),
        Example(lambda a: a.swapaxes(i, j), lambda a: a.swapaxes(i, j), [shape], note=f"{i}, {j}"),
        Example(lambda a: a.transpose(i, j) * 2, lambda a: a.swapaxes(i, j) * 2, [shape], note=f"{i}, {j}"),
        Example(lambda a: mg.moveaxis(a, i, j), lambda a: np.moveaxis(a, i, j), [shape], note=f"move {i} to {j}")]))


@case("broadcast_to", "expand")
def _broadcast(draw: Draw) -> Example:
    shape = draw(shapes())
    new = (*draw(shapes(0, 2)), *[draw(st.integers(0, 4)) if n == 1 else n for n in shape])
    return Example(lambda a: mg.broadcast_to(a, new), lambda a: np.broadcast_to(a, new), [shape], note=f"{new}")


@case("tril", "triu")
def _triangle(draw: Draw) -> Example:
    k, upper = draw(st.integers(-3, 3)), draw(st.booleans())
    return Example(lambda a: mg.triu(a, k) if upper else mg.tril(a, k),
                   lambda a: np.triu(a, k) if upper else np.tril(a, k), [draw(shapes(2, 3))], note=f"k={k}, upper={upper}")


@case("pad")
def _pad(draw: Draw) -> Example:
    shape = draw(shapes(1))
    widths = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape]
    flat = [n for pair in reversed(widths) for n in pair]
    value = draw(st.sampled_from([0.0, -1.5]))
    return Example(lambda a: mg.pad(a, flat, value=value), lambda a: np.pad(a, widths, constant_values=value), [shape],
                   note=f"{flat}, {value}")


@case("_concat", "_stack")
def _join(draw: Draw) -> Example:
    shape, n = draw(shapes(1)), draw(st.integers(1, 3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    if draw(st.booleans()):
        return Example(lambda *a: mg.stack(a, axis), lambda *a: np.stack(a, axis), [shape] * n, note=f"stack {axis}")
    return Example(lambda *a: mg.concat(a, axis), lambda *a: np.concatenate(a, axis), [shape] * n, note=f"concat {axis}")


# ---------------------------------------------------------------------------------------------- indices

@st.composite
def indices(draw: Draw, shape: tuple) -> tuple:
    """A basic or advanced index of a shape: numbers, slices with steps of both signs, None, an ellipsis, id arrays, masks."""
    if 0 not in shape and draw(st.integers(0, 3)) == 0:        # points: an id array for each of the first axes
        m, used = draw(st.integers(1, 5)), draw(st.integers(1, len(shape)))
        return tuple(np.array(draw(st.lists(st.integers(-n, n - 1), min_size=m, max_size=m))) for n in shape[:used])
    parts: list[Any] = []
    for n in shape:
        kind = draw(st.sampled_from("slice slice number ids none rest".split()))
        if kind == "rest":
            return (*parts, Ellipsis)
        if kind == "none":
            parts.append(None)
        if kind == "number" and n:
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "ids" and n and not any(isinstance(p, np.ndarray) for p in parts):
            parts.append(np.array(draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=5))))
        else:
            ends = st.none() | st.integers(-n - 1, n + 1)
            parts.append(slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, -1, -2]))))
    return tuple(parts)


@case("getitem", "put")
def _getitem(draw: Draw) -> Example:
    shape = draw(shapes(1))
    index = draw(indices(shape))
    if draw(st.integers(0, 3)) == 0:
        return Example(lambda a: a[a.detach() > 0.2], lambda a: a[a > 0.2], [shape], note="mask")
    return Example(lambda a: a[index], lambda a: a[index], [shape], note=f"{index}")


@case("gather", "take_along_dim", "scatter_add", "index_select")
def _gather(draw: Draw) -> Example:
    shape = draw(shapes(1, 3, 1))
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    where, n = dim % len(shape), shape[dim]
    m = draw(st.integers(0, 4))
    wide = (*shape[:where], m, *shape[where + 1:])
    ids = np.random.default_rng(draw(st.integers(0, 99))).integers(0, n, wide)
    flat = ids.reshape(m, -1)[:, 0] if ids.size else np.zeros(0, np.int64)

    def on(a: mg.Tensor, host: np.ndarray) -> mg.Tensor:
        return mg.tensor(host, device=a.device)

    def added(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        y, grid = a.copy(), list(np.indices(wide))
        grid[where] = ids
        np.add.at(y, tuple(grid), b)
        return y
    return draw(st.sampled_from([
        Example(lambda a: mg.gather(a, dim, on(a, ids)), lambda a: np.take_along_axis(a, ids, dim), [shape], note="gather"),
        Example(lambda a: mg.take_along_dim(a, on(a, ids), dim), lambda a: np.take_along_axis(a, ids, dim), [shape]),
        Example(lambda a, b: mg.scatter_add(a, dim, on(a, ids), b), added, [shape, wide], note="scatter_add"),
        Example(lambda a: mg.index_select(a, dim, on(a, flat)), lambda a: a.take(flat, dim), [shape], note="index_select")]))


# ---------------------------------------------------------------------------------------------- windows

def _slow_conv(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Convolution as its definition says, window by window."""
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    out = [(n - k) // stride + 1 for n, k in zip(x.shape[2:], w.shape[2:], strict=True)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    for i, j in np.ndindex(*out):
        window = x[:, :, i * stride:i * stride + w.shape[2], j * stride:j * stride + w.shape[3]]
        y[:, :, i, j] = (window[:, None] * w[None]).sum((2, 3, 4))
    return y


@case("_windows", "_overlap", "conv2d")
def _conv(draw: Draw) -> Example:
    n, c, o, stride, padding = (draw(st.integers(low, 2)) for low in (0, 1, 1, 1, 0))
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    image = (draw(st.integers(3, 5)), draw(st.integers(3, 5)))
    return Example(lambda a, w: mg.conv2d(a, w, stride=stride, padding=padding),
                   lambda a, w: _slow_conv(a, w, stride, padding), [(n, c, *image), (o, c, *kernel)],
                   note=f"stride {stride}, padding {padding}")


@case("max_pool2d", "avg_pool2d", "conv1d")
def _pool(draw: Draw) -> Example:
    n, c, k = (draw(st.integers(1, 2)) for _ in range(3))
    cut = slice(0, 4 // k * k)
    tiles = (n, c, len(range(4)[cut]) // k, k, len(range(4)[cut]) // k, k)
    return draw(st.sampled_from([
        Example(lambda a: mg.max_pool2d(a, k), lambda a: a[..., cut, cut].reshape(tiles).max((3, 5)), [(n, c, 4, 4)]),
        Example(lambda a: mg.avg_pool2d(a, k), lambda a: a[..., cut, cut].reshape(tiles).mean((3, 5)), [(n, c, 4, 4)]),
        Example(lambda a, w: mg.conv1d(a, w), lambda a, w: _slow_conv(a[:, :, None], w[:, :, None], 1, 0)[:, :, 0],
                [(n, c, 4), (2, c, k)])]))


def catalogue() -> dict[str, Op]:
    """Every primitive of the engine: name -> Op."""
    found = [getattr(value, "op", None) for module in (ops, ops_more, ops_select, ops_windows)
             for value in vars(module).values() if callable(value)]
    return {op.name: op for op in found if isinstance(op, Op)}
