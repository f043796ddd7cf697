"""Generated pictures: what is drawn is what the scene says."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.shapes import (
    BACKGROUND,
    CELL,
    COLOURS,
    PLACES,
    RELATIONS,
    SHAPES,
    SIZES,
    Thing,
    draw,
    pictures,
    scenes,
    thing,
)


def test_a_picture_holds_each_thing_in_its_cell_in_its_colour_and_nothing_else(rng):
    for scene in scenes(rng, 40):
        picture, seen = draw(scene), np.zeros((24, 24), bool)
        for it in scene:
            rows, columns = (slice(k * CELL, (k + 1) * CELL) for k in (it.row, it.column))
            inside = (picture[:, rows, columns] == np.array(COLOURS[it.colour], np.float32)[:, None, None]).all(0)
            assert np.ptp(np.nonzero(inside)[1]) + 1 == SIZES[it.size]
            seen[rows, columns] |= inside
        assert (picture[:, ~seen] == np.float32(BACKGROUND)).all() and seen.any()


def test_the_three_shapes_of_one_size_have_three_outlines():
    """A reader who is to tell a circle from a square needs pixels that differ."""
    for size in SIZES:
        masks = [draw((Thing("red", shape, size, 0, 0),))[0] != np.float32(BACKGROUND) for shape in SHAPES]
        assert len({mask.tobytes() for mask in masks}) == len(SHAPES)
        assert masks[1].sum() == SIZES[size] ** 2 > masks[0].sum() > masks[2].sum()


def test_no_two_pictures_of_a_set_are_the_same_and_no_two_things_share_a_cell_or_both_colour_and_shape(rng):
    found = scenes(rng, 1500)
    assert len({picture.tobytes() for picture in pictures(found)}) == len(found)
    for scene in found:
        assert len({(it.row, it.column) for it in scene}) == len({(it.colour, it.shape) for it in scene}) == len(scene)
    assert {len(scene) for scene in found} == {1, 2, 3}
    assert pictures(found[:3]).dtype == np.float32


def test_of_two_things_a_relation_holds_or_its_opposite_or_neither():
    one, two, three = (Thing("red", "circle", "small", row, column) for row, column in ((0, 0), (0, 2), (2, 2)))
    assert one.stands("left of", two) and two.stands("right of", one) and three.stands("below", one)
    assert not one.stands("above", two) and not one.stands("below", two)
    assert not three.stands("left of", two) and not three.stands("right of", two)
    assert all(RELATIONS[RELATIONS[r]] == r for r in RELATIONS)
    assert [one.place, two.place, three.place] == [PLACES[0][0], PLACES[0][2], PLACES[2][2]]
    with pytest.raises(KeyError, match="beside"):
        one.stands("beside", two)


def test_a_thing_lies_inside_of_its_cell_wherever_it_is_drawn(rng):
    for _ in range(200):
        it = thing(rng, "blue", "square", 4)
        assert (it.row, it.column) == (1, 1) and max(it.dy, it.dx) + SIZES[it.size] <= CELL


def test_the_same_seed_gives_the_same_scenes():
    assert scenes(np.random.default_rng(4), 30) == scenes(np.random.default_rng(4), 30)


def test_scenes_that_cannot_be_are_refused(rng):
    with pytest.raises(ValueError, match=r"a scene has 1 to 9 things, not \[0, 2\]"):
        scenes(rng, 3, [0, 2])
    with pytest.raises(ValueError, match=r"there are not 5000 different pictures of \[1\] shapes"):
        scenes(rng, 5000, [1])
