"""Pictures of positional encodings: every value in its place, one scale with white at 0, and what is refused."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.nn.positions import sinusoidal
from minigrad.viz.positions import positions

pytest.importorskip("matplotlib")


def test_a_row_is_a_position_and_a_column_a_feature():
    table = sinusoidal(20, 512, layout="halves")
    image = positions({"deck": table}, title="t").axes[0].images[0]
    np.testing.assert_array_equal(image.get_array(), table)
    low, high = positions({"deck": table}, title="t").axes[0].get_ylim()
    assert low > high                                          # the first position is on top


def test_all_panels_have_one_scale_with_white_at_zero():
    figure = positions({"a": np.array([[0.5, -0.2]]), "b": np.array([[-3.0, 1.0], [0.0, 0.0]])}, title="t")
    assert [ax.images[0].get_clim() for ax in figure.axes[:2]] == [(-3, 3)] * 2
    red, green, blue, _ = figure.axes[0].images[0].cmap(0.5)
    assert min(red, green, blue) > 0.98


@pytest.mark.parametrize("panels", [{}, {"a": np.zeros(3)}, {"a": np.zeros((0, 4))}], ids=["none", "row", "empty"])
def test_what_is_no_table_is_refused(panels):
    with pytest.raises(ValueError, match="positions needs tables"):
        positions(panels, title="t")
