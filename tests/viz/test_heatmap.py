"""The heatmap: its numbers, empty cells, the sign of its colours, and that it refuses names that do not fit."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad import viz

pytest.importorskip("matplotlib")


def written(figure):
    """Row and column of a cell -> the number that stands in it."""
    return {(round(t.get_position()[1] - 0.5), round(t.get_position()[0] - 0.5)): t.get_text()
            for t in figure.axes[0].texts}


def test_every_value_stands_in_its_cell_and_a_missing_one_in_none():
    figure = viz.heatmap(np.array([[0.9, np.nan], [0.001, 12.34]]), ["h", "e"], ["l", "o"], title="t")
    assert written(figure) == {(0, 0): "0.90", (1, 0): "0.00", (1, 1): "12.3"}
    assert not written(viz.heatmap(np.ones((2, 2)), ["h", "e"], ["l", "o"], title="t", numbers=False))


def test_small_values_keep_their_size():
    assert written(viz.heatmap(np.array([[2e-5, 0.0]]), ["h"], ["l", "o"], title="t")) == {(0, 0): "2e-05", (0, 1): "0"}


def test_the_first_row_is_on_top_and_names_stand_at_their_cells():
    ax = viz.heatmap(np.eye(3), ["a", "b", "c"], ["x", "y", "z"], title="t").axes[0]
    bottom, top = ax.get_ylim()
    assert top < bottom
    assert [(t.get_text(), at) for t, at in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)] == [
        ("a", 0.5), ("b", 1.5), ("c", 2.5)]


@pytest.mark.parametrize("values, ends", [([[0.2, 0.4]], (0, 1)), ([[-3.0, 2.0]], (-3, 3)), ([[2.0, 8.0]], (2, 8)),
                                          ([[np.nan, np.nan]], (0, 1))], ids=["gates", "signed", "other", "empty"])
def test_the_scale_is_that_of_probabilities_or_symmetric_around_zero(values, ends):
    """White at 0 tells the sign; and gates of two figures have the same colours."""
    shown = viz.heatmap(np.array(values), ["r"], ["x", "y"], title="t").axes[0].collections[0]
    assert shown.get_clim() == pytest.approx(ends, abs=1e-9)


def test_names_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"heatmap of \(2, 2\) values has 1 rows and 2 columns named"):
        viz.heatmap(np.eye(2), ["a"], ["x", "y"], title="t")


def test_a_figure_can_be_saved_with_numbers_and_with_none(tmp_path):
    for numbers in (True, False):
        path = tmp_path / f"{numbers}.png"
        viz.heatmap(np.random.default_rng(0).normal(size=(3, 4)), ["student", "which", "was"], list("ifgo"), title="t",
                    label="gate", xlabel="x", ylabel="y", numbers=numbers).savefig(path)
        assert path.read_bytes().startswith(b"\x89PNG")
