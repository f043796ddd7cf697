# %% [markdown]
r"""
# 03 The recurrent network and its gradient through time

At the end of this notebook a small network of your own spells **hello**, one letter at a time, and you will have
written every gradient that teaches it to. On the way you build

1. one step of a recurrent network, and the whole unrolled sequence;
2. its gradient: back through one step, then back through time, where shared weights collect one gradient from every
   step;
3. the two tools that keep training in hand: truncation and clipping.

Seven functions, about 5 hours of writing and 3 hours for slides, pictures and questions. The minutes are given with
each part. Every part starts from given numbers, so you can leave one open and go on; only part 7 puts the others
together. You need NumPy, and matplotlib for the pictures.

How a part works: read the equation, write the function, run the visible test below it. The visible test checks one
easy case and says what it leaves out. The points come from a hidden test with other sizes and other numbers. So ask
yourself after each green line: *what would this test not notice?* Below each function are three hints, folded: an
idea, the shapes, and a line with a gap. Opening them costs nothing.
"""

# %% nbgrader={"grade_id": "environment", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

course.environment("03_rnn", functions=[
    "rnn_step", "rnn_forward", "rnn_step_backward", "rnn_backward", "truncated_bptt_chunks", "clip_gradient",
    "train_hello",
])

# %% [markdown]
r"""
## Letters and layout

The decks name the same things differently. Here is the dictionary; we follow Chemnitz.

| here | Chemnitz | KTH | Escalera | Télécom |
|---|---|---|---|---|
| $h_t$ state | $\mathbf h_t$ | $h^{(t)}$ | $h_t$ | $a^{\langle t\rangle}$ |
| $W_x$ input weights | $W_x$ | $u$ | $W_{xh}$ | $W_{ax}$ |
| $W_h$ recurrent weights | $W_h$ | $w$ | $W_{hh}$ | $W_{aa}$ |
| $W_y$ output weights | (the state is the output) | $v$ | $W_{hy}$ | $W_{ya}$ |

- **Rows are examples.** The decks write one column, $W_x \times x_t$. We compute a batch at once, one example a row.
  The matrices keep the decks' shape (out, in), so the product is written `x @ W_x.T`.
- **Time comes first.** A sequence is an array `xs` of shape (T, B, D): T steps, B examples, D inputs. `xs[0]` is the
  deck's $x_1$. The hidden size is H.
- **The start state $h_0$ is an argument.** The decks set it to 0. Here it may be anything.
- **tanh, and one bias b.** Chemnitz allows the logistic function too; KTH and Escalera leave the bias out.
- **The loss of a sequence is the sum over its steps**, $L = \sum_t L_t$ (KTH, Télécom), not the mean. Where there is
  a batch, gradients of weights are summed over its examples.
- `dW` always means $\partial L/\partial W$, and has the shape of `W`.
"""

# %% [markdown]
r"""
## 1. One step

*30 minutes, 14 points. Chemnitz, Recurrent neural network.*

$$h_t = \tanh(W_x\, x_t + W_h\, h_{t-1} + b)$$

The state is the network's memory: what it saw before reaches step $t$ through $W_h h_{t-1}$ and in no other way.
"""

# %% nbgrader={"grade_id": "rnn-step", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def rnn_step(x, h, W_x, W_h, b):
    """The state h_t from the input x_t and the state h_{t-1}.

    x (B, D), h (B, H): one row an example;  W_x (H, D), W_h (H, H), b (H,)
    returns (B, H), in the dtype of its arguments

    Example: with W_x = [[2]], W_h = [[1]], b = [0], x = [[1]], h = [[-2]] the sum is 0, so h_t = [[0]].
    """
    ### BEGIN SOLUTION
    return np.tanh(x @ W_x.T + h @ W_h.T + b)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Three terms are added, and tanh is taken once, of their sum. The first term brings the present, the second the past.

</details>
<details><summary>Hint 2: the shapes</summary>

`x @ W_x.T` is (B, D) times (D, H), so (B, H). The second term is (B, H) times (H, H), so (B, H). `b` is (H,) and is
added to every row by itself.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return np.tanh(x @ W_x.T + h @ ____ + b)`

</details>
"""

# %% nbgrader={"grade_id": "rnn-step-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    rnn_step,
    x=np.array([[1, 0, -1], [0.5, 2, 0]]),
    h=np.zeros((2, 4)),
    W_x=np.array([[0.5, -0.5, 0.25], [0, 0.5, -0.5], [-0.25, 0.25, 1], [1, 0, 0.5]]),
    W_h=np.arange(16.0).reshape(4, 4) / 16,
    b=np.array([0.1, -0.1, 0.2, 0.3]),
    expected=np.array([[0.33637554, 0.37994896, -0.78180636, 0.66403677],
                       [-0.57166997, 0.71629787, 0.51902183, 0.66403677]]),
    equation="h_t = tanh(W_x x_t + W_h h_{t-1} + b)",
    not_tested="a state that is not 0, a batch of one, D = H.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("03_rnn", "rnn-step-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 2. Unrolled in time

*35 minutes, 14 points. Chemnitz, Recurrent neural networks.*

$$h_1 = f(x_1, h_0), \quad h_2 = f(x_2, h_1), \quad \dots, \quad h_T = f(x_T, h_{T-1})$$

with the *same* weights at every step. Unrolled, this is a deep network with T layers that share their weights. You
return all its states, $h_1$ to $h_T$, because each of them can have a loss of its own, and because the way back will
need them.
"""

# %% nbgrader={"grade_id": "rnn-forward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def rnn_forward(xs, h0, W_x, W_h, b):
    """All states of a sequence, h_1 to h_T, without h_0.

    xs (T, B, D), h0 (B, H);  W_x (H, D), W_h (H, H), b (H,)
    returns hs (T, B, H): hs[0] is h_1.  h0 is left as it was.

    Example: with W_x = [[0]], W_h = [[0]], b = [1] every state is tanh(1), whatever xs and h0 are.
    """
    ### BEGIN SOLUTION
    h, hs = h0, []
    for x in xs:
        h = rnn_step(x, h, W_x, W_h, b)
        hs.append(h)
    return np.stack(hs)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

A loop over time in which one variable is handed on: the state that a step returns is the state that the next one
gets.

</details>
<details><summary>Hint 2: the shapes</summary>

`for x in xs` gives `x` of shape (B, D), T times. Each step gives (B, H). T of them, stacked along a new first axis,
are (T, B, H).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`h = rnn_step(x, ____, W_x, W_h, b)`, and after it `hs.append(h)`.

</details>
"""

# %% nbgrader={"grade_id": "rnn-forward-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    rnn_forward,
    xs=np.array([[[1, -1], [0, 0.5]]]),
    h0=np.array([[0.5, -0.5, 0], [0.25, 0, 1]]),
    W_x=np.array([[1, 0.5], [-0.5, 0], [0, 1]]),
    W_h=np.array([[0, 1, 0], [0.5, 0, -1], [1, 0, 0.25]]),
    b=np.array([0.1, 0, -0.2]),
    expected=np.array([[[0.09966799, -0.24491866, -0.60436778], [0.33637554, -0.70390560, 0.66403677]]]),
    equation="h_t = tanh(W_x x_t + W_h h_{t-1} + b) for t = 1 ... T",
    not_tested="more than one step (so the loop itself), a batch of one, whether h0 is left alone.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("03_rnn", "rnn-forward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: an echo in the state

Eight units see one pulse at step 5 and then nothing. With $h_0 = 0$ and no bias the state is 0 before the pulse; what
you see after it is memory alone. Make `strength` smaller or larger and run the cell again: below 1 the echo fades,
above 1 it never does.
"""

# %% picture of the unrolled states tags=["picture"]
import matplotlib.pyplot as plt

strength = 0.95
pulse = np.zeros((40, 1, 1))
pulse[5] = 2
rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(8, 8)))        # every singular value is 1
W_in = np.random.default_rng(4).normal(size=(8, 1))
echo = rnn_forward(pulse, np.zeros((1, 8)), W_in, strength * rotation, np.zeros(8))

figure, axis = plt.subplots(figsize=(9, 2.6), layout="constrained")
image = axis.imshow(echo[:, 0].T, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
axis.axvline(5, color="black", linewidth=1, linestyle=":")
axis.set(xlabel="step t (dotted: the pulse)", ylabel="unit of $h_t$", title=f"$W_h$ is {strength} times a rotation")
figure.colorbar(image, label="value")
plt.show()

# %% [markdown]
r"""
## 3. Back through one step

*60 minutes, 18 points. Chemnitz, BPTT: Backpropagation through time.*

Let $a = W_x x_t + W_h h_{t-1} + b$ be the sum inside the tanh. Chemnitz writes $h'_t$ for the slope, and for tanh it
needs only the state itself:

$$h'_t = 1 - h_t^2, \qquad da = dh_t \odot h'_t$$

From `da` everything else follows by the rules for a matrix product. For one example, as columns:

$$dx_t = W_x^\top da, \quad dh_{t-1} = W_h^\top da, \quad
dW_x = da\, x_t^\top, \quad dW_h = da\, h_{t-1}^\top, \quad db = da$$

Escalera says the second one in words: back from $h_t$ to $h_{t-1}$ multiplies by $W_{hh}^\top$. Chemnitz' recursion
$\partial h_t/\partial W_h = h'_t\,(h_{t-1} + W_h\, \partial h_{t-1}/\partial W_h)$ is the same derivative, written
for a single unit and from left to right.
"""

# %% nbgrader={"grade_id": "rnn-step-backward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def rnn_step_backward(dh_new, x, h, h_new, W_x, W_h):
    """The gradients of one step h_t = rnn_step(x, h, W_x, W_h, b), given the gradient of its result.

    dh_new (B, H): the loss's gradient with respect to h_t;  x (B, D), h (B, H): h_{t-1};  h_new (B, H): h_t
    returns dx (B, D), dh (B, H), dW_x (H, D), dW_h (H, H), db (H,), the last three summed over the batch

    Example: where h_t = 0 the slope is 1, so with one example and h_new = 0, db is dh_new[0].
    """
    ### BEGIN SOLUTION
    da = dh_new * (1 - h_new**2)
    return da @ W_x, da @ W_h, da.T @ x, da.T @ h, da.sum(axis=0)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Go back in the order opposite to the way forward: first through the tanh, once, then through the sum to each of its
terms. `h_new` is already the tanh of the sum.

</details>
<details><summary>Hint 2: the shapes</summary>

`da` is (B, H). `dx` must be (B, D): only one product of `da` and `W_x` fits. `dW_x` must be (H, D): the product over
the batch, (H, B) times (B, D), which also sums over the examples. `db` is (H,): sum over the rows.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`da = dh_new * (1 - ____ ** 2)`, then `dW_h = da.T @ ____`

</details>
"""

# %% nbgrader={"grade_id": "rnn-step-backward-test", "grade": true, "locked": true, "points": 18, "schema_version": 3, "solution": false}
course.test(
    rnn_step_backward,
    dh_new=np.array([[1, -2, 0.5]]),
    x=np.array([[1.0, -1.0]]),
    h=np.array([[0.5, -0.5, 0.25]]),
    h_new=np.array([[0.5, -0.8, 0]]),
    W_x=np.array([[1, 0.5], [-0.5, 0], [0, 1]]),
    W_h=np.array([[0, 1, 0], [0.5, 0, -1], [1, 0, 0.25]]),
    results=("dx", "dh", "dW_x", "dW_h", "db"),
    expected={"dx": np.array([[1.11, 0.875]]), "db": np.array([0.75, -0.72, 0.5])},
    equation="da = dh_t * (1 - h_t^2);  dx = da W_x;  db = sum of da over the batch",
    not_tested="dh, dW_x and dW_h, and a batch of more than one.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("03_rnn", "rnn-step-backward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 4. Back through time

*90 minutes, 22 points. Télécom, Backward: ∂L/∂W_aa; KTH, BPTT Step by Step (19/20).*

$W_h$ acts at every step, and through the state on all later ones. KTH draws the paths one by one; Télécom writes
their sum:

$$\frac{\partial L}{\partial W_h} = \sum_{t=1}^{T} \frac{\partial L_t}{\partial h_t} \sum_{k=1}^{t}
\Big(\prod_{i=k+1}^{t} \frac{\partial h_i}{\partial h_{i-1}}\Big) \frac{\partial h_k}{\partial W_h}$$

(the last factor with $h_{k-1}$ held fixed; for matrices the order counts, newest factor on the left). Nobody computes
it in this form. Walk backwards once, and collect: at step $t$ the state has a gradient from its own loss *and* from
step $t+1$,

$$dh_t = \underbrace{\partial L_t/\partial h_t}_{\texttt{dhs[t]}} +
\underbrace{\text{what came back from step } t+1}_{0 \text{ at } t = T}$$

and each step adds its share to the gradient of the weights. On KTH's pages 18/20 and 19/20 some paths are missing or
misprinted; 20/20 has the full sum.
"""

# %% nbgrader={"grade_id": "rnn-backward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def rnn_backward(dhs, xs, h0, hs, W_x, W_h):
    """Backpropagation through time for hs = rnn_forward(xs, h0, W_x, W_h, b).

    dhs (T, B, H): the gradient that each state gets from the loss of its own step
    xs (T, B, D), h0 (B, H), hs (T, B, H), W_x (H, D), W_h (H, H)
    returns dxs (T, B, D), dh0 (B, H), dW_x (H, D), dW_h (H, H), db (H,), for the sum of all losses

    Example: for T = 1 this is rnn_step_backward, with dxs and hs one axis longer.
    """
    ### BEGIN SOLUTION
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros(len(W_h), W_h.dtype)
    dxs, dh = np.zeros_like(xs), np.zeros_like(h0)
    for t in reversed(range(len(xs))):
        h_prev = hs[t - 1] if t > 0 else h0
        dxs[t], dh, dW_x_t, dW_h_t, db_t = rnn_step_backward(dhs[t] + dh, xs[t], h_prev, hs[t], W_x, W_h)
        dW_x += dW_x_t
        dW_h += dW_h_t
        db += db_t
    return dxs, dh, dW_x, dW_h, db
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

One variable travels from the last step to the first: the gradient of the state. It picks up the loss of each step on
its way. The weights stay where they are and collect: the same matrix was used T times, so it has T gradients, and
they are added.

</details>
<details><summary>Hint 2: the shapes</summary>

The travelling `dh` is (B, H) and starts as zeros. In each step `rnn_step_backward` gives (B, D), (B, H), (H, D), (H,
H), (H,): the first is stored at `dxs[t]`, the second travels on, the other three are added up. The state before
`hs[0]` is `h0`.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`dxs[t], dh, dW_x_t, dW_h_t, db_t = rnn_step_backward(dhs[t] + ____, xs[t], h_prev, hs[t], W_x, W_h)`

</details>
"""

# %% nbgrader={"grade_id": "rnn-backward-test", "grade": true, "locked": true, "points": 22, "schema_version": 3, "solution": false}
course.test(
    rnn_backward,
    dhs=np.array([[[0, 0]], [[1, -0.5]]]),
    xs=np.array([[[1, 0]], [[0.5, -1]]]),
    h0=np.zeros((1, 2)),
    hs=np.array([[[0.5, -0.6]], [[0.2, -0.9]]]),
    W_x=np.array([[0.5, 0], [-0.5, 1]]),
    W_h=np.array([[0.2, 0.8], [-0.6, 0.4]]),
    results=("dxs", "dh0", "dW_x", "dW_h", "db"),
    expected=(
        np.array([[[-0.140225, 0.4672]], [[0.5275, -0.095]]]),
        np.array([[-0.24297, 0.33628]]),
        np.array([[0.66675, -0.96], [0.4197, 0.095]]),
        np.array([[0.48, -0.576], [-0.0475, 0.057]]),
        np.array([1.14675, 0.3722]),
    ),
    equation="dh_t = dL_t/dh_t + (dh from step t+1);  dW = sum over t of the gradients of all steps",
    not_tested="a loss at every step, h0 that is not 0, long sequences, a batch of more than one.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("03_rnn", "rnn-backward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### A test of your own

The visible test above has one example, two steps, a loss on the last step only and $h_0 = 0$. Write a test that would
have caught a mistake which it lets through. This cell gives no points and is not graded; it is for you. Two ideas:

- for T = 1, `rnn_backward` and `rnn_step_backward` must agree;
- nudge one entry of `W_h` by $\varepsilon = 10^{-6}$ up and down, run `rnn_forward`, and compare the change of a loss
  that you choose, for example $L = \sum_t \sum h_t$ (then every entry of `dhs` is 1), with that entry of `dW_h`.
"""

# %% room for your test
# your test


# %% [markdown]
r"""
### Picture: how much does each step count?

The loss sits on the last of 30 steps. The height of a point at step $t$ is $\lVert \partial L/\partial x_t \rVert$:
how much the answer would change if the input at $t$ changed a little. Straight lines on this axis are powers: each
step back multiplies by about the same factor. At 1.2 the gradient could grow, but the states grow too, and then the
slope $1 - h_t^2$ of the tanh holds it back. Assignment 04 is about this picture.
"""

# %% picture of the gradient norm at each step tags=["picture"]
import matplotlib.pyplot as plt

draw = np.random.default_rng(5)
steps, hidden = 30, 32
inputs, W_in = 0.1 * draw.normal(size=(steps, 1, 4)), draw.normal(size=(hidden, 4)) / 2
rotation, _ = np.linalg.qr(draw.normal(size=(hidden, hidden)))
last_only = np.zeros((steps, 1, hidden))
last_only[-1] = 1 / np.sqrt(hidden)

norms = {}
for strength in (0.6, 0.8, 1.0, 1.2):
    states = rnn_forward(inputs, np.zeros((1, hidden)), W_in, strength * rotation, np.zeros(hidden))
    dxs, *_ = rnn_backward(last_only, inputs, np.zeros((1, hidden)), states, W_in, strength * rotation)
    norms[strength] = np.linalg.norm(dxs[:, 0], axis=1)

figure, axis = plt.subplots(figsize=(9, 3.2), layout="constrained")
for strength, norm in norms.items():
    axis.semilogy(range(1, steps + 1), norm, marker=".", label=f"{strength}")
axis.set(xlabel="step t", ylabel=r"$\|\partial L/\partial x_t\|$", title="Gradient of a loss on the last step")
axis.legend(title="$W_h$ = rotation times")
plt.show()

# %% [markdown]
r"""
## 5. Truncated backpropagation: the chunks

*20 minutes, 12 points. Escalera, Truncated Backpropagation through time; Télécom, truncated BPTT.*

A long text is cut into chunks of $k$ steps. The state is carried from chunk to chunk for ever, the gradient stays
inside its chunk. You write the cutting:

$$[0, k),\ [k, 2k),\ [2k, 3k),\ \dots$$

The last chunk may be shorter. (Chemnitz' slide truncates differently: back by $T$ steps from *every* $t$, so that the
windows overlap. Both are in use; here it is chunks.)
"""

# %% nbgrader={"grade_id": "truncated-bptt-chunks", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def truncated_bptt_chunks(T, k):
    """The borders of the chunks of a sequence of T steps: a list of pairs (start, stop), stop not included.

    T, k: whole numbers, at least 1
    returns a list of tuples of two ints, in order

    Example: truncated_bptt_chunks(4, 2) is [(0, 2), (2, 4)].
    """
    ### BEGIN SOLUTION
    return [(start, min(start + k, T)) for start in range(0, T, k)]
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Each chunk starts where the one before it stopped. The last one stops at T, wherever that is.

</details>
<details><summary>Hint 2: the shapes</summary>

A list of pairs of whole numbers. Together they cover 0 to T without a hole and without an overlap: T divided by k,
rounded *up*, is their number.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return [(start, min(____, T)) for start in range(0, T, k)]`

</details>
"""

# %% nbgrader={"grade_id": "truncated-bptt-chunks-test", "grade": true, "locked": true, "points": 12, "schema_version": 3, "solution": false}
course.test(
    truncated_bptt_chunks,
    T=6,
    k=3,
    expected=[(0, 3), (3, 6)],
    equation="[0, k), [k, 2k), ...; the last may be shorter",
    not_tested="T that is not a multiple of k, k larger than T, k = 1.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("03_rnn", "truncated-bptt-chunks-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 6. Clipping the gradient

*25 minutes, 12 points. Télécom, Dealing with the exploding gradient; Chemnitz, Vanishing and exploding gradients.*

$$g \leftarrow \frac{c}{\lVert g \rVert}\, g \quad \text{if } \lVert g \rVert > c, \qquad \lVert g \rVert = \sqrt{\textstyle\sum g_i^2}$$

One norm for *all* arrays together: then the direction of the step stays what it was, and only its length changes. The
slides have small slips here. Escalera's code line has no root; Télécom prints $\lVert\theta\rVert$ where the norm of
the gradient $d\theta$ is meant.
"""

# %% nbgrader={"grade_id": "clip-gradient", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def clip_gradient(grads, c):
    """The gradients, shortened to norm c if they are longer than c.

    grads: a list of arrays of any shapes, left as they were;  c > 0
    returns a new list of arrays of the same shapes

    Example: clip_gradient([np.array([3.0, 4.0])], 10.0) is [array([3., 4.])]: its norm, 5, is below 10.
    """
    ### BEGIN SOLUTION
    norm = np.sqrt(sum(np.sum(g * g) for g in grads))
    return [g * (c / norm) if norm > c else g.copy() for g in grads]
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

All parameters together are one long vector; it has one length. If that is too long, everything is scaled by one
number.

</details>
<details><summary>Hint 2: the shapes</summary>

The norm is a single number, a sum over all entries of all arrays. The list that you return has as many arrays as
came, with the same shapes.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`norm = ____(sum(np.sum(g * g) for g in grads))`

</details>
"""

# %% nbgrader={"grade_id": "clip-gradient-test", "grade": true, "locked": true, "points": 12, "schema_version": 3, "solution": false}
course.test(
    clip_gradient,
    grads=[np.array([3.0, 4.0])],
    c=1.0,
    expected=[np.array([0.6, 0.8])],
    tol=1e-5,
    equation="g <- c g / |g| if |g| > c",
    not_tested="several arrays, c other than 1, a gradient of zeros.",
)
course.test(
    clip_gradient,
    grads=[np.array([0.3, 0.4, 0.0])],
    c=1.0,
    expected=[np.array([0.3, 0.4, 0.0])],
    tol=1e-5,
    equation="g stays as it is if |g| <= c",
    not_tested="several arrays, c other than 1, a gradient of zeros.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("03_rnn", "clip-gradient-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 7. A network that spells "hello"

*45 minutes, 8 points. Escalera, Example: Character-level Language Model, and the slide on sampling.*

The vocabulary is h, e, l, o. The inputs are h, e, l, l; the target at each step is the *next* letter: e, l, l, o. The
second l must be answered by o although the first was answered by l, so the state has to remember how often l came.

$$h_t = \tanh(W_x x_t + W_h h_{t-1} + b), \qquad \hat y_t = \operatorname{softmax}(W_y h_t + b_y), \qquad
L = -\sum_t \log \hat y_t[\text{next letter}]$$

The cell below is given: the letters as one-hot rows, the loss with its gradient, and the start values.
"""

# %% nbgrader={"grade_id": "hello-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
LETTERS = "helo"
HIDDEN, EPOCHS, RATE, CLIP = 16, 120, 0.07, 1.0


def one_hot(text):
    """Each letter as a row with a single 1. "hell" -> (4, 4); one letter -> (1, 4)."""
    return np.eye(len(LETTERS))[[LETTERS.index(letter) for letter in text]]


def softmax_cross_entropy(scores, targets):
    """The loss, summed over the rows, and its gradient. scores (T, V), targets (T,) whole numbers -> float, (T, V)"""
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(targets))
    loss = -np.sum(np.log(p[rows, targets]))
    p[rows, targets] -= 1
    return float(loss), p


def start(seed):
    """Start values W_x (H, 4), W_h (H, H), b (H,), W_y (4, H), b_y (4,): small random weights, zero biases."""
    draw, V = np.random.default_rng(seed), len(LETTERS)
    return [0.1 * draw.normal(size=(HIDDEN, V)), 0.1 * draw.normal(size=(HIDDEN, HIDDEN)), np.zeros(HIDDEN),
            0.1 * draw.normal(size=(V, HIDDEN)), np.zeros(V)]


INPUTS = one_hot("hell")[:, None]                                       # (T, B, V) = (4, 1, 4)
TARGETS = np.array([LETTERS.index(letter) for letter in "ello"])        # (4,)

# %% [markdown]
r"""
Write the training, exactly in this order, so that everybody's numbers agree:

1. begin with `params = start(seed)`;
2. in each of the `EPOCHS` epochs: run the word from $h_0 = 0$, append the loss *before* the update to `losses`,
   compute the five gradients, clip them together with `CLIP`, and take one step of gradient descent with rate `RATE`;
3. after every tenth update (the 10th, the 20th, …) let the network spell: start from $h_0 = 0$ and the letter "h",
   take the letter with the largest score, feed it back as the next input, until the word has five letters; append the
   word to `words`.

Your functions of parts 1, 2, 4 and 6 do the work. If one of them is still wrong, the points of this part are not
lost: the grader also compares with a right loop around *your* functions.
"""

# %% nbgrader={"grade_id": "train-hello", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def train_hello(seed):
    """Train on "hello" from start(seed) for EPOCHS epochs.

    returns params: the list [W_x, W_h, b, W_y, b_y] after the last update;
            losses: a list of EPOCHS floats, the loss before each update;
            words: a list of EPOCHS // 10 strings of five letters, the last spelled by `params`
    """
    ### BEGIN SOLUTION
    params, losses, words = start(seed), [], []
    h0 = np.zeros((1, HIDDEN))
    for epoch in range(EPOCHS):
        W_x, W_h, b, W_y, b_y = params
        hs = rnn_forward(INPUTS, h0, W_x, W_h, b)
        loss, dscores = softmax_cross_entropy(hs[:, 0] @ W_y.T + b_y, TARGETS)
        losses.append(loss)

        dhs = (dscores @ W_y)[:, None]
        dxs, dh0, dW_x, dW_h, db = rnn_backward(dhs, INPUTS, h0, hs, W_x, W_h)
        grads = [dW_x, dW_h, db, dscores.T @ hs[:, 0], dscores.sum(axis=0)]
        params = [p - RATE * g for p, g in zip(params, clip_gradient(grads, CLIP), strict=True)]

        if epoch % 10 == 9:
            W_x, W_h, b, W_y, b_y = params
            word, h = "h", h0
            while len(word) < 5:
                h = rnn_step(one_hot(word[-1]), h, W_x, W_h, b)
                word += LETTERS[np.argmax(h @ W_y.T + b_y)]
            words.append(word)
    return params, losses, words
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

An epoch is: forward through the word, loss, backward through the word, clip, step. The output layer sits on each
state and is shared over the steps, as $W_x$ and $W_h$ are. Spelling is forward only, one letter at a time, and what
came out goes in.

</details>
<details><summary>Hint 2: the shapes</summary>

`hs` is (4, 1, 16), `hs[:, 0]` is (4, 16), the scores and their gradient `dscores` are (4, 4). So `dW_y` is (4, 16) =
`dscores.T @ hs[:, 0]`, `db_y` is (4,), and `dhs = (dscores @ W_y)[:, None]` is (4, 1, 16). In spelling,
`one_hot("l")` is (1, 4): a batch of one for `rnn_step`.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`h = rnn_step(one_hot(____), h, W_x, W_h, b)`, then `word += LETTERS[np.argmax(h @ W_y.T + b_y)]`

</details>
"""

# %% nbgrader={"grade_id": "train-hello-test", "grade": true, "locked": true, "points": 8, "schema_version": 3, "solution": false}
course.test(
    train_hello,
    seed=7,
    part=lambda result: result[2][-1],
    expected="hello",
    equation="minimise L = - sum over t of log y_t[next letter]",
    not_tested="other seeds, the losses, the words before the last.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("03_rnn", "train-hello-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: learning to spell

The loss of your network, and the word it spells after every tenth update. A model without memory cannot get below
$2 \ln 2 = 1.39$, the dotted line: it must answer both l with the same guess, half l and half o.
"""

# %% picture of the loss of hello tags=["picture"]
import matplotlib.pyplot as plt

params, losses, words = train_hello(3)
figure, axis = plt.subplots(figsize=(9, 3.4), layout="constrained")
axis.plot(range(1, EPOCHS + 1), losses)
axis.axhline(2 * np.log(2), color="gray", linestyle=":", linewidth=1)
for i, word in enumerate(words):
    update = 10 * (i + 1)
    axis.annotate(word, (update, losses[update - 1]), xytext=(0, 22), textcoords="offset points", ha="center",
                  family="monospace", color="tab:green" if word == "hello" else "tab:red",
                  arrowprops={"arrowstyle": "-", "color": "lightgray"})
axis.set(xlabel="update", ylabel="loss L", title='Learning to spell "hello"', ylim=(0, None))
plt.show()

# %% where you stand
course.progress()

# %% [markdown]
r"""
## What the reference does differently, and why it is faster

Your `rnn_forward` computes two small products a step. The reference, minigrad's recurrent layer, gives the same
numbers in less time:

- **One product for all inputs.** $W_x x_t$ does not depend on the state, so all T of them are one product: (T·B, D)
  times (D, H), before the loop. Only $W_h h_{t-1}$ has to wait for its turn. The cell below shows what that saves.
- **One product for all weight gradients.** On the way back the loop only computes and keeps `da` of each step. After
  it, $dW_h = \sum_t da_t^\top h_{t-1}$ is a single product over all T·B rows: the sum over time happens inside the
  matrix product.
- **No temporaries.** The buffers for states and slopes are made once and written in place; $1 - h_t^2$ is computed
  for all steps at once.

minigrad keeps the readable cell, which looks like yours, beside the fused one, and a test holds the two equal.

**float32 and float64.** From $|a| \approx 9$ on, tanh is exactly 1 in float32, and then $1 - h_t^2$ is exactly 0: a
gradient of 0 is the right answer there. In float64 that happens at about 19. After training, compare spelled words,
not losses: in float32 the digits of a loss differ from one machine to the next.
"""

# %% picture of one large product against many small ones tags=["picture"]
import time

T, B, D, H = 200, 16, 64, 128
many, weights = np.random.default_rng(0).normal(size=(T, B, D)), np.ones((H, D))


def best_of(function, repeats=20):
    """The shortest of some runs, in milliseconds: the others were disturbed."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - begin))
    return min(times)


step_by_step = best_of(lambda: [x @ weights.T for x in many])
at_once = best_of(lambda: (many.reshape(T * B, D) @ weights.T).reshape(T, B, H))
print(f"{T} products of ({B}, {D}): {step_by_step:.2f} ms.  One product of ({T * B}, {D}): {at_once:.2f} ms.")
