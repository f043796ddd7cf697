"""The drawn graph and the walk behind it: what is shown is what backward() does, and looking changes nothing."""
from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, viz
from minigrad.viz.layout import layered
from minigrad.viz.walk import walk


def small(device="cpu"):
    W = mg.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True, device=device)
    x = mg.tensor([[1.0, 2.0], [3.0, -1.0], [0.0, 1.0]], device=device)
    h = mg.tanh(x @ W.T)
    return W, (h ** 2).mean() + 0.5 * (W * W).sum()


@pytest.mark.parametrize("build", [lambda: nn.RNN(3, 4), lambda: nn.RNN(3, 4, fused=False), lambda: nn.GRU(3, 4),
                                   lambda: nn.LSTM(3, 4, 2, bidirectional=True)], ids=["fused", "rnn", "gru", "lstm"])
def test_the_gradients_that_are_drawn_are_those_of_backward(build):
    """The walk repeats the engine's steps: a difference would teach something false."""
    model = build()
    x = mg.randn(5, 2, 3, requires_grad=True)
    y, _ = model(x)
    loss = (y * y).sum() + y[0].sum()
    w = walk(loss, model)
    loss.backward()
    for p in [*model.parameters(), x]:
        np.testing.assert_array_equal(w.arrays[w.leaves[id(p)]], p.grad.numpy())


def test_looking_frees_nothing_stores_nothing_and_runs_no_hook(device):
    """A student draws, then trains: the drawing must leave no trace."""
    W, loss = small(device)
    calls = []
    W.register_hook(calls.append)
    viz.graph(loss)
    viz.step(loss)
    assert W.grad is None and not calls
    loss.backward()
    assert W.grad is not None and len(calls) == 1


def test_a_box_tells_operation_shape_gradient_and_line():
    """These four are what the drawing is for."""
    W, loss = small()
    svg = viz.graph(loss, {"W": W}).svg
    texts = [t.text for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "W" in texts and "(2, 2)" in texts and "matmul" in texts and "pow  2" in texts
    assert any(re.fullmatch(r"line \d+ h = mg.tanh\(x @ W.T\)", t) for t in texts)
    loss.backward()
    norm = float(np.sqrt((W.grad.numpy() ** 2).sum()))
    assert f"|g| = {norm:.3g}, a sum of 3" in texts       # once from the product, twice from the square


def test_a_weight_that_is_used_twice_is_one_box():
    """Sharing over time is seen as several arrows from one box."""
    W, loss = small()
    svg = viz.graph(loss).svg
    assert svg.count('class="box leaf"') == 1
    assert len(set(re.findall(r'class="edge from-(n\d+) to-l', svg))) == 2


def test_a_tensor_that_is_not_a_single_value_is_drawn_without_gradients():
    """The graph of an output can be looked at before there is a loss; with gradient= it has gradients."""
    y = mg.ones(3, requires_grad=True) * 2
    assert "|g|" not in viz.graph(y).svg
    assert "|g|" in viz.graph(y, gradient=mg.ones(3)).svg


def test_names_are_text_and_never_markup():
    """A leaf may be called anything; the drawing stays a drawing."""
    W, loss = small()
    evil = '</text><script>alert(1)</script>"\x00&'
    drawing = viz.graph(loss, {evil: W})
    root = ET.fromstring(drawing.svg)
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert any((t.text or "").startswith("</text><script>alert(1)") for t in root.iter())
    assert "<script>" not in drawing.svg and '\\"' in drawing.dot


def test_dot_is_a_graph_that_graphviz_can_read():
    """Every edge joins two nodes that are declared."""
    W, loss = small()
    dot = viz.graph(loss, {"W": W}).dot
    declared = set(re.findall(r"^  (\w+) \[label=", dot, re.M)) - {"node"}
    edges = re.findall(r"^  (\w+) -> (\w+);$", dot, re.M)
    assert edges and {k for e in edges for k in e} == declared
    assert dot.startswith("digraph minigrad {\n") and dot.endswith("}\n")


def test_a_freed_graph_and_an_untracked_tensor_are_refused_with_the_fix():
    """Drawing after backward() is the first thing that goes wrong."""
    _, loss = small()
    loss.backward()
    with pytest.raises(mg.GraphFreedError, match=r"(?s)cannot be drawn.*freed  : by test_graph.py.*draw before"):
        viz.graph(loss)
    with pytest.raises(mg.GradError, match="no graph to draw"):
        viz.graph(mg.ones(2))
    with pytest.raises(TypeError, match="not from float"):
        viz.graph(1.0)


def test_a_value_that_was_overwritten_is_refused_as_backward_refuses_it():
    """Otherwise the picture would show gradients that backward() does not give."""
    W, loss = small()
    with mg.no_grad():
        W.mul_(2)
    with pytest.raises(mg.InplaceError):
        viz.graph(loss)


def test_a_long_graph_is_cut_and_says_so():
    """Nobody reads 1,000 boxes, and a drawing that hides some must tell."""
    y = x = mg.ones(2, requires_grad=True)
    for _ in range(1000):
        y = y * 1.01
    svg = viz.graph(y.sum(), {"x": x}, limit=10).svg
    assert svg.count('class="box op"') == 10 and "991 older operations" in svg
    with pytest.raises(ValueError, match="at least 1"):
        viz.graph(y.sum(), limit=0)


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_a_nan_in_the_gradient_is_marked():
    """The band is what the eye finds first."""
    x = mg.tensor([0.0, 1.0], requires_grad=True)
    svg = viz.graph((mg.log(x) * mg.tensor([0.0, 1.0])).sum()).svg
    assert "|g| = nan" in svg or "|g| = inf" in svg
    assert svg.count(viz.RED) > 1              # the legend has it once


def test_boxes_of_a_layout_do_not_overlap_and_children_lie_below(rng):
    """On random graphs of every width."""
    for n in (1, 2, 10, 60):
        order = [str(i) for i in range(n)]
        parents = {k: [order[j] for j in rng.integers(0, i, min(i, 3))] if i else [] for i, k in enumerate(order)}
        sizes = {k: (float(rng.integers(30, 200)), float(rng.integers(20, 80))) for k in order}
        plan = layered(parents, sizes, order)
        for i, a in enumerate(order):
            assert 0 <= plan.center[a][0] - sizes[a][0] / 2 + 1e-6 and plan.center[a][1] <= plan.height
            assert plan.center[a][0] + sizes[a][0] / 2 <= plan.width + 1e-6
            assert all(plan.center[p][1] < plan.center[a][1] for p in parents[a])
            for b in order[:i]:
                dx, dy = (abs(plan.center[a][k] - plan.center[b][k]) for k in (0, 1))
                assert dx >= (sizes[a][0] + sizes[b][0]) / 2 or dy >= (sizes[a][1] + sizes[b][1]) / 2


def test_a_drawing_shows_itself_in_a_notebook_and_is_saved(tmp_path):
    """Jupyter asks for _repr_svg_."""
    _, loss = small()
    drawing = viz.graph(loss)
    assert drawing._repr_svg_() == drawing.svg and repr(drawing) == "<graph of 9 operations and 1 leaves>"
    assert drawing.save(tmp_path / "g.svg").read_text(encoding="utf-8") == drawing.svg
    assert drawing.save(tmp_path / "g.dot").read_text(encoding="utf-8") == drawing.dot
    with pytest.raises(ValueError, match="not as 'g.png'"):
        drawing.save(tmp_path / "g.png")
