"""Escalera, *Process Sequences*: films, one label a film, one a frame, the next frame; and the bars."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.films import bouncing_films, drifting_films, walking_films
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._films_shown import following, pair, walk
from minigrad.experiments.frames import LABELS, LARGE, brightest, frames, train
from minigrad.models.video import FilmReader, NextFrame
from tests.lines import ROOT, code_lines


def test_the_brightest_pixel_of_a_frame_is_found(rng):
    x = bouncing_films(rng, 20, size=LARGE)
    at = brightest(x)
    assert at.shape == (20, 10) and all(x[k, t].ravel()[at[k, t]] == 1 for k in range(20) for t in range(10))


@pytest.mark.parametrize("part", ["film", "frame", "next"])
def test_training_gives_the_same_losses_on_every_device(part, device, tmp_path, rng):
    """The same start and order; sums of float32 in another order differ in the last digits, more with each step."""
    films = bouncing_films(rng, 20)
    make, x, y = {"film": (lambda: FilmReader(8, 2), *drifting_films(rng, 10)),
                  "frame": (lambda: FilmReader(8, 4, every_frame=True), *walking_films(rng, 10)),
                  "next": (NextFrame, films[:, :-1], brightest(films[:, 1:]))}[part]       # 20 films: one batch
    losses = []
    for where in ("cpu", device):
        ctx = harness.Context(tmp_path / where, 0, True, where, False, Console(quiet=True))
        train(ctx, "p", make, x, y, epochs=8, rate=5e-3)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-2) and losses[0][-1] < losses[0][0]


def test_a_frame_without_a_label_costs_nothing(tmp_path, rng):
    """Of walking films the first frame: with all labels gone but one, the loss is that one's."""
    x, y = walking_films(rng, 1)
    y[:] = -100
    y[0, 3] = 2
    ctx = harness.Context(tmp_path, 0, True, "cpu", False, Console(quiet=True))
    train(ctx, "p", lambda: FilmReader(8, 4, every_frame=True), x, y, epochs=2, rate=1e-2)
    assert abs(ctx.history["p loss"][0][1] - np.log(4)) < 0.3              # small weights: each label about 1/4


def test_the_strips_show_the_answers_that_they_are_given(rng):
    pytest.importorskip("matplotlib")
    films, walks = drifting_films(rng, 2), walking_films(rng, 2)

    def texts(figure):
        return " ".join(t.get_text() for t in figure.texts)
    assert "GRU: to the left" in texts(pair(films, {"GRU": np.zeros(4, int)}, "t"))
    said = np.where(walks.y < 0, 0, walks.y)
    assert "(" not in texts(walk(walks, {"GRU": said}, "t")) and "(" in texts(walk(walks, {"GRU": said ^ 1}, "t"))
    film = bouncing_films(rng, 1, frames=4, size=6)[0]
    drawn = following(film, {"sure": 20 * film[1:]}, "t").axes
    assert len(drawn) == 4 + 3                                 # nothing is said of the first frame
    assert np.allclose(drawn[4].images[0].get_array(), film[1], atol=1e-6)


def test_the_bars_say_no_to_a_guess_and_to_frames_alone_that_know_too_much():
    good = {"film": 1.0, "film_alone": 0.5, "frame": 0.99, "frame_one": 0.28, "frame_two": 0.78, "next": 1.0,
            "next_alone": 0.28, "next_copy": 0.0}
    assert set(good) == set(LABELS)

    def missed(**changed):
        return [v["target"] for v in frames._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert not missed()
    for name, value in (("film", 0.9), ("frame", 0.9), ("next", 0.9), ("frame_one", 0.5), ("frame_two", 0.9),
                        ("next_alone", 0.6), ("next_copy", 0.01)):
        assert missed(**{name: value}) == [name]
    for value in (0.49, 0.51):
        assert "one half" in missed(film_alone=value)[0]


def test_the_file_has_under_100_lines_of_code():
    assert code_lines(ROOT / "minigrad/experiments/frames.py") < 100


@pytest.mark.proof
def test_the_medians_of_three_seeds_reach_the_bars(tmp_path, proof_record):
    record = frames.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("frames", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                   "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
