"""Negative sampling on a device with kernels, as one node; equal to `NegativeSampling` of models/word_outputs.py
(tests/gpu/test_skipgram_kernels.py). Gradients are of whole tables, as the optimiser of the readable form takes them.

    J = mean_i [ softplus(-u_o . e_c) + K / M sum_k softplus(u_k . e_c) ]

Forward is two launches: a warp a pair, and the mean. Backward sorts the ids of both tables at once and adds up each
id's occurrences (`sort.py`), which with the two of zeros is 6 launches to 2^10 = V + N, 7 to 2^20, 8 above.

Bytes for B pairs, dim D: forward reads B (M + 2) rows and writes B, backward reads B (M + 2) again and writes the two
tables. The sort moves 16 bytes an id and pass: little beside a row.

Chemnitz, *word2vec (1)*; Mikolov et al. 2013.
"""
from __future__ import annotations

import functools
from typing import Any

from ... import kernels
from ...tensor import Tensor, primitive
from ..fused.embedding import check_ids
from .sort import sorted_keys, sum_runs

WARPS = 8                                      # pairs a block
SPAN = 64                                      # occurrences that a block adds up


def fits(h: Tensor, word: Tensor, noise: Tensor) -> bool:
    """Is there a kernel for h of this dtype on this device, and something to do for it?"""
    known = kernels.of(h.device.xp, h.dtype) is not None
    return known and word.ndim == 1 and noise.ndim == 2 and 0 not in noise.shape


def sampled_loss(h: Tensor, u: Tensor, word: Tensor, noise: Tensor, negatives: float, centre: Tensor | None = None
                 ) -> Tensor:
    """`negative_sampling` of ids that are tensors. Raises what `F.embedding` raises for them."""
    for table, ids in ((u, word), (u, noise), (h, centre)):
        if ids is not None:
            check_ids(table, ids)
    loss: Tensor = negative_sampling(h, u, word=word.data, noise=noise.data, negatives=negatives,
                                     centre=None if centre is None else centre.data)
    return loss


@primitive(second=False)
def negative_sampling(xp: Any, h: Any, u: Any, *, word: Any, noise: Any, negatives: float, centre: Any = None) -> Any:
    """J = mean_i softplus(-u_o . h_i) + K / M sum_k softplus(u_k . h_i);  dh = sum_j coef_j u_j, dU = sum coef h at ids

    h (B, D), or a table (N, D) of which pair i has row centre_i; u (V, D); word (B), noise (B, M), centre (B): ids, of
    integers; negatives: K -> J.  A device with kernels, float32, first order only. An id out of range makes J NaN.

    A graph keeps 4 B (D + 2 M + 3) bytes.  Raises ValueError for sizes that do not fit each other.
    """
    k, (N, D), (V, dim), (B, M) = kernels.of(xp, h.dtype), h.shape, u.shape, noise.shape
    places = N if centre is None else len(centre)
    if D != dim or len(word) != B or places != B:
        raise ValueError(f"rows of {D} and {dim}, {places} centres, {len(word)} words, noise for {B}")
    h, u = xp.ascontiguousarray(h), xp.ascontiguousarray(u)
    word, noise, centre = (None if a is None else xp.ascontiguousarray(a.astype("int64", copy=False))
                           for a in (word, noise, centre))
    table = centre is not None                 # of centre itself backward keeps nothing
    n = B * (M + 1 + table)
    loss, coef, dh = xp.empty(B, h.dtype), xp.empty((B, M + 1), h.dtype), xp.empty((B, D), h.dtype)
    keys, out = xp.empty(n, "int32"), xp.empty((), h.dtype)
    k("skipgram_pairs", -(-B // WARPS), 32 * WARPS, h, u, centre, word, noise, loss, coef, dh, keys, B, M, D, N, V,
      negatives / M)
    k("skipgram_total", 1, min(1024, 32 * -(-B // 32)), loss, out, B, 1 / B, shared=128)

    def vjp(g: Any) -> Any:
        @functools.cache
        def tables() -> tuple[Any, Any]:
            """Of the table of centres, or None; and of U."""
            known, order = sorted_keys(k, keys, V + N - 1 if table else V - 1)
            de, du = xp.zeros((N, D), h.dtype) if table else None, xp.zeros((V, D), h.dtype)
            sum_runs(k, "run_products", known, order, (keys, coef, h, dh, g), du, de, SPAN, B, M + 1, 1 / B)
            return de, du
        return lambda: tables()[0] if table else dh * (g * (1 / B)), lambda: tables()[1]
    return out, vjp
