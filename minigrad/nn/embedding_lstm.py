"""Embedding and LSTM in one module: for characters, both become one node that skips half of the products."""
from __future__ import annotations

from typing import Any

from ..backend import cpu
from ..errors import ShapeError, describe
from ..ops import squeeze, swapaxes, unsqueeze
from ..tensor import Tensor
from .forms import given_state
from .fused.embedding import check_ids
from .fused.embedding_lstm import embedding_lstm_sequence
from .layers import Embedding
from .module import Module
from .rnn import LSTM
from .utils.rnn import PackedSequence


class EmbeddingLSTM(Module):
    """`LSTM(Embedding(ids))`.  Télécom, *(1) Training using a RNN*: ids (T, B) -> output (T, B, H), (h, c).

    num_embeddings V, embedding_dim E, then the sizes and options of `LSTM`; ids are (B, T) with batch_first. Children
    and parameters: `embedding.weight` (V, E), `lstm.weight_ih_l0` and so on, as if the two stood apart.

    Where V is at most 1.5 E, W_ih E has few columns and joins W_hh: one node for both (`nn/fused/embedding_lstm.py`).
    That holds for one standard layer in one direction on cpu, all ids of the batch being tokens (no lengths, no
    padding_idx), and no hooks on the two children; everything else runs the two layers. The results are the same;
    joined=False forbids the node.
    """

    single_ndim = 1                            # axes of ids without a batch: `nn.truncated` asks

    def __init__(self, num_embeddings: int, embedding_dim: int, hidden_size: int, num_layers: int = 1, *,
                 padding_idx: int | None = None, joined: bool = True, **options: Any) -> None:
        self.embedding = Embedding(num_embeddings, embedding_dim, padding_idx)
        self.lstm = LSTM(embedding_dim, hidden_size, num_layers, **options)
        self.joined = joined

    @property
    def batch_first(self) -> bool:
        """Are ids and output (B, T, ...)?"""
        return self.lstm.batch_first

    @property
    def bidirectional(self) -> bool:
        """Does the LSTM read in both directions?"""
        return self.lstm.bidirectional

    def forward(self, ids: Tensor | PackedSequence, hx: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        """ids (T, B) of 0 ... V - 1, or packed, hx as in `LSTM` -> output (T, B, H), (h, c) each (layers, B, H).

        Raises IndexRangeError, DTypeError, ShapeError, TypeError (ids or hx is no Tensor).
        """
        if isinstance(ids, PackedSequence):
            return self.lstm(ids._replace(data=self.embedding(ids.data)), hx, lengths)
        given = given_state(self.lstm, ids, hx, 2)
        if ids.ndim != 2:
            raise ShapeError(describe(f"EmbeddingLSTM takes ids of two axes, not {tuple(ids.shape)}.", ids=ids._made(),
                                      fix="(B, T)" if self.lstm.batch_first else "(T, B)"))
        if lengths is not None or not self._as_one(ids):
            return self.lstm(self.embedding(ids), hx, lengths)
        lstm, table = self.lstm, self.embedding.weight
        check_ids(table, ids)
        T, B = ids.shape[::-1] if lstm.batch_first else ids.shape
        if 0 in ids.shape or any(s.shape != (1, B, lstm.hidden_size) or s.dtype != table.dtype for s in given or ()):
            return self.lstm(self.embedding(ids), hx)          # which says what is wrong
        h0, c0 = (None, None) if given is None else [squeeze(s, 0) for s in given]
        own = ids.data.T.copy() if lstm.batch_first else ids.data.copy()       # a batch buffer may be filled again
        w = vars(lstm)
        y, h, c = embedding_lstm_sequence(table, h0, c0, w["weight_ih_l0"], w["weight_hh_l0"], w["bias_ih_l0"],
                                          w["bias_hh_l0"], ids=own)
        return swapaxes(y, 0, 1) if lstm.batch_first else y, (unsqueeze(h, 0), unsqueeze(c, 0))

    def _as_one(self, ids: Tensor) -> bool:
        """Can both be one node, and does it pay?"""
        lstm, table = self.lstm, self.embedding
        plain = (lstm.num_layers == 1 and not lstm.bidirectional and lstm.forget and not lstm.coupled
                 and not lstm.peephole and not lstm.proj_size and not lstm.checkpoint and table.padding_idx is None)
        watched = lstm._hooks is not None or table._hooks is not None          # a joined child is never called
        return (self.joined and plain and not watched and lstm.fused and ids.device is cpu
                and 2 * table.num_embeddings <= 3 * table.embedding_dim)
