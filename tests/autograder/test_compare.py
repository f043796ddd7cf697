"""The comparison is strict: form and values are judged apart, and it must be able to say no."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.compare import compare, judge

A = np.array([[1.0, -2.0], [0.5, 3.0]])


@pytest.mark.parametrize(("got", "want"), [
    (A.copy(), A), (A + 1e-9, A), (2.0, np.array(2.0)), (np.array(2.0), 2.0), (np.float64(2), 2.0), (3, 3),
    (np.int64(3), 3), (True, True), (np.bool_(True), True), ([A, (1, 2)], [A, (1, 2)]), ("hello", "hello"),
    (None, None), ({"a": A}, {"a": A}), (np.array([np.nan, np.inf]), np.array([np.nan, np.inf])),
    (np.zeros(0), np.zeros(0)), (2**70, 2**70), ({1, 2}, {1, 2}), ([], []), ([0.1, 0.2], [0.1, 0.2 + 1e-9]),
    ([0.1, np.nan], [0.1, np.nan]), ((-np.inf, 1.0), (-np.inf, 1.0)), ([1.0, 2.0, True], [1.0, 2.0, True]),
])
def test_equal_data_of_the_same_form_is_equal(got, want):
    assert compare(got, want, 1e-7) is None


@pytest.mark.parametrize(("got", "want", "kind"), [
    (A + 1e-5, A, "value"), (A.T.copy(), A, "value"), (A[0], A, "shape"), (A[None], A, "shape"),
    (A.tolist(), A, "type"),
    (A.astype(complex), A, "dtype"), (np.array([1, 2]), np.array([1.0, 2.0]), "dtype"), (2, 2.0, "dtype"),
    (2.0, 2, "dtype"), (1, True, "dtype"), (True, 1, "dtype"), (np.array([np.nan, 1]), np.array([0.0, 1]), "nonfinite"),
    (np.array([np.inf, 1]), np.array([0.0, 1]), "nonfinite"), (np.array([1.0, 1]), np.array([np.nan, 1]), "value"),
    (None, A, "type"), ("1.0", 1.0, "type"), ((1, 2), [1, 2], "type"), ([1], [1, 2], "length"),
    ([1, 3], [1, 2], "value"),
    ("hallo", "hello", "value"), ({"b": A}, {"a": A}, "length"), (A, {"a": A}, "type"), (3.0, None, "type"),
    (2**70 + 1, 2**70, "value"), (np.array([-np.inf]), np.array([np.inf]), "value"), ([[1, 2], [3]], A, "type"),
    (np.zeros((0, 3)), [], "type"), ([0.1, 0.3], [0.1, 0.2], "value"), ([0.1, np.nan], [0.1, 0.2], "nonfinite"),
    ([0.1, 0.2], [0.1, np.nan], "value"), ([np.inf, 0.2], [-np.inf, 0.2], "value"), ([0.1, 2], [0.1, 2.0], "dtype"),
])
def test_another_value_or_another_form_is_told_apart(got, want, kind):
    mismatch = compare(got, want, 1e-7)
    assert mismatch is not None and mismatch.kind == kind


@pytest.mark.parametrize(("got", "want", "sentence"), [
    (np.ones((1, 4)), np.ones(4), "(1, 4) came, (4,) is expected"),
    (np.ones(4, int), np.ones(4), "the result is an array of integers: was a division or a cast lost?"),
    ([1.0, 1.0], np.ones(2), "a list came, an array is expected"),
    ([[1, 2]], [(1, 2)], "entry 0: a list came, a tuple is expected"),
    ([1.0], [1], "entry 0: a float came, not integer"),
])
def test_right_values_in_a_wrong_form_lose_the_form_alone(got, want, sentence):
    verdict = judge(got, want, 1e-7)
    assert verdict.value is None
    assert verdict.form is not None and verdict.form.sentence == sentence


def test_wrong_values_in_a_wrong_form_lose_both():
    verdict = judge(np.ones((1, 4)), np.zeros(4), 1e-7)
    assert verdict.form is not None and verdict.value is not None


def test_the_tolerance_is_relative_to_the_largest_entry():
    want = np.array([1e6, 1.0])
    assert compare(want + 0.05, want, 1e-7) is None
    assert compare(want + 0.2, want, 1e-7) is not None


def test_in_a_batch_of_mixed_scales_each_example_is_compared_on_its_own():
    """The error of a central difference is 2e-5 of the small example, and hidden by the large one otherwise."""
    want = np.array([[1e6, -1e6], [1.0, 2.0]])
    got = want + np.array([[0, 0], [2e-5, 0]])
    assert compare(got, want, 1e-10) is None
    assert compare(got, want, 1e-10, examples=0) is not None
    assert compare(got.T, want.T, 1e-10, examples=1) is not None
    assert compare(want * (1 + 1e-14), want, 1e-10, examples=0) is None


def test_float64_from_float32_is_a_note_and_no_mistake():
    verdict = judge(A, A, 1e-4, float32=True)
    assert verdict.mismatch is None and verdict.note is not None
    assert judge(A.astype(np.float32), A, 1e-4, float32=True).note is None


def test_no_sentence_holds_an_entry():
    got, want = [np.array([0.12345, 7.25]), "word"], [np.array([0.54321, 7.25]), "text"]
    for verdict in (judge(got, want, 1e-7), judge(got[0], want[1], 1e-7), judge(got[1], want[0], 1e-7)):
        for mismatch in (verdict.form, verdict.value):
            assert mismatch is None or not any(x in mismatch.sentence for x in ("12345", "54321", "7.25", "word"))


@pytest.mark.parametrize("hostile", [[[[[[]]]]] * 3, [1, [2]], list(range(9)), {}, set(), "x" * 1000, b"1", (), 1e400,
                                     [None]])
@pytest.mark.parametrize("want", [A, 1.0, [(0, 2)], {"a": 1}, "hello", 3])
def test_whatever_comes_the_comparison_says_no_and_does_not_raise(hostile, want):
    assert compare(hostile, want, 1e-7) is not None
