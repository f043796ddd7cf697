"""Rows of models, panels of measures: what stands where, the best in a dark bar, a bound as a line."""
from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex  # noqa: E402

from minigrad import viz  # noqa: E402

PANELS = {"loss": {"a": 3.0, "b": 1.5}, "size": {"a": 10.0, "b": 20_000.0, "c": 5.0}}


def test_each_panel_has_its_bars_in_the_rows_order_and_its_best_is_dark():
    figure = viz.rows(PANELS, title="b is best", log="size", plain="size", levels={"loss": {"bound": 1.2}})
    loss, size = figure.axes
    assert [t.get_text() for t in loss.get_yticklabels()] == ["a", "b", "c"]
    assert [(p.get_width(), p.get_y() + p.get_height() / 2) for p in loss.patches] == [(3.0, 2.0), (1.5, 1.0)]
    assert [to_hex(p.get_facecolor()) == viz.BLUE.lower() for p in loss.patches] == [False, True]
    assert not any(to_hex(p.get_facecolor()) == viz.BLUE.lower() for p in size.patches)
    assert size.get_xscale() == "log" and loss.get_xscale() == "linear"
    assert [t.get_text() for t in size.texts] == ["10.00", "20,000", "5.000"]
    assert loss.lines[0].get_xdata()[0] == 1.2
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["bound: 1.200"]


def test_a_bar_on_a_logarithmic_axis_ends_at_its_value():
    bar = viz.rows(PANELS, title="", log=("loss", "size")).axes[1].patches[1]
    assert bar.get_x() + bar.get_width() == pytest.approx(20_000)


def test_no_panel_is_refused():
    with pytest.raises(ValueError, match="rows needs panels"):
        viz.rows({}, title="")
