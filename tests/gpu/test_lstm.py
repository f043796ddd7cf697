"""The LSTM's kernels: source = twin, node = readable loop, no barrier too few, launches counted.

On "strict" a launch runs the kernel's twin in NumPy; under `emulated()` the CUDA source, its threads in random order.
"""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, strict
from minigrad.errors import GradError, InplaceError
from minigrad.kernels import lstm_cell, lstm_cluster
from minigrad.kernels.lstm_cluster import SIZES, shared_bytes
from minigrad.kernels.signature import find, macro_sets
from minigrad.nn.utils.rnn import pack_padded_sequence

from .emulator import EmulatorError, emulated, execute, mutants, replaced

DEVICE = mg.device("strict")
LENGTHS = [5, 3, 1, 4, 2, 5, 5]


@pytest.fixture(params=["clusters", "steps"])
def way(request, monkeypatch):
    """Both ways of walking: a chip with clusters of thread blocks, and one without."""
    monkeypatch.setattr(DEVICE.kernels, "clusters", request.param == "clusters")
    return request.param


def draw(*shape: int) -> np.ndarray:
    return mg.backend.generator().standard_normal(shape).astype(np.float32)


def agree(got: list, want: list, tolerance: float = 2e-6) -> None:
    """Sums of up to 512 products in another order, and tanh by another library: some units of the last place."""
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=tolerance * 5, atol=tolerance, err_msg=str(k))


# ---------------------------------------------------------------------------------------------- source and twin

def walks(H: int, T: int, B: int, *, given: bool, masked: bool, reverse: bool, keep: int | None = None, seed: int = 0
          ) -> tuple[list, list]:
    """What lstm_cluster.cu wrote, forward and backward, and what the twins wrote."""
    w, gates, alive = draw(4 * H, H) / np.float32(H ** 0.5), draw(T, B, 4 * H), None
    given_arrays = [draw(4 * H), draw(4 * H), draw(B, H), draw(B, H)] if given else [None] * 4
    gradients = [draw(T, B, H), draw(B, H), draw(B, H)] if given else [draw(T, B, H), None, None]
    if masked:
        alive = np.arange(T)[:, None] < mg.backend.generator().integers(1, T + 1, B)
    slots, size, clusters = T + 1, H // 32, -(-B // 4)
    macros = {"H": H} if keep is None else {"H": H, "KEEP": keep}
    results = []
    for emulate in (True, False):
        def nans(*shape):
            return np.full(shape, np.nan, np.float32)

        def start(name, *args, emulate=emulate):
            if emulate:
                numbers = [np.int32(n) for n in args[-3:]]
                execute(find(name), clusters * size, 512, [*args[:-3], *numbers], shared_bytes(H, keep), size,
                        macros, seed)
            else:
                getattr(lstm_cluster, name)(*args, H=H)
        a = gates.copy()
        states = [nans(slots, B, H), nans(slots, B, H), nans(T, B, H) if masked else None, nans(B, H), nans(B, H)]
        start("lstm_forward", a, w, *given_arrays, alive, *states, T, B, int(reverse))
        grads = [nans(T, B, 4 * H), *([nans(B, H), nans(B, H), nans(clusters, 4 * H)] if given else [None] * 3)]
        start("lstm_backward", *gradients, a, states[1], w, alive, *grads, T, B, int(reverse))
        results.append([a, *states, *grads])
    return results[0], results[1]


@pytest.mark.parametrize("T, B", [(1, 1), (3, 4), (4, 5), (2, 9)])
@pytest.mark.parametrize("given, masked, reverse", [(True, False, False), (False, True, False), (True, True, True)])
def test_the_source_is_its_twin(T, B, given, masked, reverse):
    """One row to three clusters, of which the last is not full; every pointer that may be null is null once."""
    agree(*walks(32, T, B, given=given, masked=masked, reverse=reverse))


@pytest.mark.parametrize("keep", [None, 1])
def test_the_source_is_its_twin_with_several_blocks_in_a_cluster(keep):
    """keep=1: most weights lie in shared memory, as at H = 512."""
    agree(*walks(64, 3, 5, given=True, masked=True, reverse=False, keep=keep))


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("H", SIZES)
def test_the_source_is_its_twin_at_every_size(H, seed):
    agree(*walks(H, 3, 5, given=True, masked=seed == 1, reverse=seed == 2, seed=seed), 1e-5)


def test_every_size_is_compiled_and_fits_a_chip():
    """Compute 9.0 gives a block 227 KB."""
    assert [m["H"] for m in macro_sets(find("lstm_forward").file)] == list(SIZES)
    assert max(map(shared_bytes, SIZES)) <= 227 * 1024


def cells(T: int, B: int, H: int, *, given: bool, masked: bool, reverse: bool, emulate: bool) -> list:
    """What one step in the middle of lstm_cell.cu wrote, forward and backward; drawn alike for both."""
    mg.manual_seed(B)
    gates, hs, cs, y = draw(T, B, 4 * H), draw(T + 1, B, H), draw(T + 1, B, H), draw(T, B, H)
    b_ih, b_hh = (draw(4 * H), draw(4 * H)) if given else (None, None)
    dy, dh, dc, d = draw(T, B, H) if given else None, draw(B, H), draw(B, H), draw(T, B, 4 * H)
    alive = np.arange(T)[:, None] < mg.backend.generator().integers(1, T + 1, B) if masked else None
    t = T // 2
    numbers = (t, t + 1, t, B, H) if reverse else (t, t, t + 1, B, H)
    for name, args in (("lstm_cell_forward", (gates, b_ih, b_hh, alive, hs, cs, y if masked else None)),
                       ("lstm_cell_backward", (dy, gates, cs, alive, dh, dc, d))):
        if emulate:
            execute(find(name), -(-B * H // 256), 256, [*args, *[np.int32(n) for n in numbers]])
        else:
            getattr(lstm_cell, name)(*args, *numbers)
    return [gates, hs, cs, y, dh, dc, d]


@pytest.mark.parametrize("given, masked, reverse", [(True, False, False), (False, True, False), (True, True, True)])
@pytest.mark.parametrize("B, H", [(1, 1), (3, 20), (2, 300)])
def test_the_source_of_a_step_is_its_twin(B, H, given, masked, reverse):
    """Less than a block, and a last block that is not full. What lies in other steps stays as it was."""
    options = {"given": given, "masked": masked, "reverse": reverse}
    agree(cells(3, B, H, **options, emulate=True), cells(3, B, H, **options, emulate=False))


@pytest.mark.parametrize("mutant", mutants("lstm_cluster.cu"), ids=str)
def test_a_deleted_barrier_is_caught(mutant):
    with replaced(mutant), pytest.raises((AssertionError, EmulatorError)):
        for seed in range(4):
            mg.manual_seed(0)
            agree(*walks(64, 3, 3, given=True, masked=False, reverse=False, seed=seed))


def test_the_kernel_of_a_step_has_no_barrier():
    """Else the test above has to run on it too."""
    assert len(mutants("lstm_cluster.cu")) == 9 and not mutants("lstm_cell.cu")


def test_the_order_of_threads_changes_no_bit():
    mg.manual_seed(0)
    once = walks(64, 3, 3, given=True, masked=True, reverse=False, seed=1)[0]
    mg.manual_seed(0)
    again = walks(64, 3, 3, given=True, masked=True, reverse=False, seed=2)[0]
    assert [a.tobytes() for a in once] == [b.tobytes() for b in again]


# ---------------------------------------------------------------------------------------------- node and loop

def twins(H: int = 32, **options) -> tuple[nn.LSTM, nn.LSTM]:
    """A layer of kernels and one of the loop, with the same weights."""
    kernels, readable = nn.LSTM(6, H, **options), nn.LSTM(6, H, **options, fused=False)
    readable.load_state_dict(kernels.state_dict())
    return kernels.to("strict"), readable.to("strict")


def run(layer, x, states=(), use="all", **more) -> dict[str, np.ndarray]:
    """Outputs and gradients of everything, for a loss that uses the outputs, a last state, or all of them."""
    x = mg.tensor(x, requires_grad=True, device="strict")
    states = [mg.tensor(s, requires_grad=True, device="strict") for s in states]
    layer.zero_grad()
    mg.manual_seed(1)                          # dropout
    y, (h, c) = layer(x, tuple(states) or None, **more)
    loss = sum(((v * v * v).mean() for name, v in (("y", y), ("h", h), ("c", c)) if use in ("all", name)), start=0.0)
    loss.backward()
    found = {"y": y, "h": h, "c": c, "dx": x.grad, **{f"d{i}": s.grad for i, s in enumerate(states)},
             **{name: p.grad for name, p in layer.named_parameters()}}
    return {name: t.detach().numpy() for name, t in found.items() if t is not None}


def equal(got: dict, want: dict, tolerance: float = 1e-5) -> None:
    assert list(got) == list(want)
    for name in want:
        top = max(1e-3, float(np.abs(want[name]).max()))
        np.testing.assert_allclose(got[name], want[name], rtol=tolerance, atol=tolerance * top, err_msg=name)


OPTIONS = {"one": {}, "layers": {"num_layers": 2}, "both ways": {"bidirectional": True, "num_layers": 2},
           "sum of ways": {"bidirectional": True, "merge": "sum"}, "no bias": {"bias": False},
           "one bias": {"bias": "one"}, "coupled": {"coupled": True}, "no forget gate": {"forget": False},
           "no forget gate, no bias": {"forget": False, "bias": False}, "pieces": {"checkpoint": 2},
           "batch first": {"batch_first": True, "bidirectional": True}, "dropout": {"num_layers": 2, "dropout": 0.5},
           "peephole": {"peephole": "full"}, "projected": {"proj_size": 5}}


@pytest.mark.parametrize("given", [True, False], ids=["given", "zeros"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("name", OPTIONS)
def test_kernels_are_the_readable_layer_in_values_and_every_gradient(way, name, lengths, given):
    options = OPTIONS[name]
    kernels, readable = twins(**options)
    ways = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    x = draw(7, 5, 6) if "batch_first" in options else draw(5, 7, 6)
    states = [draw(ways, 7, options.get("proj_size", 32)), draw(ways, 7, 32)] if given else []
    more = {} if lengths is None else {"lengths": lengths}
    equal(run(kernels, x, states, **more), run(readable, x, states, **more))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("use", ["y", "h", "c"])
def test_a_loss_may_use_one_of_the_outputs_alone(way, use, lengths):
    """The gradients of the two others are None."""
    kernels, readable = twins(bidirectional=True)
    x, more = draw(5, 7, 6), {} if lengths is None else {"lengths": lengths}
    equal(run(kernels, x, use=use, **more), run(readable, x, use=use, **more))


@pytest.mark.parametrize("T, B, D, H", [(1, 1, 1, 32), (1, 1, 1, 1), (6, 2, 3, 7), (2, 9, 4, 64), (40, 3, 2, 32)])
def test_every_size_agrees_with_the_loop(way, T, B, D, H):
    kernels, readable = nn.LSTM(D, H).to("strict"), nn.LSTM(D, H, fused=False)
    readable.load_state_dict(kernels.to("cpu").state_dict())
    x = draw(T, B, D)
    equal(run(kernels.to("strict"), x), run(readable.to("strict"), x))


def test_a_packed_sequence_gives_what_lengths_give(way):
    kernels, readable = twins(bidirectional=True)
    x, lengths = draw(5, 7, 6), LENGTHS
    results = []
    for layer in (kernels, readable):
        packed = pack_padded_sequence(mg.tensor(x, device="strict"), lengths, enforce_sorted=False)
        y, (h, c) = layer(packed)
        results.append({"y": y.data.detach().numpy(), "h": h.detach().numpy(), "c": c.detach().numpy()})
    equal(*results)


def test_one_sequence_without_a_batch(way):
    kernels, readable = twins()
    x = draw(5, 6)
    equal(run(kernels, x), run(readable, x))


@pytest.mark.parametrize("options, lengths", [({}, None), ({"bidirectional": True}, LENGTHS)], ids=["plain", "lengths"])
def test_the_whole_layer_is_right_when_the_source_itself_runs(way, options, lengths):
    kernels, readable = twins(**options)
    x, more = draw(5, 7, 6), {} if lengths is None else {"lengths": lengths}
    states = [draw(len(kernels._names), 7, 32) for _ in range(2)]
    want = run(readable, x, states, **more)
    with emulated(seed=3) as started:
        equal(run(kernels, x, states, **more), want)
    assert ("lstm_forward" in started) == (way == "clusters") != ("lstm_cell_forward" in started)


def test_no_gradient_where_none_is_recorded(way):
    kernels, readable = twins()
    x = mg.tensor(draw(5, 7, 6), device="strict")
    with mg.no_grad():
        np.testing.assert_allclose(kernels(x)[0].numpy(), readable(x)[0].numpy(), atol=1e-6)


# ---------------------------------------------------------------------------------------------- which way, its price

def made_by(layer, dtype="float32") -> str:
    x = mg.tensor(draw(3, 2, 6), device="strict").to(dtype)
    edge = layer.to("strict").to(dtype)(x)[0].edge
    return getattr(edge, "node", edge).op.name


def test_the_node_serves_float32_and_the_loop_the_rest():
    """A test of equality is worth nothing if both sides are the loop."""
    assert made_by(nn.LSTM(6, 8)) == made_by(nn.LSTM(6, 8, coupled=True)) == "lstm_on_device"
    assert made_by(nn.LSTM(6, 8), "float64") == made_by(nn.LSTM(6, 8, fused=False)) == "_stack"
    assert made_by(nn.LSTM(6, 8, peephole="full")) == made_by(nn.LSTM(6, 8, proj_size=4)) == "_stack"


def test_embedding_and_lstm_in_one_module_use_the_node():
    layer = nn.EmbeddingLSTM(5, 8, 32).to("strict")
    y, _ = layer(mg.tensor([[0, 1], [4, 2]], device="strict"))
    assert y.edge.node.op.name == "lstm_on_device"


@pytest.mark.parametrize("H, forward, backward", [(32, 2, 6), (33, 2 * 5 + 5, 2 * 5 + 8)], ids=["clusters", "steps"])
def test_launches_of_a_training_step(H, forward, backward):
    """T = 5.  Clusters: x W_ih^T and the walk; the walk back, dW_ih, dW_hh, dx, db, and db's copy for the second bias.

    In steps: two a step, two to start and two last states; two a step, two to start, and db in two stages.
    A step waits for nothing, uploads nothing, and computes in float32.
    """
    layer = nn.LSTM(6, H).to("strict")
    x = mg.tensor(draw(5, 7, 6), requires_grad=True, device="strict")
    g = mg.tensor(draw(5, 7, H), device="strict")
    with strict.counting(forbid=("sync", "float64", "h2d")) as counts:
        y, _ = layer(x)
    assert counts.launch == forward, counts
    with strict.counting(forbid=("sync", "float64", "h2d")) as counts:
        y.backward(g)
    assert counts.launch == backward, counts


def test_more_steps_are_no_more_launches():
    """The whole sequence is one launch where there are clusters."""
    layer = nn.LSTM(6, 64).to("strict")

    def launches(T):
        layer.zero_grad()
        x = mg.tensor(draw(T, 3, 6), device="strict")
        with strict.counting() as counts:
            layer(x)[0].mean().backward()
        return counts.launch
    assert launches(2) == launches(20)


def test_lengths_are_uploaded_once_for_all_layers():
    layer = nn.LSTM(6, 32, num_layers=3, bidirectional=True).to("strict")
    x = mg.tensor(draw(5, 7, 6), device="strict")
    with strict.counting(forbid=("sync", "float64")) as counts:
        layer(x, lengths=LENGTHS)[0].mean().backward()
    assert counts.h2d == 1, counts


def test_a_graph_keeps_what_the_docstring_says_for_each_step():
    B, D, H = 3, 4, 32
    layer = nn.LSTM(D, H).to("strict")

    def saved(T):
        return mg.memory_ledger(layer(mg.zeros(T, B, D, device="strict") * 1.0)[0].sum()).total
    assert (saved(9) - saved(5)) / 4 == 4 * B * (6 * H + D)


def test_an_output_that_was_overwritten_is_noticed_and_backward_runs_twice(way):
    layer = nn.LSTM(6, 32).to("strict")
    x = mg.tensor(draw(5, 7, 6), device="strict")
    y, _ = layer(x)
    loss = y.sum()
    loss.backward(retain_graph=True)
    once = layer.weight_hh_l0.grad.numpy().copy()
    loss.backward()
    np.testing.assert_allclose(layer.weight_hh_l0.grad.numpy(), 2 * once, rtol=1e-6)
    y, _ = layer(x)
    loss = y.sum()
    with mg.no_grad():
        y.mul_(2.0)
    with pytest.raises(InplaceError, match="lstm_on_device"):
        loss.backward()


def test_second_order_says_what_to_do(way):
    layer = nn.LSTM(6, 32).to("strict")
    x = mg.tensor(draw(3, 2, 6), requires_grad=True, device="strict")
    with pytest.raises(GradError, match="fused=False"):
        mg.grad(layer(x)[0].sum(), [x], create_graph=True)
