"""Embedding and LSTM as one node, for vocabularies of about the embedding's size: characters (test_fused_sequences.py).

    W_ih E[id] + b  takes V values:  table = W_ih E^T + b  (4 H, V)
    z_t = [h_{t-1}; one-hot id_t],   W = [W_hh, table],   then the LSTM of `lstm.py`

Of the six large products three shrink from T B rows of the embedding to V of them: the input, dW_ih and dE. That pays
where V is not much above the embedding's width (docs/performance.md has the ratios).
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...tensor import primitive
from .columns import columns_of, ended
from .lstm import Forward, chain, load, walk
from .workspace import Lease


@primitive(second=False)
def embedding_lstm_sequence(xp: Any, table: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, *,
                            ids: Any) -> Any:
    """lstm_sequence of the rows E[id];  dtable = d one-hot^T, dW_ih = dtable E, dE = dtable^T W_ih

    ids (T, B), an array of 0 ... V - 1, checked by the caller; E (V, D), h0 and c0 (B, H) or None for zeros
    -> h of all steps (T, B, H), last h and c (B, H).  NumPy only, first order only.
    """
    (T, B), V, H, dtype = ids.shape, table.shape[0], w_hh.shape[1], table.dtype
    lease = Lease(("lstm", T, B, V, H, dtype.char), lambda: Forward(T, B, V, H, dtype))
    s = lease.space
    np.equal(ids[:, None], np.arange(V)[:, None], out=s.below, casting="unsafe")
    joined = w_ih @ table.T
    if b_ih is not None:
        joined += (b_ih if b_hh is None else b_ih + b_hh)[:, None]
    load(s.w, w_hh, joined, 0)
    gone = ended(None, False)
    y, h, c = walk(s, h0, c0, gone, False, None)

    def vjp(g: Any) -> Any:
        s = lease.space
        ds, scratch = chain(s, w_hh, g, gone, False)

        @functools.cache
        def zs() -> Any:
            """[h_{t-1}; one-hot] of all steps side by side: (H + V, T B), and its lease."""
            return columns_of(s.z[:T], "lstm z")

        @functools.cache
        def dtable() -> Any:
            """How much each id's column is pulled: (4 H, V)."""
            return np.dot(ds, zs()[0][H:].T)

        @functools.cache
        def db() -> Any:
            return ds.sum(1)
        return (lambda: np.dot(dtable().T, w_ih), lambda: scratch.space.dh.T.copy(),
                lambda: scratch.space.dc.T.copy(), lambda: np.dot(dtable(), table),
                lambda: np.dot(ds, zs()[0][:H].T), lambda: db(), lambda: db())
    return (y, h, c), vjp
