"""Sequences of different lengths in one batch: padding never changes a result."""
from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, strict
from minigrad.errors import DTypeError, ShapeError

from . import formulas
from .formulas import FORMS, random_states
from .test_recurrent_options import build, numpy

T, LENGTHS = 7, [3, 7, 1, 5, 7, 2]


def run(layer, x, states, device, lengths=None):
    """Outputs, final states, leaves, of one call."""
    x = mg.tensor(x, requires_grad=True, device=device)
    states = [mg.tensor(s, requires_grad=True, device=device) for s in states]
    y, last = layer(x, tuple(states) if len(states) > 1 else states[0], lengths=lengths)
    return [y, *(last if isinstance(last, tuple) else (last,))], [x, *states]


@pytest.mark.parametrize("bidirectional", [False, True], ids=["oneway", "bothways"])
@pytest.mark.parametrize("form", FORMS)
def test_padding_of_nan_changes_no_value_and_no_gradient(device, rng, form, bidirectional):
    """Random lengths in a batch whose padding is NaN against each sequence run alone: outputs, final states, gradients
    of the input, of the given states and of all weights. Behind the ends outputs and gradients are exactly 0."""
    layer = build(form, 3, 4, 2, device=device, bidirectional=bidirectional)
    B = len(LENGTHS)
    x, states = rng.standard_normal((T, B, 3)), random_states(layer, rng, B)
    real = np.arange(T)[:, None] < LENGTHS
    (y, *finals), leaves = run(layer, np.where(real[..., None], x, np.nan), states, device, LENGTHS)
    weights = [rng.standard_normal(o.shape) for o in (y, *finals)]
    weights[0][~real] = 5.0                    # a loss that also asks for outputs in the padding changes nothing either
    sum((o * mg.tensor(w, device=device)).sum() for o, w in zip((y, *finals), weights, strict=True)).backward()
    got = {n: numpy(p.grad).copy() for n, p in layer.named_parameters()}
    layer.zero_grad()
    assert not numpy(y)[~real].any() and not numpy(leaves[0].grad)[~real].any()
    for b, n in enumerate(LENGTHS):
        (out, *last), alone = run(layer, x[:n, b:b + 1], [s[:, b:b + 1] for s in states], device)
        parts = [weights[0][:n, b:b + 1], *[w[:, b:b + 1] for w in weights[1:]]]
        sum((o * mg.tensor(w, device=device)).sum() for o, w in zip((out, *last), parts, strict=True)).backward()
        close(numpy(y)[:n, b:b + 1], out)
        close(numpy(leaves[0].grad)[:n, b:b + 1], alone[0].grad)
        for mine, other in zip([*finals, *[s.grad for s in leaves[1:]]], [*last, *[s.grad for s in alone[1:]]],
                               strict=True):
            close(numpy(mine)[:, b:b + 1], other)
    for name, p in layer.named_parameters():   # the gradients of the sequences that ran alone have added up
        close(got[name], p.grad, name)


def close(a, b, what=""):
    """Float64: the same up to the order of sums."""
    np.testing.assert_allclose(a, numpy(b), rtol=1e-11, atol=1e-12, err_msg=what)


@pytest.mark.parametrize("fused", [True, False])
def test_outputs_in_the_padding_are_0_also_where_the_state_is_not_finite(fused):
    """A relu network that explodes: 0 times its last state would be NaN."""
    layer = nn.RNN(1, 1, nonlinearity="relu", fused=fused).to(mg.float64)
    for p in layer.parameters():
        nn.init.constant_(p, 1e200)
    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)        # the product itself overflows
        y, h = layer(mg.ones(5, 2, 1, dtype=mg.float64), lengths=[3, 5])
    assert np.isinf(numpy(h)).all() and numpy(y)[3:, 0].tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("form", ["skip", "lstm", "decks-gru"])
def test_a_padded_batch_computes_the_decks_equations(device, rng, form):
    """Against plain NumPy that knows of no padding, both directions, merged by their mean."""
    name, own = FORMS[form]
    layer = build(form, 3, 4, 2, device=device, bidirectional=True, merge="mean")
    x, states = rng.standard_normal((T, len(LENGTHS), 3)), random_states(layer, rng, len(LENGTHS))
    y, finals = formulas.whole(name, own, layer, x, states, LENGTHS)
    got, _ = run(layer, x, states, device, LENGTHS)
    for a, b in zip([y, *finals], got, strict=True):
        close(a, b)


@pytest.mark.parametrize("form", ["tanh", "lstm", "gru"])
def test_lengths_come_as_lists_arrays_and_tensors_and_with_batch_first(device, rng, form):
    """The same result from each; batch_first moves x and y, not the lengths."""
    layer = build(form, 3, 4, device=device)
    first = build(form, 3, 4, device=device, batch_first=True)
    first.load_state_dict(layer.state_dict())
    x = mg.tensor(rng.standard_normal((T, 6, 3)), device=device)
    want = numpy(layer(x, lengths=LENGTHS)[0])
    for lengths in (tuple(LENGTHS), np.array(LENGTHS, np.int32), mg.tensor(LENGTHS), mg.tensor(LENGTHS, device=device)):
        np.testing.assert_array_equal(numpy(layer(x, lengths=lengths)[0]), want)
    y = first(mg.tensor(numpy(x).swapaxes(0, 1), device=device), lengths=LENGTHS)[0]
    np.testing.assert_allclose(numpy(y).swapaxes(0, 1), want, rtol=1e-12)


def test_lengths_of_all_steps_are_no_lengths(rng):
    """The same graph as without them: no mask is made."""
    layer = build("lstm", 3, 4)
    x = mg.tensor(rng.standard_normal((T, 2, 3)))
    y, _ = layer(x, lengths=[T, T])
    assert not any(type(i).__name__ == "Constant" and i.data.dtype == bool for i in y.edge.node.inputs)
    np.testing.assert_array_equal(numpy(y), numpy(layer(x)[0]))


def test_steps_that_no_example_has_change_nothing(rng):
    """T may be longer than the longest example, as with total_length."""
    layer = build("gru", 3, 4, bidirectional=True)
    x = rng.standard_normal((T, 2, 3))
    (y, h), _ = run(layer, x, random_states(layer, np.random.default_rng(1), 2), "cpu", [4, 2])
    (z, k), _ = run(layer, x[:4], random_states(layer, np.random.default_rng(1), 2), "cpu", [4, 2])
    np.testing.assert_allclose(numpy(y)[:4], numpy(z), rtol=1e-13)
    np.testing.assert_allclose(numpy(h), numpy(k), rtol=1e-13)


def test_lengths_that_do_not_fit_are_errors_that_name_the_example():
    """The number of them, 0 (which PyTorch refuses too), longer than T, floats, no batch."""
    layer, x = nn.GRU(3, 4), mg.zeros(5, 2, 3)
    for lengths, kind, text in [
            ([3], ShapeError, r"lengths of GRU are \(1,\), and x has a batch of 2\."),
            ([3, 0], ShapeError, "lengths of GRU are from 1 to T = 5, and example 1 has 0"),
            ([6, 3], ShapeError, "lengths of GRU are from 1 to T = 5, and example 0 has 6"),
            ([3.0, 2.0], DTypeError, "lengths of GRU are integers, and these are float64")]:
        with pytest.raises(kind, match=text):
            layer(x, lengths=lengths)
    with pytest.raises(ShapeError, match="x is one sequence without a batch"):
        layer(mg.zeros(5, 3), lengths=[5])


@pytest.mark.parametrize("fused", [True, False])
def test_nobody_looks_at_lengths_that_lie_on_a_device(fused):
    """To look would wait for the device, and a graph could not take them as an input that changes."""
    layer, x = nn.GRU(3, 4, fused=fused).to("strict"), mg.randn(5, 2, 3, device="strict")
    lengths = mg.tensor([9, 2], device="strict")
    with strict.counting(forbid=("sync", "h2d", "float64") if fused else ("sync", "float64")):
        y, h = layer(x, lengths=lengths)
    want, last = layer(x, lengths=[5, 2])
    np.testing.assert_array_equal(numpy(y), numpy(want))
    np.testing.assert_array_equal(numpy(h), numpy(last))
    fast = mg.graph(lambda x, n: layer(x, lengths=n)[0])
    for n in ([5, 5], [1, 3], [2, 2], [4, 1]):
        got = fast(x, mg.tensor(n, device="strict"))
        np.testing.assert_array_equal(numpy(got), numpy(layer(x, lengths=n)[0]))
