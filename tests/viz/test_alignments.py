"""Maps of attention: the weights stand where their words are, on one scale, and what misfits is refused."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.viz.alignments import alignments

pytest.importorskip("matplotlib")
SOURCE, TARGET = ["le", "chat", "noir", "dort"], ["the", "black", "cat", "sleeps", "<eos>"]


def weights(rows=5, columns=4, seed=0):
    drawn = np.random.default_rng(seed).random((rows, columns))
    return drawn / drawn.sum(1, keepdims=True)


def maps(figure):
    """The axes with a map, in reading order, without the scale of colours."""
    return [ax for ax in figure.axes if len(ax.get_xticklabels()) and ax.get_label() != "<colorbar>"]


def names(labels):
    return [label.get_text() for label in labels]


def test_a_weight_stands_in_the_row_of_its_target_and_the_column_of_its_source():
    w = weights()
    ax = maps(alignments({"one": (w, TARGET, SOURCE)}, title="t"))[0]
    np.testing.assert_array_equal(ax.collections[0].get_array(), w)
    assert names(ax.get_yticklabels()) == TARGET and names(ax.get_xticklabels()) == SOURCE
    np.testing.assert_array_equal(ax.get_xticks(), np.arange(4) + 0.5)
    assert ax.yaxis_inverted() and not ax.xaxis_inverted()


def test_a_larger_weight_is_darker_and_all_panels_share_one_scale():
    """Two maps with a scale each would show 0.1 of one as dark as 0.9 of the other."""
    low, high = np.array([[0.1, 0.05]]), np.array([[0.9, 0.1]])
    axes = maps(alignments({"a": (low, ["x"], ["p", "q"]), "b": (high, ["x"], ["p", "q"])}, title="t"))
    assert [ax.collections[0].get_clim() for ax in axes] == [(0, 0.9)] * 2
    shown = axes[0].collections[0]
    light = [sum(shown.cmap(shown.norm(v))[:3]) for v in (0.0, 0.1, 0.4, 0.7, 0.9)]
    assert light == sorted(light, reverse=True) and len(set(light)) == 5


@pytest.mark.parametrize("count, lines", [(1, [1]), (2, [2]), (3, [3]), (4, [2, 2]), (5, [3, 2]), (8, [4, 4])])
def test_panels_stand_in_a_grid_in_the_order_given(count, lines):
    panels = {f"head {k + 1}": (weights(3, 3, k), list("abc"), list("xyz")) for k in range(count)}
    figure = alignments(panels, title="t")
    axes = maps(figure)
    assert [ax.get_title(loc="left") for ax in axes] == list(panels)
    rows = [ax.get_subplotspec().rowspan.start for ax in axes]
    assert [rows.count(k) for k in sorted(set(rows))] == lines


def test_panels_too_wide_for_one_line_stand_below_each_other():
    wide = (weights(3, 50), list("abc"), ["wort"] * 50)
    axes = maps(alignments({"a": wide, "b": wide}, title="t"))
    assert [ax.get_subplotspec().rowspan.start for ax in axes] == [0, 1]


def test_short_names_stand_upright_a_space_is_seen_and_a_dollar_is_no_formula():
    ax = maps(alignments({"dates": (weights(2, 3), ["1", "9"], ["3", " ", "$M$"])}, title="t"))[0]
    assert names(ax.get_xticklabels()) == ["3", "␣", "$M$"]
    assert not any(label.get_parse_math() for label in ax.get_xticklabels())
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {90.0}
    ax = maps(alignments({"dates": (weights(2, 2), ["1", "9"], ["3", "M"])}, title="t"))[0]
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {0.0}


@pytest.mark.parametrize("panels, text", [
    ({}, "at least one panel"),
    ({"p": (np.ones((4, 5)), TARGET, SOURCE)}, r"panel 'p' has weights \(4, 5\), 5 rows and 4 columns named"),
    ({"p": (np.ones((0, 0)), [], [])}, "panel 'p' has weights"),
    ({"p": (-np.ones((1, 1)), ["a"], ["b"])}, "negative or not finite"),
    ({"p": (np.full((1, 1), np.nan), ["a"], ["b"])}, "negative or not finite"),
], ids=["none", "transposed", "empty", "negative", "nan"])
def test_what_misfits_is_refused(panels, text):
    with pytest.raises(ValueError, match=text):
        alignments(panels, title="t")


def test_names_and_titles_stay_inside_the_picture_and_apart(tmp_path):
    """Names are measured as drawn: none is cut off by the edge, none lies over its neighbour."""
    panels = {f"sentence {k}": (weights(9, 12, k), ["translation"] * 9, ["grammairien"] * 12) for k in range(4)}
    figure = alignments(panels, title="a title that is long enough to need a line of its own", label="alignment")
    figure.savefig(tmp_path / "maps.png")
    edge = figure.bbox
    for ax in maps(figure):
        boxes = [label.get_window_extent() for label in (*ax.get_xticklabels(), *ax.get_yticklabels(), ax.title)]
        assert all(b.x0 >= edge.x0 and b.x1 <= edge.x1 and b.y0 >= edge.y0 and b.y1 <= edge.y1 for b in boxes)
        across = sorted((b.x0, b.x1) for b in (label.get_window_extent() for label in ax.get_xticklabels()))
        assert all(left[1] <= right[0] for left, right in zip(across, across[1:], strict=False))


def test_cells_of_a_short_sentence_are_as_large_as_those_of_a_long_one():
    sizes = {"short": (3, 2), "long": (3, 9), "tall": (6, 2), "both": (6, 9)}
    panels = {name: (weights(t, s), list("abcdef"[:t]), list("xyzuvwpqr"[:s])) for name, (t, s) in sizes.items()}
    figure = alignments(panels, title="t")
    figure.canvas.draw()
    sides = [np.diff(ax.transData.transform([(0, 0), (1, 1)]), axis=0)[0] for ax in maps(figure)]
    assert np.abs(np.array(sides) / sides[0] - 1).max() < 0.05
