"""Curves: what is drawn is what was given, and what an axis cannot hold is a gap."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad import viz

pytest.importorskip("matplotlib")

WORDS = {"title": "It falls", "xlabel": "step", "ylabel": "loss"}


def test_a_panel_holds_the_lines_and_bands_that_were_given():
    x = np.arange(5)
    figure = viz.curves({"a": {"one": (x, x + 1.0), "two": (x, x, x + 1, x + 2)}, "b": {"two": (x[:2], [3, 4])}},
                        **WORDS)
    a, b = figure.axes
    assert [ax.get_title("left") for ax in (a, b)] == ["a", "b"]
    assert [line.get_label() for line in a.lines] == ["one", "two"] and len(a.collections) == 1
    assert np.array_equal(a.lines[1].get_ydata(), x + 1) and np.array_equal(b.lines[0].get_ydata(), [3, 4])
    assert a.lines[1].get_color() == b.lines[0].get_color() != a.lines[0].get_color()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["one", "two"]


def test_what_a_logarithmic_axis_cannot_hold_is_a_gap(tmp_path):
    """A vanished gradient is 0, a diverged one infinite; neither may bend the axis nor warn."""
    y = [1.0, 0.0, np.inf, np.nan, 1e-9]
    figure = viz.curves({"": {"n": (range(5), y)}}, log="y", levels={"start": 1.0}, **WORDS)
    ax, = figure.axes
    assert ax.get_yscale() == "log" and ax.get_xscale() == "linear" and ax.lines[1].get_label() == "start"
    assert np.array_equal(np.isnan(ax.lines[0].get_ydata()), [False, True, True, True, False])
    figure.savefig(tmp_path / "f.png")
    assert viz.curves({"": {"n": (range(5), y)}}, log="y", ylim=(1e-5, 2), **WORDS).axes[0].get_ylim() == (1e-5, 2)
    linear, = viz.curves({"": {"n": (range(5), y)}}, **WORDS).axes
    assert np.array_equal(np.isnan(linear.lines[0].get_ydata()), [False, False, True, True, False])


def test_no_two_of_twenty_eight_lines_look_alike():
    series = {str(i): ([0, 1], [i, i]) for i in range(28)}
    ax, = viz.curves({"": series}, **WORDS).axes
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 28


def test_the_axes_are_named_on_the_left_and_where_no_panel_is_below():
    axes = viz.curves({str(i): {"n": ([1, 2], [1, 2])} for i in range(5)}, **WORDS).axes
    assert [ax.get_xlabel() for ax in axes] == ["", "", "step", "step", "step"]
    assert [ax.get_ylabel() for ax in axes] == ["loss", "", "", "loss", ""]


@pytest.mark.parametrize("count, rows", [(1, 1), (3, 1), (4, 2), (7, 3)])
def test_a_row_has_at_most_three_panels_and_none_is_left_empty(count, rows, tmp_path):
    figure = viz.curves({str(i): {"n": ([1, 2], [1, 2])} for i in range(count)}, log="xy", **WORDS)
    figure.savefig(tmp_path / "f.png")
    assert len(figure.axes) == count
    assert len({round(ax.get_position().y0, 3) for ax in figure.axes}) == rows


@pytest.mark.parametrize("panels, log, why", [
    ({}, "", "panels"), ({"a": {"s": ([1], [1])}}, "z", "'z'"), ({"a": {"s": ([1], [1], [1])}}, "", "'s' in panel 'a'"),
    ({"a": {"s": ([1, 2], [1])}}, "", r"\(2,\), \(1,\)")])
def test_panels_of_another_form_are_refused(panels, log, why):
    with pytest.raises(ValueError, match=why):
        viz.curves(panels, log=log, **WORDS)
