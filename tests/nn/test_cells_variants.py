"""Cells with the decks' options: one step of the equation, and the same parameters as a layer."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError

from . import formulas
from .formulas import FORMS
from .test_recurrent_options import build, numpy

CELLS = {form: spec for form, spec in FORMS.items() if "skip" not in spec[1]}


def cell_of(form, device="cpu", **options):
    name, own = FORMS[form]
    return getattr(nn, name + "Cell")(3, 4, **own, **options).to(mg.float64).to(device)


@pytest.mark.parametrize("bias", [True, "one", False], ids=["two", "one", "none"])
@pytest.mark.parametrize("form", CELLS)
def test_a_cell_computes_one_step_of_the_decks_equation(device, rng, form, bias):
    """Against plain NumPy, batched and not, with a state and without."""
    name, own = FORMS[form]
    cell = cell_of(form, device, bias=bias)
    w = formulas.arrays(cell)
    x, states = rng.standard_normal((2, 3)), [rng.standard_normal((2, n)) for n in cell.state_sizes]

    def call(x, *states):
        x, *states = [mg.tensor(v, device=device) for v in (x, *states)]
        out = cell(x, *[tuple(states) if len(states) > 1 else states[0]] if states else [])
        return [numpy(part) for part in (out if isinstance(out, tuple) else (out,))]
    for start, given in ((states, states), ([0 * s for s in states], [])):
        want = [formulas.one_way(name, own, x[b:b + 1], [s[b] for s in start], w)[1] for b in range(2)]
        for part, parts in zip(call(x, *given), zip(*want, strict=True), strict=True):
            np.testing.assert_allclose(part, parts, rtol=1e-12)
        for part, alone in zip(call(x[0], *[s[0] for s in given]), want[0], strict=True):
            np.testing.assert_allclose(part, alone, rtol=1e-12)


@pytest.mark.parametrize("form", CELLS)
def test_a_layer_is_its_cell_called_at_every_step(device, rng, form):
    """One form, one set of parameters, one result: outputs and gradients."""
    layer, cell = build(form, 3, 4, device=device), cell_of(form, device)
    assert list(cell.state_dict()) == [k.removesuffix("_l0") for k in layer.state_dict()]
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = mg.tensor(rng.standard_normal((6, 2, 3)), device=device)
    state, outputs = None, []
    for x_t in x:
        state = cell(x_t, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    y, _ = layer(x)
    np.testing.assert_allclose(numpy(y), numpy(mg.stack(outputs)), rtol=1e-11, atol=1e-13)
    (mg.stack(outputs) ** 3).sum().backward()
    (y ** 3).sum().backward()
    for (name, p), q in zip(layer.named_parameters(), cell.parameters(), strict=True):
        np.testing.assert_allclose(numpy(p.grad), numpy(q.grad), rtol=1e-10, atol=1e-12, err_msg=name)


def test_the_weights_of_a_cell_are_what_its_step_takes():
    """A named tuple, None where the form has none: what `nn.bptt` and a hand-written loop read."""
    cell = cell_of("full-projected", bias="one")
    w = cell.weights
    assert w.ih is cell.weight_ih and w.hr is cell.weight_hr and w.ch is cell.weight_ch
    assert w.b_ih is cell.bias_ih and w.b_hh is None and w.sh is None


def test_a_state_of_the_wrong_size_is_named():
    """With a projection h and c differ."""
    cell = nn.LSTMCell(3, 4, proj_size=2)
    with pytest.raises(ShapeError, match=r"the state of LSTMCell is \(5, 4\), and x \(5, 3\) needs \(5, 2\)"):
        cell(mg.zeros(5, 3), (mg.zeros(5, 4), mg.zeros(5, 4)))
