# %% [markdown]
r"""
# 04 Why gradients vanish and explode, and four remedies

At the end of this notebook you draw one picture that sums up a chapter of the lectures: how much a loss at the last step
tells an RNN about its first ones, for five kinds of networks. Two of the lines fall off the page, one sinks slowly, and
two stay. You will have computed every one of them. On the way you build

1. the Jacobian of one step, and the products of many: what the slides write with a big $\prod$;
2. the same numbers without a single Jacobian, in a fraction of the work;
3. four remedies: an orthogonal start, shortcuts through time, truncation with a carried state, and (in assignment 03)
   clipping.

Six functions, about 5 hours of writing and 3 hours for slides, pictures and questions. The minutes are given with each
part. Every part starts from given numbers, so you can leave one open and go on. You need NumPy, and matplotlib for the
pictures.

How a part works: read the equation, write the function, run the visible test below it. The visible test checks one easy
case and says what it leaves out. The points come from a hidden test with other sizes and other numbers. So ask yourself
after each green line: *what would this test not notice?* Below each function are three hints, folded: an idea, the
shapes, and a line with a gap. Opening them costs nothing.
"""

# %% nbgrader={"grade_id": "environment", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

course.environment("04_vanishing", functions=[
    "step_jacobian", "jacobian_products", "gradient_norms", "orthogonal", "skip_rnn_forward", "tbptt_gradient",
])

# %% [markdown]
r"""
## Letters and layout

- The network is that of assignment 03, $h_t = \tanh(W_x x_t + W_h h_{t-1} + b)$. Télécom writes $a^{\langle t\rangle}$
  for $h_t$ and $W_{aa}$ for $W_h$.
- **Parts 1 to 3 look at one example**: a state is a vector (H,), a sequence of states `hs` is (T, H), and `hs[0]` is
  the deck's $h_1$. **Parts 5 and 6 have a batch**: (T, B, H), rows are examples, and a product is `x @ W_x.T`.
- $h'_t = 1 - h_t^2$ is the slope of tanh at step t, written with its *output*.
- **A Jacobian** $\partial h_t / \partial h_{t-1}$ is a matrix with the outputs as rows: entry [i, j] is
  $\partial h_t[i] / \partial h_{t-1}[j]$.
- $\lVert v \rVert$ is the length of a vector, the root of the sum of squares. A **singular value** of a matrix says how
  much it can stretch a vector; the largest one is the most it can.
- Chemnitz says that gradients explode where $\lVert W_h\rVert > 1$, Escalera where the largest singular value is above 1.
  Both are bounds: each step also multiplies by $h'_t$, which is at most 1 and mostly less. Above 1 they *can* explode,
  below 1 they must vanish.
"""

# %% [markdown]
r"""
## 1. The Jacobian of a step

*35 minutes, 14 points. Chemnitz, Vanishing and exploding gradients; Escalera, Vanilla RNN Gradient Flow.*

A small change of $h_{t-1}$ first goes through $W_h$, then through the slope of each tanh:

$$\frac{\partial h_t}{\partial h_{t-1}} = \operatorname{diag}(h'_t)\, W_h, \qquad h'_t = 1 - h_t^2$$

diag(v) is the matrix with v on its diagonal. In code no such matrix is needed: it scales the rows.
"""

# %% nbgrader={"grade_id": "step-jacobian", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def step_jacobian(h, W_h):
    """The Jacobian of a step: how h_t changes with h_{t-1}.

    h (H,): the state h_t after the step;  W_h (H, H)
    returns (H, H): entry [i, j] is the derivative of h_t[i] by h_{t-1}[j]

    Example: where h_t = 0 every slope is 1, so it is W_h.
    """
    ### BEGIN SOLUTION
    return (1 - h**2)[:, None] * W_h
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Unit i of the new state is tanh of row i of W_h times the old state. Its derivative by unit j of the old state is the
slope of *that* tanh times one entry of W_h.

</details>
<details><summary>Hint 2: the shapes</summary>

The slopes are (H,). As a column, (H, 1), they multiply row i of W_h by slope i: `v[:, None]` makes a column.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return (1 - h**2)[____] * W_h`

</details>
"""

# %% nbgrader={"grade_id": "step-jacobian-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    step_jacobian,
    h=np.zeros(3),
    W_h=np.array([[0.5, -1, 0], [2, 0, 1], [0, 0.25, -0.5]]),
    expected=np.array([[0.5, -1, 0], [2, 0, 1], [0, 0.25, -0.5]]),
    equation="dh_t / dh_{t-1} = diag(1 - h_t^2) W_h",
    not_tested="a state other than 0 (so the slope of tanh).",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("04_vanishing", "step-jacobian-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 2. The product of Jacobians

*60 minutes, 18 points. Télécom, Vanishing and exploding gradients; KTH, BPTT Step by Step.*

What does the last state know of state k? The chain rule multiplies the steps in between:

$$\frac{\partial h_T}{\partial h_k} = \prod_{i=k+1}^{T} \frac{\partial h_i}{\partial h_{i-1}}
= \frac{\partial h_T}{\partial h_{T-1}}\ \frac{\partial h_{T-1}}{\partial h_{T-2}} \cdots \frac{\partial h_{k+1}}{\partial h_k}$$

The *newest factor stands on the left*: the change at k goes through step k + 1 first, and what is applied first to a
column stands on the right. For k = T the product is empty, and $\partial h_T/\partial h_T$ is the identity. Walk from
the end, and each product is the one before times one more factor.
"""

# %% nbgrader={"grade_id": "jacobian-products", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def jacobian_products(hs, W_h):
    """How the last state changes with each state.

    hs (T, H): the states h_1 ... h_T;  W_h (H, H)
    returns (T, H, H): entry k is the derivative of the last state by hs[k]; the last entry is the identity

    Example: for T = 1 it is the identity alone, of shape (1, H, H).
    """
    ### BEGIN SOLUTION
    T, H = hs.shape
    products = np.empty((T, H, H))
    products[T - 1] = np.eye(H)
    for k in range(T - 2, -1, -1):
        products[k] = products[k + 1] @ step_jacobian(hs[k + 1], W_h)
    return products
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

From hs[k] to the end is one step, from hs[k] to hs[k + 1], and then the rest, which you have already. The step's
Jacobian belongs to the state that it *arrives* at.

</details>
<details><summary>Hint 2: the shapes</summary>

T matrices (H, H). The loop runs from k = T - 2 down to 0; entry T - 1 is `np.eye(H)`.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`products[k] = products[k + 1] @ step_jacobian(hs[____], W_h)`

</details>
"""

# %% nbgrader={"grade_id": "jacobian-products-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def products_apart(hs, W_h):
    """Your products, as the hidden test looks at them: all but the last, and the last."""
    products = jacobian_products(hs, W_h)
    return products[:-1], products[-1]

# %% nbgrader={"grade_id": "jacobian-products-test", "grade": true, "locked": true, "points": 18, "schema_version": 3, "solution": false}
course.test(
    jacobian_products,
    hs=np.array([[0.9, 0.1], [0.5, -0.6]]),
    W_h=np.array([[1.0, 0.5], [-0.25, 2]]),
    expected=np.array([[[0.75, 0.375], [-0.16, 1.28]], [[1.0, 0], [0, 1]]]),
    equation="dh_T / dh_k = product of diag(1 - h_i^2) W_h over i = k+1 ... T, the newest on the left",
    not_tested="more than two states (so the order of the factors), a single one.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("04_vanishing", "jacobian-products-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 3. The same without Jacobians

*40 minutes, 16 points. Escalera, Vanilla RNN Gradient Flow.*

A loss sits on the last state, with $\partial L/\partial h_T = g$. You want the gradient of every state. Multiplying H × H
matrices costs $H^3$ a step; but only a vector has to travel, and a matrix times a vector costs $H^2$:

$$\delta_T = g, \qquad \delta_{t-1} = W_h^\top \big(h'_t \odot \delta_t\big), \qquad \text{wanted: } \lVert \delta_t \rVert$$

Going back first passes the tanh, then $W_h$: the opposite order of the way forward, and the transpose of each matrix
(Escalera says so in brackets). This is what every engine does, and never anything else.
"""

# %% nbgrader={"grade_id": "gradient-norms", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def gradient_norms(hs, W_h, g):
    """The length of the gradient of each state, for a loss on the last one.

    hs (T, H);  W_h (H, H);  g (H,): the gradient of the last state
    returns (T,): entry t is the length of dL/dhs[t]; the last entry is the length of g

    Example: for T = 1 it is the length of g alone.
    """
    ### BEGIN SOLUTION
    norms = np.empty(len(hs))
    for t in range(len(hs) - 1, -1, -1):
        norms[t] = np.sqrt(np.sum(g**2))
        g = W_h.T @ ((1 - hs[t]**2) * g)
    return norms
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

One vector walks from the last state to the first. At each state note its length, then send it one step back.

</details>
<details><summary>Hint 2: the shapes</summary>

`g` stays (H,) all the way. The slopes that it passes when it leaves hs[t] are those of hs[t]. T lengths come out, in the
order of time.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`g = W_h.____ @ ((1 - hs[t]**2) * g)`

</details>
"""

# %% nbgrader={"grade_id": "gradient-norms-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def norms_apart(hs, W_h, g):
    """Your lengths, as the hidden test looks at them: logarithms of all but the last (they may be tiny), and the last."""
    norms = gradient_norms(hs, W_h, g)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(norms[:-1]), norms[-1]

# %% nbgrader={"grade_id": "gradient-norms-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    gradient_norms,
    hs=np.array([[0.5, -0.6]]),
    W_h=np.array([[1.0, 0.5], [-0.25, 2]]),
    g=np.array([3.0, 4.0]),
    expected=np.array([5.0]),
    equation="delta_{t-1} = W_h^T (h'_t * delta_t);  the length of each",
    not_tested="more than one state (so the walk itself).",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("04_vanishing", "gradient-norms-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: falling, level, climbing

A network of 32 units reads 80 random inputs, and the loss sits on the last state. $W_h$ is a rotation times a factor,
so that all its singular values are that factor. The gradient travels from right to left. On this axis a straight line is
a power. At 0.7 (squares) and 0.9 (triangles) it shrinks by about the same share at each step. At 1.0 (diamonds) it still
shrinks, because of the slopes. At 1.5 it grows for small inputs (circles), and shrinks for large ones (crosses, dashed),
where tanh is flat: *above 1 it can explode, and need not*.
"""

# %% nbgrader={"grade_id": "picture-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def states(W_h, steps=80, size=0.1, seed=0):
    """The states (T, H) of a network with random inputs of a given size, from h_0 = 0."""
    draw, h, found = np.random.default_rng(seed), np.zeros(len(W_h)), []
    for _ in range(steps):
        h = np.tanh(W_h @ h + size * draw.normal(size=len(W_h)))
        found.append(h)
    return np.array(found)


def rotation(n, seed=1):
    """A random matrix whose singular values are all 1."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]

# %% picture of the gradient norms tags=["picture"]
import matplotlib.pyplot as plt

H = 32
g = np.ones(H) / np.sqrt(H)
figure, axis = plt.subplots(figsize=(9, 3.4), layout="constrained")
for factor, size, style in ((0.7, 0.1, "-s"), (0.9, 0.1, "-^"), (1.0, 0.1, "-D"), (1.5, 0.02, "-o"), (1.5, 2.0, "--x")):
    W = factor * rotation(H)
    axis.semilogy(range(1, 81), gradient_norms(states(W, size=size), W, g), style, markevery=8,
                  label=f"{factor}, inputs of size {size}")
axis.set(xlabel="step t (the loss is at t = 80)", ylabel=r"$\|\partial L/\partial h_t\|$", title="One factor a step, eighty steps")
axis.legend(title="$W_h$ is a rotation times")
plt.show()

# %% [markdown]
r"""
## 4. Remedy: an orthogonal start

*30 minutes, 14 points. Escalera, Vanilla RNN Gradient Flow (the largest singular value).*

If all singular values of $W_h$ are 1 at the start, $W_h$ itself neither stretches nor shrinks, and only the slopes do.
Such matrices come from a random matrix $A$ by its QR decomposition, which NumPy has:

$$A = Q R, \qquad W = \text{gain} \cdot Q \cdot \operatorname{diag}(\operatorname{sign}(\operatorname{diag} R))$$

Q has orthogonal columns of length 1. QR fixes it only up to the sign of each column, and which sign you get depends on
the library. The rule with the signs of R's diagonal makes the answer the same everywhere, and, for a normal A, all
orthogonal matrices equally likely. The gain scales all singular values.
"""

# %% nbgrader={"grade_id": "orthogonal", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def orthogonal(A, gain):
    """An orthogonal matrix times gain, made from A.

    A (n, n): a random matrix;  gain: a number
    returns (n, n): all its singular values are the gain

    Example: for n = 1 it is the sign of A times gain.
    """
    ### BEGIN SOLUTION
    Q, R = np.linalg.qr(A)
    return gain * Q * np.sign(np.diag(R))
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

`np.linalg.qr(A)` gives Q and R. Then each *column* of Q is multiplied by the sign of one diagonal entry of R.

</details>
<details><summary>Hint 2: the shapes</summary>

`np.diag(R)` of a matrix is its diagonal, (n,). As a row it broadcasts over the columns of Q by itself.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return gain * Q * np.sign(____)`

</details>
"""

# %% nbgrader={"grade_id": "orthogonal-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def gram_and_signs(A, gain):
    """Your matrix, as the hidden test looks at it: W^T W, and W."""
    W = orthogonal(A, gain)
    return W.T @ W, W

# %% nbgrader={"grade_id": "orthogonal-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    orthogonal,
    A=np.array([[2.0, 1, 0], [1, -1, 3], [0, 2, 1]]),
    gain=1.0,
    part=lambda W: W.T @ W,
    expected=np.eye(3),
    equation="A = Q R;  W = gain Q diag(sign(diag R)), so W^T W = gain^2 I",
    not_tested="the signs of the columns, a gain other than 1.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("04_vanishing", "orthogonal-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: twenty steps through a random and an orthogonal matrix

A normal matrix divided by $\sqrt n$ has singular values from nearly 0 to nearly 2: some directions die within a few
steps. The picture shows the 64 singular values of $W^{20}$, largest first: for the random matrix (circles) they spread
over many powers of ten, for the orthogonal one (line at 1) none has moved.
"""

# %% picture of singular values tags=["picture"]
import matplotlib.pyplot as plt

A = np.random.default_rng(2).normal(size=(64, 64))
figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
for name, W, style in (("random, / 8", A / 8, "o"), ("orthogonal(A, 1)", orthogonal(A, 1.0), "-")):
    axis.semilogy(np.linalg.svd(np.linalg.matrix_power(W, 20), compute_uv=False), style, label=name, markersize=4)
axis.set(xlabel="singular value, the largest first", ylabel="size", title="The singular values of $W^{20}$")
axis.legend()
plt.show()

# %% [markdown]
r"""
## 5. Remedy: shortcuts through time

*45 minutes, 16 points. Télécom, Dealing with the vanishing gradient: use skip-connections; Riveill, How to introduce residual in RNN.*

A second connection reaches back d steps, with a matrix of its own:

$$h_t = \tanh(W_x x_t + W_h h_{t-1} + W_s h_{t-d} + b), \qquad \text{without the term } W_s \text{ while } t - d < 0$$

A gradient can now cross 100 steps in 100 / d factors instead of 100. Here time starts at 1 and $h_0$ is given: at
$t = d$ the shortcut reads $h_0$.
"""

# %% nbgrader={"grade_id": "skip-rnn-forward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def skip_rnn_forward(xs, h0, W_x, W_h, W_s, b, d):
    """All states of a recurrent network with a shortcut of d steps.

    xs (T, B, D), h0 (B, H);  W_x (H, D), W_h (H, H), W_s (H, H), b (H,);  d >= 1
    returns hs (T, B, H): hs[0] is h_1, without h_0

    Example: if d is larger than T the shortcut is never used.
    """
    ### BEGIN SOLUTION
    hs = [h0]
    for t in range(1, len(xs) + 1):
        a = xs[t - 1] @ W_x.T + hs[t - 1] @ W_h.T + b
        if t - d >= 0:
            a = a + hs[t - d] @ W_s.T
        hs.append(np.tanh(a))
    return np.stack(hs[1:])
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Keep all states in one list that begins with h_0. Then h_t stands at place t of the list, and d steps earlier is place
t - d, if there is one.

</details>
<details><summary>Hint 2: the shapes</summary>

Every term is (B, H). The list has T + 1 states at the end, and the first is not returned.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`a = a + hs[____] @ W_s.T`, and only then tanh.

</details>
"""

# %% nbgrader={"grade_id": "skip-rnn-forward-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def skip_apart(xs, h0, W_x, W_h, W_s, b, d):
    """Your states, as the hidden test looks at them: the first d - 1, without a shortcut, and the rest."""
    hs = skip_rnn_forward(xs, h0, W_x, W_h, W_s, b, d)
    return hs[:d - 1], hs[d - 1:]

# %% nbgrader={"grade_id": "skip-rnn-forward-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    skip_rnn_forward,
    xs=np.array([[[1.0, -1]], [[0.5, 0]]]),
    h0=np.array([[0.5, -0.5]]),
    W_x=np.array([[1.0, 0.5], [-0.5, 0]]),
    W_h=np.array([[0.2, 0.8], [-0.6, 0.4]]),
    W_s=np.array([[1.0, 0], [0, 1]]),
    b=np.array([0.1, -0.2]),
    d=3,
    expected=np.array([[[0.29131261, -0.83365461]], [[-0.00866095, -0.743495]]]),
    equation="h_t = tanh(W_x x_t + W_h h_{t-1} + W_s h_{t-d} + b)",
    not_tested="the shortcut itself: here d is larger than T.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("04_vanishing", "skip-rnn-forward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 6. Remedy: truncation, with the state carried on

*90 minutes, 22 points. Escalera, Truncated Backpropagation through time; Chemnitz, Truncated BPTT.*

A sequence of a million steps cannot be walked back. Cut it into chunks of k steps. *Forward*, the state goes on from
chunk to chunk for ever, as if nothing had been cut. *Backward*, each chunk is walked for itself: at its first step the
gradient stops. The gradient of $W_h$ is the sum over all chunks:

$$dh_t = \texttt{gs[t]} + \begin{cases}W_h^\top(h'_{t+1} \odot dh_{t+1}) & t + 1 \text{ in the same chunk}\\ 0 & \text{else}\end{cases}
\qquad dW_h = \sum_t (h'_t \odot dh_t)\, h_{t-1}^\top$$

where `gs[t]` is what the loss of step t itself says to $h_t$ (every step has a loss). With $k \ge T$ it is the full
gradient. Truncation is cheap, and it is blind: the losses of a chunk never reach what lies before it. (Chemnitz' slide
truncates differently: back by a fixed number of steps from *every* t, across all borders. Here it is chunks.)
"""

# %% nbgrader={"grade_id": "tbptt-gradient", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def tbptt_gradient(xs, h0, W_x, W_h, b, gs, k):
    """The gradient of W_h by truncated BPTT in chunks of k steps, and the last state.

    xs (T, B, D), h0 (B, H);  W_x (H, D), W_h (H, H), b (H,);  gs (T, B, H): the gradient of each state from its own loss
    k >= 1: the chunks are steps 0 ... k - 1, k ... 2k - 1, and so on; the last one may be shorter
    returns dW_h (H, H), summed over steps and examples;  h_T (B, H)

    Example: with k = 1 no gradient goes from step to step: only gs[t] itself reaches W_h at step t.
    """
    ### BEGIN SOLUTION
    T, hs = len(xs), [h0]
    for x in xs:
        hs.append(np.tanh(x @ W_x.T + hs[-1] @ W_h.T + b))
    dW_h = np.zeros_like(W_h)
    for start in range(0, T, k):
        dh = np.zeros_like(h0)
        for t in reversed(range(start, min(start + k, T))):
            da = (gs[t] + dh) * (1 - hs[t + 1]**2)
            dW_h += da.T @ hs[t]
            dh = da @ W_h
    return dW_h, hs[T]
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

First the whole way forward, with no chunks at all. Then a loop over chunks, and in each one the loop of BPTT from its
last step to its first, that begins with a gradient of 0 from the future.

</details>
<details><summary>Hint 2: the shapes</summary>

`hs` with h_0 in front has T + 1 states: `hs[t]` is the state before step t and `hs[t + 1]` the one after. `da` is
(B, H), `da.T @ hs[t]` is (H, H).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`for t in reversed(range(start, ____)):` and before it `dh = np.zeros_like(h0)`

</details>
"""

# %% nbgrader={"grade_id": "tbptt-gradient-test", "grade": true, "locked": true, "points": 22, "schema_version": 3, "solution": false}
course.test(
    tbptt_gradient,
    xs=np.array([[[1.0, -1]], [[0.5, 0]]]),
    h0=np.array([[0.5, -0.5]]),
    W_x=np.array([[1.0, 0.5], [-0.5, 0]]),
    W_h=np.array([[0.2, 0.8], [-0.6, 0.4]]),
    b=np.array([0.1, -0.2]),
    gs=np.array([[[1.0, 0]], [[0.5, -1]]]),
    k=5,
    results=("dW_h", "h_T"),
    expected=(np.array([[0.77174622, -1.04289688], [-0.09656192, 0.3391055]]), np.array([[-0.00866095, -0.743495]])),
    equation="forward without a cut; backward inside of each chunk; dW_h summed over all chunks",
    not_tested="more than one chunk: here k is larger than T.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("04_vanishing", "tbptt-gradient-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Write a test of your own

Not graded. Two ideas: for k from 1 to T, the truncated gradient should come nearer to the full one; and `h_T` must not
depend on k at all. Or let `gradient_norms` and `jacobian_products` judge each other: the length of
`jacobian_products(hs, W_h)[k].T @ g` is entry k of `gradient_norms(hs, W_h, g)`.
"""

# %% room for your test
# your test


# %% [markdown]
r"""
### Picture: five networks, five fates

How much the loss at step 120 tells each earlier state, on a logarithmic axis. From a random start four tenths are lost
at every step, and after seventy nothing is left (squares); from a small one it goes faster still (triangles). From an
orthogonal start it sinks slowly (diamonds). With shortcuts of 10 steps the gradient comes back every tenth step
(circles), and after 110 steps a tenth of it is still there. The last line is a preview of assignment 05: along the cell
of an LSTM whose forget gate is 0.99, the gradient is multiplied by 0.99 and by nothing else (dashed).
"""

# %% picture of five networks tags=["picture"]
import matplotlib.pyplot as plt

T, H, d = 120, 32, 10
draw = np.random.default_rng(3)
A, g, W_in = draw.normal(size=(H, H)), np.ones(H) / np.sqrt(H), 0.3 * np.eye(H)
inputs, zero = draw.normal(size=(T, 1, H)), np.zeros((1, H))


def skip_norms(hs, W_h, W_s, g):
    """As gradient_norms, for a network with shortcuts: a state hears from the next one and from d steps later."""
    delta = np.zeros((T, H))
    delta[-1] = g
    for t in range(T - 1, -1, -1):
        da = (1 - hs[t]**2) * delta[t]
        if t >= 1:
            delta[t - 1] += W_h.T @ da
        if t >= d:
            delta[t - d] += W_s.T @ da
    return np.sqrt((delta**2).sum(axis=1))


lines = {}
for name, W in (("small start", 0.3 * A / np.sqrt(H)), ("random start", 0.6 * A / np.sqrt(H)), ("orthogonal", orthogonal(A, 1.0))):
    hs = skip_rnn_forward(inputs, zero, W_in, W, 0 * W, np.zeros(H), d)[:, 0]
    lines[name] = gradient_norms(hs, W, g)
W, W_s = 0.3 * A / np.sqrt(H), orthogonal(A, 1.0)
hs = skip_rnn_forward(inputs, zero, W_in, W, W_s, np.zeros(H), d)[:, 0]
lines["small start, shortcuts of 10"] = skip_norms(hs, W, W_s, g)
lines["LSTM cell, forget gate 0.99"] = 0.99 ** np.arange(T)[::-1]

figure, axis = plt.subplots(figsize=(10, 3.8), layout="constrained")
for (name, norms), style in zip(lines.items(), ("-^", "-s", "-D", "-o", "--")):
    axis.semilogy(range(1, T + 1), norms, style, markevery=(9, 10), label=name)       # marked at 10, 20, 30, ...
axis.set(xlabel="step t (the loss is at t = 120)", ylabel=r"$\|\partial L/\partial h_t\|$", ylim=(1e-16, 10),
         title="What a loss at the end tells the beginning")
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% where you stand
course.progress()

# %% [markdown]
r"""
## What the reference does differently, and why it is faster

- **It never forms a Jacobian.** Every engine, minigrad too, computes vector-Jacobian products as in part 3: $H^2$
  operations a step and not $H^3$. `minigrad run vanishing` draws the products of part 2 all the same, because they can
  be *looked at*: a product tells what every direction suffers, a vector only one.
- **Truncation cuts the graph.** In minigrad a chunk ends with `detach`: the state is the same array, and the tape has
  forgotten how it was made. Nothing else is needed, and memory is that of one chunk.
- **The shortcut of part 5** is an option of the layer, `nn.RNN(..., skip=10)`, and runs as one operation over the whole
  sequence.

**float32 and float64.** Below about 1e-38 numbers lose digits in float32, and below 1e-45 they are 0: the pictures of
this notebook need float64. A gradient that is exactly 0 in float32 is no mistake of yours. The signs in a QR
decomposition differ between libraries, so compare orthogonal matrices only after the sign rule.
"""
