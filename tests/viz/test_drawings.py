"""The drawings of networks: what is written in them is what the layer has."""
from __future__ import annotations

import pytest

from minigrad import nn
from minigrad.viz.cell import cell
from minigrad.viz.unrolled import unrolled

pytest.importorskip("matplotlib")


def texts(figure) -> list[str]:
    """All that is written in a figure."""
    return [t.get_text() for ax in figure.axes for t in ax.texts if t.get_text()]


def arrows(figure) -> int:
    return sum(getattr(t, "arrow_patch", None) is not None for ax in figure.axes for t in ax.texts)


def test_each_step_has_its_input_its_state_and_its_answer():
    assert sorted(texts(unrolled(steps=2))) == sorted(
        ["$x_t$", "$h_t$", r"$\hat y_t$", "=", *(s % t for t in (1, 2) for s in ("$x_%d$", "$h_%d$", r"$\hat y_%d$"))])


def test_only_the_steps_that_read_have_inputs_and_only_those_that_answer_have_losses():
    """One to many reads once; many to one answers once."""
    drawn = texts(unrolled(steps=3, inputs=[1], outputs=[3], loss=True))
    assert "$x_1$" in drawn and "$x_2$" not in drawn
    assert "$L_3$" in drawn and "$L_1$" not in drawn and r"$\hat y_1$" not in drawn


def test_words_stand_in_the_inputs():
    assert {"the", "cat"} <= set(texts(unrolled(steps=2, words=["the", "cat"])))


def test_a_layer_brings_its_layers_its_directions_and_its_shortcuts():
    two = texts(unrolled(nn.LSTM(2, 3, num_layers=2, bidirectional=True), 2))
    assert two.count("$h^{1}_1$") == two.count("$h^{2}_1$") == 2
    assert arrows(unrolled(nn.RNN(2, 3, skip=2), 4)) == arrows(unrolled(nn.RNN(2, 3), 4)) + 2


@pytest.mark.parametrize(("options", "message"), [({"steps": 0}, "one step or more, not 0"),
                                                  ({"outputs": [5]}, "steps 1 to 4, and 5 is none of them")])
def test_steps_that_are_not_there_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        unrolled(**options)


@pytest.mark.parametrize(("kind", "layers"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_a_cell_has_as_many_layers_with_weights_as_its_equations(kind, layers):
    boxes = [t for t in texts(cell(kind)) if t in (r"$\sigma$", "tanh")]
    assert len(boxes) == layers + (kind == "lstm")                     # the tanh of c has no weights


def test_another_cell_is_refused():
    with pytest.raises(ValueError, match="cell draws rnn, lstm, gru, not 'mlp'"):
        cell("mlp")
