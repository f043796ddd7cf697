"""Every option of the recurrent layers against the decks' equations in plain NumPy (`formulas.py`), and against itself:
fused against readable, checkpointed against not, dropout on one device against another.
"""
from __future__ import annotations

import gc
import tracemalloc
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import MinigradError, ShapeError
from minigrad.memory import graph_nodes
from minigrad.nn import init
from minigrad.nn.fused import workspace

from . import formulas
from .formulas import FORMS, random_states

every_form = pytest.mark.parametrize("form", FORMS)


def build(form, *sizes, device="cpu", **options):
    """A layer of a form in float64, with biases and gates that are not small."""
    name, own = FORMS[form]
    return getattr(nn, name)(*sizes, **own, **options).to(mg.float64).to(device)


def numpy(t):
    return t.detach().cpu().numpy()


def results(layer, x, states, device="cpu", *, weigh=7, **kw):
    """Outputs, final states, and the gradients of input, states and every parameter, of one random loss."""
    x = mg.tensor(x, requires_grad=True, device=device)
    states = [mg.tensor(s, requires_grad=True, device=device) for s in states]
    layer.zero_grad()
    y, last = layer(x, tuple(states) if len(states) > 1 else states[0], **kw)
    outs = [y, *(last if isinstance(last, tuple) else (last,))]
    rng = np.random.default_rng(weigh)
    loss = sum(((o * mg.tensor(rng.standard_normal(o.shape), device=device)).sum() for o in outs), 0.0)
    loss.backward()
    named = {f"out {i}": o for i, o in enumerate(outs)} | {"dx": x.grad} | {f"ds {i}": s.grad for i, s in
                                                                             enumerate(states)}
    named |= {f"d{n}": p.grad for n, p in layer.named_parameters()}
    return {n: numpy(t).copy() for n, t in named.items()}


def equal(got, want, tolerance=1e-12):
    """Float64: the same up to the order of sums."""
    assert list(got) == list(want)
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=tolerance, atol=tolerance, err_msg=name)


# ---------------------------------------------------------------------------------------------- the equations

@pytest.mark.parametrize("bias", [True, "one", False], ids=["two", "one", "none"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["oneway", "bothways"])
@every_form
def test_a_layer_computes_the_decks_equations(device, rng, form, bidirectional, bias):
    """Two layers, given states, fused on the host and readable on the device."""
    name, own = FORMS[form]
    layer = build(form, 3, 4, 2, device=device, bidirectional=bidirectional, bias=bias)
    x, states = rng.standard_normal((6, 2, 3)), random_states(layer, rng, 2)
    got = results(layer, x, states, device)
    y, finals = formulas.whole(name, own, layer, x, states)
    for i, want in enumerate([y, *finals]):
        np.testing.assert_allclose(got[f"out {i}"], want, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "bias": "one"}, {"bias": False}], ids=str)
@every_form
def test_fused_is_readable_in_values_and_every_gradient(rng, form, options):
    """Also where the fused node serves the form with other weights: coupled, simplified, writes, no reset."""
    fused, readable = build(form, 3, 4, 2, **options), build(form, 3, 4, 2, fused=False, **options)
    readable.load_state_dict(fused.state_dict())
    x, states = rng.standard_normal((6, 2, 3)), random_states(fused, rng, 2)
    equal(results(fused, x, states), results(readable, x, states))
    used = [{n.op.name for n in graph_nodes([layer(mg.tensor(x))[0]]) if "sequence" in n.op.name}
            for layer in (fused, readable)]
    name, own = FORMS[form]
    node = {"RNN": "shortcut" if own.keys() & {"skip", "residual"} else "rnn",
            "LSTM": "peephole" if own.keys() & {"peephole", "proj_size"} else "lstm",
            "GRU": "gru_before" if own.get("reset") == "before" else "gru"}[name]
    assert used == [{node + "_sequence"}, set()]           # equality is worth nothing if both sides are the loop


@every_form
def test_gradients_of_the_fused_layer_agree_with_differences(rng, form):
    """An oracle that knows no formula."""
    layer = build(form, 2, 3)
    inputs = [mg.tensor(v, requires_grad=True) for v in (rng.standard_normal((5, 2, 2)),
                                                         *random_states(layer, rng, 2))]

    def f(x, *states):
        y, last = layer(x, states if len(states) > 1 else states[0])
        return mg.concat([part.reshape(-1) for part in (y, *(last if isinstance(last, tuple) else (last,)))])
    assert mg.gradcheck(f, inputs)
    names = [n for n, _ in layer.named_parameters()]

    def g(*values):
        for n, v in zip(names, values, strict=True):
            object.__setattr__(layer, n, v)
        return f(*inputs)
    assert mg.gradcheck(g, [mg.tensor(numpy(getattr(layer, n)), requires_grad=True) for n in names])


@pytest.mark.parametrize("merge", ["sum", "mean", "mul", "concat"])
@pytest.mark.parametrize("form", ["tanh", "projected", "decks-gru"])
def test_merge_joins_the_two_directions_and_the_next_layer_reads_what_was_joined(device, rng, form, merge):
    """Keras' merge_mode; only concat doubles the width."""
    name, own = FORMS[form]
    layer = build(form, 3, 4, 2, device=device, bidirectional=True, merge=merge)
    width = layer.output_size * (2 if merge == "concat" else 1)
    assert layer.weight_ih_l1.shape[1] == width
    x, states = rng.standard_normal((5, 2, 3)), random_states(layer, rng, 2)
    y, finals = formulas.whole(name, own, layer, x, states)
    got = results(layer, x, states, device)
    assert got["out 0"].shape == (5, 2, width)
    for i, want in enumerate([y, *finals]):
        np.testing.assert_allclose(got[f"out {i}"], want, rtol=1e-11, atol=1e-13)


def test_a_state_that_is_carried_over_is_the_last_one_alone(rng):
    """skip=3 reaches back within one call: in the next one, what lies before the given state is 0, and h_0 is it."""
    layer = build("skip", 3, 4)
    x = rng.standard_normal((8, 2, 3))
    whole = numpy(layer(mg.tensor(x))[0])
    _, state = layer(mg.tensor(x[:4]))
    second = numpy(layer(mg.tensor(x[4:]), state)[0])
    w = formulas.arrays(layer, "_l0")
    h = [state.detach().numpy()[0, 0]]
    for x_t in x[4:, 0]:
        h.append(formulas.rnn({"skip": 3}, x_t, h, w))
    np.testing.assert_allclose(second[:, 0], h[1:], rtol=1e-12)
    assert np.abs(second[0] - whole[4]).max() > 1e-3


# ---------------------------------------------------------------------------------------------- parameters

@every_form
def test_parameters_have_their_names_in_order_and_their_shapes(form):
    """PyTorch's four, then the projection, then the decks' own."""
    layer = build(form, 3, 4, bidirectional=True)
    gates, out = max(len(layer.gates), 1), layer.output_size
    more = {"weight_hr": (out, 4)} if getattr(layer, "proj_size", 0) else {}
    if getattr(layer, "peephole", False):
        more["weight_ch"] = (12, 4) if layer.peephole == "full" else (12,)
    if getattr(layer, "skip", 0):
        more["weight_sh"] = (4, 4)
    shapes = {"weight_ih": (4 * gates, 3), "weight_hh": (4 * gates, out), "bias_ih": (4 * gates,),
              "bias_hh": (4 * gates,), **more}
    want = {f"{k}_l0{way}": s for way in ("", "_reverse") for k, s in shapes.items()}
    assert {n: tuple(p.shape) for n, p in layer.named_parameters()} == want
    assert list(layer.state_dict()) == list(want)
    assert all(np.abs(numpy(p)).max() <= 0.5 for p in layer.parameters())            # 1 / sqrt(4)


def test_the_decks_counts_of_parameters():
    """LECTURES 2.1: RNN H (D + H + 1), LSTM four times that, simplified and GRU three; peepholes + 3 H^2, + 3 H."""
    def count(layer):
        return sum(p.data.size for p in layer.parameters())
    D, H = 7, 5
    base = H * (D + H + 1)
    for layer, want in [(nn.RNN(D, H, bias="one"), base), (nn.LSTM(D, H, bias="one"), 4 * base),
                        (nn.LSTM(D, H, bias="one", forget=False), 3 * base), (nn.GRU(D, H, bias="one"), 3 * base),
                        (nn.LSTM(D, H, bias="one", coupled=True), 3 * base),
                        (nn.GRU(D, H, bias="one", reset="none"), 2 * base),
                        (nn.LSTM(D, H, bias="one", peephole="full"), 4 * base + 3 * H * H),
                        (nn.LSTM(D, H, bias="one", peephole="diagonal"), 4 * base + 3 * H),
                        (nn.RNN(D, H, bias="one", skip=4), base + H * H), (nn.LSTM(D, H), 4 * (base + H))]:
        assert count(layer) == want, layer


@pytest.mark.parametrize("options, rows", [
    ({}, slice(4, 8)), ({"coupled": True}, slice(0, 4)), ({"peephole": "full"}, slice(4, 8)),
    ({"proj_size": 2}, slice(4, 8))], ids=str)
@pytest.mark.parametrize("bias", [True, "one"])
def test_forget_bias_is_the_sum_of_both_at_the_start(options, rows, bias):
    """And the other gates keep their start: the same seed without forget_bias gives the same elsewhere."""
    for make in (lambda **k: nn.LSTM(3, 4, num_layers=2, bidirectional=True, **k), lambda **k: nn.LSTMCell(3, 4, **k)):
        mg.manual_seed(1)
        plain = make(bias=bias, **options)
        mg.manual_seed(1)
        layer = make(bias=bias, forget_bias=3.0, **options)
        for (name, p), q in zip(layer.named_parameters(), plain.parameters(), strict=True):
            want = numpy(q).copy()
            if "bias" in name:
                want[rows] = 3.0 if "bias_ih" in name else 0.0
            np.testing.assert_array_equal(numpy(p), want, err_msg=name)


def test_starts_find_the_forget_gate_by_the_form():
    """A coupled LSTM has it first, a simplified one has none, and three of a GRU's blocks are no gate of that name."""
    coupled, simple = nn.LSTM(3, 4, coupled=True), nn.LSTM(3, 4, forget=False)
    for layer, want in ((coupled, [1.0] * 4 + [0.0] * 8), (simple, [0.0] * 12),
                        (nn.LSTM(3, 4), [0.0] * 4 + [1.0] * 4 + [0.0] * 8), (nn.GRU(3, 4), [0.0] * 12)):
        init.keras_(layer)
        assert layer.bias_ih_l0.tolist() == want and not numpy(layer.bias_hh_l0).any()
    init.lstm_forget_bias_(coupled, 2.0)
    assert coupled.bias_ih_l0.tolist() == [2.0] * 4 + [0.0] * 8
    with pytest.raises(MinigradError, match="no LSTM with biases"):
        init.lstm_forget_bias_(simple)


def test_keras_start_makes_what_maps_states_to_states_orthogonal():
    """Of the recurrent kernel and of the shortcut through time."""
    layer = nn.RNN(3, 4, skip=2).to(mg.float64)
    init.keras_(layer)
    for w in (layer.weight_hh_l0, layer.weight_sh_l0):
        np.testing.assert_allclose(numpy(w) @ numpy(w).T, np.eye(4), atol=1e-12)


# ---------------------------------------------------------------------------------------------- dropout

@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "readable"])
def test_dropout_lies_between_layers_in_training_only(device, rng, name, fused):
    """Two layers of one each with F.dropout between them, from the same seed; nothing behind the last."""
    both = getattr(nn, name)(3, 4, num_layers=2, dropout=0.5, fused=fused).to(device)
    one, two = getattr(nn, name)(3, 4).to(device), getattr(nn, name)(4, 4).to(device)
    state = both.state_dict()
    one.load_state_dict({k: v for k, v in state.items() if k.endswith("l0")})
    two.load_state_dict({k.replace("l1", "l0"): v for k, v in state.items() if k.endswith("l1")})
    x = mg.tensor(rng.standard_normal((6, 2, 3)).astype("float32"), device=device)
    for training in (True, False):
        both.train(training)
        mg.manual_seed(3)
        got = numpy(both(x)[0])
        mg.manual_seed(3)
        want = numpy(two(nn.functional.dropout(one(x)[0], 0.5, training))[0])
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    both.train()
    assert np.abs(numpy(both(x)[0]) - got).max() > 1e-3        # another mask than none


@pytest.mark.parametrize("form", ["tanh", "full-projected", "decks-gru"])
def test_dropout_masks_are_the_same_on_every_device(device, rng, form):
    """Philox: the mask is a function of the seed and the place."""
    x = rng.standard_normal((6, 2, 3))
    runs = []
    for where in ("cpu", device):
        mg.manual_seed(0)
        layer = build(form, 3, 4, 3, device=where, dropout=0.4)
        states = random_states(layer, np.random.default_rng(1), 2)
        mg.manual_seed(9)
        runs.append(results(layer, x, states, where))
    equal(runs[1], runs[0])


def test_dropout_of_everything_leaves_the_upper_layer_its_biases(rng):
    """p = 1, where 1 / (1 - p) has no value: PyTorch gives zeros too."""
    layer = nn.RNN(3, 4, num_layers=2, dropout=1.0)
    a, b = (numpy(layer(mg.tensor(rng.standard_normal((5, 2, 3)).astype("f4")))[0]) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_dropout_with_one_layer_warns_as_pytorch_does():
    """There is no place between layers."""
    with pytest.warns(UserWarning, match=r"dropout=0\.5 lies between layers, and this GRU has one"):
        nn.GRU(3, 4, dropout=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.GRU(3, 4, num_layers=2, dropout=0.5)


# ---------------------------------------------------------------------------------------------- checkpoint

@pytest.mark.parametrize("form, steps", [("lstm", 1), ("lstm", 3), ("lstm", 7), ("lstm", 50), ("skip-residual", 1), *[
    (form, 3) for form in ("tanh", "skip-residual", "coupled", "full-projected", "gru", "decks-gru")]])
def test_checkpoints_change_no_value_and_no_gradient(device, rng, form, steps):
    """Pieces that divide T and that do not, one step, more than T; two layers, both directions, dropout and lengths."""
    options = {"num_layers": 2, "bidirectional": True, "device": device, "dropout": 0.3}
    plain, pieces = build(form, 3, 4, **options), build(form, 3, 4, checkpoint=steps, **options)
    pieces.load_state_dict(plain.state_dict())
    x, states = rng.standard_normal((7, 3, 3)), random_states(plain, rng, 3)
    for lengths in (None, [7, 2, 5]):
        mg.manual_seed(5)
        want = results(plain, x, states, device, lengths=lengths)
        mg.manual_seed(5)
        equal(results(pieces, x, states, device, lengths=lengths), want)


def peak(layer, x):
    """Bytes that forward and backward held at most, with no workspace idle before."""
    workspace.clear()
    gc.collect()
    tracemalloc.start()
    layer(x)[0].sum().backward()
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return top


def memory_of(name, T, chunk, fused):
    """Peak bytes of a plain and a checkpointed layer on the same data, and their largest difference in a gradient."""
    mg.manual_seed(0)
    plain = getattr(nn, name)(8, 32, fused=fused)
    pieces = getattr(nn, name)(8, 32, fused=fused, checkpoint=chunk)
    pieces.load_state_dict(plain.state_dict())
    x = mg.randn(T, 4, 8)
    plain(x), pieces(x)
    tops = peak(plain, x), peak(pieces, x)
    apart = max(float(np.abs(numpy(p.grad) - numpy(q.grad)).max() / np.abs(numpy(p.grad)).max())
                for p, q in zip(plain.parameters(), pieces.parameters(), strict=True))
    return tops, apart


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_checkpoints_hold_a_fraction_of_the_memory(name):
    """2,000 steps in pieces of 50: outputs and their gradient remain, whole gates do not."""
    (plain, pieces), apart = memory_of(name, 2000, 50, True)
    assert pieces < plain / (1.4 if name == "RNN" else 3), (plain, pieces)
    assert apart < 1e-4                        # float32, sums over 2,000 steps in another order


@pytest.mark.proof
def test_checkpoints_hold_a_fraction_of_the_memory_at_10000_steps(proof_record):
    """Every layer fused, and one that is readable, in pieces of 100."""
    record = {}
    for name, fused in (("RNN", True), ("LSTM", True), ("GRU", True), ("LSTM", False)):
        (plain, pieces), apart = memory_of(name, 10_000, 100, fused)
        record[f"{name} {'fused' if fused else 'readable'}"] = {
            "plain_bytes": plain, "checkpointed_bytes": pieces, "ratio": round(plain / pieces, 2),
            "largest_relative_difference_of_a_gradient": apart}
        assert pieces < plain / 2 and apart < 1e-4
    path = proof_record("recurrent_checkpoint", {"steps": 10_000, "chunk": 100, "batch": 4, "inputs": 8, "hidden": 32,
                                                 "layers": record})
    assert path.exists()


# ---------------------------------------------------------------------------------------------- refusals

REFUSED = [
    (lambda: nn.LSTM(3, 4, peephole=True), "peephole is False, 'diagonal' .* or 'full' .*, not True"),
    (lambda: nn.LSTM(3, 4, peephole="full", forget=False), "peephole='full' is for the standard gates: choose it, or "
                                                           "forget=False, not both"),
    (lambda: nn.LSTM(3, 4, peephole="diagonal", coupled=True), "choose it, or coupled=True, not both"),
    (lambda: nn.LSTMCell(3, 4, forget=False, coupled=True), "coupled=True writes 1 - f.*forget=True, or coupled=False"),
    (lambda: nn.LSTM(3, 4, forget=False, forget_bias=1.0), "forget_bias=1.0 needs a forget gate that has a bias"),
    (lambda: nn.LSTM(3, 4, bias=False, forget_bias=1.0), "forget_bias=1.0 needs a forget gate that has a bias"),
    (lambda: nn.LSTM(3, 4, proj_size=-1), "proj_size is the size of the projected h, or 0 for none: not -1"),
    (lambda: nn.RNN(3, 4, skip=-2), "skip is how many steps a shortcut goes back, or 0 for none: not -2"),
    (lambda: nn.RNN(3, 4, bias="two"), "bias is True .* 'one' .* or False, not 'two'"),
    (lambda: nn.GRU(3, 4, reset="first"), "reset is one of after, before, none, not 'first'"),
    (lambda: nn.GRUCell(3, 4, update="keep"), "update is one of keeps, writes, not 'keep'"),
    (lambda: nn.GRU(3, 4, bidirectional=True, merge="max"), "merge is one of concat, sum, mean, mul, not 'max'"),
    (lambda: nn.GRU(3, 4, merge="sum"), "merge='sum' joins two directions: pass bidirectional=True"),
    (lambda: nn.GRU(3, 4, num_layers=2, dropout=1.5), r"dropout is a probability in \[0, 1\], not 1.5"),
    (lambda: nn.GRU(3, 4, checkpoint=-1), "checkpoint is how many steps a chunk has, or 0 for none: not -1")]


@pytest.mark.parametrize("make, message", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_options_that_make_no_layer_are_refused_with_what_would(make, message):
    """Each message names the value and the choices."""
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("bias", [1, np.True_], ids=["1", "numpy"])
def test_a_bias_that_equals_true_is_two_biases(bias):
    """Drawn by NumPy, or by a habit of C: bias_hh must not go missing in silence."""
    for layer in (nn.GRU(3, 4, bias=bias), nn.GRUCell(3, 4, bias), nn.ConvLSTM(2, 3, 3, bias=bias)):
        assert sum("bias" in n for n, _ in layer.named_parameters()) == 2
    assert nn.GRU(3, 4, bias=0).bias_ih_l0 is None


def test_the_printed_layer_shows_the_options_that_were_chosen():
    """And no other."""
    for layer, text in [
            (nn.LSTM(3, 4, peephole="full", forget_bias=1.0, proj_size=2),
             "LSTM(3, 4, proj_size=2, peephole='full', forget_bias=1.0)  # 168 parameters"),
            (nn.GRU(3, 4, 2, dropout=0.5, bidirectional=True, reset="before", update="writes", merge="sum"),
             "GRU(3, 4, num_layers=2, dropout=0.5, bidirectional=True, reset='before', update='writes', merge='sum')  "
             "# 456 parameters"),
            (nn.RNN(3, 4, skip=2, residual=True, bias="one", fused=False, checkpoint=9),
             "RNN(3, 4, bias='one', skip=2, residual=True, fused=False, checkpoint=9)  # 48 parameters"),
            (nn.GRUCell(3, 4, bias=False, reset="none"), "GRUCell(3, 4, bias=False, reset='none')  # 56 parameters")]:
        assert repr(layer) == text


def test_a_projected_state_has_two_sizes_and_the_error_says_which(rng):
    """h is (1, B, R), c is (1, B, H)."""
    layer = nn.LSTM(3, 4, proj_size=2)
    h, c = mg.zeros(1, 5, 2), mg.zeros(1, 5, 4)
    y, (h_n, c_n) = layer(mg.zeros(6, 5, 3), (h, c))
    assert y.shape == (6, 5, 2) and h_n.shape == h.shape and c_n.shape == c.shape
    with pytest.raises(ShapeError, match=r"is \(1, 5, 4\), and x \(6, 5, 3\) needs \(1, 5, 2\)"):
        layer(mg.zeros(6, 5, 3), (c, c))
