"""Attention over a picture: what is dim, what has a frame, what is written."""
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from minigrad.viz.over_image import _DIM, captioned, over_image

PICTURE = np.full((3, 24, 24), 0.8)
WEIGHTS = np.array([[0.1, 0.5, 0.4, 0.0], [0.25, 0.25, 0.25, 0.25]])


def figure(words=("red", "$x_circle"), **options):
    return over_image([(PICTURE, words, WEIGHTS)], title="a title", **options)


def test_there_is_a_panel_for_the_picture_and_one_for_each_word():
    drawn = figure(notes=["a note"])
    assert [ax.get_title() for ax in drawn.axes] == ["", "red", "$x_circle"]
    assert [ax.get_xlabel() for ax in drawn.axes] == ["a note", "0.50", "0.25"]
    drawn.canvas.draw()                        # words are text, not formulas


def test_a_place_is_as_dim_as_its_weight_is_small_and_lies_where_it_belongs():
    """Places row by row: the second of four is on the top right, untouched; the last has no weight."""
    shown = np.asarray(figure().axes[1].images[0].get_array())
    assert np.allclose(shown[:12, 12:], 0.8) and np.allclose(shown[12:, 12:], 0.8 * _DIM)
    assert np.allclose(shown[:12, :12], 0.8 * (_DIM + (1 - _DIM) * 0.2))


def test_the_largest_weight_has_a_frame_around_its_place():
    frame = figure().axes[1].patches[-1]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (11.5, -0.5, 12, 12)


def test_rows_of_different_lengths_share_a_figure():
    drawn = over_image([(PICTURE, ("red", "circle"), WEIGHTS), (PICTURE, ("red",), WEIGHTS[:1])], title="a title")
    assert len(drawn.axes) == 5


def test_wrong_answers_are_marked_in_words():
    drawn = captioned([(PICTURE, "red circle", True), (PICTURE, "blue circle", False), (PICTURE, "it", None)],
                      title="a title")
    assert [ax.get_xlabel() for ax in drawn.axes] == ["true: red circle", "FALSE: blue circle", "it"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"1 words have weights \(1, P\), P a square number of places, not \(2, 4\)"):
        figure(words=("red",))
    with pytest.raises(ValueError, match=r"P a square number of places, not \(2, 3\)"):
        over_image([(PICTURE, ("a", "b"), WEIGHTS[:, :3])], title="")
    with pytest.raises(ValueError, match=r"a picture is \(3, H, W\), not \(24, 24\)"):
        over_image([(PICTURE[0], ("a", "b"), WEIGHTS)], title="")
    with pytest.raises(ValueError, match="over_image needs at least one row"):
        over_image([], title="")
    with pytest.raises(ValueError, match="captioned needs at least one panel"):
        captioned([], title="")
