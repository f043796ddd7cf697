"""The Transformer as a translator: from a sentence to a sentence, with attention in place of recurrence.

    encoder   x_s = sqrt(d) E_s[source] + P       memory = layers of (self-attention, network per position)
    decoder   y = sqrt(d) E_t[target] + P         layers of (masked self-attention, attention to memory, network)
    answer    P(next word | words before it, source) = softmax(W y + b)

Vaswani et al. 2017, *Attention Is All You Need*; Télécom, *Transformer: global idea*, *Plugin the encoder to the
decoder*, *Decoder side*. The core is `nn.Transformer`, so its weights are PyTorch's, key by key.
"""
from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..errors import ShapeError, describe
from ..nn.attention import take
from ..nn.positions import PositionalEncoding
from ..ops import unsqueeze
from ..tensor import Tensor
from ._judging import judging
from .attention_weights import attention_weights
from .lengths import on_device, on_host
from .translating import behind, ids_of, log_probabilities

NORMS = ("post", "pre")


class Decoding(NamedTuple):
    """Sentences half written: what the encoder says of their sources, and what the decoder's layers have cached.

    memory (B, S, d); hidden (B, S), True at padding, None without any; cache: an entry a layer; done: words read.
    """

    memory: Tensor
    hidden: Tensor | None
    cache: Any = None
    done: int = 0


class TransformerTranslator(nn.Module):
    """Scores of the next target word after each target word, given a source sentence.

    source_size, target_size: of the vocabularies.  layers: of the encoder, and as many of the decoder (6 in the deck).
    norm: "post", after the residual sum as in *Residuals + Normalisation*, or "pre" (Xiong et al. 2020).
    positions: "sinusoidal" or "learned".  scale: embeddings times sqrt(d_model), as in the paper (the deck says
    nothing); they start with variance 1 / d_model then, else 1.  tied: W is the target's table (Press and Wolf 2017).
    bos, eos: ids that begin and end a target.  longest: of a sentence, in words with <bos> and <eos>.
    A translator as `models.translating` wants it: `forward`, `start`, `step`, `pick`.
    Raises ValueError for another norm.
    """

    def __init__(self, source_size: int, target_size: int, *, d_model: int = 64, heads: int = 4, layers: int = 2,
                 feedforward: int = 128, dropout: float = 0.1, norm: str = "post", positions: str = "sinusoidal",
                 scale: bool = True, tied: bool = False, bos: int = 2, eos: int = 3, longest: int = 512) -> None:
        check_norm(norm)
        self.bos, self.eos, self.scale = bos, eos, math.sqrt(d_model) if scale else 1.0
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, d_model), nn.Embedding(
            target_size, d_model)
        self.source_positions, self.target_positions = (PositionalEncoding(d_model, longest, positions, dropout=dropout)
                                                        for _ in range(2))
        self.core: Any = nn.Transformer(d_model, heads, layers, layers, feedforward, dropout, batch_first=True,
                                        norm_first=norm == "pre")
        self.read = nn.Linear(d_model, target_size)
        if scale or tied:                      # rows from N(0, 1) would make wild scores
            for table in (self.source_embedding, self.target_embedding):
                nn.init.normal_(table.weight, 0.0, d_model ** -0.5)
        if tied:
            self.read.weight = self.target_embedding.weight

    def forward(self, source: Tensor, lengths: Any, target: Tensor) -> Tensor:
        """Teacher forcing: ids (B, S), true lengths (B,), ids (B, T) from <bos> on -> scores of the next (B, T, V).

        Padding behind a source's end is never seen; padding behind a target's changes no score before it.
        Raises ShapeError for lengths that do not fit.
        """
        memory, hidden = self._encode(source, lengths)
        return self.read(self._decode(memory, hidden, target))

    def _encode(self, source: Tensor, lengths: Any) -> tuple[Tensor, Tensor | None]:
        hidden = padding(lengths, source)
        x = self.source_positions(self.source_embedding(source) * self.scale)              # (B, S, d)
        return self.core.encoder(x, src_key_padding_mask=hidden), hidden

    def _decode(self, memory: Tensor, hidden: Tensor | None, target: Tensor) -> Tensor:
        y = self.target_positions(self.target_embedding(target) * self.scale)              # (B, T, d)
        return self.core.decoder(y, memory, memory_key_padding_mask=hidden, tgt_is_causal=True)

    # ------------------------------------------------------------------------------------------ one word after another

    def start(self, source: Any, lengths: Any = None) -> Decoding:
        """Encode sources (B, S) of true lengths (B,), or S each: what `step` begins with."""
        with judging(self):
            return Decoding(*self._encode(ids_of(self, source), lengths))

    def step(self, ids: np.ndarray, state: Decoding) -> tuple[np.ndarray, Decoding]:
        """The next word of each target (B,) -> ln P of the one after it (B, V) in float64, state.

        Keys and values of the words before are in the cache, those of memory too: a step costs O(T + S), the sentence
        O(T (T + S)). Without a cache every step would read all words before it again.
        """
        with judging(self):
            y = self.target_embedding(unsqueeze(ids_of(self, ids), 1)) * self.scale           # (B, 1, d)
            y, cache = self.core.decoder.step(self.target_positions(y, state.done), state.memory, state.cache,
                                              memory_key_padding_mask=state.hidden)
            return log_probabilities(self.read(y)[:, 0]), state._replace(cache=cache, done=state.done + 1)

    def pick(self, state: Decoding, rows: np.ndarray) -> Decoding:
        """The state of these sentences, which beam search goes on with."""
        memory, hidden, cache = take(state[:3], rows)
        return Decoding(memory, hidden, cache, state.done)

    # ------------------------------------------------------------------------------------------ what it looks at

    def alignments(self, source: Any, lengths: Any, target: Any, *, layer: int = -1, each_head: bool = False
                   ) -> np.ndarray:
        """Encoder-decoder attention: how much each target word, when the one after it is asked for, sees of the source.

        source (B, S), lengths (B,), target (B, T) from <bos> on -> (B, T, S), the mean over heads, or each_head:
        (B, heads, T, S). Rows add up to 1, padding has 0.  layer: of the decoder; the top one by default.
        """
        attention = self.core.decoder.layers[layer].multihead_attn
        with judging(self):
            memory, hidden = self._encode(ids_of(self, source), lengths)
            found, = attention_weights(lambda: self._decode(memory, hidden, ids_of(self, target)), attention)
        return found if each_head else found.mean(1)


def check_norm(norm: str) -> None:
    """Raise ValueError unless it is "post", after the residual sum, or "pre"."""
    if norm not in NORMS:
        raise ValueError(f"norm is 'post' or 'pre', not {norm!r}")


def padding(lengths: Any, ids: Tensor) -> Tensor | None:
    """True at the padding of sentences of these lengths in ids (B, T); None where there is none, or lengths is None.

    Raises ShapeError unless there is a length of 1 to T for each sentence.
    """
    B, T = ids.shape
    if lengths is None or on_device(lengths) and lengths.shape == (B,):
        return behind(lengths, ids)
    n = on_host(lengths)
    if n.shape != (B,) or n.min(initial=1) < 1 or n.max(initial=1) > T:
        raise ShapeError(describe(f"{B} sentences of up to {T} words cannot have lengths {n.tolist()}.",
                                  fix="ids, lengths = data.padded(sentences)"))
    return behind(n, ids) if B else None
