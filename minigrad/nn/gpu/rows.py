"""What the nodes that work on rows share: block sizes, and sums over the rows of a matrix."""
from __future__ import annotations

from typing import Any

WARPS = 4                                      # rows a block, where a warp takes a row
COLUMNS = 128                                  # threads a block, where a thread takes a column


def threads(width: int) -> int:
    """How many threads share a row of so many elements: about four elements each, 32 ... 512 threads."""
    return min(512, 32 * max(1, -(-width // 128)))


def spans(rows: int) -> tuple[int, int]:
    """Rows a thread adds up in the first of two stages, and how many such parts there are: at most 64."""
    span = max(16, -(-rows // 64))
    return span, -(-rows // span)


def column_sums(k: Any, xp: Any, a: Any) -> Any:
    """sum_i a_i of rows (m, n) -> (n), in a fixed order."""
    m, n = a.shape
    span, chunks = spans(m)
    parts, out = xp.empty((chunks, n), a.dtype), xp.empty(n, a.dtype)
    tiles = -(-n // COLUMNS)
    k("column_parts", chunks * tiles, COLUMNS, a, parts, m, n, span)
    k("column_totals", tiles, COLUMNS, parts, out, None, chunks, n, n)
    return out


def norm(k: Any, xp: Any, x: Any, w: Any, b: Any, eps: float, bias: Any = None, kept: Any = None, residual: Any = None
         ) -> tuple[Any, Any, Any, Any]:
    """y = (s - mean s) r w + b,  s = (x + bias) kept + residual -> y, s (m, n), mean s, r (m).  One launch.

    x, kept, residual (m, n); w, b, bias (n); None: left out. Where nothing is added, s is x.
    """
    m, n = x.shape
    alone = bias is None and kept is None and residual is None
    s = None if alone else xp.empty_like(x)
    y, mean, r = xp.empty_like(x), xp.empty(m, x.dtype), xp.empty(m, x.dtype)
    k("layer_norm_forward", m, threads(n), x, bias, kept, residual, s, w, b, y, mean, r, n, eps, shared=256)
    return y, x if alone else s, mean, r


def norm_gradient(k: Any, xp: Any, g: Any, s: Any, w: Any, mean: Any, r: Any, plus: Any = None, kept: Any = None
                  ) -> tuple[Any, Any]:
    """The gradient ds (m, n) of norm's s, with another gradient of s added; and ds kept, that of x, ds if None."""
    m, n = s.shape
    ds = xp.empty_like(s)
    dropped = None if kept is None else xp.empty_like(s)
    k("layer_norm_backward", m, threads(n), s, w, mean, r, g, plus, kept, ds, dropped, n, shared=256)
    return ds, ds if kept is None else dropped


def norm_sums(k: Any, xp: Any, g: Any, s: Any, mean: Any, r: Any, shape: tuple[int, ...] | None = None
              ) -> tuple[Any, Any]:
    """dw = sum g h,  db = sum g of norm, each (n), or of another shape of that size.  Two launches."""
    m, n = s.shape
    span, chunks = spans(m)
    parts, dw, db = (xp.empty(shape, s.dtype) for shape in ((chunks, 2 * n), shape or n, shape or n))
    k("layer_norm_parts", chunks * -(-n // COLUMNS), COLUMNS, s, mean, r, g, parts, m, n, span)
    k("column_totals", -(-2 * n // COLUMNS), COLUMNS, parts, dw, db, chunks, 2 * n, n)
    return dw, db


def each(k: Any, name: str, x: Any, *others: Any) -> Any:
    """Start an elementwise kernel of `kernels/gelu.cu` over rows (m, n); the last of `others` is written, and returned.
    """
    m, n = x.shape
    grid, block = tiles(m, n)
    k(name, grid, block, x, *others, n)
    return others[-1]


def tiles(m: int, n: int) -> tuple[int, int]:
    """Blocks and threads of a launch over m rows of n, each block in one row."""
    block = min(256, 32 * -(-n // 32))
    return m * -(-n // block), block
