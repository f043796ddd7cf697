"""Handwritten digits: what they are, who is tested in which split, and what is said without scikit-learn."""
from __future__ import annotations

import sys

import numpy as np
import pytest

from minigrad.data.handwriting import MissingDigitsError, digit_images, digit_sets
from minigrad.errors import MinigradError
from minigrad.install import install_line


@pytest.fixture
def sklearn():
    return pytest.importorskip("sklearn.datasets")


def test_a_picture_is_8_rows_of_8_pixels_between_paper_and_ink(sklearn):
    x, y = digit_images()
    assert x.shape == (1797, 8, 8) and x.dtype == np.float32 and x.min() == 0 and x.max() == 1
    assert y.shape == (1797,) and y.dtype == np.int64 and set(y) == set(range(10))
    assert (x * 16 == sklearn.load_digits().images).all()


def test_the_ordered_split_tests_on_the_last_pictures(sklearn):
    x, y = digit_images()
    data = digit_sets(np.random.default_rng(0), "ordered", test=0.2)
    assert (data.x_train == x[:1438]).all() and (data.y_train == y[:1438]).all()
    assert (data.x_test == x[1438:]).all() and (data.y_test == y[1438:]).all()


def test_the_random_split_has_every_picture_once_with_its_digit_and_depends_on_the_seed(sklearn):
    x, y = digit_images()
    data, other = (digit_sets(np.random.default_rng(seed)) for seed in (0, 1))
    assert len(data.x_train) == 1348 and len(data.x_test) == 449

    def listed(x, y):
        return sorted((picture.tobytes(), int(digit)) for picture, digit in zip(x, y, strict=True))
    assert listed(np.r_[data.x_train, data.x_test], np.r_[data.y_train, data.y_test]) == listed(x, y)
    assert not (data.y_test == other.y_test).all() and not (data.y_test == y[1348:]).all()


def test_no_picture_is_in_both_parts(sklearn):
    for split in ("random", "ordered"):
        data = digit_sets(np.random.default_rng(0), split)
        assert not {p.tobytes() for p in data.x_train} & {p.tobytes() for p in data.x_test}


@pytest.mark.parametrize("options, text", [
    ({"split": "writers"}, "split is one of random, ordered, not 'writers'"),
    ({"test": 0.0}, "a share of 0.0 of 1797 pictures leaves one part empty"),
    ({"test": 1.0}, "a share of 1.0 of 1797 pictures leaves one part empty")])
def test_a_split_that_is_none_is_refused(options, text, sklearn, rng):
    with pytest.raises(ValueError) as caught:
        digit_sets(rng, **options)
    assert str(caught.value) == text


def test_without_scikit_learn_the_error_says_what_to_type(monkeypatch, rng):
    """Whoever runs `digits` on a small installation must not meet a traceback of somebody else's import."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingDigitsError) as caught:
        digit_sets(rng)
    assert str(caught.value) == ("the handwritten digits come with scikit-learn, which is not installed.\n"
                                 f"  fix: {install_line('data')}")
    assert isinstance(caught.value, MinigradError) and isinstance(caught.value, ImportError)


def test_the_module_is_imported_without_scikit_learn(monkeypatch):
    """`minigrad list` imports every experiment."""
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for name in ("minigrad.experiments.digits", "minigrad.data.handwriting"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import minigrad.experiments.digits  # noqa: F401
