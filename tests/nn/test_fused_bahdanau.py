"""The decoder's whole sequence as one node against the same steps in primitives, and what such a node must never do."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import minigrad as mg
from benchmarks import attention_steps
from minigrad.errors import GradError, InplaceError, ShapeError
from minigrad.models.bahdanau import Bahdanau
from minigrad.nn import functional as F
from minigrad.nn.fused import workspace
from minigrad.nn.fused.bahdanau import bahdanau_sequence
from minigrad.nn.scores import attend_to
from minigrad.nn.steps import gru_step

NAMES = ("y", "s0", "keys", "annotations", "w_s", "v", "w_ih", "w_hh", "b_ih", "b_hh")
OUTPUTS = ("states", "contexts", "alignments")
SIZES = (6, 4, 5, 3, 7, 5, 8)                  # T, B, S, E, C, H, A: all places differ from all units
LENGTHS = np.array([5, 2, 1, 4])
HIDDEN = np.arange(5) >= LENGTHS[:, None]


def loop(y, s, keys, annotations, w_s, v, w_ih, w_hh, b_ih, b_hh, *, hidden=None):
    """Télécom, *Attention model*, step by step."""
    hidden, steps = None if hidden is None else mg.tensor(hidden), []
    for word in y.unbind(0):
        e = mg.matmul(mg.tanh(mg.unsqueeze(F.linear(s, w_s), 1) + keys), v)
        c, alpha = attend_to(e, annotations, hidden)
        s = gru_step(mg.concat([word, c], -1), s, w_ih, w_hh, b_ih, b_hh)
        steps.append((s, c, alpha))
    return tuple(mg.stack(parts) for parts in zip(*steps, strict=True))


def draw(rng, sizes=SIZES, dtype="float64"):
    T, B, S, E, C, H, A = sizes
    shapes = [(T, B, E), (B, H), (B, S, A), (B, S, C), (A, H), (A,), (3 * H, E + C), (3 * H, H), (3 * H,), (3 * H,)]
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def run(decode, arrays, used=OUTPUTS, **more):
    """Outputs, and the gradients of all inputs for a loss that sees some of the outputs, none of them linearly."""
    inputs = [None if a is None else mg.tensor(a, requires_grad=True) for a in arrays]
    outs = dict(zip(OUTPUTS, decode(*inputs, **more), strict=True))
    weights = np.random.default_rng(1)
    loss = sum((outs[k] ** 2 * mg.tensor(weights.standard_normal(outs[k].shape).astype(outs[k].dtype))).sum()
               for k in used)
    loss.backward()
    return {**{k: v.detach() for k, v in outs.items()},
            **{f"d{name}": x.grad for name, x in zip(NAMES, inputs, strict=True) if x is not None}}


def equal(got, want, tolerance):
    assert list(got) == list(want)
    for name in want:
        if want[name] is None:                 # no path from it to what was used
            assert got[name] is None or not got[name].numpy().any(), name
            continue
        assert got[name].dtype == want[name].dtype
        np.testing.assert_allclose(got[name].numpy(), want[name].numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-11), ("float32", 2e-4)])
@pytest.mark.parametrize("hidden", [None, HIDDEN], ids=["full", "padded"])
@pytest.mark.parametrize("used", [OUTPUTS, *[(name,) for name in OUTPUTS], ("states", "alignments")], ids="-".join)
def test_fused_is_readable_in_values_and_every_gradient(rng, used, hidden, dtype, tolerance):
    """Two programs of one equation. The weights are large (normal), so float32 loses two digits over six steps."""
    arrays = draw(rng, dtype=dtype)
    equal(run(bahdanau_sequence, arrays, used, hidden=hidden), run(loop, arrays, used, hidden=hidden), tolerance)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 1, 1), (1, 3, 4, 2, 5, 3, 2), (4, 1, 3, 2, 4, 3, 5),
                                   (3, 4, 1, 2, 4, 3, 5), (30, 2, 3, 1, 2, 4, 1), (4, 4, 4, 4, 4, 4, 4)], ids=str)
def test_every_size_agrees_with_the_loop(rng, sizes):
    """One step, one example, one place; and sizes that are all equal, where an exchanged axis would fit."""
    arrays = draw(rng, sizes)
    equal(run(bahdanau_sequence, arrays), run(loop, arrays), 1e-10)            # 30 steps in another order of sums


@pytest.mark.parametrize("missing", [("b_ih",), ("b_hh",), ("b_ih", "b_hh")], ids="-".join)
def test_biases_may_be_left_out(rng, missing):
    arrays = [None if name in missing else a for name, a in zip(NAMES, draw(rng), strict=True)]
    equal(run(bahdanau_sequence, arrays), run(loop, arrays), 1e-11)


def test_gradients_agree_with_differences(rng):
    """An oracle that shares no code with either path."""
    inputs = [mg.tensor(a * 0.7, requires_grad=True) for a in draw(rng)]
    for hidden in (None, HIDDEN):
        assert mg.gradcheck(lambda *args, hidden=hidden: bahdanau_sequence(*args, hidden=hidden), inputs)


def test_scores_that_overflow_exp_give_a_choice_and_no_nan(rng):
    """float32: exp overflows above 88, and a score here is up to 300 or so."""
    arrays = draw(rng, dtype="float32")
    arrays[5] *= 100
    got = run(bahdanau_sequence, arrays, hidden=HIDDEN)
    assert all(np.isfinite(t.numpy()).all() for t in got.values())
    np.testing.assert_allclose(got["alignments"].numpy().sum(-1), 1, rtol=1e-5)
    assert not got["alignments"].numpy()[:, HIDDEN].any()


def test_arrays_in_any_memory_order_are_read_right(rng):
    """An encoder's annotations are feature-major, and a model's words are batch first: views of both kinds."""
    arrays = draw(rng)
    views = [np.asfortranarray(a) for a in arrays]
    equal(run(bahdanau_sequence, views), run(bahdanau_sequence, arrays), 1e-13)


# ----- Memory that is used again

def test_two_live_graphs_share_no_memory(rng):
    """Two forward passes of one size, then both backward: the second must not have overwritten the first."""
    both = [draw(rng), draw(rng)]
    want = [run(bahdanau_sequence, a, ("states",))["dw_ih"].numpy().copy() for a in both]
    leaves = [[mg.tensor(a, requires_grad=True) for a in arrays] for arrays in both]
    weights = [mg.tensor(np.random.default_rng(1).standard_normal((6, 4, 5))) for _ in both]
    losses = [(bahdanau_sequence(*x)[0] ** 2 * w).sum() for x, w in zip(leaves, weights, strict=True)]
    for loss, x, w in zip(losses, leaves, want, strict=True):
        loss.backward()
        np.testing.assert_array_equal(x[6].grad.numpy(), w)


def test_what_a_call_returned_is_not_overwritten_by_later_calls(rng):
    """Outputs and gradients are the caller's; the workspace is not."""
    kept = [run(bahdanau_sequence, draw(rng)) for _ in range(2)]
    copies = [{n: t.numpy().copy() for n, t in result.items()} for result in kept]
    run(bahdanau_sequence, draw(rng))
    for result, copy in zip(kept, copies, strict=True):
        for name in copy:
            np.testing.assert_array_equal(result[name].numpy(), copy[name], err_msg=name)


def test_backward_twice_on_a_retained_graph_adds_the_same_gradients(rng):
    """The first pass must leave intact what the second reads."""
    leaves = [mg.tensor(a, requires_grad=True) for a in draw(rng)]
    loss = sum((y ** 2).sum() for y in bahdanau_sequence(*leaves, hidden=HIDDEN))
    loss.backward(retain_graph=True)
    once = [x.grad.numpy().copy() for x in leaves]
    loss.backward()
    for x, g in zip(leaves, once, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), 2 * g, rtol=1e-13, atol=1e-13)


def test_a_workspace_serves_again_after_backward_and_after_a_graph_was_dropped(rng):
    """With the cyclic collector off: no training step allocates, and no graph holds one for longer than it lives."""
    leaves = [mg.tensor(a, requires_grad=True) for a in draw(rng)]
    gc.disable()
    try:
        bahdanau_sequence(*leaves)[0].sum().backward()
        idle = workspace.idle_bytes()
        for _ in range(3):
            loss = bahdanau_sequence(*leaves)[0].sum()
            assert workspace.idle_bytes() < idle
            loss.backward()
            assert workspace.idle_bytes() == idle
            bahdanau_sequence(*leaves)
            assert workspace.idle_bytes() == idle
            with mg.no_grad():
                bahdanau_sequence(*leaves)
            assert workspace.idle_bytes() == idle
    finally:
        gc.enable()


def test_a_graph_keeps_what_the_docstring_says_for_each_step(rng):
    """4 T B (S A + S + E + C + 5 H + 1) bytes in float32."""
    def saved(T):
        leaves = [mg.tensor(a, requires_grad=True) for a in draw(rng, (T, *SIZES[1:]), "float32")]
        return mg.memory_ledger(bahdanau_sequence(*leaves)[0].sum()).total
    _, B, S, E, C, H, A = SIZES
    assert saved(50) - saved(40) == 10 * 4 * B * (S * A + S + E + C + 5 * H + 1)


def test_only_wanted_gradients_are_computed(rng):
    """Each is a product over all steps; with data as annotations nobody asks for theirs."""
    leaves = [mg.tensor(a, requires_grad=True) for a in draw(rng)]
    node = bahdanau_sequence(*leaves)[0].edge.node
    entries = node.vjp([np.ones((6, 4, 5)), None, None])
    assert len(entries) == len(NAMES) and all(callable(e) for e in entries)


def test_a_weight_that_was_written_since_is_an_error(rng):
    """The optimiser's step between forward and backward, the commonest wrong order."""
    leaves = [mg.tensor(a, requires_grad=True) for a in draw(rng)]
    loss = bahdanau_sequence(*leaves)[0].sum()
    with mg.no_grad():
        leaves[6].mul_(2)
    with pytest.raises(InplaceError, match="bahdanau_sequence"):
        loss.backward()


def test_shapes_that_do_not_fit_name_the_node(rng):
    arrays = draw(rng)
    arrays[2] = arrays[2][:, :, :-1]
    with pytest.raises(ShapeError, match="bahdanau_sequence cannot join"):
        bahdanau_sequence(*[mg.tensor(a) for a in arrays])


# ----- In the model

def models(score="additive", query="previous", **options):
    """The fused and the readable model with the same weights, in float64, and a batch for them."""
    fused = Bahdanau(9, 8, embedding=3, hidden=6, score=score, query=query, **options).to(mg.float64)
    readable = Bahdanau(9, 8, embedding=3, hidden=6, score=score, query=query, fused=False).to(mg.float64)
    readable.load_state_dict(fused.state_dict())
    rng = np.random.default_rng(2)
    return fused, readable, (mg.tensor(rng.integers(0, 9, (4, 5))), LENGTHS, mg.tensor(rng.integers(0, 8, (4, 6))))


def node_of(model, batch):
    """The name of the node that made the states."""
    memory = model.encode(*batch[:2])
    s = model.decode(model.embedding(batch[2]), memory)[0]
    made = s.edge.inputs[0] if s.edge.op.name == "swapaxes" else s.edge
    return getattr(made, "node", made).op.name


@pytest.mark.parametrize("score", ["additive", "concat"])
def test_the_model_takes_the_node_and_gives_what_its_loop_gives(score):
    """A test of equality is worth nothing if both sides are the loop."""
    fused, readable, batch = models(score)
    assert node_of(fused, batch) == "bahdanau_sequence" and node_of(readable, batch) == "_stack"
    results = []
    for model in (fused, readable):
        y = model(*batch)
        (y ** 2).sum().backward()
        results.append([y.detach().numpy(), *[p.grad.numpy() for p in model.parameters()]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("options", [{"score": "dot"}, {"score": "general"}, {"query": "current"}], ids=str)
def test_other_forms_take_the_loop(options):
    fused, _, batch = models(**options)
    assert node_of(fused, batch) == "_stack"


def test_a_hook_on_the_cell_is_called_although_the_node_could_be_taken():
    """The node does not call it, so it must not be taken then."""
    fused, _, batch = models()
    seen = []
    fused.cell.register_forward_hook(lambda m, args, out: seen.append(m))
    fused(*batch)
    assert seen == [fused.cell] * 6


def test_second_order_needs_the_readable_path_and_works_there():
    """The fused node says so and names the switch."""
    fused, readable, (source, lengths, target) = models()

    def decoded(model, y):
        return model.decode(y, model.encode(source, lengths))[0]
    y = mg.tensor(np.random.default_rng(3).standard_normal((4, 2, 3)), requires_grad=True)
    with pytest.raises(GradError, match="fused=False"):
        mg.grad(decoded(fused, y).sum(), y, create_graph=True)
    readable.encoder.layer.fused = False
    assert mg.gradcheck(lambda y: decoded(readable, y), y, order=2)


# ----- The benchmark

def test_both_sides_of_the_benchmark_train_alike():
    """Three losses of the same start, with the same Adam. float32 and sums of some hundred terms: 1e-4 of the largest
    loss; a wrong gradient shows in the second."""
    pytest.importorskip("torch")
    ours, theirs = (make(3, 4, 5, 8) for make in (attention_steps.decoder, attention_steps.torch_decoder))
    losses = np.array([[float(step().detach()) for _ in range(3)] for step in (ours, theirs)])
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4 * np.abs(losses).max())
    assert len(set(losses[0].round(3))) == 3
