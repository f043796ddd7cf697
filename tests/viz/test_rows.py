"""Rows of models, panels of measures: what stands where, the best marked, a bound as a line."""
from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex  # noqa: E402

from minigrad import viz  # noqa: E402

PANELS = {"loss": {"a": 3.0, "b": 1.5}, "size": {"a": 10.0, "b": 20_000.0, "c": 5.0}}


def dots(ax):
    """(value, row from below, mark, is it dark) of each dot."""
    return [(float(line.get_xdata()[0]), int(line.get_ydata()[0]), line.get_marker(),
             to_hex(line.get_markerfacecolor()) == viz.BLUE.lower())
            for line in ax.lines if line.get_marker() != "None"]


def test_each_panel_has_its_dots_in_the_rows_order_and_its_smallest_is_dark():
    loss, size = viz.rows(PANELS, title="b is best", log="size", sizes="size").axes
    assert [t.get_text() for t in loss.get_yticklabels()] == ["a", "b", "c"]
    assert dots(loss) == [(3.0, 2, "o", False), (1.5, 1, "o", True)]
    assert dots(size) == [(10.0, 2, "o", False), (20_000.0, 1, "o", False), (5.0, 0, "o", False)]
    assert size.get_xscale() == "log" and loss.get_xscale() == "linear"
    assert [t.get_text() for t in size.texts] == ["10.00", "20,000", "5.000"]


def test_what_lies_beyond_the_limits_is_an_arrow_at_the_edge_with_its_number():
    loss = viz.rows(PANELS, title="", limits={"loss": (1.0, 2.0)}).axes[0]
    assert dots(loss) == [(2.0, 2, ">", False), (1.5, 1, "o", True)]
    assert loss.get_xlim() == (1.0, 2.0) and [t.get_text() for t in loss.texts] == ["3.000", "1.500"]


def test_a_bound_is_a_line_that_the_legend_names_with_its_value():
    figure = viz.rows(PANELS, title="", levels={"loss": {"bound": 1.2, "other": 1.4}})
    lines = [line for line in figure.axes[0].lines if line.get_marker() == "None"]
    assert [line.get_xdata()[0] for line in lines] == [1.2, 1.4] and len({line.get_linestyle() for line in lines}) == 2
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["bound: 1.200", "other: 1.400"]
    assert not viz.rows(PANELS, title="").legends


def test_no_panel_is_refused():
    with pytest.raises(ValueError, match="rows needs panels"):
        viz.rows({}, title="")
