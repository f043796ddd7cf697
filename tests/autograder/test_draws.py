"""The inputs of a Check: what float32 does to them and what it leaves."""

import numpy as np

from autograder.draws import Draw, as_float32, is_thoughtless, widened


def test_only_arrays_of_float64_become_float32_however_deep_they_lie():
    """Ids and masks must stay what they are, or a draw in float32 asks for something else."""
    args = (np.ones(2), (np.arange(3), [np.zeros((1, 1)), np.array([True])]), 0.5, "a")
    x, (ids, [deep, mask]), number, text = as_float32(args)
    assert x.dtype == deep.dtype == np.float32 and ids.dtype.kind == "i" and mask.dtype == bool
    assert (number, text) == (0.5, "a") and args[0].dtype == np.float64
    assert Draw((x, ids)).float32 and not Draw((ids, mask)).float32 and widened(x).dtype == np.float64


def test_one_number_everywhere_or_on_the_diagonal_is_no_answer():
    """Seven in every entry has the right shape, and a multiple of the identity is orthogonal whatever was drawn."""
    args = (np.arange(4.0).reshape(2, 2),)
    for value in (np.full((2, 3), 7.0), 0.5 * np.eye(3), [np.full(2, 3.0), np.zeros(2)], args[0].copy(), 0, None):
        assert is_thoughtless(value, args), value
    for value in (np.array([7.0]), np.array([1.0, 2.0]), np.diag([1.0, 2.0]), 7.0, [np.zeros(2), np.arange(2.0)]):
        assert not is_thoughtless(value, args), value
