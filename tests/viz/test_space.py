"""The map of words: every word at its place under its name, arrows, colours, and labels that keep apart."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad import viz

pytest.importorskip("matplotlib")


def drawn(figure, panel=0):
    """Label -> the place that it names; and the arrows as (from, to)."""
    texts = figure.axes[panel].texts
    labels = {t.get_text(): tuple(map(float, t.xy)) for t in texts if t.get_text()}
    return labels, [(t.xyann, t.xy) for t in texts if not t.get_text()]


def test_each_word_is_named_at_its_place_and_arrows_lead_from_one_to_the_other():
    words = {"man": (0, 0), "king": (0, 3), "woman": (1, 0), "queen": (1.0, 3)}
    asked = [("man", "king"), ("woman", "queen"), ("man", "x")]
    labels, arrows = drawn(viz.space({"p": words}, title="t", arrows=asked))
    assert labels == {k: tuple(map(float, v)) for k, v in words.items()}
    assert arrows == [((0, 0), (0, 3)), ((1, 0), (1.0, 3))]


def test_words_at_one_place_share_a_label():
    labels, _ = drawn(viz.space({"p": {"boat": (1, 2), "king": (5, 5), "plane": (1, 2)}}, title="t"))
    assert set(labels) == {"boat, plane", "king"}


def test_groups_have_a_colour_and_a_mark_each_and_the_legend_names_them():
    figure = viz.space({"p": {"a": (0, 0), "b": (1, 1), "c": (2, 0)}, "q": {"b": (1, 1)}}, title="t",
                       groups={"a": "first", "b": "second"})
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines[:2]] == ["first", "second"] and len(lines) == 3
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 3
    assert figure.axes[1].lines[0].get_color() == lines[1].get_color()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["first", "second"]


def test_both_axes_have_one_scale():
    """A step to the right is as long as one up, or directions would lie."""
    figure = viz.space({"p": {"a": (0, 0), "b": (10, 1)}}, title="t", width=6, height=3)
    ax = figure.axes[0]
    across, up = np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())
    assert across / up == pytest.approx(2) and across > 10


def test_labels_of_a_crowd_cover_each_other_less_than_if_all_stood_right(tmp_path):
    rng = np.random.default_rng(0)
    words = {f"word{k}": place for k, place in enumerate(rng.normal(size=(30, 2)))}

    def covered(figure):
        figure.savefig(tmp_path / "f.png")
        boxes = [t.get_window_extent() for t in figure.axes[0].texts]
        return sum(max(0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(0, min(a.y1, b.y1) - max(a.y0, b.y0))
                   for i, a in enumerate(boxes) for b in boxes[:i])
    placed = covered(viz.space({"p": words}, title="t"))
    right = viz.space({"p": words}, title="t")
    for t in right.axes[0].texts:
        t.set_position((7, 0))
        t.set_ha("left")
        t.set_va("center")
    assert placed < 0.5 * covered(right)


@pytest.mark.parametrize("count, rows", [(1, 1), (3, 1), (4, 2)])
def test_a_row_has_at_most_three_panels_and_none_is_left_empty(count, rows, tmp_path):
    figure = viz.space({str(k): {"a": (0, 0)} for k in range(count)}, title="t")
    figure.savefig(tmp_path / "f.png")
    assert len(figure.axes) == count and len({round(ax.get_position().y0, 3) for ax in figure.axes}) == rows


@pytest.mark.parametrize("maps, why", [({}, "at least one panel"), ({"p": {}}, "a word in each"),
                                       ({"p": {"a": (0, 1, 2)}}, "place of 'a'"),
                                       ({"p": {"a": (0, np.nan)}}, "two finite numbers")])
def test_what_cannot_be_drawn_is_refused(maps, why):
    with pytest.raises(ValueError, match=why):
        viz.space(maps, title="t")
