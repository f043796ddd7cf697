"""The player of backward(): it plays what the engine does, obeys its buttons, and lets no name become code."""
from __future__ import annotations

import json
import re
from html import unescape

import pytest

import minigrad as mg
from minigrad import viz

from .browser import dom, needs_browser


def page_data(player) -> dict:
    return json.loads(re.search(r"^const data = (.*);$", player.html, re.M)[1])


def example():
    W = mg.tensor([[0.5, -1.0]], requires_grad=True)
    b = mg.tensor([0.5], requires_grad=True)
    h = mg.tanh(mg.tensor([[1.0, 2.0], [3.0, -1.0]]) @ W.T + b)
    return W, b, (h ** 2).sum()


def test_the_steps_are_the_nodes_from_the_newest_to_the_oldest():
    """The order in which backward() goes is the lesson."""
    W, b, loss = example()
    data = page_data(viz.step(loss, {"W": W, "b": b}))
    assert [m["op"] for m in data["moves"]] == ["sum", "pow", "tanh", "add", "matmul", "permute"]
    tanh = data["moves"][2]
    assert tanh["formula"] == "y = tanh a" and tanh["rule"] == "da = g (1 - y^2)"
    assert tanh["source"].startswith("test_step.py:") and tanh["incoming"][0]["shape"] == "(2, 1)"
    assert data["moves"][0]["incoming"][0]["corner"] == [[1.0]]
    bias = next(s for s in data["moves"][3]["sent"] if s["name"] == "b")
    assert bias["stretched"] == "(2, 1)" and bias["g"]["shape"] == "(1,)" and bias["input"] == 2
    loss.backward()
    assert bias["g"]["corner"][0] == pytest.approx(b.grad.tolist())


def test_several_outputs_of_one_node_are_shown_one_by_one():
    """A piece that nobody used gets no gradient, and the page says so."""
    x = mg.ones(4, 2, requires_grad=True)
    a, _ = x.split(2)
    split = page_data(viz.step(a.sum()))["moves"][-1]
    assert [g is None for g in split["incoming"]] == [False, True]


def test_the_page_loads_nothing_from_elsewhere():
    """It is opened from disk, in a classroom without a network."""
    html = viz.step(example()[2]).html
    assert not re.search(r"(src|href)=|@import|url\((?!#)", html)
    assert "default-src 'none'" in html and "http" not in html.replace("http://www.w3.org/2000/svg", "").replace(
        "http-equiv", "")


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_nan_and_infinity_are_on_the_page_as_words():
    """JSON has no NaN: a page with one would show nothing at all."""
    x = mg.tensor([0.0, 1.0], requires_grad=True)
    data = page_data(viz.step((mg.sqrt(x) * mg.tensor([0.0, 1.0])).sum()))
    assert "NaN" in data["moves"][-1]["sent"][0]["g"]["corner"][0]


def test_a_long_graph_is_cut_and_the_page_says_so():
    """The newest steps are kept."""
    y = mg.ones(2, requires_grad=True)
    for _ in range(500):
        y = y * 1.01
    data = page_data(viz.step(y.sum(), limit=20))
    assert len(data["moves"]) == 20 and data["hidden"] == 481


def test_a_notebook_shows_the_player_in_a_frame_of_its_own(tmp_path):
    """Its style and script must not meet the notebook's."""
    player = viz.step(example()[2])
    frame = player._repr_html_()
    assert frame.count("<") == 2 and 'sandbox="allow-scripts"' in frame
    assert unescape(re.search(r'srcdoc="([^"]*)"', frame)[1]) == player.html
    assert player.save(tmp_path / "p.html").read_text(encoding="utf-8") == player.html
    assert repr(player) == "<player of 6 steps>"


def test_a_loss_that_cannot_be_walked_is_refused():
    """The same errors as backward()'s."""
    with pytest.raises(mg.GradError, match="needs a single value"):
        viz.step(mg.ones(3, requires_grad=True) * 2)
    loss = example()[2]
    loss.backward()
    with pytest.raises(mg.GraphFreedError):
        viz.step(loss)


# ---------------------------------------------------------------------------------------------- in the browser

@pytest.fixture
def page(tmp_path):
    W, b, loss = example()
    return viz.step(loss, {"W": W, "b": b}).save(tmp_path / "p.html")


def shown(html: str) -> tuple[str, str]:
    """The step that the page is at, and the name of its operation."""
    return re.search(r'id="count">([^<]*)<', html)[1], re.search(r'class="title">([^<]*)<', html)[1].strip()


@needs_browser
def test_the_page_begins_at_the_step_in_its_address(page, tmp_path):
    """And at the start without one."""
    assert shown(dom(page, tmp_path / "a")) == ("step 0 of 6", "Start")
    html = dom(page, tmp_path / "b", at="step=3")
    assert shown(html) == ("step 3 of 6", "tanh") and "da = g (1 - y^2)" in html
    assert len(re.findall(r'class="box op [^"]*now"', html)) == 1 and len(re.findall(r"edge [^\"]*lit", html)) == 1


KEY = "dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}));"
CLICK = "document.getElementById('%s').click();"


@needs_browser
@pytest.mark.parametrize("script, expected", [
    (CLICK % "next" * 2, ("step 2 of 6", "pow")), (CLICK % "last", ("step 6 of 6", "permute")),
    (CLICK % "last" + CLICK % "back", ("step 5 of 6", "matmul")),
    (CLICK % "last" + CLICK % "first", ("step 0 of 6", "Start")),
    (CLICK % "back", ("step 0 of 6", "Start")), (CLICK % "last" + CLICK % "next", ("step 6 of 6", "permute")),
    (KEY % "ArrowRight" * 4 + KEY % "ArrowLeft", ("step 3 of 6", "tanh")), (KEY % "End", ("step 6 of 6", "permute")),
    (KEY % "End" + KEY % "Home", ("step 0 of 6", "Start")), (KEY % " ", ("step 3 of 6", "tanh")),
    (KEY % " " * 2, ("step 0 of 6", "Start")), (CLICK % "play", ("step 3 of 6", "tanh")),
    ("slider.value = 4; slider.dispatchEvent(new Event('input'));", ("step 4 of 6", "add")),
], ids=["next", "last", "back", "first", "back at the start", "next at the end", "arrows", "end", "home", "space plays",
        "space pauses", "play", "slider"])
def test_buttons_keys_and_slider_move_the_player(page, tmp_path, script, expected):
    """Playing takes 1.1 s a step: three steps in the 4 s that the browser pretends to wait."""
    assert shown(dom(page, tmp_path / "profile", script)) == expected


@needs_browser
def test_a_hostile_name_runs_nothing_in_the_page(tmp_path):
    """Names of leaves, modules and source lines come from a program that somebody else may have written."""
    W, b, loss = example()
    evil = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    page = viz.step(loss, {evil: W, "b": b}).save(tmp_path / "p.html")
    html = dom(page, tmp_path / "profile", at="step=6")
    assert "<title>backward(), step by step</title>" in html and "<img" not in html
    assert shown(html) == ("step 6 of 6", "permute")


@needs_browser
def test_the_browser_reads_the_saved_drawing(tmp_path):
    """An SVG file that a browser cannot parse shows an error page instead."""
    html = dom(viz.graph(example()[2]).save(tmp_path / "g.svg"), tmp_path / "profile")
    assert "parsererror" not in html and html.count("<rect") > 6
