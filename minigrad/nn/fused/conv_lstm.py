"""An LSTM with convolutional gates, the whole sequence as one node; equal to `conv_lstm_step` in `nn/conv_lstm.py` over
time (test_conv_lstm.py).

    v_t = [windows of [h_{t-1}; x_t]; 1]       rows: channel and place in the window; columns: example and pixel
    (o, i, f, g) = (sigmoid, sigmoid, sigmoid, tanh)(W v_t),   W = [W_hh, W_ih, b]
    c_t = f c_{t-1} + i g,   h_t = o tanh c_t  the rest is `lstm.py`, with B height width columns
    dh_{t-1} = the windows W_hh^T d_t, added where they overlap;   dW = sum_t d_t v_t^T

States and inputs are channels of one picture with a border of zeros, so that one strided copy makes the windows of
both. A window repeats each pixel for every place in the kernel: windows are made again in backward, not kept; that
takes a tenth of the time of the product that they feed. Overlaps are added along whole rows: see `_Overlap`.

Chemnitz, *LSTM networks* (convolutional weights); Shi et al. 2015.
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...tensor import primitive
from .peephole import load, slopes
from .workspace import Lease

CACHE = 40000                                  # elements: gates of as many steps as stay in the second-level cache


def _rows(a: np.ndarray) -> np.ndarray:
    """A picture's rows as single items: they are copied at the speed of memory, and pixel by pixel at half of it."""
    return a.view(np.dtype((np.void, a.shape[-1] * a.itemsize)))[..., 0]


class _Forward:
    """What a graph keeps of T steps, N = B height width pixels, C input and H hidden channels.

    4 T N (6 H) bytes in float32 for gates, c and tanh c, and 4 T (H + C) for each pixel of the pictures with borders.
    """

    def __init__(self, T: int, B: int, C: int, H: int, space: tuple, kernel: tuple, dtype: np.dtype) -> None:
        (high, wide), (kh, kw), N = space, kernel, B * space[0] * space[1]
        self.pictures = p = np.zeros((T + 1, H + C, B, high + kh - 1, wide + kw - 1), dtype)
        inside = p[..., kh // 2:kh // 2 + high, kw // 2:kw // 2 + wide]
        self.h, self.h0, self.x = inside[1:, :H], inside[0, :H], inside[:T, H:]
        self.gates = gates = np.empty((T + 1, 5, H, N), dtype)  # o, i, f, g and c_{t-1}: [i, f] * [g, c] is one call
        self.c, self.tanh_c = gates[:, 4], np.empty((T, H, N), dtype)
        self.w = np.empty((4 * H, (H + C) * kh * kw + 1), dtype)
        self.m, self.products = np.empty((H, N), dtype), np.empty((2, H, N), dtype)
        t, c, b, row, pixel = p.strides        # windows as items of a row, which begin at any pixel
        seen = np.ndarray((T, H + C, kh, kw, B, high), np.dtype((np.void, wide * p.itemsize)), p, 0,
                          (t, c, row, pixel, b, row))
        self.seen = list(seen)
        self.steps = [(v, g[:4].reshape(4 * H, N), g[:3], g[1:3], g[3:], g[0], c, tc, h)
                      for v, g, c, tc, h in zip(seen, gates[:T], self.c[1:], self.tanh_c, _rows(self.h), strict=True)]
        self.nbytes = sum(a.nbytes for a in (p, gates, self.tanh_c, self.w, self.m, self.products))


class _Windows:
    """[windows of one step; 1]: ((H + C) kh kw + 1, N). Leased for a pass."""

    def __init__(self, channels: int, B: int, space: tuple, kernel: tuple, dtype: np.dtype) -> None:
        self.v = np.empty((channels * kernel[0] * kernel[1] + 1, B * space[0] * space[1]), dtype)
        self.v[-1] = 1
        self.rows = _rows(self.v[:-1].reshape(channels, *kernel, B, *space))
        self.nbytes = self.v.nbytes


class _Backward:
    """What a backward pass writes. Leased for the pass only: layers of one size use the same, still in the cache."""

    def __init__(self, T: int, H: int, N: int, dtype: np.dtype) -> None:
        self.block = n = max(1, min(T, CACHE // (4 * H * N)))
        self.d = np.empty((T, 4, H, N), dtype)                  # rows i, f, g, o
        self.spare = np.empty((n, 2, H, N), dtype)
        self.c_of_m, self.dy, self.m = np.empty((3, n, H, N), dtype)
        self.dh, self.dc, self.u = np.empty((3, H, N), dtype)
        self.nbytes = sum(a.nbytes for a in (self.d, self.spare, self.c_of_m, self.dy, self.m, self.dh, self.dc,
                                             self.u))


class _Overlap:
    """Windows W^T d (G kh kw, pixels), added where they overlap: (G, pixels). Leased for a pass.

    Every picture gets kh // 2 rows below and kw // 2 columns to the right that count for nothing: what a window has
    beyond the left or right edge, or above or below, falls there, also from the next row or picture. So the whole
    batch is one long row, and each place in the kernel one addition of long rows, shifted.
    """

    def __init__(self, G: int, rows: int, B: int, space: tuple, kernel: tuple, dtype: np.dtype) -> None:
        (high, wide), (kh, kw) = space, kernel
        below, beside = kh // 2, kw // 2
        line = wide + beside
        n = B * (high + below) * line
        self.d, self.sum = np.zeros((rows, n), dtype), np.empty((G, n), dtype)
        self.products = np.empty((G * kh * kw, n), dtype)
        self.d_rows, self.result = (_rows(a.reshape(-1, B, high + below, line)[:, :, :high, :wide])
                                    for a in (self.d, self.sum))
        parts, self.shifted = self.products.reshape(G, kh, kw, n), []
        self.middle = parts[:, below, beside]
        for i, j in np.ndindex(kh, kw):
            s = (i - below) * line + j - beside
            if s:
                self.shifted.append((self.sum[:, max(s, 0):n + min(s, 0)], parts[:, i, j, max(-s, 0):n - max(s, 0)]))
        self.nbytes = self.d.nbytes + self.sum.nbytes + self.products.nbytes

    def __call__(self, wt: np.ndarray, d: np.ndarray, out: np.ndarray) -> None:
        """wt (G kh kw, rows), d (rows, B, high) and out (G, B, high) in items of a picture's row."""
        np.copyto(self.d_rows, d)
        np.dot(wt, self.d, self.products)
        np.copyto(self.sum, self.middle)
        for to, part in self.shifted:
            np.add(to, part, to)
        np.copyto(out, self.result)


@primitive(second=False)
def conv_lstm_sequence(xp: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    """c_t = f c_{t-1} + i g, h_t = o tanh c_t;  dh_{t-1} = W_hh^T d_t, overlaps added, dW = sum d_t (windows)^T

    x (T, B, C, height, width), h0 and c0 (B, H, height, width) or None for zeros, W_ih (4 H, C, kh, kw) and W_hh
    (4 H, H, kh, kw) with odd kh, kw and rows i, f, g, o, biases (4 H) or None -> h of all steps (T, B, H, height,
    width), the last h and c.  NumPy only, first order only.
    """
    (T, B, C, *space), (G, H, *kernel), dtype = x.shape, w_hh.shape, x.dtype
    sizes, key = (B, tuple(space), tuple(kernel), dtype), (B, *space, *kernel, dtype.char)
    lease = Lease(("conv lstm", T, C, H, *key), lambda: _Forward(T, B, C, H, *sizes[1:]))
    s = lease.space
    np.copyto(s.x, x.transpose(0, 2, 1, 3, 4))
    np.copyto(s.h0, 0 if h0 is None else h0.transpose(1, 0, 2, 3))
    np.copyto(s.c[0].reshape(H, B, *space), 0 if c0 is None else c0.transpose(1, 0, 2, 3))
    load(s.w, w_hh.reshape(G, -1), w_ih.reshape(G, -1), 0 if b_ih is None else b_ih if b_hh is None else b_ih + b_hh)
    windows = Lease(("conv lstm windows", H + C, *key), lambda: _Windows(H + C, *sizes))
    _walk(s, windows.space, _rows(s.m.reshape(H, B, *space)))
    y = s.h.transpose(0, 2, 1, 3, 4).copy()
    last_c = s.c[T].reshape(H, B, *space).transpose(1, 0, 2, 3).copy()

    def vjp(g: Any) -> Any:
        s = lease.space
        scratch = Lease(("conv lstm back", T, H, *key), lambda: _Backward(T, H, s.m.shape[1], dtype))
        b = scratch.space
        dy, dlast, dc_last = [None if v is None else v.swapaxes(-4, -3) for v in g]
        np.copyto(b.dh.reshape(H, B, *space), 0 if dlast is None else dlast)
        np.copyto(b.dc.reshape(H, B, *space), 0 if dc_last is None else dc_last)
        overlap = Lease(("conv lstm overlap", H, G, *key), lambda: _Overlap(H, G, *sizes))
        _chain(s, b, dy, w_hh, overlap.space)
        d_rows = _rows(b.d.reshape(T, G, B, *space))

        def first(a: np.ndarray) -> np.ndarray:
            return a.reshape(H, B, *space).swapaxes(0, 1).copy()

        def dx() -> Any:
            out = np.empty((T, B, C, *space), dtype)
            overlap = Lease(("conv lstm overlap", C, G, *key), lambda: _Overlap(C, G, *sizes))
            wt = np.ascontiguousarray(w_ih.reshape(G, -1).T)
            for d, to in zip(d_rows, _rows(out), strict=True):
                overlap.space(wt, d, to.swapaxes(0, 1))
            return out

        @functools.cache
        def dw() -> Any:
            """[dW_hh, dW_ih] as columns: each step's pixels are one product already."""
            windows = Lease(("conv lstm windows", H + C, *key), lambda: _Windows(H + C, *sizes))
            v, rows = windows.space.v[:-1], windows.space.rows
            out, one = np.zeros((2, G, len(v)), dtype)
            for seen, d in zip(s.seen, b.d.reshape(T, G, -1), strict=True):
                np.copyto(rows, seen)
                np.dot(d, v.T, one)
                np.add(out, one, out)
            return out

        @functools.cache
        def db() -> Any:
            return b.d.sum((0, 3)).reshape(G)
        split = w_hh[0].size
        return (dx, lambda: first(scratch.space.dh), lambda: first(scratch.space.dc),
                lambda: dw()[:, split:].reshape(w_ih.shape), lambda: dw()[:, :split].reshape(w_hh.shape),
                lambda: db(), lambda: db())
    return (y, y[-1].copy(), last_c), vjp


def _walk(s: _Forward, windows: _Windows, m_rows: np.ndarray) -> None:
    """The steps, forward: fills the workspace."""
    dot, tanh, multiply, add, copyto, half = np.dot, np.tanh, np.multiply, np.add, np.copyto, s.w.dtype.type(0.5)
    w, v, rows, m, products, (ig, fc) = s.w, windows.v, windows.rows, s.m, s.products, s.products
    for seen, a, sigmoids, i_f, g_c, o, c, tc, h in s.steps:
        copyto(rows, seen)
        dot(w, v, a)
        tanh(a, a)
        multiply(sigmoids, half, sigmoids)
        add(sigmoids, half, sigmoids)
        multiply(i_f, g_c, products)
        add(ig, fc, c)
        tanh(c, tc)
        multiply(o, tc, m)
        copyto(h, m_rows)


def _chain(s: _Forward, b: _Backward, dy: Any, w_hh: np.ndarray, overlap: _Overlap) -> None:
    """The steps, backward: b.d gets the gradients before the gates, b.dh and b.dc those of the first states."""
    T, _, H, N = b.d.shape
    B, space = s.h.shape[2], s.h.shape[3:]
    wt = np.ascontiguousarray(w_hh.reshape(4 * H, -1).T)
    add, multiply, n, dh, dc, u = np.add, np.multiply, b.block, b.dh, b.dc, b.u
    d_rows, dh_rows = _rows(b.d.reshape(T, 4 * H, B, *space)), _rows(dh.reshape(H, B, *space))
    for start in range((T - 1) // n * n, -1, -n):
        k = min(n, T - start)
        block = slice(start, start + k)
        gates, tanh_c, m = s.gates[block], s.tanh_c[block], b.m[:k]
        multiply(gates[:, 0], tanh_c, m)       # h, without its borders
        slopes(gates, m, tanh_c, b.d[block], b.c_of_m[:k], b.spare[:k])
        if dy is not None:
            np.copyto(b.dy[:k].reshape(k, H, B, *space), dy[block])
        for t in range(k - 1, -1, -1):
            d, d_t = b.d[start + t], d_rows[start + t]
            if dy is not None:
                add(dh, b.dy[t], dh)
            multiply(dh, b.c_of_m[t], u)
            add(dc, u, dc)
            multiply(d[:3], dc, d[:3])
            multiply(d[3], dh, d[3])
            multiply(dc, gates[t, 2], dc)
            overlap(wt, d_t, dh_rows)
