"""Captions and the checker that reads them: it has to say no as well as yes."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from minigrad.data.bleu import bleu
from minigrad.data.captions import captions, is_true, kind_of, names_things, opposite
from minigrad.data.shapes import COLOURS, SHAPES, Thing, scenes

SCENE = (Thing("red", "circle", "small", 0, 0), Thing("blue", "square", "large", 1, 2),
         Thing("red", "square", "small", 1, 1))


def test_every_caption_is_true_of_its_scene_and_has_one_of_the_forms(rng):
    for scene in scenes(rng, 300):
        said = captions(rng, scene)
        assert len(said) == 5 and all(is_true(words, scene) and names_things(words, scene) for words in said)
        assert all(kind_of(words) in ("relation", "place", "list") for words in said)


def test_hardly_a_caption_is_true_of_another_scene(rng):
    found = scenes(rng, 400)
    said = [captions(rng, scene) for scene in found]
    other = [is_true(words, found[k - 1]) for k, of in enumerate(said) for words in of]
    assert np.mean(other) < 0.05


def test_no_single_caption_is_true_of_a_tenth_of_the_scenes(rng):
    """The best that can be said without looking."""
    found = scenes(rng, 500)
    often = Counter(tuple(words) for scene in found for words in captions(rng, scene)).most_common(20)
    assert max(np.mean([is_true(words, scene) for scene in found]) for words, _ in often) < 0.1


@pytest.mark.parametrize("text", [
    "red circle left of blue square", "small red circle left of large blue square", "blue square below red circle",
    "red circle at top left", "small red square in middle", "red circle and red square",
    "blue square right of red square"])
def test_the_checker_says_yes_to_what_is_so(text):
    assert is_true(text.split(), SCENE) and names_things(text.split(), SCENE)


@pytest.mark.parametrize("text, names", [
    ("red circle right of blue square", True),                   # the opposite relation
    ("blue square left of red circle", True),                    # the two exchanged
    ("blue circle left of red square", False),                   # their colours exchanged
    ("red square left of red circle", True),
    ("red square above blue square", True),                      # one row: neither above nor below
    ("large red circle left of blue square", True),              # the size
    ("red circle left of large red square", True),
    ("red circle at top", True), ("red circle at top right", True), ("green circle at top left", False),
    ("large red circle at top left", True), ("red circle and green square", False),
    ("red circle and red circle", True), ("large red square and red circle", True),     # there is only one
    ("red circle", False), ("", False), ("red circle left of", False), ("circle red at top left", False),
    ("red circle left of blue square and red square", False), ("left of left of", False)])
def test_the_checker_says_no_to_what_is_not_so_and_to_what_is_no_caption(text, names):
    """Each differs from a true caption in one thing: word overlap would give it most of the points."""
    assert not is_true(text.split(), SCENE)
    assert names_things(text.split(), SCENE) is names


def test_exchanged_colours_are_never_true(rng):
    """Of two things that differ in both: "blue circle left of red square" for "red circle left of blue square"."""
    checked = 0
    for scene in scenes(rng, 300, [2]):
        one, two = scene
        if one.colour == two.colour or one.shape == two.shape:
            continue
        for words in captions(rng, scene):
            swap = {one.colour: two.colour, two.colour: one.colour}
            assert not is_true([swap.get(word, word) for word in words], scene)
            checked += 1
    assert checked > 300


def test_the_opposite_of_a_true_relation_is_false_and_has_as_many_words(rng):
    for scene in scenes(rng, 300):
        for words in captions(rng, scene):
            if kind_of(words) == "relation":
                assert not is_true(opposite(words), scene) and len(opposite(words)) == len(words)
                assert opposite(opposite(words)) == words
    with pytest.raises(ValueError, match="'red circle at top' has no relation to be turned round"):
        opposite("red circle at top".split())


def test_bleu_forgives_relations_that_are_all_turned_round(rng):
    """The numbers of the module's docstring: why captions are checked against the scene."""
    said = [words for scene in scenes(rng, 300) for words in captions(rng, scene) if kind_of(words) == "relation"]
    turned = [opposite(words) for words in said]
    assert 83 < bleu(turned, said, n=1) < 87 and 35 < bleu(turned, said) < 41


def test_each_colour_and_shape_is_said_about_as_often(rng):
    counts = Counter(word for scene in scenes(rng, 800) for words in captions(rng, scene) for word in words)
    for group in (COLOURS, SHAPES):
        said = [counts[word] for word in group]
        assert max(said) < 1.2 * min(said)
