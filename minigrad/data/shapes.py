"""Pictures of one to three shapes, with all that can be said of them.   Escalera, *Image Captioning*; Chemnitz, *One to
Many: image caption generation*.

A picture has 24 x 24 pixels: nine cells of 8 x 8, three rows of three. A scene is the list of what stands in it, and
`draw` makes the picture of a scene, so that whatever is said about a picture can be tested against its scene.

    Thing("red", "circle", "small", row=0, column=2, dy=1, dx=0)      a small red circle at the top right

No two things of a scene have both colour and shape in common, and each has a cell of its own. Of two things in columns
1 and 3 the one is left of the other wherever the rows are: what stands in one column is neither left nor right.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

COLOURS = {"red": (0.84, 0.18, 0.10), "green": (0.0, 0.60, 0.36), "blue": (0.10, 0.36, 0.80),
           "yellow": (0.96, 0.82, 0.10)}
SHAPES = ("circle", "square", "triangle")
SIZES = {"small": 5, "large": 7}               # pixels across
SIDE, CELL, CELLS = 24, 8, 3                   # of the picture, of a cell, cells a side
BACKGROUND = 0.92
PLACES = (("top left", "top", "top right"), ("left", "middle", "right"), ("bottom left", "bottom", "bottom right"))
RELATIONS = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}     # and the opposite


class Thing(NamedTuple):
    """A shape in a picture: its words, its cell, and how many pixels it lies inside of the cell's corner."""

    colour: str
    shape: str
    size: str
    row: int
    column: int
    dy: int = 0
    dx: int = 0

    @property
    def place(self) -> str:
        """Where it is in the picture: "top left"."""
        return PLACES[self.row][self.column]

    def stands(self, relation: str, other: Thing) -> bool:
        """Is this one "left of", "right of", "above" or "below" the other, by cells?  Raises KeyError for others."""
        return {"left of": self.column < other.column, "right of": self.column > other.column,
                "above": self.row < other.row, "below": self.row > other.row}[relation]


Scene = tuple[Thing, ...]


def scenes(rng: np.random.Generator, count: int, sizes: Sequence[int] = (1, 2, 2, 3, 3)) -> list[Scene]:
    """`count` scenes, no two with the same picture.

    sizes: how many things a scene has, drawn from these: usually two or three, for one thing has no relation.
    Raises ValueError for fewer than one thing or more than nine, or more scenes than there are pictures.
    """
    if not sizes or min(sizes) < 1 or max(sizes) > CELLS ** 2:
        raise ValueError(f"a scene has 1 to {CELLS ** 2} things, not {list(sizes)}")
    found: dict[frozenset[Thing], Scene] = {}
    for _ in range(20 * count):
        if len(found) == count:
            break
        scene = _scene(rng, int(rng.choice(sizes)))
        found.setdefault(frozenset(scene), scene)
    if len(found) < count:
        raise ValueError(f"there are not {count} different pictures of {sorted(set(sizes))} shapes: "
                         f"{len(found)} in {20 * count} draws")
    return list(found.values())


def _scene(rng: np.random.Generator, things: int) -> Scene:
    kinds = rng.permutation(len(COLOURS) * len(SHAPES))[:things]
    cells = rng.permutation(CELLS ** 2)[:things]
    return tuple([thing(rng, list(COLOURS)[kind // len(SHAPES)], SHAPES[kind % len(SHAPES)], cell)
                  for kind, cell in zip(kinds.tolist(), cells.tolist(), strict=True)])


def thing(rng: np.random.Generator, colour: str, shape: str, cell: int) -> Thing:
    """A thing of this kind in cell 0 ... 8, of a size and at a place inside its cell that are drawn."""
    size = list(SIZES)[rng.integers(len(SIZES))]
    dy, dx = rng.integers(CELL - SIZES[size] + 1, size=2).tolist()
    return Thing(colour, shape, size, *divmod(cell, CELLS), dy, dx)


def draw(scene: Scene) -> np.ndarray:
    """The picture of a scene: (3, 24, 24), float32 in 0 ... 1."""
    picture = np.full((3, SIDE, SIDE), BACKGROUND, np.float32)
    for it in scene:
        n = SIZES[it.size]
        top, left = it.row * CELL + it.dy, it.column * CELL + it.dx
        part = picture[:, top:top + n, left:left + n]
        part[:, _outline(it.shape, n)] = np.array(COLOURS[it.colour], np.float32)[:, None]
    return picture


def pictures(of: Sequence[Scene]) -> np.ndarray:
    """The pictures of N scenes: (N, 3, 24, 24), float32."""
    return np.stack([draw(scene) for scene in of])


def _outline(shape: str, n: int) -> np.ndarray:
    """Which pixels of a square of n x n belong to the shape."""
    y, x = np.abs(np.mgrid[:n, :n] - (n - 1) / 2)              # from the middle
    if shape == "circle":
        return np.asarray(x * x + y * y <= (n / 2) ** 2)
    if shape == "triangle":                                    # as wide as its row is deep
        return np.asarray(x <= (np.arange(n)[:, None] + 1) / 2)
    return np.ones((n, n), bool)
