"""Questions about generated pictures, of which neither question nor picture gives the answer away.   Chemnitz,
*Many to Many: Question answering / Scene understanding*.

    what colour is the circle       what shape is the red one
    how many circles are there      is the circle left of the square

Questions come in groups, and a group is a Latin square: m pictures, m questions, m answers, each answer once for each
picture and once for each question. So whoever reads the question alone is right in 1/m at most, and so is whoever sees
the picture alone: m is 2 for relations and 3 for the others. The pictures of a group have the same things in the same
cells but for what is asked: colours, shapes or counts move on by one, or the two things of a relation change places.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .shapes import CELL, CELLS, COLOURS, RELATIONS, SHAPES, SIZES, Scene, Thing, pictures, thing
from .streams import padded
from .vocabulary import Vocabulary

KINDS = ("colour", "shape", "count", "relation")
COUNTS = ("zero", "one", "two")
ANSWERS = (*COLOURS, *SHAPES, *COUNTS, "yes", "no")
CHANCE = {"colour": 1 / 3, "shape": 1 / 3, "count": 1 / 3, "relation": 1 / 2}
PLURAL = {shape: shape + "s" for shape in SHAPES}
WORDS = Vocabulary.build(f"what is the one how many are there {' '.join(RELATIONS)} {' '.join(COLOURS)} colour shape "
                         f"{' '.join(SHAPES)} {' '.join(PLURAL.values())}".split())
Group = tuple[list[Scene], list[str], list[list[str]]]          # m scenes, m questions, answers[picture][question]


class Questions(NamedTuple):
    """N questions about M pictures.

    scenes (M) and images (M, 3, 24, 24); of each question its picture (N,), word ids (N, T) of WORDS with lengths (N,),
    answer (N,) of ANSWERS and kind (N,) of KINDS.  texts: the questions' words.
    """

    scenes: list[Scene]
    images: np.ndarray
    picture: np.ndarray
    ids: np.ndarray
    lengths: np.ndarray
    answers: np.ndarray
    kinds: np.ndarray
    texts: list[str]


def questions(rng: np.random.Generator, *rounds: int) -> list[Questions]:
    """One set for each number of rounds, such as train and test: no picture is in two groups, or in two sets.

    A round has 36 questions of each kind: 4 groups of 9, and 9 groups of 4 for relations.
    """
    seen: set[frozenset[Thing]] = set()
    return [_join([(kind, _new(rng, kind, seen)) for _ in range(count) for kind in KINDS
                   for _ in range(9 if kind == "relation" else 4)]) for count in rounds]


def _new(rng: np.random.Generator, kind: str, seen: set[frozenset[Thing]]) -> Group:
    """A group of which no picture was seen."""
    while True:
        found = group(rng, kind)
        keys = {frozenset(scene) for scene in found[0]}
        if not keys & seen:
            seen |= keys
            return found


def group(rng: np.random.Generator, kind: str) -> Group:
    """A Latin square of scenes and questions of one kind. Raises ValueError for another kind."""
    if kind not in KINDS:
        raise ValueError(f"a question is of {', '.join(KINDS)}, not {kind!r}")
    cells = rng.permutation(CELLS ** 2)[:3].tolist()
    colours = rng.permutation(list(COLOURS))[:3].tolist()
    shapes = rng.permutation(SHAPES).tolist()
    base = [thing(rng, colour, shape, cell) for colour, shape, cell in zip(colours, shapes, cells, strict=True)]
    if kind == "relation":
        return _relation(rng, base)
    turns = [_turned(base, kind, shapes, i) for i in range(3)]
    asked = colours if kind == "shape" else shapes
    text = {"colour": "what colour is the {}", "shape": "what shape is the {} one", "count": "how many {} are there"}
    return (turns, [text[kind].format(PLURAL[name] if kind == "count" else name) for name in asked],
            [[answer_of(kind, scene, name) for name in asked] for scene in turns])


def _turned(base: list[Thing], kind: str, shapes: list[str], i: int) -> Scene:
    """The scene with what is asked for moved on by i; for counts two things of one shape and one of the next."""
    if kind == "count":
        return tuple([it._replace(shape=shapes[(i + k) % 3]) for it, k in zip(base, (0, 0, 1), strict=True)])
    return tuple([it._replace(**{kind: getattr(base[(k + i) % 3], kind)}) for k, it in enumerate(base)])


def _relation(rng: np.random.Generator, base: list[Thing]) -> Group:
    """Two things of a scene, and the scene in which they have changed places; a relation and its opposite."""
    one, two, *rest = base[:int(rng.integers(2, 4))]
    relation = str(rng.choice([r for r in RELATIONS if one.stands(r, two)]))
    change = (_moved(one, two), _moved(two, one))
    texts = [f"is the {one.shape} {r} the {two.shape}" for r in (relation, RELATIONS[relation])]
    return [(one, two, *rest), (*change, *rest)], texts, [["yes", "no"], ["no", "yes"]]


def _moved(it: Thing, to: Thing) -> Thing:
    """The thing in the other's cell, at the place inside it that the other had, as far as it fits."""
    room = CELL - SIZES[it.size]
    return it._replace(row=to.row, column=to.column, dy=min(to.dy, room), dx=min(to.dx, room))


def answer_of(kind: str, scene: Scene, name: str) -> str:
    """What colour the shape `name` has, what shape the colour has, how many things of the shape there are."""
    if kind == "count":
        return COUNTS[sum(it.shape == name for it in scene)]
    asked, other = ("colour", "shape") if kind == "colour" else ("shape", "colour")
    return str(next(getattr(it, asked) for it in scene if getattr(it, other) == name))


def _join(groups: Sequence[tuple[str, Group]]) -> Questions:
    scenes, rows = list[Scene](), list[tuple[int, str, int, int]]()
    for kind, (found, asked, answers) in groups:
        rows += [(len(scenes) + i, text, ANSWERS.index(answers[i][j]), KINDS.index(kind))
                 for i in range(len(found)) for j, text in enumerate(asked)]
        scenes += found
    texts = [text for _, text, *_ in rows]
    picture, answer, kinds = np.array([(at, a, k) for at, _, a, k in rows]).T
    ids, lengths = padded([WORDS.encode(text.split()) for text in texts])
    return Questions(scenes, pictures(scenes), picture, ids, lengths, answer, kinds, texts)
