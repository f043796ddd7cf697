# %% [markdown]
r"""
# An assignment to attack
"""

# %% nbgrader={"grade_id": "setup", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

# %% nbgrader={"grade_id": "double", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def double(x):
    """Twice x, a new array. x (B,)"""
    ### BEGIN SOLUTION
    return 2 * x    # CANARY-SOLUTION-5e1b
    ### END SOLUTION

# %% nbgrader={"grade_id": "double-test", "grade": true, "locked": true, "points": 4, "schema_version": 3, "solution": false}
course.test(double, x=np.array([1.0]), expected=np.array([2.0]), equation="y = 2 x", not_tested="negative x.")
### BEGIN HIDDEN TESTS
# CANARY-TESTS-77aa
from autograder.kernel import score
score("01_hostile", "double-test")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "layer", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def layer(x, W, b):
    """tanh(x W^T + b). x (B, D), W (H, D), b (H,) -> (B, H)"""
    ### BEGIN SOLUTION
    return np.tanh(x @ W.T + b)
    ### END SOLUTION

# %% nbgrader={"grade_id": "layer-test", "grade": true, "locked": true, "points": 10, "schema_version": 3, "solution": false}
course.test(layer, x=np.zeros((1, 2)), W=np.ones((1, 2)), b=np.zeros(1), expected=np.zeros((1, 1)),
            equation="y = tanh(W x + b)", not_tested="a batch.")
### BEGIN HIDDEN TESTS
from autograder.kernel import score
score("01_hostile", "layer-test")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "layer-backward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def layer_backward(dy, x, W, b):
    """dx, dW, db of tanh(x W^T + b). dy (B, H)"""
    ### BEGIN SOLUTION
    da = dy * (1 - np.tanh(x @ W.T + b) ** 2)
    return da @ W, da.T @ x, da.sum(axis=0)
    ### END SOLUTION

# %% nbgrader={"grade_id": "layer-backward-test", "grade": true, "locked": true, "points": 12, "schema_version": 3, "solution": false}
course.test(layer_backward, dy=np.ones((1, 1)), x=np.zeros((1, 1)), W=np.ones((1, 1)), b=np.zeros(1),
            expected=(np.ones((1, 1)), np.zeros((1, 1)), np.ones(1)), results=("dx", "dW", "db"),
            equation="da = dy (1 - y^2)", not_tested="a batch.")
### BEGIN HIDDEN TESTS
from autograder.kernel import score
score("01_hostile", "layer-backward-test")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "sums", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def sums(xs, W, b):
    """The running sum of layer over time. xs (T, B, D) -> (T, B, H)"""
    ### BEGIN SOLUTION
    total, out = 0, []
    for x in xs:
        total = total + layer(x, W, b)
        out.append(total)
    return np.stack(out)
    ### END SOLUTION

# %% nbgrader={"grade_id": "sums-test", "grade": true, "locked": true, "points": 8, "schema_version": 3, "solution": false}
course.test(sums, xs=np.zeros((1, 1, 1)), W=np.ones((1, 1)), b=np.zeros(1), expected=np.zeros((1, 1, 1)),
            equation="s_t = s_{t-1} + y_t", not_tested="two steps.")
### BEGIN HIDDEN TESTS
from autograder.kernel import score
score("01_hostile", "sums-test")
### END HIDDEN TESTS

# %% nbgrader={"grade_id": "firsts", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def firsts(n):
    """The first n squares, as a list of whole numbers."""
    ### BEGIN SOLUTION
    return [i * i for i in range(n)]
    ### END SOLUTION

# %% nbgrader={"grade_id": "firsts-test", "grade": true, "locked": true, "points": 4, "schema_version": 3, "solution": false}
course.test(firsts, n=2, expected=[0, 1], equation="i^2", not_tested="large n.")
### BEGIN HIDDEN TESTS
from autograder.kernel import score
score("01_hostile", "firsts-test")
### END HIDDEN TESTS
