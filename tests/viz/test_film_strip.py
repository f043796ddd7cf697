"""The strip of a film: a frame in each column, the words below it, what is wrong in red, and what it refuses."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.viz import RED
from minigrad.viz.film_strip import film_strip

pytest.importorskip("matplotlib")


def strip(**labels):
    films = {"a film": np.linspace(0, 1, 3 * 16).reshape(3, 4, 4), "another": np.zeros((3, 4, 4))}
    return film_strip(films, title="t", labels={"a film": labels} if labels else None)


def texts(figure):
    return [t.get_text() for t in figure.texts]


def test_every_frame_of_every_film_is_drawn_in_its_column_as_it_is():
    figure = strip()
    assert len(figure.axes) == 6
    for t in range(3):
        first, second = figure.axes[t], figure.axes[3 + t]
        assert np.allclose(first.images[0].get_array(), np.linspace(0, 1, 48).reshape(3, 4, 4)[t])
        assert first.images[0].get_clim() == (0, 1)
        assert first.get_position().x0 == pytest.approx(second.get_position().x0)
        assert first.get_position().y0 > second.get_position().y1
    assert figure.axes[0].get_position().x1 < figure.axes[1].get_position().x0
    assert {"a film", "another", "frame", "1", "2", "3"} <= set(texts(figure))


def test_a_frame_of_nan_is_left_out():
    frames = np.zeros((3, 4, 4))
    frames[0] = np.nan
    assert len(film_strip({"a": frames}, title="t").axes) == 2


def test_a_word_that_is_not_the_truths_is_red_and_in_brackets():
    figure = strip(truth=["up", "up", "down"], model=["up", "down", "down"])
    wrong = [t for t in figure.texts if t.get_color() == RED]
    assert [t.get_text() for t in wrong] == ["(down)"]
    assert texts(figure).count("up") == 3 and texts(figure).count("down") == 2 and "model" in texts(figure)


def test_nothing_is_red_where_all_is_right():
    assert not [t for t in strip(truth=["a", "b", "c"], model=["a", "b", "c"]).texts if t.get_color() == RED]


@pytest.mark.parametrize("films", [{}, {"a": np.zeros((3, 4, 4)), "b": np.zeros((2, 4, 4))}, {"a": np.zeros((3, 4))}],
                         ids=["none", "lengths", "flat"])
def test_films_of_another_form_are_refused(films):
    with pytest.raises(ValueError, match="of one length, not"):
        film_strip(films, title="t")


def test_a_line_without_a_word_for_each_frame_is_refused():
    with pytest.raises(ValueError, match="line 'truth' of film 'a film' has 2 words(.|\n)*of 3 frames"):
        strip(truth=["a", "b"])
    with pytest.raises(ValueError, match="films: a"):
        film_strip({"a": np.zeros((1, 2, 2))}, title="t", labels={"b": {"truth": ["x"]}})
