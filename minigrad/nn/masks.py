"""What attention may not see: the masks of a call, checked and joined into one.

A mask is bool, True where a key is hidden (PyTorch's convention in its layers), or float, added to the scores: 0 where
seen, -inf where not, or any number between.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..create import tensor
from ..errors import DTypeError, ShapeError, describe
from ..ops import where, zeros_like
from ..tensor import Tensor


def causal(queries: int, keys: int | None = None, device: Any = "cpu", before: int = 0) -> Tensor:
    """(queries, keys) bool, True where a later key would be seen.  Télécom, *Decoder side*.

    before: how many of the keys stand before the first query; then query i sees keys 0 ... before + i.
    """
    return tensor(np.triu(np.ones((queries, queries if keys is None else keys), bool), 1 + before), device=device)


def joined(attn_mask: Tensor | None, key_padding_mask: Tensor | None, is_causal: bool, sizes: tuple[int, int, int, int],
           device: Any = "cpu") -> Tensor | None:
    """Masks of all forms as one that stretches to (B, h, S, T), or None where everything is seen.

    attn_mask (S, T), (B h, S, T) or (B, h, S, T); key_padding_mask (B, T); sizes B, h, S, T.  is_causal hides later
    keys where no attn_mask is given; with one, it is only a hint in PyTorch, and nothing here.
    Raises ShapeError, DTypeError.
    """
    check(attn_mask, key_padding_mask, sizes)
    B, h, S, T = sizes
    if is_causal and attn_mask is None:
        attn_mask = causal(S, T, device)
    parts = []
    if attn_mask is not None:
        parts.append(attn_mask.reshape(B, h, S, T) if attn_mask.ndim > 2 else attn_mask.reshape(1, 1, S, T))
    if key_padding_mask is not None:
        parts.append(key_padding_mask.reshape(B, 1, 1, T))
    return None if not parts else parts[0] if len(parts) == 1 else _both(*parts)


def check(attn_mask: Tensor | None, key_padding_mask: Tensor | None, sizes: tuple[int, int, int, int], whose: str = ""
          ) -> None:
    """Raise ShapeError or DTypeError that names the mask and the shape that it should have.

    whose: "src", "tgt" or "memory", as the arguments of a Transformer's layers are called.
    """
    B, h, S, T = sizes
    first, second = (f"{whose}_mask" if whose else "attn_mask"), f"{whose}_key_padding_mask".lstrip("_")
    for name, mask, shapes, wanted in (
            (first, attn_mask, [(S, T), (B * h, S, T), (B, h, S, T)],
             f"(S, T) = {(S, T)} for all, or (B h, S, T) = {(B * h, S, T)} for each of {B} examples and {h} heads"),
            (second, key_padding_mask, [(B, T)], f"(B, T) = {(B, T)}: one entry for each key")):
        if mask is None:
            continue
        if tuple(mask.shape) not in shapes:
            raise ShapeError(describe(f"{name} is {tuple(mask.shape)}, and does not fit.", made_at=mask._made(),
                                      fix=wanted))
        if mask.dtype.kind not in "bf":
            raise DTypeError(describe(f"{name} is of {mask.dtype}: is 1 hidden, or added to a score?",
                                      made_at=mask._made(), fix=f"{name}.to(bool), True where a key is hidden; or "
                                                                "floats, which are added"))


def as_added(mask: Tensor, like: Tensor) -> Tensor:
    """A bool mask (True: hidden) as one that is added, 0 or -inf in like's dtype; a float mask itself."""
    return where(mask, -math.inf, zeros_like(like).sum()) if mask.dtype == np.bool_ else mask


def _both(a: Tensor, b: Tensor) -> Tensor:
    """Hidden by either; with a float mask among them, added."""
    if a.dtype == b.dtype == np.bool_:
        return a | b
    like = a if a.dtype != np.bool_ else b
    return as_added(a, like) + as_added(b, like)

