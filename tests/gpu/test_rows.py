"""The kernels that work on rows: cross-entropy, layer norm, column sums, and what stands between two products.

Source and twin agree in every order of threads, and the nodes that use them with their readable form in float64.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minigrad as mg
from minigrad import strict
from minigrad.errors import IndexRangeError
from minigrad.kernels import of, signature
from minigrad.nn import functional as F
from minigrad.nn.gpu import rows

from .emulator import EmulatorError, Mutant, emulated, mutants, replaced

CLOSE = dict(rtol=3e-6, atol=3e-6)             # float32, sums in another order
QUIET = ("sync", "h2d", "float64")             # what a training step may not do
INF, NAN = np.inf, np.nan


def on_device(a, **kw) -> mg.Tensor:
    return mg.tensor(a, device="strict", **kw)


def host(t) -> np.ndarray:
    return t.detach().cpu().numpy()


def twin_and_source(run: Callable[[], list], *kernels: str, seeds: int = 2, close: dict = CLOSE) -> list[np.ndarray]:
    """The results of `run` on "strict" by the twins; those of the sources must be equal, and use these kernels.

    In another order of threads the sources give the same bits.
    """
    want, before = [host(t) for t in run()], None
    for seed in range(seeds):
        with emulated(seed) as started:
            got = [host(t) for t in run()]
        assert set(kernels) <= set(started)
        for a, b, c in zip(got, want, before or got, strict=True):
            np.testing.assert_allclose(a, b, **close)
            np.testing.assert_array_equal(a, c)
        before = got
    return want


def against(want: list[np.ndarray], run: Callable[[], list], close: dict) -> None:
    for a, b in zip(want, run(), strict=True):
        np.testing.assert_allclose(a, host(b), **close)


# ---------------------------------------------------------------------------------------------- cross-entropy

def loss_and_gradient(x, y, device, dtype, fused=True, **kw):
    logits = mg.tensor(np.asarray(x, dtype), device=device, requires_grad=True)
    if kw.get("weight") is not None:
        kw["weight"] = mg.tensor(np.asarray(kw["weight"], dtype), device=device)
    loss = F.cross_entropy(logits, mg.tensor(y, device=device), fused=fused, **kw)
    g = np.linspace(0.5, 1.5, loss.data.size, dtype=dtype).reshape(loss.shape)
    return [loss, *mg.grad(loss, [logits], mg.tensor(g, device=device))]


SHAPES = [(1, 1), (3, 7), (5, 32), (33, 65), (4, 1000)]


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("n, v", SHAPES)
def test_cross_entropy_is_the_composition_at_every_width(n, v, reduction, rng):
    x, y = 3 * rng.standard_normal((n, v)), rng.integers(0, v, n)
    y[1::4] = -100
    kw = dict(weight=rng.random(v) + 0.5, reduction=reduction)
    want = twin_and_source(lambda: loss_and_gradient(x, y, "strict", np.float32, **kw), "cross_entropy_classes",
                           "cross_entropy_forward", "cross_entropy_backward", seeds=1 if v == 1000 else 2)
    against(want, lambda: loss_and_gradient(x, y, "cpu", np.float64, fused=False, **kw), CLOSE)


ROWS = {"huge": [[1e30, -1e30, 0], [88, 89, 90], [1e4, 1e4 + 1, 1e4 + 2]],
        "a class forbidden": [[-INF, 0, 1], [2, -INF, -INF], [0, 0, 0]],
        "a row of -inf, ignored": [[0, 1, 2], [-INF, -INF, -INF], [2, 1, 0]],
        "NaN and inf, ignored": [[0, 1, 2], [NAN, INF, 0], [2, 1, 0]]}


@pytest.mark.parametrize("name", ROWS)
def test_cross_entropy_of_rows_that_overflow(name):
    """As on the host; an ignored row counts 0 whatever stands in it, and its gradient hides no NaN."""
    y = np.array([1, -100 if "ignored" in name else 0, 2])
    want = twin_and_source(lambda: loss_and_gradient(ROWS[name], y, "strict", np.float32), "cross_entropy_forward")
    assert np.isfinite(want[0]) and np.isnan(want[1]).any() == ("NaN" in name)
    against(want, lambda: loss_and_gradient(ROWS[name], y, "cpu", np.float64), dict(rtol=1e-5, atol=1e-6))


def test_a_row_of_minus_infinity_that_counts_has_an_infinite_loss_and_softmax_zero():
    loss, dx = twin_and_source(lambda: loss_and_gradient([[-INF, -INF]], [1], "strict", np.float32))
    assert loss == INF and dx.tolist() == [[0, -0.5]]          # g is 1/2 here: linspace's first


def test_nan_in_a_row_stays_nan():
    loss, dx = twin_and_source(lambda: loss_and_gradient([[0, NAN], [1, 2]], [0, 1], "strict", np.float32,
                                                         reduction="none"))
    assert np.isnan(loss).tolist() == [True, False] and np.isnan(dx).tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize("wrong", [-1, 3, 2 ** 40, -2 ** 40])
def test_an_id_out_of_range_makes_the_loss_nan_and_debug_names_it(wrong):
    """Nobody waits for the device; the other rows' losses are right, and under mg.debug() the id is an error."""
    y = np.array([0, wrong, 2])
    loss, dx = twin_and_source(lambda: loss_and_gradient(np.eye(3), y, "strict", np.float32, reduction="none"))
    assert np.isnan(loss).tolist() == [False, True, False] and np.isfinite(dx).all(1).tolist() == [True, False, True]
    assert np.isnan(twin_and_source(lambda: loss_and_gradient(np.eye(3), y, "strict", np.float32))[0])
    with mg.debug(), pytest.raises(IndexRangeError, match=f"class {wrong} is outside of 0 ... 2"):
        loss_and_gradient(np.eye(3), y, "strict", np.float32)


@pytest.mark.parametrize("kw", [{}, {"weight": [0.5, 0, 2]}, {"ignore_index": 1}, {"reduction": "sum"},
                                {"label_smoothing": 0.2}, {"label_smoothing": 0.2, "weight": [0.5, 0, 2]}], ids=str)
def test_every_option_of_cross_entropy_with_logits_that_are_no_block(kw, rng):
    """(B, V, T): the classes are moved to the end, which is a view; ids of int32."""
    x, y = rng.standard_normal((2, 3, 4)), rng.integers(0, 3, (2, 4)).astype(np.int32)
    want = twin_and_source(lambda: loss_and_gradient(x, y, "strict", np.float32, **kw), "cross_entropy_classes")
    against(want, lambda: loss_and_gradient(x, y, "cpu", np.float64, **kw), CLOSE)


@pytest.mark.parametrize("x, y", [(np.ones((0, 3)), []), (np.ones((2, 3)), [-100, -100])], ids=["empty", "all ignored"])
def test_the_mean_of_no_class_is_nan_with_a_gradient_of_zeros(x, y):
    loss, dx = twin_and_source(lambda: loss_and_gradient(x, np.array(y, np.int64), "strict", np.float32))
    assert np.isnan(loss) and dx.shape == x.shape and not dx.any()


def test_cross_entropy_is_a_handful_of_launches(rng):
    """Ids and shares, the loss, its sum, NaN where there is nothing; backward a seed, one kernel, the leaf's copy."""
    x, y = on_device(rng.standard_normal((6, 5)).astype("f4"), requires_grad=True), on_device(rng.integers(0, 5, 6))
    with strict.counting(forbid=QUIET) as counts:
        loss = F.cross_entropy(x, y)
    assert counts.launch == 4, counts
    with strict.counting(forbid=QUIET) as counts:
        mg.grad(loss, [x])
    assert counts.calls["launch: kernel cross_entropy_backward"] == 1 and counts.launch == 3, counts


def test_cross_entropy_of_second_order_and_of_float64_takes_the_readable_form(rng):
    x, y = rng.standard_normal((3, 4)), np.array([1, 0, 3])

    def second(device, dtype):
        a = mg.tensor(x.astype(dtype), device=device, requires_grad=True)
        g, = mg.grad(F.cross_entropy(a, mg.tensor(y, device=device)), [a], create_graph=True)
        return mg.grad((g * g).sum(), [a])
    against([host(second("strict", np.float32)[0])], lambda: second("cpu", np.float64), CLOSE)
    with strict.counting() as counts:
        loss_and_gradient(x, y, "strict", np.float64)
    assert not any("kernel" in call for call in counts.calls)


# ---------------------------------------------------------------------------------------------- layer norm

def norm_and_gradients(x, w, b, device, dtype, axes=1, eps=1e-5):
    leaves = [mg.tensor(np.asarray(a, dtype), device=device, requires_grad=True) for a in (x, w, b) if a is not None]
    it = iter(leaves)
    X, W, B = (next(it) if a is not None else None for a in (x, w, b))
    y = F.layer_norm(X, X.shape[-axes:], W, B, eps)
    g = np.cos(np.arange(y.data.size, dtype=dtype)).reshape(y.shape)
    return [y, *mg.grad(y, leaves, mg.tensor(g, device=device))]


@pytest.mark.parametrize("shape, axes", [((1, 1), 1), ((3, 7), 1), ((2, 3, 32), 1), ((70, 40), 1), ((2, 3, 4, 5), 2),
                                         ((2, 700), 1), ((0, 4), 1)], ids=str)
@pytest.mark.parametrize("affine", ["both", "weight", "bias", "neither"])
def test_layer_norm_is_the_composition(shape, axes, affine, rng):
    """Several rows a part and a last part that is not full; widths that are no multiple of a warp."""
    if affine != "both" and shape not in ((3, 7), (0, 4)):
        shape, axes = (4, 5), 1
    x = 2 * rng.standard_normal(shape) + 3
    w = 1 + rng.standard_normal(shape[-axes:]) if affine in ("both", "weight") else None
    b = rng.standard_normal(shape[-axes:]) if affine in ("both", "bias") else None
    kernels = ("layer_norm_forward", "layer_norm_backward") if 0 not in shape else ()
    close = dict(rtol=2e-5, atol=2e-5)
    want = twin_and_source(lambda: norm_and_gradients(x, w, b, "strict", np.float32, axes), *kernels, close=close)
    against(want, lambda: norm_and_gradients(x, w, b, "cpu", np.float64, axes), close)


def test_layer_norm_of_constant_and_of_huge_rows(rng):
    """A row without variance gives the bias; the mean is taken away before squares are."""
    x = np.array([[5.0] * 6, list(1e4 + np.arange(6.0)), list(1e15 * rng.standard_normal(6))])
    want = twin_and_source(lambda: norm_and_gradients(x, np.ones(6), np.full(6, 0.5), "strict", np.float32),
                           close=dict(rtol=1e-4, atol=1e-5))
    assert (want[0][0] == 0.5).all()
    against(want[:1], lambda: norm_and_gradients(x, np.ones(6), np.full(6, 0.5), "cpu", np.float64)[:1],
            dict(rtol=1e-4, atol=1e-4))


def test_layer_norm_takes_views(rng):
    """A transposed input, and a gradient that is a transposed view too."""
    x, w = rng.standard_normal((5, 3)), rng.standard_normal(5)

    def run(device, dtype):
        a, p = (mg.tensor(np.asarray(v, dtype), device=device, requires_grad=True) for v in (x, w))
        y = F.layer_norm(a.T, 5, p).T
        return [y, *mg.grad(y, [a, p], mg.tensor(np.asarray(x, dtype) + 1, device=device))]
    want = twin_and_source(lambda: run("strict", np.float32))
    against(want, lambda: run("cpu", np.float64), dict(rtol=1e-4, atol=1e-5))


def test_layer_norm_is_one_launch_forward_and_three_backward(rng):
    x, w, b = (on_device(rng.standard_normal(s).astype("f4"), requires_grad=True) for s in ((40, 6), 6, 6))
    with strict.counting(forbid=QUIET) as counts:
        y = F.layer_norm(x, 6, w, b)
    assert counts.launch == 1, counts
    with strict.counting(forbid=QUIET) as counts:
        mg.grad(y, [x, w, b], y.detach())
    kernels = {name: n for name, n in counts.calls.items() if "kernel" in name}
    assert kernels == {"launch: kernel layer_norm_backward": 1, "launch: kernel layer_norm_parts": 1,
                       "launch: kernel column_totals": 1}
    assert counts.launch == 4, counts          # and a copy: dx is a view of rows, and what leaves the tape is none


# ---------------------------------------------------------------------------------------------- columns, pieces

@pytest.mark.parametrize("m, n", [(1, 1), (16, 128), (17, 129), (0, 3), (1500, 5)])
def test_column_sums_in_two_stages(m, n, rng):
    a = on_device(rng.standard_normal((m, n)).astype("f4"))
    k = of(strict, np.float32)
    run = lambda: [mg.Tensor(rows.column_sums(k, strict, a.data), False, a.device)]     # noqa: E731
    want, = twin_and_source(run, *(["column_parts"] if m else []), "column_totals")
    np.testing.assert_allclose(want, host(a).astype(float).sum(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["gelu", "relu"])
@pytest.mark.parametrize("bias, dropped", [(True, True), (False, False)])
def test_bias_activation_and_dropout_are_one_launch_each_way(kind, bias, dropped, rng):
    m, n = 3, 300
    x, b, kept, g = (rng.standard_normal(s).astype("f4") for s in ((m, n), n, (m, n), (m, n)))
    x.flat[:5] = [0, -0.0, 40, -40, 1e20]
    k, dev = of(strict, np.float32), [strict.asarray(a) for a in (x, b, kept, g)]
    given = dev[1] if bias else None, dev[2] if dropped else None

    def run():
        y = rows.each(k, f"bias_{kind}_forward", dev[0], *given, strict.empty_like(dev[0]))
        dx = rows.each(k, f"bias_{kind}_backward", dev[0], *given, dev[3], strict.empty_like(dev[0]))
        return [mg.Tensor(a, False, mg.device("strict")) for a in (y, dx)]
    want = twin_and_source(run, f"bias_{kind}_forward", f"bias_{kind}_backward")
    X = mg.tensor(x.astype(float), requires_grad=True)
    y = getattr(F, kind)(X + (b if bias else 0 * b).astype(float)) * (kept if dropped else 0 * kept + 1).astype(float)
    against(want, lambda: [y, *mg.grad(y, [X], mg.tensor(g.astype(float)))], dict(rtol=1e-5, atol=1e-6))


@pytest.mark.parametrize("added", [(), ("bias",), ("kept",), ("residual",), ("bias", "kept", "residual")], ids=str)
def test_the_norm_adds_what_stands_before_it(added, rng):
    """Bias, dropout and residual in the norm's own launch; and the same without a norm."""
    m, n = 3, 40
    arrays = {"x": (m, n), "bias": n, "kept": (m, n), "residual": (m, n), "w": n, "b": n}
    a = {name: rng.standard_normal(s).astype("f4") for name, s in arrays.items()}
    d, k = {name: strict.asarray(v) for name, v in a.items()}, of(strict, np.float32)

    def run():
        y, s, *_ = rows.norm(k, strict, d["x"], d["w"], d["b"], 1e-5, **{name: d[name] for name in added})
        plain = rows.each(k, "residual_forward", d["x"], d["bias"] if "bias" in added else None,
                          d["kept"] if "kept" in added else None, d["residual"], strict.empty_like(d["x"]))
        return [mg.Tensor(v, False, mg.device("strict")) for v in (y, s, plain)]
    y, s, plain = twin_and_source(run, "layer_norm_forward", "residual_forward")
    want = (a["x"] + (a["bias"] if "bias" in added else 0)) * (a["kept"] if "kept" in added else 1)
    np.testing.assert_allclose(plain, want + a["residual"], **CLOSE)
    want = want + (a["residual"] if "residual" in added else 0)
    np.testing.assert_allclose(s, want, **CLOSE)
    h = (want - want.mean(1, keepdims=True)) / np.sqrt(want.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, h * a["w"] + a["b"], rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------------------------------------- what must be caught

def barriers_of_reductions() -> list[tuple[str, str]]:
    """common.cuh without each of its block reductions' barriers, and the function that lost it."""
    text = signature.COMMON.read_text()
    found = []
    for name in ("block_sum(", "block_sum2(", "block_max("):
        start = text.index("__syncthreads();", text.index(f"void {name}" if "2" in name else f"float {name}"))
        found.append((name[:-1], text[:start] + text[start + len("__syncthreads();"):]))
    return found


@pytest.mark.parametrize("name, common", barriers_of_reductions(), ids=lambda v: v if len(v) < 20 else "")
def test_a_reduction_without_its_barrier_is_caught(name, common, rng, tmp_path, monkeypatch):
    """Rows that take several warps: else a reduction has nobody to wait for."""
    file = "cross_entropy.cu" if name == "block_max" else "layer_norm.cu"
    text = (signature.FOLDER / file).read_text()
    (tmp_path / "common.cuh").write_text(common)
    monkeypatch.setattr(signature, "COMMON", tmp_path / "common.cuh")
    x = rng.standard_normal((4, 300))
    run = (lambda: loss_and_gradient(x, [0, 1, 2, 3], "strict", np.float32)) if name == "block_max" else (
        lambda: norm_and_gradients(x, x[0], x[0], "strict", np.float32))
    with replaced(Mutant(file, 0, name, f"{text}// {name} without its barrier\n")), pytest.raises(AssertionError):
        twin_and_source(run, seeds=4, close=dict(rtol=1e-4, atol=1e-4))


def test_the_files_have_no_barriers_of_their_own():
    """They wait in common.cuh's reductions only: a barrier that is added here needs its mutant."""
    files = "cross_entropy", "layer_norm", "columns", "gelu", "heads", "masked_softmax"
    assert not [m for f in files for m in mutants(f"{f}.cu")]


@pytest.mark.proof
def test_a_deleted_guard_is_caught():
    """What keeps infinities apart, and what does not count."""
    found = mutants("cross_entropy.cu", ["if (m > LARGEST) m = 0.f;", "sum == 0.f ? 0.f : ", "s == 0.f ? 0.f : "])
    assert len(found) == 3
    for m in found:
        def check():
            for x, y in (([[0, INF], [1, 2]], [0, 1]), ([[-INF, -INF]], [0]), ([[NAN, 1], [0, 1]], [-100, 0])):
                twin_and_source(lambda x=x, y=y: loss_and_gradient(x, y, "strict", np.float32, reduction="none"),
                                seeds=1)
        with replaced(m), pytest.raises((AssertionError, EmulatorError)):
            check()
