"""Every primitive under shapes, stretches, options and layouts that hypothesis draws: what must hold whatever they are.

The value is that of NumPy; the gradient is that of differences, both orders; float32 stays float32; a gradient has its
tensor's shape and dtype; a layout changes nothing; no input is written to. 25 examples a primitive and device, drawn
alike on every run; 300 new ones under the marker `proof`.
"""
from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import minigrad as mg  # noqa: E402

from .op_cases import CASES, Example, catalogue, values  # noqa: E402

LAYOUTS = ("contiguous", "transposed", "strided", "reversed")
QUIET = dict(deadline=None, suppress_health_check=list(HealthCheck), database=None)


def laid_out(a: np.ndarray, layout: str, device: str, requires_grad: bool = True) -> mg.Tensor:
    """A leaf whose array has these values in that layout, as a view in the device's own memory."""
    home = mg.device(device)
    if layout == "transposed" and a.ndim:
        array = home.asarray(np.ascontiguousarray(a.T)).T
    elif layout == "strided" and a.ndim:
        array = home.asarray(np.repeat(a, 2, -1))[..., ::2]
    elif layout == "reversed" and a.ndim:
        array = home.asarray(np.ascontiguousarray(a[::-1]))[::-1]
    else:
        array = home.asarray(a.copy())
    return mg.Tensor(array, requires_grad, home)


def host(x: mg.Tensor) -> np.ndarray:
    return x.device.numpy(x.detach().data)


def check(example: Example, device: str, seed: int, layout: str) -> None:
    """All of it for one example."""
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(values(rng, s, example.kind, i)) for i, s in enumerate(example.shapes)]
    want = np.asarray(example.ref(*arrays))
    xs = [laid_out(a, layout, device) for a in arrays]
    y = example.ours(*xs)
    mg.compare(y, want, rtol=1e-9, atol=1e-11, name="value")
    assert y.requires_grad == example.tracked
    for x, a in zip(xs, arrays, strict=True):
        np.testing.assert_array_equal(host(x), a, err_msg="an input was written to")
    singles = [laid_out(a.astype(np.float32), layout, device) for a in arrays]
    narrow = example.ours(*singles)
    assert narrow.dtype == (np.float32 if want.dtype == np.float64 else want.dtype), "float32 did not stay float32"
    if not example.tracked:
        return
    g = rng.standard_normal(want.shape)
    y.backward(mg.tensor(g, device=device), retain_graph=True)
    narrow.backward(mg.tensor(g.astype(np.float32), device=device))
    plain = [laid_out(a, "contiguous", device) for a in arrays]
    example.ours(*plain).backward(mg.tensor(g, device=device))
    for x, single, other, a in zip(xs, singles, plain, arrays, strict=True):
        assert x.grad.shape == x.shape and x.grad.dtype == np.float64 and single.grad.dtype == np.float32
        np.testing.assert_allclose(host(x.grad), host(other.grad), rtol=1e-12, atol=1e-12, err_msg="layout")
        np.testing.assert_array_equal(host(x), a, err_msg="backward wrote to an input")
    assert mg.gradcheck(example.ours, plain, order=example.order, tol=2e-6, directions=1)


def hold(name: str, device: str, examples: int, derandomize: bool) -> None:
    """Draw examples of one primitive and check each."""
    @settings(max_examples=examples, derandomize=derandomize, **QUIET)
    @given(st.data())
    def test(data):
        check(CASES[name](data.draw), device, data.draw(st.integers(0, 2 ** 16)), data.draw(st.sampled_from(LAYOUTS)))
    test()


@pytest.mark.parametrize("name", CASES)
def test_value_gradient_dtype_and_inputs_are_right_whatever_is_drawn(name, device):
    """Shapes, stretches and layouts that nobody thought of are where engines break."""
    hold(name, device, 25, derandomize=True)


@pytest.mark.proof
def test_value_gradient_dtype_and_inputs_are_right_in_300_new_examples(device, proof_record):
    """The same, drawn anew on every run."""
    for name in CASES:
        hold(name, device, 300, derandomize=False)
    proof_record(f"properties_{device}", {"primitives": len(catalogue()), "cases": len(CASES), "examples_each": 300})


def test_every_primitive_is_drawn():
    """A primitive without a case would be a primitive without a test."""
    assert len(catalogue()) > 60
    assert set(catalogue()) <= set(CASES), f"no case for {sorted(set(catalogue()) - set(CASES))}"


@pytest.mark.parametrize("name", catalogue())
def test_the_first_line_of_a_primitive_is_its_formula(name):
    """`y = ...;  da = ...`: it is read by the catalogue, the step player and students."""
    line = catalogue()[name].fn.__doc__.split("\n")[0]
    head = re.fullmatch(r"y(_\w+|_\([^)]*\))? = [^;]+;  (.+)", line)
    assert head, f"{name}: {line!r} is not `y = ...;  da = ...`"
    assert head[2] == "no gradient" or re.match(r"d[a-z](_\w+|_\([^)]*\))? = \S", head[2]), f"{name}: {head[2]!r}"


def wrong(kind: str):
    """A primitive with one defect, as an Example."""
    from minigrad.tensor import primitive

    @primitive
    def twice(xp, a):
        """y = 2 a;  da = 2 g"""
        if kind == "writes":
            a[...] = a * 1.5
        y = a * 2
        if kind == "widens":
            y = y.astype("float64")
        return y * (1.01 if kind == "value" else 1), lambda g: (g * (3 if kind == "gradient" else 2),)
    return Example(twice, lambda a: a * 2, [(2, 3)])


@pytest.mark.parametrize("kind", ["writes", "widens", "value", "gradient"])
def test_the_check_says_no_to_a_primitive_with_a_defect(kind, device):
    """A checker that cannot fail proves nothing."""
    check(wrong("nothing"), device, 0, "contiguous")
    with pytest.raises((AssertionError, mg.GradError, mg.DTypeError)):
        check(wrong(kind), device, 0, "contiguous")
