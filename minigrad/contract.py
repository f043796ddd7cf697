"""Einstein's sum by matrix products, two factors at a time: CuPy's own `einsum` cannot be captured in a CUDA graph."""
from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any


def contract(xp: Any, equation: str, factors: Sequence[Any]) -> Any:
    """xp.einsum(equation, *factors) of an explicit equation without ellipses; the pair of the smallest result first."""
    inputs, out = equation.split("->")
    parts = [_plain(xp, term, a) for term, a in zip(inputs.split(","), factors, strict=True)]
    sizes: dict[str, int] = {}
    for term, a in parts:
        for letter, n in zip(term, a.shape, strict=True):
            sizes[letter] = n if sizes.get(letter, 1) == 1 else sizes[letter]
    parts = [_narrow(term, a, sizes) for term, a in parts]
    while len(parts) > 1:
        kept = [(_kept(parts, i, j, out), i, j) for i in range(len(parts)) for j in range(i + 1, len(parts))]
        letters, i, j = min(kept, key=lambda k: prod(sizes[letter] for letter in k[0]))
        joined = _join(xp, *parts[i], *parts[j], letters, sizes)
        parts = [p for n, p in enumerate(parts) if n not in (i, j)] + [joined]
    term, a = _summed(xp, *parts[0], out)
    return xp.transpose(a, [term.index(letter) for letter in out])     # a view at least: never the factor itself


def _plain(xp: Any, term: str, a: Any) -> tuple[str, Any]:
    """A factor without a letter that occurs twice: its diagonal."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first, second = term.index(letter), term.rindex(letter)
            a = xp.diagonal(a, axis1=first, axis2=second)
            term = "".join(c for n, c in enumerate(term) if n not in (first, second)) + letter
    return term, a


def _narrow(term: str, a: Any, sizes: dict[str, int]) -> tuple[str, Any]:
    """Without axes of one where other factors have more: it is stretched along them anyway."""
    one = [n for n, letter in enumerate(term) if a.shape[n] == 1 < sizes[letter]]
    return ("".join(c for n, c in enumerate(term) if n not in one),
            a.reshape([size for n, size in enumerate(a.shape) if n not in one]) if one else a)


def _kept(parts: list[tuple[str, Any]], i: int, j: int, out: str) -> str:
    """The letters that the product of parts i and j must keep."""
    others = out + "".join(term for n, (term, _) in enumerate(parts) if n not in (i, j))
    return "".join(c for c in dict.fromkeys(parts[i][0] + parts[j][0]) if c in others)


def _summed(xp: Any, term: str, a: Any, kept: str) -> tuple[str, Any]:
    gone = tuple([n for n, letter in enumerate(term) if letter not in kept])
    return "".join(c for c in term if c in kept), xp.sum(a, axis=gone, dtype=a.dtype) if gone else a


def _join(xp: Any, s: str, a: Any, t: str, b: Any, kept: str, sizes: dict[str, int]) -> tuple[str, Any]:
    """The product of two factors, summed over the letters that nobody needs any more."""
    s, a = _summed(xp, s, a, kept + t)
    t, b = _summed(xp, t, b, kept + s)
    both = [c for c in s if c in t and c in kept]
    inner = [c for c in s if c in t and c not in kept]
    left, right = [c for c in s if c not in t], [c for c in t if c not in s]
    shape = [sizes[c] for c in (*both, *left, *right)]

    def matrices(x: Any, term: str, rows: list[str], columns: list[str]) -> Any:
        x = xp.transpose(x, [term.index(c) for c in (*both, *rows, *columns)])
        return x.reshape([*[sizes[c] for c in both], prod(sizes[c] for c in rows), prod(sizes[c] for c in columns)])
    x, y = matrices(a, s, left, inner), matrices(b, t, inner, right)
    product = xp.matmul(x, y) if inner else x * y
    return "".join((*both, *left, *right)), product.reshape(shape)
