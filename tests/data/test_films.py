"""Films: what a pair shares, which labels it has, and that the naive rules are at chance."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.films import LEFT, MOTIONS, NOISE, RIGHT, bouncing_films, drifting_films, walking_films


def place(x):
    """Column of the ball's left edge in each frame, (N, T): where the mean of 2 x 2 pixels is brightest."""
    wide = x + np.roll(x, -1, -1)
    return (wide + np.roll(wide, -1, -2)).max(2).argmax(-1)


def test_a_drifting_film_moves_the_way_its_label_says(rng):
    x, y = drifting_films(rng, 50)
    assert x.shape == (100, 8, 8, 8) and x.dtype == np.float32 and y.dtype == np.int64
    moved = (np.diff(place(x), axis=1) + 4) % 8 - 4            # -4 ... 3: the short way around
    assert set(np.unique(moved)) == {-2, -1, 1, 2} and (moved == moved[:, :1]).all()
    assert ((moved[:, 0] > 0) == (y == RIGHT)).all()


def test_a_film_and_the_next_have_the_same_frames_in_reverse_and_opposite_labels(rng):
    x, y = drifting_films(rng, 30)
    assert np.array_equal(x[0::2], x[1::2, ::-1]) and (y[0::2] + y[1::2] == LEFT + RIGHT).all()
    assert np.allclose(x[0::2].mean(1), x[1::2].mean(1), atol=1e-6)        # sums of float32 in another order


def test_the_best_rule_on_the_mean_frame_is_at_chance(rng):
    """Nearest neighbour on the mean of frames, learned from 200 films: the pair gets one answer, so one half."""
    (x, y), (xt, yt) = drifting_films(rng, 100), drifting_films(rng, 100)
    a, b = x.mean(1).reshape(200, -1), xt[0::2].mean(1).reshape(100, -1)
    said = np.repeat(y[((a[None] - b[:, None]) ** 2).sum(-1).argmin(1)], 2)
    assert (said == yt).mean() == 0.5


def test_films_differ_across_and_within_splits(rng):
    films = np.concatenate([f(rng, 40).x[0::2].reshape(40, -1)[:, :512] for f in (drifting_films,) * 2])
    assert len(np.unique(films, axis=0)) == 80


def test_a_walking_films_labels_are_its_last_motion_and_whether_it_rests(rng):
    x, y = walking_films(rng, 60)
    assert x.shape == (120, 12, 8, 8) and y.shape == (120, 12) and (y[:, 0] == -100).all() and (y[:, 1:] >= 0).all()
    moved = (np.diff(place(x), axis=1) + 4) % 8 - 4
    assert set(np.unique(moved)) == {-1, 0, 1} and (moved[:, 0] != 0).all()
    for way, labels in zip(moved, y[:, 1:], strict=True):
        last = 0
        for step, label in zip(way, labels, strict=True):
            last = step or last
            assert MOTIONS[label] == ("" if step else "rests after ") + ("left" if last < 0 else "right")


def test_a_walking_film_and_its_mirror_image_have_mirrored_labels(rng):
    x, y = walking_films(rng, 30)
    assert np.array_equal(x[0::2], x[1::2, ..., ::-1])
    counts = np.bincount(y[y >= 0], minlength=4)
    assert counts[0] == counts[1] and counts[2] == counts[3] and counts[2:].sum() > 0.35 * counts.sum()


def test_where_a_walking_ball_is_says_nothing_about_its_label(rng):
    """The share of each label is the same in every column, up to its standard error of 0.01 times 4."""
    x, y = walking_films(rng, 1000)
    columns, labels = place(x)[:, 1:].ravel(), y[:, 1:].ravel()
    shares = np.array([np.bincount(labels[columns == c], minlength=4) / (columns == c).sum() for c in range(8)])
    assert np.abs(shares - shares.mean(0)).max() < 0.04


def test_the_noise_is_as_wide_as_the_constant_says(rng):
    x = drifting_films(rng, 100).x
    assert np.isclose(x[x < 0.5].std(), NOISE, rtol=0.02) and np.isclose((x > 0.5).sum((2, 3)).mean(), 4, atol=0.1)


def test_a_bouncing_pixel_moves_along_both_axes_and_turns_at_the_walls(rng):
    x = bouncing_films(rng, 50, frames=20, size=6)
    assert x.shape == (50, 20, 6, 6) and x.dtype == np.float32 and (x.sum((2, 3)) == 1).all()
    for axis in (2, 3):
        at = x.sum(5 - axis).argmax(-1)                        # (N, T)
        step = np.diff(at, axis=1)
        assert (np.abs(step) == 1).all() and at.min() == 0 and at.max() == 5
        turns = step[:, 1:] != step[:, :-1]
        assert np.array_equal(turns, np.isin(at[:, 1:-1], (0, 5)))


def test_one_frame_leaves_four_next_frames_and_two_leave_one(rng):
    x = bouncing_films(rng, 500, frames=4, size=6).reshape(500, 4, -1).argmax(-1)
    after: dict = {}
    for t in (1, 2):
        for film in x:
            after.setdefault(film[t], set()).add(film[t + 1])
            after.setdefault((film[t - 1], film[t]), set()).add(film[t + 1])
    inside = [p for p in range(36) if 0 < p // 6 < 5 and 0 < p % 6 < 5]
    assert all(len(after[p]) == 4 for p in inside)
    assert all(len(found) == 1 for key, found in after.items() if isinstance(key, tuple))


@pytest.mark.parametrize("make, least", [(drifting_films, 5), (walking_films, 4), (bouncing_films, 2)])
def test_films_of_nothing_are_refused(make, least, rng):
    for count, frames, size in ((0, 8, 8), (1, 1, 8), (1, 8, least - 1)):
        with pytest.raises(ValueError, match=f"at least 1 film, 2 frames and {least} x {least} pixels"):
            make(rng, count, frames, size)
    assert np.isfinite(getattr(make(rng, 1, 2, least), "x", 0)).all()
