"""The picture of gates: it draws the numbers of the trace, in the order of the tokens, and refuses what misfits."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, viz

pytest.importorskip("matplotlib")
WORDS = ["the", "king", "which", "near", "the", "queens", "_"]


def trace(unit=1):
    lstm = nn.LSTM(3, 2)
    return {name: part[:, 0, unit] for name, part in nn.gate_trace(lstm, mg.randn(len(WORDS), 1, 3)).items()}


def test_the_strips_are_the_gates_and_the_lines_the_cell_and_the_state():
    t = trace()
    strips, lines = viz.gates({"unit 1": (t, WORDS)}, title="t").axes[:2]
    np.testing.assert_array_equal(strips.collections[0].get_array(), np.stack([t[k] for k in "ifog"]))
    assert [label.get_text()[0] for label in strips.get_yticklabels()] == list("ifog") and strips.yaxis_inverted()
    drawn = {line.get_label()[0]: line.get_ydata() for line in lines.get_lines() if len(line.get_ydata()) == len(WORDS)}
    np.testing.assert_array_equal(drawn["c"], t["c"])
    np.testing.assert_array_equal(drawn["h"], t["h"])


def test_the_tokens_stand_below_their_steps():
    strips, lines = viz.gates({"unit 1": (trace(), WORDS)}, title="t").axes[:2]
    assert [label.get_text() for label in lines.get_xticklabels()] == WORDS
    np.testing.assert_array_equal(lines.get_xticks(), np.arange(7) + 0.5)
    assert lines.get_xlim() == strips.get_xlim() == (0, 7)


def test_two_panels_have_axes_of_their_own_and_marked_steps_are_bold():
    figure = viz.gates({"a": (trace(0), WORDS), "b": (trace(1), WORDS, [1, 6])}, title="t")
    lines = [ax for ax in figure.axes if ax.get_ylabel() == "value"]
    bold = [[k for k, label in enumerate(ax.get_xticklabels()) if label.get_fontweight() == "bold"] for ax in lines]
    assert bold == [[], [1, 6]]


def test_the_whole_picture_can_be_saved(tmp_path):
    path = tmp_path / "gates.png"
    viz.gates({"a": (trace(), ["$x", "&", *WORDS[2:]], [0])}, title="words are no formulas").savefig(path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("panels, message", [
    ({}, "at least one panel"), ({"a": (trace(), WORDS[:5])}, r"'a' has 5 tokens.*not i \(7,\)"),
    ({"a": ({k: v for k, v in trace().items() if k != "o"}, WORDS)}, r"not o \(\)"), ({"a": ({}, [])}, "0 tokens")])
def test_a_panel_that_does_not_fit_is_refused(panels, message):
    with pytest.raises(ValueError, match=message):
        viz.gates(panels, title="t")
