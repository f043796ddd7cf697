"""What each head of an attention looks at while a model computes.   Télécom, *Self-Attention*, *In summary*."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from .. import nn
from ..tensor import no_grad


def attention_weights(run: Callable[[], Any], *attentions: nn.MultiheadAttention) -> list[np.ndarray]:
    """Call `run()` and return the weights (B, heads, S, T) of each of these attentions in it; rows add up to 1.

    A hook asks each attention again, for a layer throws the weights away. An attention that is called several times
    tells of the last one. Raises ValueError for one that is not called at all.
    """
    found: dict[int, np.ndarray] = {}

    def look(module: Any, args: tuple, output: Any) -> None:
        given = (*args, *[None] * 6)           # query, key, value, key_padding_mask, need_weights, attn_mask
        weights = module.forward(*given[:4], True, given[5], False)[1]
        found[id(module)] = weights.cpu().numpy()

    with ExitStack() as stack, no_grad():
        for attention in attentions:
            stack.enter_context(attention.register_forward_hook(look))
        run()
    missing = [k for k, attention in enumerate(attentions) if id(attention) not in found]
    if missing:
        raise ValueError(f"attention_weights: of {len(attentions)} attentions, {missing} were not called")
    return [found[id(attention)] for attention in attentions]
