"""Captions of generated pictures, and what tells whether one is true.   Escalera, *Image Captioning: Example Results*.

Each picture of `data/shapes.py` gets five captions, all true, from a small grammar:

    caption   N left of N  |  N at top left  |  N and N      of a thing alone the second
    N         red circle  |  small red circle               in one half of the captions with the size

`is_true` goes the other way: it reads a caption with the same grammar and looks at the scene. So a generated caption
needs no other caption to be judged by, and "left" for "right" counts in full: of relations that are all turned round 85
% of the words are still right, and BLEU gives them 38 of 100 points.
"""
from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from .shapes import COLOURS, PLACES, RELATIONS, SHAPES, SIZES, Scene, Thing

KINDS = ("relation", "place", "list")
OFTEN = (0.6, 0.3, 0.1)                        # of each kind
_NOUN = rf"(?:({'|'.join(SIZES)}) )?({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})"
_FORMS = {"relation": rf"{_NOUN} ({'|'.join(RELATIONS)}) {_NOUN}", "list": rf"{_NOUN} and {_NOUN}",
          "place": rf"{_NOUN} (?:at|in) ({'|'.join(itertools.chain(*PLACES))})"}


def captions(rng: np.random.Generator, scene: Scene, count: int = 5) -> list[list[str]]:
    """`count` true captions of a scene, each a list of words; as among people, two may say the same."""
    return [_caption(rng, scene).split() for _ in range(count)]


def _caption(rng: np.random.Generator, scene: Scene) -> str:
    kind, with_size = KINDS[rng.choice(len(KINDS), p=OFTEN)], rng.random() < 0.5
    one, two = [scene[k] for k in rng.permutation(len(scene))[:2]] if len(scene) > 1 else (scene[0], None)
    first, second = [f"{thing.size + ' ' if with_size else ''}{thing.colour} {thing.shape}" if thing else ""
                     for thing in (one, two)]
    if kind == "place" or two is None:
        return f"{first} {'in' if one.place == 'middle' else 'at'} {one.place}"
    if kind == "list":
        return f"{first} and {second}"
    return f"{first} {next(r for r in RELATIONS if one.stands(r, two))} {second}"


def kind_of(words: Sequence[str]) -> str | None:
    """ "relation", "place" or "list"; None for words that are no caption of the grammar."""
    found = _read(words)
    return found and found[0]


def is_true(words: Sequence[str], scene: Scene) -> bool:
    """Does the caption hold of the scene?  False also for words that are no caption.

    A list is true if its things are there, all of them different; it need not be complete.
    """
    kind, parts = _read(words) or ("", ())
    if kind == "place":
        return any(_is(thing, parts[:3]) and thing.place == parts[3] for thing in scene)
    if kind == "relation":
        return any(_is(one, parts[:3]) and _is(two, parts[4:]) and one.stands(str(parts[3]), two)
                   for one, two in itertools.permutations(scene, 2))
    return kind == "list" and any(_is(one, parts[:3]) and _is(two, parts[3:])
                                  for one, two in itertools.permutations(scene, 2))


def names_things(words: Sequence[str], scene: Scene) -> bool:
    """Are all things that the caption names in the scene, by colour and shape, wherever they are?"""
    kind, parts = _read(words) or ("", ())
    nouns = {"place": [parts[1:3]], "relation": [parts[1:3], parts[5:]], "list": [parts[1:3], parts[4:]]}.get(kind, [])
    return bool(nouns) and all(any(_is(thing, (None, *noun)) for thing in scene) for noun in nouns)


def _read(words: Sequence[str]) -> tuple[str, tuple[str | None, ...]] | None:
    """The kind of a caption, and what stands in its gaps; None if it has none of the forms."""
    found = ((kind, re.fullmatch(form, " ".join(words))) for kind, form in _FORMS.items())
    return next(((kind, match.groups()) for kind, match in found if match), None)


def _is(thing: Thing, noun: Sequence[str | None]) -> bool:
    """Is this what the noun (size or None, colour, shape) says?"""
    return noun[0] in (None, thing.size) and (thing.colour, thing.shape) == tuple(noun[1:])


def opposite(words: Sequence[str]) -> list[str]:
    """A relation's caption with the opposite relation: false of every scene of which the caption was true.

    Raises ValueError for a caption without a relation.
    """
    if kind_of(words) != "relation":
        raise ValueError(f"{' '.join(words)!r} has no relation to be turned round")
    return re.sub("|".join(RELATIONS), lambda m: RELATIONS[m[0]], " ".join(words)).split()
