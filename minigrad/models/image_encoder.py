"""From a picture to vectors: one for each place, or one for all of it.   Escalera, *Convolutional neural networks*.

    places   a_p = relu(norm(W_2 * relu(W_1 * x)))_p + e_p     two convolutions, and where the place is
    vector   v = tanh(W_v [a_1; ...; a_P] + b)                 a last fully connected layer: Chemnitz, *One to Many*
             v = tanh(W_v (sum_p a_p) / P + b)                 or of the mean, which forgets what was where
    names    s = W_n sum_p a_p + b                             one score for each kind of thing

The decks take VGG16 or ResNet50, which learned to name a million photographs. This encoder learns to name the 24 kinds
of things of our pictures (`Names`), and goes on learning with the model that it serves. A place is a cell of 8 x 8
pixels that sees nothing of the others, so where it is stands in e_p alone, which is learned: the mean of all a_p is
that of any picture with the same things moved to other cells.
"""
from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .. import nn
from ..create import zeros
from ..data.shapes import BACKGROUND, CELLS, COLOURS, SHAPES, SIDE, SIZES, Scene
from ..errors import ShapeError, describe
from ..nn import functional as F
from ..ops import relu, swapaxes, tanh
from ..tensor import Tensor

KINDS = list(itertools.product(SIZES, COLOURS, SHAPES))
SPREAD = 0.3                                   # of the pixels around the background, about: an input of about 1


class Places(nn.Module):
    """Pictures (B, 3, 24, 24) in 0 ... 1 -> a (B, 9, F): a vector for each of 3 x 3 places, row by row.

    features: F.  Raises ShapeError for pictures of another size.
    """

    count = CELLS ** 2                         # P

    def __init__(self, features: int = 32) -> None:
        self.features = features
        self.first, self.second = nn.Conv2d(3, 24, 4, stride=4), nn.Conv2d(24, features, 2, stride=2)
        self.norm = nn.LayerNorm(features)     # or e_p would be small beside what is seen, and relations learned late
        self.where = nn.init.normal_(nn.Parameter(zeros(self.count, features)))

    def forward(self, images: Tensor) -> Tensor:
        """images (B, 3, 24, 24) -> (B, P, F)"""
        if images.shape[1:] != (3, SIDE, SIDE):
            raise ShapeError(describe(f"the encoder takes pictures (B, 3, {SIDE}, {SIDE}), not {tuple(images.shape)}.",
                                      images=images._made(), fix="one picture is images[None]; its colours come first"))
        seen = self.second(relu(self.first((images - BACKGROUND) / SPREAD)))            # (B, F, 3, 3)
        seen = swapaxes(seen.reshape(images.shape[0], self.features, self.count), 1, 2)
        return relu(self.norm(seen)) + self.where


class ImageVector(nn.Module):
    """Pictures (B, 3, 24, 24) -> v (B, size): one layer over all places, or over their mean.

    pool: "flat", where each place has weights of its own, or "mean".  Raises ValueError for another.
    """

    def __init__(self, places: Places, size: int = 64, pool: str = "flat") -> None:
        if pool not in ("flat", "mean"):
            raise ValueError(f"pool is 'flat' or 'mean', not {pool!r}")
        self.places, self.pool, self.size = places, pool, size
        self.last = nn.Linear(places.features * (places.count if pool == "flat" else 1), size)

    def forward(self, images: Tensor) -> Tensor:
        """images (B, 3, 24, 24) -> (B, size)"""
        a = self.places(images)                # (B, P, F)
        return tanh(self.last(a.mean(1) if self.pool == "mean" else a.reshape(a.shape[0], -1)))


class Names(nn.Module):
    """Which of the 24 kinds of things (size, colour, shape) are in a picture: what `Places` learns first."""

    def __init__(self, places: Places) -> None:
        self.places, self.read = places, nn.Linear(places.features, len(KINDS))

    def forward(self, images: Tensor) -> Tensor:
        """images (B, 3, 24, 24) -> scores (B, 24), above 0 where the kind is there"""
        return self.read(self.places(images).sum(1))

    def loss(self, images: Tensor, there: Tensor) -> Tensor:
        """The mean of -ln P of what is there and what is not.  there (B, 24): 0 or 1, of `kinds_in`"""
        return F.binary_cross_entropy_with_logits(self(images), there)


def kinds_in(scenes: Sequence[Scene]) -> np.ndarray:
    """1 for each kind that a scene has, else 0: (N, 24), float32."""
    return np.array([[kind in {(t.size, t.colour, t.shape) for t in scene} for kind in KINDS] for scene in scenes],
                    np.float32)
