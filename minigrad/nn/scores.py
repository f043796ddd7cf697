"""How well a query fits each of S keys: the four scores of attention before the Transformer, and the sum they weight.

    additive    v^T tanh(W_s s + W_a a_t)          Télécom, *Attention model* (the alignment model); Bahdanau 2015
    dot         s^T a_t                            Luong 2015, as the next two; no deck prints them
    general     s^T W a_t
    concat      v^T tanh(W [s; a_t])

Each is called as score(query (B, Q), keys (B, S, K)) -> (B, S). The part of it that sees keys alone is the same at all
steps of a decoder: `score.compare(query, score.project(keys))` computes it once.
"""
from __future__ import annotations

import math
from typing import Any

from ..create import zeros
from ..errors import ShapeError, describe
from ..ops import matmul, softmax, squeeze, tanh, unsqueeze, where
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter


class Score(Module):
    """The base of scores."""

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """query (B, Q), keys (B, S, K) -> (B, S)"""
        return self.compare(query, self.project(keys))

    def project(self, keys: Tensor) -> Tensor:
        """The part of the score that has no query in it: keys (B, S, K) -> what `compare` takes."""
        return keys

    def compare(self, query: Tensor, projected: Tensor) -> Tensor:
        """query (B, Q), what `project` gave -> (B, S)"""
        raise NotImplementedError


class AdditiveScore(Score):
    """e_t = v^T tanh(W_s s + W_a a_t): a feedforward network of one hidden layer, of `size` units.

    query_size, key_size: of s and a_t.  w_s (size, Q), w_a (size, K), v (size), uniform in +-1 / sqrt(inputs) at the
    start.  Without W_s every step would look at the same places; without tanh too, for s would cancel in the softmax.
    """

    w_s: Any
    w_a: Any
    v: Parameter

    def __init__(self, query_size: int, key_size: int, size: int) -> None:
        self.w_s, self.w_a, self.v = _weights((size, query_size), (size, key_size), (size,))

    def project(self, keys: Tensor) -> Tensor:
        """W_a a_t of all places: (B, S, K) -> (B, S, size)"""
        return F.linear(keys, self.w_a)

    def compare(self, query: Tensor, projected: Tensor) -> Tensor:
        """s (B, Q), W_a a (B, S, size) -> e (B, S)"""
        return matmul(tanh(unsqueeze(F.linear(query, self.w_s), 1) + projected), self.v)


class ConcatScore(AdditiveScore):
    """e_t = v^T tanh(W [s; a_t]): the additive score with W_s and W_a side by side in one matrix w (size, Q + K)."""

    def __init__(self, query_size: int, key_size: int, size: int) -> None:
        self.query_size = query_size
        self.w, self.v = _weights((size, query_size + key_size), (size,))

    w_s = property(lambda self: self.w[:, :self.query_size])
    w_a = property(lambda self: self.w[:, self.query_size:])


class DotScore(Score):
    """e_t = s^T a_t, which has no weights: query and keys are of one size. Raises ShapeError where they are not."""

    def compare(self, query: Tensor, projected: Tensor) -> Tensor:
        """s (B, K), a (B, S, K) -> e (B, S)"""
        if query.shape[-1] != projected.shape[-1]:
            raise ShapeError(describe(f"a dot score multiplies a query of {query.shape[-1]} with keys of "
                                      f"{projected.shape[-1]}.", query=query._made(), keys=projected._made(),
                                      fix="sizes that are equal, or GeneralScore, which has a matrix between them"))
        return squeeze(matmul(projected, unsqueeze(query, -1)), -1)


class GeneralScore(DotScore):
    """e_t = s^T W a_t.  w (Q, K), uniform in +-1 / sqrt(K) at the start."""

    def __init__(self, query_size: int, key_size: int) -> None:
        (self.w,) = _weights((query_size, key_size))

    def project(self, keys: Tensor) -> Tensor:
        """W a_t of all places: (B, S, K) -> (B, S, Q)"""
        return F.linear(keys, self.w)


SCORES: dict[str, Any] = {"additive": AdditiveScore, "dot": DotScore, "general": GeneralScore, "concat": ConcatScore}


def score_of(name: str, query_size: int, key_size: int, size: int) -> Score:
    """The score of that name, between a query and keys of these sizes; size: of a hidden layer, where it has one.

    Raises ValueError for another name.
    """
    if name not in SCORES:
        raise ValueError(f"score is one of {', '.join(SCORES)}, not {name!r}")
    if name == "dot":
        return DotScore()
    return GeneralScore(query_size, key_size) if name == "general" else SCORES[name](query_size, key_size, size)


def attend_to(scores: Tensor, values: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """c = sum_t alpha_t a_t with alpha = softmax_t e, over the places that are not hidden.  Télécom, *Attention model*.

    scores e (B, S), values a (B, S, C), hidden (B, S) bool, True where there is padding -> c (B, C), alpha (B, S).
    A hidden place has the score -inf before the softmax: a weight set to 0 after it would leave a sum below 1. A row of
    which everything is hidden gives zeros.
    """
    if hidden is not None:
        scores = where(hidden, -math.inf, scores)
    weights = softmax(scores, axis=-1)
    return squeeze(matmul(unsqueeze(weights, 1), values), 1), weights


def _weights(*shapes: tuple[int, ...]) -> list[Parameter]:
    """Parameters, uniform in +-1 / sqrt(last axis)."""
    found = [Parameter(zeros(shape)) for shape in shapes]
    for p in found:
        init.uniform_(p, -p.shape[-1] ** -0.5, p.shape[-1] ** -0.5)
    return found
