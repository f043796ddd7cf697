"""Escalera, *Character-level Language Model*: the letters, the two models, what they spell, and the bars."""
from __future__ import annotations

import json
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import one_hot_text
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.hello import FLOOR, hello, train
from minigrad.models import CharRNN, MemorylessChar, spell


def test_the_inputs_are_h_e_l_l_and_the_answers_e_l_l_o():
    x, y, letters = one_hot_text("hello")
    assert letters == "helo" and x.shape == (1, 4, 4) and x.dtype == np.float32
    assert "".join(letters[k] for k in x[0].argmax(-1)) == "hell" and (x.sum(-1) == 1).all()
    assert "".join(letters[k] for k in y[0]) == "ello"


@pytest.mark.parametrize("text", ["", "h"])
def test_a_text_in_which_nothing_follows_is_refused(text):
    with pytest.raises(ValueError, match="at least two letters"):
        one_hot_text(text)


def test_no_memoryless_model_lies_below_the_floor():
    """The best answer after a letter is its share in the data: exactly 1/2 for l, which comes to 2 ln 2 / 4."""
    x, y, _ = one_hot_text("hello")
    counts = x[0].T @ np.eye(4)[y[0]]                          # (V, V): letter and the one after
    p = (counts / np.maximum(counts.sum(1, keepdims=True), 1))[x[0].argmax(-1), y[0]]
    assert math.isclose(-np.log(p).mean(), FLOOR) and math.isclose(FLOOR, 0.34657359)
    rng = np.random.default_rng(0)
    for scores in rng.normal(size=(200, 4, 4)) * 3:
        q = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        assert -np.log(q[x[0].argmax(-1), y[0]]).mean() > FLOOR


def test_the_network_is_the_slides_equation():
    """h_t = tanh(W_hh h_(t-1) + W_xh x_t), y_t = W_hy h_t: three matrices and no bias."""
    model = CharRNN(4, 3).to(mg.float64)
    w_xh, w_hh, w_hy = (p.detach().numpy() for p in model.parameters())
    x, _, _ = one_hot_text("hello")
    h, want = np.zeros(3), []
    for x_t in x[0]:
        h = np.tanh(w_hh @ h + w_xh @ x_t)
        want.append(w_hy @ h)
    got, last = model(mg.tensor(x.astype(float)))
    assert np.allclose(got.detach().numpy()[0], want, atol=1e-14)      # float64, sums of at most four products
    assert np.allclose(last.detach().numpy()[0, 0], h, atol=1e-14)


def test_a_memoryless_model_answers_both_l_alike_and_the_network_does_not():
    x = mg.tensor(one_hot_text("hello")[0])
    for model, alike in ((MemorylessChar(4), True), (CharRNN(4, 3), False)):
        scores = model(x)[0].detach().numpy()[0]
        assert np.allclose(scores[2], scores[3]) == alike


def test_what_is_spelled_is_drawn_from_the_model_and_fed_back(device):
    """A model that is sure of the letter two after the one it gets: h l h l, whatever the generator."""
    model = MemorylessChar(4).to(device)
    model.read.weight = mg.nn.Parameter(mg.tensor(100 * np.eye(4, dtype=np.float32)[[2, 3, 0, 1]], device=device))
    assert spell(model, "helo", "h", 5, np.random.default_rng(0)) == "hlhlh"
    drawn = [spell(MemorylessChar(4), "helo", "h", 2, np.random.default_rng(k))[1] for k in range(40)]
    assert set(drawn) == set("helo")                           # small weights: each letter has about one quarter
    with pytest.raises(ValueError, match="cannot begin with 'x'"):
        spell(model, "helo", "x", 3, np.random.default_rng(0))


@pytest.mark.parametrize("make", [lambda: CharRNN(4, 3), lambda: MemorylessChar(4)], ids=["rnn", "memoryless"])
def test_training_gives_the_same_losses_on_every_device(make, device, tmp_path):
    """The same start; sums of float32 in another order differ in the last digits."""
    x, y, _ = one_hot_text("hello")
    losses = []
    for where in ("cpu", device):
        ctx = harness.Context(tmp_path / where, 0, True, where, False, Console(quiet=True))
        ctx.part("p")
        train(ctx, ctx.to_device(make()), x, y, steps=20)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-4) and losses[0][-1] < losses[0][0]


def test_a_quick_run_prints_every_row_and_writes_figure_and_numbers(tmp_path, capsys):
    hello.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(row in table for row in hello.labels.values())
    folder = tmp_path / "hello/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert set(record["results"]) == set(hello.labels) and all(v["met"] is None for v in record["targets"])
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["answers.png"]
    assert (folder / "answers.png").read_bytes().startswith(b"\x89PNG")


def test_the_bars_say_no_to_three_of_four_letters_and_to_a_baseline_that_remembers():
    good = {"accuracy": 1.0, "loss": 1e-3, "spelled": 1.0, "memoryless_accuracy": 0.75, "memoryless": 0.3475,
            "memoryless_spelled": 0.26}

    def missed(**changed):
        return [v["target"] for v in hello._verdicts({**good, **changed}, quick=False) if not v["met"]]
    assert not missed()
    for name, value in (("accuracy", 0.75), ("loss", 0.03), ("spelled", 0.9)):
        assert missed(**{name: value}) == [name]
    assert "0.347" in missed(memoryless=0.1)[0] and "0.347" in missed(memoryless=0.36)[0]
    assert "3 letters" in missed(memoryless_accuracy=1.0)[0] and "quarter" in missed(memoryless_spelled=0.5)[0]


@pytest.mark.proof
def test_five_seeds_spell_hello(tmp_path, proof_record):
    record = hello.execute(range(5), out=tmp_path, console=Console(quiet=True))
    proof_record("hello", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                  "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
