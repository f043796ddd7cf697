"""Sentences as strips: every word and tag is written, errors are framed, numbers are shades."""
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from matplotlib.colors import to_rgb  # noqa: E402

from minigrad.viz import RED  # noqa: E402
from minigrad.viz.strips import strips  # noqa: E402

WORDS = ["Emmanuel", "Macron", "is", "here"]
TRUTH, SAID = ["B-PER", "I-PER", "O", "O"], ["B-PER", "I-ORG", "O", "B-LOC"]


def framed(ax):
    return [p for p in ax.patches if not p.get_fill() and np.allclose(p.get_edgecolor()[:3], to_rgb(RED))]


def test_every_word_and_every_tag_but_o_is_written():
    ax, = strips({"a text": (WORDS, {"the text": TRUTH, "RNN": SAID})}, title="t", truth="the text").axes
    written = [text.get_text() for text in ax.texts]
    assert written[:4] == WORDS and [w for w in written[4:] if w] == ["B-PER", "I-PER", "B-PER", "I-ORG", "B-LOC"]
    assert ax.get_title(loc="left") == "a text"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["the text", "RNN"]


def test_what_differs_from_the_truth_is_framed_and_nothing_else():
    ax, = strips({"a": (WORDS, {"the text": TRUTH, "RNN": SAID})}, title="t", truth="the text").axes
    assert len(framed(ax)) == 2
    ax, = strips({"a": (WORDS, {"the text": TRUTH, "RNN": TRUTH})}, title="t", truth="the text").axes
    assert not framed(ax)


def test_a_kind_has_one_colour_in_all_panels():
    figure = strips({"a": (WORDS, {"x": TRUTH}), "b": (WORDS[:2], {"x": ["B-LOC", "B-PER"]})}, title="t")
    one, two = (ax.patches for ax in figure.axes)
    assert one[0].get_facecolor() == one[1].get_facecolor() == two[1].get_facecolor() != two[0].get_facecolor()
    assert one[2].get_facecolor() == one[3].get_facecolor() != one[0].get_facecolor()


def test_numbers_are_the_darker_the_larger():
    ax, = strips({"a": (WORDS, {"p": np.array([0.001, 0.2, 0.6, 1.0])})}, title="t").axes
    light = [sum(p.get_facecolor()[:3]) for p in ax.patches]
    assert light == sorted(light, reverse=True) and len(set(light)) == 4
    assert [text.get_text() for text in ax.texts[4:]] == ["0", "0.20", "0.60", "1.00"]


def test_a_row_of_another_length_and_no_panel_are_refused():
    with pytest.raises(ValueError, match="row 'x' of 'a' has 3 cells for 4 words"):
        strips({"a": (WORDS, {"x": TRUTH[:3]})}, title="t")
    with pytest.raises(ValueError, match="at least one panel"):
        strips({}, title="t")
