# %% [markdown]
r"""
# 05 The LSTM: gates, the cell, and a gradient that arrives

At the end of this notebook a network of your own reads thirty numbers, remembers only the first, and you will see
inside it how: which gate opened, which stayed shut, and why one number in its bias decides whether it learns this at
all. On the way you build

1. the gates, one step, and the whole sequence of a long short-term memory (LSTM);
2. its gradient, back through one step and back through time, along two roads instead of one;
3. three variants from the lectures: a cell that cannot forget, a cell whose gates look at it, and a forget gate that
   starts open.

Eight functions, about 5 hours of writing and 3 hours for slides, pictures and questions. The minutes are given with
each part. Every part has numbers of its own for its test, so you can leave one open and go on; parts 2 to 5 call the
functions of the parts before them. You need NumPy, and matplotlib for the pictures.

How a part works: read the equation, write the function, run the visible test below it. The visible test checks one
easy case and says what it leaves out. The points come from a hidden test with other sizes and other numbers. So ask
yourself after each green line: *what would this test not notice?* Below each function are three hints, folded: an
idea, the shapes, and a line with a gap. Opening them costs nothing. An early mistake costs its points once: where a
later function calls an earlier one of yours, the grader also compares with a right function around *yours*.
"""

# %% nbgrader={"grade_id": "environment", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

course.environment("05_lstm", functions=[
    "lstm_gates", "lstm_step", "lstm_forward", "lstm_step_backward", "lstm_backward", "simplified_lstm_step",
    "peephole_step", "forget_bias",
])

# %% [markdown]
r"""
## Letters and layout

All five decks draw the same cell and name its parts differently. We follow Escalera's letters.

| here | Escalera | Chemnitz | Télécom |
|---|---|---|---|
| $i$ input gate: write? | $i$ | $\mathbf i_t$ | $\Gamma_u$, update |
| $f$ forget gate: keep? | $f$ | $\mathbf f_t$ | $\Gamma_f$ |
| $o$ output gate: show? | $o$ | $\mathbf o_t$ | $\Gamma_o$ |
| $g$ candidate: what to write | $g$, "gate gate (?)" | $\tilde{\mathbf C}_t$ | $\tilde c^{(t)}$ |
| $c_t$ cell, the long memory | $c_t$ | $\mathbf C_t$ | $c^{(t)}$ |
| $h_t$ state, what the cell shows | $h_t$ | $\mathbf h_t$ | $a^{(t)}$ |

- **Four blocks in one matrix, in the order i, f, o, g** (Escalera). `W` has 4H rows: the first H belong to $i$, the
  next H to $f$, then $o$, then $g$. `b` (4H,) likewise. PyTorch stores i, f, *g, o*; a given function below converts.
  The name forget gate says the opposite of what the number means: $f = 1$ *keeps*, $f = 0$ erases.
- **State first: the columns of W are for [h; x].** The first H columns meet $h_{t-1}$, the other D meet $x_t$, as on
  the LSTM slides of Escalera, Chemnitz and Télécom. (Escalera's slide *Multilayer RNNs* writes the input first.)
- **One bias.** Chemnitz and Télécom have one, Escalera leaves it out, PyTorch has two, of which only the sum counts.
- **c and h have the same size H.** Chemnitz says that the cell may have another; with $h_t = o \odot \tanh(c_t)$ it
  cannot.
- **Rows are examples, time comes first**, as in 03: x (B, D), xs (T, B, D), and `xs[0]` is the deck's $x_1$. The
  start states $h_0$ and $c_0$ are arguments; the decks set them to 0.
- **Functions return h first, then c.**
- **The loss of a sequence is the sum over its steps, and over the examples of a batch.** `dW` means
  $\partial L/\partial W$ and has the shape of `W`. $\odot$ is `*`, entry by entry.

The cell below is given: the logistic function $\sigma$, and the conversion to PyTorch's layout.
"""

# %% nbgrader={"grade_id": "lstm-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def sigmoid(a):
    """The logistic function 1 / (1 + exp(-a)), written with tanh, which overflows nowhere. Keeps shape and dtype."""
    return 0.5 + 0.5 * np.tanh(0.5 * a)


def torch_layout(W, b):
    """W (4H, H+D), b (4H,), blocks i, f, o, g -> the parameters of a PyTorch LSTM layer, blocks i, f, g, o.

    returns {"weight_ih_l0": (4H, D), "weight_hh_l0": (4H, H), "bias_ih_l0": (4H,), "bias_hh_l0": (4H,) of zeros}
    """
    H = len(b) // 4
    i, f, o, g = np.arange(4 * H).reshape(4, H)         # the rows of each block
    rows = np.concatenate([i, f, g, o])
    return {"weight_ih_l0": W[rows, H:], "weight_hh_l0": W[rows, :H], "bias_ih_l0": b[rows],
            "bias_hh_l0": np.zeros_like(b)}

# %% [markdown]
r"""
## 1. The gates

*40 minutes, 14 points. Escalera, Long Short Term Memory (LSTM); Chemnitz, The forget gate.*

$$\begin{pmatrix} i \\ f \\ o \\ g \end{pmatrix} =
\begin{pmatrix} \sigma \\ \sigma \\ \sigma \\ \tanh \end{pmatrix}
\left(W \begin{pmatrix} h_{t-1} \\ x_t \end{pmatrix} + b\right)$$

One product gives 4H sums. Three blocks of them go through the logistic function and become *gates*, numbers between
0 (shut) and 1 (open). The fourth goes through tanh and becomes the *candidate*, a number between −1 and 1 that may be
written. Escalera calls it "gate gate (?)", and the question mark is right: it gates nothing.
"""

# %% nbgrader={"grade_id": "lstm-gates", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def lstm_gates(x, h, W, b):
    """The three gates and the candidate of one step.

    x (B, D): x_t, h (B, H): h_{t-1}, one row an example
    W (4H, H+D), b (4H,): rows in blocks of H in the order i, f, o, g; columns for [h; x], state first
    returns i, f, o, g, each (B, H), in the dtype of its arguments

    Example: with W and b of zeros every sum is 0, so i, f and o are all 0.5 and g is all 0.
    """
    ### BEGIN SOLUTION
    z = np.concatenate([h, x], axis=1) @ W.T + b
    i, f, o, g = np.split(z, 4, axis=1)
    return sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Put $h_{t-1}$ and $x_t$ of each example side by side, multiply once, cut the result into four blocks, and send each
block through its own function.

</details>
<details><summary>Hint 2: the shapes</summary>

h and x side by side are (B, H+D). Times `W.T`, which is (H+D, 4H), that is (B, 4H). Cut along axis 1, each of the
four blocks is (B, H): the first H columns, the next H, and so on.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`z = np.concatenate([____, ____], axis=1) @ W.T + b`, then `i, f, o, g = np.split(z, 4, axis=1)`

</details>
"""

# %% nbgrader={"grade_id": "lstm-gates-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    lstm_gates,
    x=np.array([[1, 0], [0.5, -1]]),
    h=np.array([[0, 0.5], [0.5, 0.5]]),
    W=np.tile([[1, 0], [0, 1], [0.5, -0.5], [1, 1], [-1, 0], [0, -1], [2, 0], [0, -2]], (1, 2)),
    b=np.array([0.1, -0.1, 1, 1, 0, 0.5, -0.5, 0.2]),
    results=("i", "f", "o", "g"),
    expected=(
        np.array([[0.75026011, 0.59868766], [0.75026011, 0.35434369]]),
        np.array([[0.77729986, 0.92414182], [0.85195280, 0.81757448]]),
        np.array([[0.26894142, 0.5], [0.26894142, 0.73105858]]),
        np.array([[0.90514825, -0.66403677], [0.90514825, 0.83365461]]),
    ),
    equation="(i, f, o, g) = (sigmoid, sigmoid, sigmoid, tanh)(W [h_{t-1}; x_t] + b)",
    not_tested="which columns of W belong to h and which to x (here they are the same), a batch of one, large inputs.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("05_lstm", "lstm-gates-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 2. One step

*30 minutes, 14 points. Chemnitz, LSTM; Escalera, Long Short Term Memory (LSTM).*

$$c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh(c_t)$$

The cell keeps a part of what it was and adds a part of something new. What it shows to the outside, to the loss and to
the gates of the next step, is $h_t$.

Look at the road from $c_{t-1}$ to $c_t$: one product with $f$, one sum, no matrix and no tanh. Everything in this
notebook comes from that line.
"""

# %% nbgrader={"grade_id": "lstm-step", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def lstm_step(x, h, c, W, b):
    """One step of an LSTM.

    x (B, D): x_t, h (B, H): h_{t-1}, c (B, H): c_{t-1};  W (4H, H+D), b (4H,) as in lstm_gates
    returns h_new (B, H): h_t, c_new (B, H): c_t

    Example: with W and b of zeros the gates are 0.5 and the candidate is 0, so c_new is c / 2.
    """
    ### BEGIN SOLUTION
    i, f, o, g = lstm_gates(x, h, W, b)
    c_new = f * c + i * g
    h_new = o * np.tanh(c_new)
    return h_new, c_new
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

First the gates, then the cell, then what the cell shows: h is made of the *new* cell. Each gate asks one question.
Chemnitz: is the input worth remembering ($i$), is the memory still needed ($f$), is it time to answer ($o$)?

</details>
<details><summary>Hint 2: the shapes</summary>

i, f, o, g, c and both results are (B, H). There is no matrix product outside `lstm_gates`: all is entry by entry.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`c_new = ____ * c + ____ * g`, then `h_new = o * np.tanh(____)`

</details>
"""

# %% nbgrader={"grade_id": "lstm-step-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    lstm_step,
    x=np.array([[1.0], [2.0]]),
    h=np.array([[0.5, -0.5], [1, 0]]),
    c=np.array([[1, -2], [0.5, 3]]),
    W=np.zeros((8, 3)),
    b=np.array([0, 0, 0, 0, 0, 0, 1, -0.5]),
    results=("h_new", "c_new"),
    expected=(
        np.array([[0.35340920, -0.42144305], [0.27930041, 0.42675524]]),
        np.array([[0.88079708, -1.23105858], [0.63079708, 1.26894142]]),
    ),
    equation="c_t = f c_{t-1} + i g;  h_t = o tanh(c_t)",
    not_tested="gates that differ (here i = f = o = 0.5, so which one multiplies what), a batch of one, a large c.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("05_lstm", "lstm-step-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: four regimes of one cell

Télécom's slides *LSTM regimes*, with your `lstm_step`. One unit starts at $c = 1$; its candidate (gray bars) follows
the input, and the gates $f$ and $i$ are held open or shut by their biases. Four panels, one for each pair:

- **keep** ($f = 1$, $i = 0$): a flat line, whatever comes in;
- **add** ($f = 1$, $i = 1$): the line goes up or down by each bar, and beyond 1;
- **overwrite** ($f = 0$, $i = 1$): the line is the bars, nothing older is left;
- **reset** ($f = 0$, $i = 0$): the line drops to 0 and stays there.
"""

# %% picture of the four regimes tags=["picture"]
import matplotlib.pyplot as plt

inputs = np.array([0.3, 0.8, 0, -0.5, 0, 0.6, 0.6, 0, -0.9, 0.2])
SHUT, OPEN = -8.0, 8.0
W_candidate = np.array([[0, 0], [0, 0], [0, 0], [0, 1.0]])              # rows i, f, o, g; columns h, x
regimes = {"keep: f = 1, i = 0": (SHUT, OPEN), "add: f = 1, i = 1": (OPEN, OPEN),
           "overwrite: f = 0, i = 1": (OPEN, SHUT), "reset: f = 0, i = 0": (SHUT, SHUT)}

figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), sharey=True, layout="constrained")
for axis, (name, (b_i, b_f)) in zip(axes, regimes.items()):
    h, c, line = np.zeros((1, 1)), np.ones((1, 1)), [1.0]
    for x in inputs:
        h, c = lstm_step(np.array([[x]]), h, c, W_candidate, np.array([b_i, b_f, OPEN, 0]))
        line.append(c[0, 0])
    axis.bar(range(1, 11), np.tanh(inputs), color="lightgray", label="candidate $g$")
    axis.plot(range(11), line, marker="o", markersize=4, label="cell $c_t$")
    axis.axhline(0, color="gray", linewidth=0.5)
    axis.set(title=name, xlabel="step t")
axes[0].legend(fontsize=8)
figure.suptitle("What the forget and the input gate make of the same inputs")
plt.show()

# %% [markdown]
r"""
## 3. The sequence

*25 minutes, 12 points. Chemnitz, The cell state is propagated over time.*

$$(h_t, c_t) = \text{step}(x_t, h_{t-1}, c_{t-1}) \qquad t = 1 \dots T$$

with the same `W` and `b` at every step. Two things are handed on now: $h$, which the gates of the next step read, and
$c$, which no gate reads. (Part 7 changes that.) All states are returned, because the way back needs them.

The visible test below runs three of your functions at once, with a `W` whose columns differ. If it fails and your loop
looks right, go back to part 1 and what its test did not see.
"""

# %% nbgrader={"grade_id": "lstm-forward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def lstm_forward(xs, h0, c0, W, b):
    """All states and cells of a sequence: h_1 to h_T and c_1 to c_T, without h_0 and c_0.

    xs (T, B, D), h0 (B, H), c0 (B, H);  W (4H, H+D), b (4H,) as in lstm_gates
    returns hs (T, B, H), cs (T, B, H): hs[0] is h_1, cs[0] is c_1.  h0 and c0 are left as they were.

    Example: with W and b of zeros, cs[0] is c0 / 2 and cs[1] is c0 / 4.
    """
    ### BEGIN SOLUTION
    h, c, hs, cs = h0, c0, [], []
    for x in xs:
        h, c = lstm_step(x, h, c, W, b)
        hs.append(h)
        cs.append(c)
    return np.stack(hs), np.stack(cs)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

The loop of the plain recurrent network, with two variables that are handed on instead of one. What a step returns,
the next step gets.

</details>
<details><summary>Hint 2: the shapes</summary>

`for x in xs` gives `x` of shape (B, D), T times. Each step gives two arrays (B, H). T of each, stacked along a new
first axis, are (T, B, H).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`h, c = lstm_step(x, ____, ____, W, b)`, and after it both are appended to their lists.

</details>
"""

# %% nbgrader={"grade_id": "lstm-forward-test", "grade": true, "locked": true, "points": 12, "schema_version": 3, "solution": false}
course.test(
    lstm_forward,
    xs=np.array([[[1.0], [-0.5]]]),
    h0=np.array([[0.5, -0.5], [0, 0.25]]),
    c0=np.array([[1, -1], [0.5, 2]]),
    W=np.array([[1, 0, 0.5], [0, -1, 1], [0.5, 0.5, 0], [-1, 0, 1],
                [0, 1, -0.5], [1, 1, 0], [0.5, -1, 1], [0, 0.5, -1]]),
    b=np.array([0, 0.5, 1, 1, 0, -0.5, 0.2, 0]),
    results=("hs", "cs"),
    expected=(
        np.array([[[0.23997692, -0.34589713], [0.09773134, 0.39531399]]]),
        np.array([[[1.43310831, -1.56474023], [0.15831798, 1.48773545]]]),
    ),
    equation="(h_t, c_t) = step(x_t, h_{t-1}, c_{t-1}) for t = 1 ... T",
    not_tested="more than one step (so what is handed on from step to step), a batch of one, whether h0 is left alone.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("05_lstm", "lstm-forward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: a memory with three switches

Chemnitz asks of every step: worth remembering? still needed? time to answer? Here the answers come from outside, as
three inputs: *write* opens $i$, *erase* shuts $f$, *read* opens $o$. The fourth input is a number, new at each step
(gray bars, upper panel). Letters above the bars mark the switches: W, E, R.

What you should see in the lower panel: the cell (line) holds the number of step 3 until step 11, where it is erased
and overwritten at once; the state $h$ (squares) is 0 at all times but the two reads, and shows tanh of the cell
there.
"""

# %% picture of a memory with three switches tags=["picture"]
import matplotlib.pyplot as plt

SWITCH = 8.0                                        # how hard a switch pushes its gate
W_switch = np.array([                               # columns: h, number, write, erase, read
    [0, 0, 2 * SWITCH, 0, 0],                       # i: shut, but for write
    [0, 0, 0, -2 * SWITCH, 0],                      # f: open, but for erase
    [0, 0, 0, 0, 2 * SWITCH],                       # o: shut, but for read
    [0, 1, 0, 0, 0],                                # g: the number
])
b_switch = np.array([-SWITCH, SWITCH, -SWITCH, 0])

steps, reads = 20, (7, 16)
tape = np.zeros((steps, 1, 4))
tape[:, 0, 0] = np.random.default_rng(2).uniform(-1.2, 1.2, size=steps)
for switch, times in ((1, (3, 11)), (2, (11,)), (3, reads)):
    tape[[t - 1 for t in times], 0, switch] = 1
tape[2, 0, 0], tape[10, 0, 0] = 0.7, -0.5                               # the two numbers that are written

shown, held = lstm_forward(tape, np.zeros((1, 1)), np.zeros((1, 1)), W_switch, b_switch)
time_axis = np.arange(1, steps + 1)
figure, (above, below) = plt.subplots(2, 1, figsize=(9, 4.2), sharex=True, layout="constrained")
above.bar(time_axis, tape[:, 0, 0], color="lightgray")
for t in time_axis:
    letters = [name for name, on in zip("WER", tape[t - 1, 0, 1:]) if on]
    if letters:
        above.text(t, 1.35, "+".join(letters), ha="center", weight="bold")
above.set(ylabel="number", ylim=(-1.4, 1.7),
          title="The cell keeps what was written until it is erased; $h$ shows it when it is read")
below.plot(time_axis, held[:, 0, 0], marker="o", markersize=4, label="cell $c_t$")
below.plot(time_axis, shown[:, 0, 0], marker="s", linestyle="none", fillstyle="none", label="state $h_t$")
below.axhline(0, color="gray", linewidth=0.5)
below.set(xlabel="step t", ylabel="value", xticks=time_axis, ylim=(-1.4, 1.4))
below.legend(loc="lower left")
plt.show()

# %% [markdown]
r"""
## 4. Back through one step

*100 minutes, 22 points. Escalera, Long Short Term Memory (LSTM): Gradient Flow.*

A step gives two results, so two gradients come back to it: $dh_t$ for what it showed, and $dc'_t$, which arrives from
step $t+1$ along the line of the cell. The cell acts along both roads, so its whole gradient is a sum:

$$dc_t = dc'_t + dh_t \odot o \odot \big(1 - \tanh^2(c_t)\big)$$

From there to the four factors of the step, each by its partner in the product:

$$di = dc_t \odot g, \qquad df = dc_t \odot c_{t-1}, \qquad dg = dc_t \odot i, \qquad do = dh_t \odot \tanh(c_t)$$

then back through their functions ($\sigma' = \sigma(1-\sigma)$ and $\tanh' = 1 - \tanh^2$, both of the value that you
have already) to the sum $z = W[h_{t-1}; x_t] + b$:

$$dz = \big[\; di \odot i(1-i),\;\; df \odot f(1-f),\;\; do \odot o(1-o),\;\; dg \odot (1-g^2) \;\big]$$

and from $z$ by the rules for a matrix product, as in 03. Last, the road that the whole design is for:

$$dc'_{t-1} = dc_t \odot f$$

"Only elementwise multiplication by f, no matrix multiply by W", says Escalera. (Escalera
and Télécom give $\partial c_t/\partial c_{t-1}$ as $f$, Chemnitz as 1 while the state stays constant. That is this
direct road. A second one leads through $h_{t-1}$ and the gates; its gradient is in `dh`, which goes back to the step
before.)

The gates are not among the arguments: compute them again. That takes time and keeps the function short; the end of
the notebook says what the reference does instead.
"""

# %% nbgrader={"grade_id": "lstm-step-backward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def lstm_step_backward(dh_new, dc_new, x, h, c, W, b):
    """The gradients of one step h_t, c_t = lstm_step(x, h, c, W, b), given those of its two results.

    dh_new (B, H): the gradient of h_t;  dc_new (B, H): the gradient that c_t gets from step t+1, along the cell's line
    x (B, D), h (B, H): h_{t-1}, c (B, H): c_{t-1};  W (4H, H+D), b (4H,) as in lstm_gates
    returns dx (B, D), dh (B, H), dc (B, H), dW (4H, H+D), db (4H,), the last two summed over the batch

    Example: with W and b of zeros the forget gate is 0.5; if dh_new is 0 too, then dc is dc_new / 2.
    """
    ### BEGIN SOLUTION
    i, f, o, g = lstm_gates(x, h, W, b)
    c_new = f * c + i * g
    tanh_c = np.tanh(c_new)

    dc_all = dc_new + dh_new * o * (1 - tanh_c**2)
    di, df, dg = dc_all * g, dc_all * c, dc_all * i
    do = dh_new * tanh_c
    dz = np.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)], axis=1)

    H = h.shape[1]
    dhx = dz @ W
    dW = dz.T @ np.concatenate([h, x], axis=1)
    return dhx[:, H:], dhx[:, :H], dc_all * f, dW, dz.sum(axis=0)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Write the step forward, one operation a line, then walk the lines from the last to the first. $c_t$ acts on the loss
along two roads: through $h_t$, and through $c_{t+1}$. Both gradients are added before anything else is done with them.

</details>
<details><summary>Hint 2: the shapes</summary>

`dz` is (B, 4H), its blocks in the order i, f, o, g. `dz @ W` is (B, H+D): its first H columns are `dh`, the rest is
`dx`. `dW` is (4H, H+D) = (4H, B) times (B, H+D), which also sums over the examples. `db` is (4H,): sum over the rows.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`dc_all = dc_new + dh_new * o * (1 - ____ ** 2)`, and at the end `dc = dc_all * ____`

</details>
"""

# %% nbgrader={"grade_id": "lstm-step-backward-test", "grade": true, "locked": true, "points": 22, "schema_version": 3, "solution": false}
course.test(
    lstm_step_backward,
    dh_new=np.zeros((1, 2)),
    dc_new=np.array([[1.0, -2.0]]),
    x=np.array([[0.5]]),
    h=np.array([[0.5, -1]]),
    c=np.array([[2.0, -1.0]]),
    W=np.array([[1, 0, 0.5], [0, -1, 1], [0.5, 0.5, 0], [-1, 0, 1],
                [0, 1, -0.5], [1, 1, 0], [0.5, -1, 1], [0, 0.5, -1]]),
    b=np.array([0, 0.5, 1, 1, 0, -0.5, 0.2, 0]),
    results=("dx", "dh", "dc", "dW", "db"),
    expected={
        "dc": np.array([[0.67917870, -1.46211716]]),
        "db": np.array([0.20924879, 0.15992500, 0.43578999, 0.39322387, 0, 0, 0.05283105, -0.73982435]),
    },
    equation="dc'_{t-1} = dc_t f;  db = dz, summed over the batch, in blocks i, f, o, g",
    not_tested="the road through h (here dh_new is 0), dx, dh and dW, a batch of more than one.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("05_lstm", "lstm-step-backward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 5. Back through time

*60 minutes, 18 points. Escalera, Uninterrupted gradient flow!*

Two gradients travel from the last step to the first. At step $t$ the state has a gradient from its own loss and from
the gates of step $t+1$; the cell has one from step $t+1$ only, because no loss looks at it:

$$dh_t = \underbrace{\partial L_t/\partial h_t}_{\texttt{dhs[t]}} +
\underbrace{\text{dh that came back from step } t+1}_{0 \text{ at } t = T}, \qquad
dc'_t = \underbrace{\text{dc that came back from step } t+1}_{\texttt{dc\_last} \text{ at } t = T}$$

The last cell $c_T$ may be read by something behind the sequence: by the next chunk of a long text, or by the decoder of
assignment 08. What that sends back is `dc_last`; it is 0 where nothing reads $c_T$. `W` and `b` are the same at every
step, so their gradients are summed over the steps.
"""

# %% nbgrader={"grade_id": "lstm-backward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def lstm_backward(dhs, dc_last, xs, h0, c0, hs, cs, W, b):
    """Backpropagation through time for hs, cs = lstm_forward(xs, h0, c0, W, b).

    dhs (T, B, H): the gradient that each state gets from the loss of its own step
    dc_last (B, H): the gradient that c_T gets from behind the sequence
    xs (T, B, D), h0 (B, H), c0 (B, H), hs (T, B, H), cs (T, B, H), W (4H, H+D), b (4H,)
    returns dxs (T, B, D), dh0 (B, H), dc0 (B, H), dW (4H, H+D), db (4H,), for the sum of all losses

    Example: for T = 1 this is lstm_step_backward with dc_new = dc_last, with dxs one axis longer.
    """
    ### BEGIN SOLUTION
    dW, db = np.zeros_like(W), np.zeros_like(b)
    dxs, dh, dc = np.zeros_like(xs), np.zeros_like(h0), dc_last
    for t in reversed(range(len(xs))):
        h, c = (hs[t - 1], cs[t - 1]) if t > 0 else (h0, c0)
        dxs[t], dh, dc, dW_t, db_t = lstm_step_backward(dhs[t] + dh, dc, xs[t], h, c, W, b)
        dW += dW_t
        db += db_t
    return dxs, dh, dc, dW, db
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

One loop from the last step to the first, with two travellers, `dh` and `dc`. Only `dh` picks up a loss on its way. The
weights stay where they are and collect.

</details>
<details><summary>Hint 2: the shapes</summary>

`dh` and `dc` are (B, H); `dh` starts as zeros, `dc` as `dc_last`. In each step `lstm_step_backward` gives (B, D),
(B, H), (B, H), (4H, H+D), (4H,): the first is stored at `dxs[t]`, the next two travel on, the last two are added up.
The states before `hs[0]` and `cs[0]` are `h0` and `c0`.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`dxs[t], dh, dc, dW_t, db_t = lstm_step_backward(dhs[t] + ____, ____, xs[t], h, c, W, b)`

</details>
"""

# %% nbgrader={"grade_id": "lstm-backward-test", "grade": true, "locked": true, "points": 18, "schema_version": 3, "solution": false}
course.test(
    lstm_backward,
    dhs=np.array([[[0, 0]], [[1, -0.5]]]),
    dc_last=np.zeros((1, 2)),
    xs=np.array([[[1.0]], [[-0.5]]]),
    h0=np.array([[0, 0.5]]),
    c0=np.array([[1.0, -1.0]]),
    hs=np.array([[[0.40945417, -0.43644924]], [[0.34869510, -0.18194430]]]),
    cs=np.array([[[1.15349422, -1.34512817]], [[1.01753336, -0.53622865]]]),
    W=np.array([[1, 0, 0.5], [0, -1, 1], [0.5, 0.5, 0], [-1, 0, 1],
                [0, 1, -0.5], [1, 1, 0], [0.5, -1, 1], [0, 0.5, -1]]),
    b=np.array([0, 0.5, 1, 1, 0, -0.5, 0.2, 0]),
    results=("dxs", "dh0", "dc0", "dW", "db"),
    expected={
        "dxs": np.array([[[0.09788351]], [[0.11886976]]]),
        "dh0": np.array([[0.02548263, -0.07945150]]),
        "dc0": np.array([[0.11660921, -0.04926750]]),
    },
    equation="dh_t = dL_t/dh_t + (dh from step t+1);  dc'_t = (dc from step t+1)",
    not_tested="dW and db (so the sum over the steps), a loss at every step, dc_last that is not 0, a larger batch.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("05_lstm", "lstm-backward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### A test of your own

The visible test above never looks at `dW` and `db`, has its loss on the last step only, and its `dc_last` is 0. Write
a test that would have caught a mistake which it lets through. This cell gives no points and is not graded; it is for
you. Two ideas:

- for T = 1, `lstm_backward` must agree with `lstm_step_backward`, in all five results;
- nudge one entry of `W` by $\varepsilon = 10^{-6}$ up and down, run `lstm_forward`, and compare the change of a loss
  that you choose, for example $L = \sum_t \sum h_t$ (then every entry of `dhs` is 1), with that entry of `dW`.
"""

# %% room for your test
# your test


# %% [markdown]
r"""
### Picture: which number does the answer depend on?

The memory with three switches again, with your gradient. Its two answers are $h_7$ and $h_{16}$, where *read* was on.
The bars are the derivative of each answer by the number that came in at step $t$. In the upper panel a single bar
stands at step 3, in the lower a single bar at step 11: the steps where those numbers were written. Nothing comes
back beyond the erasure at step 11, and nothing from the steps that were not written. The bars are shorter than 1
because of two slopes of tanh, one where the number was written and one where it was read. The 4 or 5 steps of keeping
between them, with $f \approx 1$, cost nothing: "uninterrupted". Let the second read come later (`reads` in the picture
of part 3) and run both cells again: the bar keeps its height.
"""

# %% picture of what each answer depends on tags=["picture"]
import matplotlib.pyplot as plt

figure, axes = plt.subplots(2, 1, figsize=(9, 3.8), sharex=True, sharey=True, layout="constrained")
for axis, answer in zip(axes, reads):
    one_answer = np.zeros((steps, 1, 1))
    one_answer[answer - 1] = 1
    nothing = np.zeros((1, 1))
    dxs, *_ = lstm_backward(one_answer, nothing, tape, nothing, nothing, shown, held, W_switch, b_switch)
    axis.bar(time_axis, dxs[:, 0, 0])
    axis.axvline(answer, color="black", linestyle=":", linewidth=1)
    axis.text(answer + 0.1, 0.75, f"read at {answer}")
    axis.set(ylabel=f"$\\partial h_{{{answer}}}/\\partial$ number", ylim=(0, 1), xticks=time_axis)
axes[0].set(title="Each answer depends on the one number that was written for it")
axes[1].set(xlabel="step t of the number")
plt.show()

# %% [markdown]
r"""
## 6. A cell that cannot forget

*20 minutes, 8 points. Télécom, Main ideas : Long Short Term Memory Units (LSTM), the simplified LSTM.*

Télécom starts from the wish for a road "without any non-linearities or multiplication" and gets a cell with two
gates. In its letters ($\Gamma_u$ is our $i$, $a$ is our $h$):

$$\tilde c = \tanh(W_c [a_{t-1}; x_t] + b_c), \qquad
\Gamma_u = \sigma(W_u [a_{t-1}; x_t] + b_u), \qquad \Gamma_o = \sigma(W_o [a_{t-1}; x_t] + b_o)$$

$$c_t = c_{t-1} + \Gamma_u \odot \tilde c, \qquad a_t = \Gamma_o \odot \tanh(c_t)$$

The old cell is kept whole, so $\partial c_t/\partial c_{t-1} = 1$ on the direct road, at every step. The price is in
the slide's brackets: *no possibility to erase*. (The next slide, *Forget Gate LSTM*, still has these words in its
title. They belong here; the forget gate is what erases.) The slide leaves two functions open, $g$ for the candidate
and $f$ for the output; both are tanh here.
"""

# %% nbgrader={"grade_id": "simplified-lstm-step", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def simplified_lstm_step(x, a, c, W_c, W_u, W_o, b_c, b_u, b_o):
    """One step of Télécom's simplified LSTM, which has no forget gate.

    x (B, D): x_t, a (B, H): a_{t-1}, c (B, H): c_{t-1}
    W_c, W_u, W_o (H, H+D): columns for [a; x], state first;  b_c, b_u, b_o (H,)
    returns a_new (B, H): a_t, c_new (B, H): c_t

    Example: with all W and b of zeros the candidate is 0 and the gates are 0.5: c_new is c, a_new is tanh(c) / 2.
    """
    ### BEGIN SOLUTION
    ax = np.concatenate([a, x], axis=1)
    candidate = np.tanh(ax @ W_c.T + b_c)
    update = sigmoid(ax @ W_u.T + b_u)
    output = sigmoid(ax @ W_o.T + b_o)
    c_new = c + update * candidate
    return output * np.tanh(c_new), c_new
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

The LSTM with its forget gate stuck at 1. Whatever is in the cell stays there; the update gate decides how much of the
candidate is added to it.

</details>
<details><summary>Hint 2: the shapes</summary>

a and x side by side are (B, H+D). Each of the three sums is (B, H+D) times (H+D, H), so (B, H). The rest is entry by
entry.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`c_new = ____ + update * candidate`

</details>
"""

# %% nbgrader={"grade_id": "simplified-lstm-step-test", "grade": true, "locked": true, "points": 8, "schema_version": 3, "solution": false}
course.test(
    simplified_lstm_step,
    x=np.array([[1.0], [-1.0]]),
    a=np.array([[0.5, 0], [-0.5, 1]]),
    c=np.zeros((2, 2)),
    W_c=np.array([[1, 0, 0.5], [0, -1, 1]]),
    W_u=np.array([[0, 1, 1], [0.5, 0, -1]]),
    W_o=np.array([[1, 1, 0], [0, 0.5, 0.5]]),
    b_c=np.array([0.1, -0.1]),
    b_u=np.array([0.0, 1.0]),
    b_o=np.array([0.5, 0.0]),
    results=("a_new", "c_new"),
    expected=(
        np.array([[0.38486072, 0.23793179], [-0.25117895, -0.33937141]]),
        np.array([[0.58521168, 0.40268583], [-0.35814894, -0.82677925]]),
    ),
    equation="c_t = c_{t-1} + update * candidate;  a_t = output * tanh(c_t)",
    not_tested="what becomes of an old cell (here c is 0), a batch of one.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("05_lstm", "simplified-lstm-step-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: the cell that cannot forget

Both cells count pulses, one at every third step (letters P). At step 13 a second input says *new start* (dotted line).
The LSTM of part 2 shuts its forget gate there, drops to 0, and counts anew (line with circles). The simplified cell
gets the same input, but has no gate for it: its count goes on (line with triangles) to 8. Its output $\tanh(c)$
(dashed) is stuck near 1 from the second or third pulse on, so that later pulses cannot be told apart outside.
"""

# %% picture of the cell that cannot forget tags=["picture"]
import matplotlib.pyplot as plt

pulses, start_at, length = np.arange(2, 24, 3), 13, 24
signal = np.zeros((length, 1, 2))                                       # pulse, new start
signal[pulses - 1, 0, 0], signal[start_at - 1, 0, 1] = 1, 1
W_update, W_open, W_pulse = np.array([[0, 16.0, 0]]), np.zeros((1, 3)), np.array([[0, 1.1, 0]])     # h, pulse, start
W_count = np.concatenate([W_update, [[0, 0, -16.0]], W_open, W_pulse])
b_count = np.array([-8, 8, 8, 0.0])

h, c, a, kept, counts = np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)), []
for x in signal:
    h, c = lstm_step(x, h, c, W_count, b_count)
    a, kept = simplified_lstm_step(x, a, kept, W_pulse, W_update, W_open, np.zeros(1), -8 * np.ones(1), 8 * np.ones(1))
    counts.append((c[0, 0], kept[0, 0], a[0, 0]))
counts = np.array(counts) / np.array([np.tanh(1.1), np.tanh(1.1), 1])   # in pulses

figure, axis = plt.subplots(figsize=(9, 3.4), layout="constrained")
t_count = np.arange(1, length + 1)
axis.plot(t_count, counts[:, 1], marker="^", markersize=4, label="cell, simplified")
axis.plot(t_count, counts[:, 0], marker="o", markersize=4, label="cell, with forget gate")
axis.plot(t_count, counts[:, 2], linestyle="--", label="output $a_t$, simplified")
axis.axvline(start_at, color="black", linestyle=":", linewidth=1)
axis.text(start_at + 0.15, 6.6, "new start")
for t in pulses:
    axis.text(t, -0.9, "P", ha="center", fontsize=9)
axis.set(xlabel="step t", ylabel="pulses counted", ylim=(-1.2, 8.6),
         title="Without a forget gate the count cannot start anew")
axis.legend(loc="upper left")
plt.show()

# %% [markdown]
r"""
## 7. Gates that look at the cell

*25 minutes, 8 points. Chemnitz, Peephole connections.*

With the output gate shut, $h$ is 0, and no gate knows what the cell holds. A *peephole* lets them look:

$$f = \sigma(W_f [c_{t-1}; h_{t-1}; x_t] + b_f), \qquad i = \sigma(W_i [c_{t-1}; h_{t-1}; x_t] + b_i), \qquad
g = \tanh(W_C [h_{t-1}; x_t] + b_C)$$

$$c_t = f \odot c_{t-1} + i \odot g, \qquad o = \sigma(W_o [c_t; h_{t-1}; x_t] + b_o), \qquad h_t = o \odot \tanh(c_t)$$

The order matters: $f$ and $i$ are needed to make $c_t$, so they can only see the old cell; $o$ comes last and sees the
new one. (The sentence on the slide says that all three gates see $C_{t-1}$; its equation for $o$ has $C_t$. The
equation counts.) The candidate $g$ has no peephole. Each gate has a matrix of its own here, as on the slide; PyTorch
has no peepholes at all.
"""

# %% nbgrader={"grade_id": "peephole-step", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def peephole_step(x, h, c, W_f, W_i, W_o, W_C, b_f, b_i, b_o, b_C):
    """One step of an LSTM with peepholes: f and i see the old cell, o sees the new one.

    x (B, D): x_t, h (B, H): h_{t-1}, c (B, H): c_{t-1}
    W_f, W_i, W_o (H, 2H+D): columns for [c; h; x];  W_C (H, H+D): columns for [h; x];  b_f, b_i, b_o, b_C (H,)
    returns h_new (B, H): h_t, c_new (B, H): c_t

    Example: with all W and b of zeros the peepholes see nothing, and this is lstm_step: c_new is c / 2.
    """
    ### BEGIN SOLUTION
    hx = np.concatenate([h, x], axis=1)
    before = np.concatenate([c, hx], axis=1)
    f = sigmoid(before @ W_f.T + b_f)
    i = sigmoid(before @ W_i.T + b_i)
    c_new = f * c + i * np.tanh(hx @ W_C.T + b_C)

    after = np.concatenate([c_new, hx], axis=1)
    o = sigmoid(after @ W_o.T + b_o)
    return o * np.tanh(c_new), c_new
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Follow the order in which the values come into being: $f$, $i$ and $g$, then the new cell, then $o$, then $h$. A gate
can look only at a cell that exists already.

</details>
<details><summary>Hint 2: the shapes</summary>

c, h and x side by side are (B, 2H+D). Each gate is (B, 2H+D) times (2H+D, H), so (B, H). The candidate uses h and x
alone, (B, H+D). For o you need a second concatenation, with another first block.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`o = sigmoid(np.concatenate([____, h, x], axis=1) @ W_o.T + b_o)`

</details>
"""

# %% nbgrader={"grade_id": "peephole-step-test", "grade": true, "locked": true, "points": 8, "schema_version": 3, "solution": false}
course.test(
    peephole_step,
    x=np.array([[1.0], [-1.0]]),
    h=np.array([[0.5, 0], [-0.5, 1]]),
    c=np.zeros((2, 2)),
    W_f=np.array([[1, 0, 0.5, 0, 1], [0, 1, 0, 0.5, -1]]),
    W_i=np.array([[0.5, 0.5, 1, 0, 0.5], [1, -1, 0, -1, 1]]),
    W_o=np.array([[0, 0, 1, 0.5, 0], [0, 0, -0.5, 0, 1]]),
    W_C=np.array([[1, 0, 0.5], [0, -1, 1]]),
    b_f=np.array([0.0, 1.0]),
    b_i=np.array([0.5, 0.0]),
    b_o=np.array([0.0, -0.5]),
    b_C=np.array([0.1, -0.1]),
    results=("h_new", "c_new"),
    expected=(
        np.array([[0.35770859, 0.27013512], [-0.13201319, -0.02564780]]),
        np.array([[0.65446757, 0.52365570], [-0.27043158, -0.11568071]]),
    ),
    equation="f, i = sigmoid(W [c_{t-1}; h; x] + b);  o = sigmoid(W_o [c_t; h; x] + b_o)",
    not_tested="the peepholes themselves (here c is 0 and o looks away), a batch of one.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("05_lstm", "peephole-step-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: a clock without input

One unit with your `peephole_step`, no input at all. The candidate adds 0.2 a step. When the cell reaches 1, the output
gate sees it and fires; one step later the forget gate sees the full cell and empties it. So the cell is a sawtooth
(line with circles) and $h$ is 0 but for a pulse at every fifth step (bars). With the peepholes cut, all else equal,
the gates never change and the state is a flat line at 0 (dashed): nothing in the cell can reach them. This is what
the paper behind the slide is about, *Recurrent nets that time and count*.
"""

# %% picture of a clock tags=["picture"]
import matplotlib.pyplot as plt

PERIOD, SHARP, length = 5, 80.0, 20
level = 1 - 0.5 / PERIOD                                                # between the last two heights of the sawtooth
looks, blind = np.array([[SHARP, 0, 0]]), np.zeros((1, 3))              # columns c, h, x
b_open, b_fire = np.array([SHARP * level]), np.array([-SHARP * level])
b_grow = np.array([np.arctanh(1 / PERIOD)])


def tick(W_f, W_o):
    """The cell and the state of the clock, each (length,)."""
    h, c, seen = np.zeros((1, 1)), np.zeros((1, 1)), []
    for _ in range(length):
        h, c = peephole_step(np.zeros((1, 1)), h, c, W_f, blind, W_o, np.zeros((1, 2)),
                             b_open, np.array([20.0]), b_fire, b_grow)
        seen.append((c[0, 0], h[0, 0]))
    return np.array(seen).T


cell, fires = tick(-looks, looks)
_, silent = tick(blind, blind)
t_clock = np.arange(1, length + 1)
figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
axis.bar(t_clock, fires, width=0.5, color="tab:orange", label="state $h_t$")
axis.plot(t_clock, cell, marker="o", markersize=4, label="cell $c_t$")
axis.plot(t_clock, silent, linestyle="--", color="black", label="state without peepholes")
axis.set(xlabel="step t", ylabel="value", xticks=t_clock, ylim=(-0.1, 1.55),
         title=f"A peephole clock fires at every {PERIOD}th step")
axis.legend(loc="upper right", ncols=3)
plt.show()

# %% [markdown]
r"""
## 8. A forget gate that starts open

*10 minutes, 4 points. Télécom, Main ideas : Long Short Term Memory Units (LSTM), the forget gate LSTM.*

With small random weights and a bias of 0 every gate starts near $\sigma(0) = 0.5$, so half of the cell is lost at each
step, and half of the gradient: after 30 steps $0.5^{30} \approx 10^{-9}$ is left. Télécom's remedy is one number:
"set a high initial value for $b^f$". With $b^f = 3$ the gate starts at $\sigma(3) = 0.95$.

$$b^f = \text{value}, \qquad \text{the other blocks of } b \text{ as they were}$$

(Chemnitz' slide on the GRU calls the biases of an LSTM mostly useless. The picture below is a case where one of them
decides.)
"""

# %% nbgrader={"grade_id": "forget-bias", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def forget_bias(b, value):
    """The bias b with the forget gate's block set to a value: a new array, b is left as it was.

    b (4H,): blocks i, f, o, g;  value: a number
    returns b_new (4H,)

    Example: with H = 1, forget_bias(np.array([1.0, 2.0, 3.0, 4.0]), 7.0) is array([1., 7., 3., 4.]).
    """
    ### BEGIN SOLUTION
    b_new, H = b.copy(), len(b) // 4
    b_new[H:2 * H] = value
    return b_new
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Copy first, then write into the copy. Which of the four blocks is the forget gate's?

</details>
<details><summary>Hint 2: the shapes</summary>

`b` is (4H,), so H is a quarter of its length. The block is H neighbours: a slice.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`b_new[____:____] = value`, with `H = len(b) // 4`

</details>
"""

# %% nbgrader={"grade_id": "forget-bias-test", "grade": true, "locked": true, "points": 4, "schema_version": 3, "solution": false}
course.test(
    forget_bias,
    b=np.array([0.5, 0.0, 0.5, 0.5]),
    value=1.0,
    expected=np.array([0.5, 1.0, 0.5, 0.5]),
    equation="b^f = value, the rest unchanged",
    not_tested="H larger than 1, a forget bias that was not 0 before.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("05_lstm", "forget-bias-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: one number decides

The task: at step 1 a number comes, +1 or −1, marked by a 1 in the other input. Then 29 steps of noise. At the end the
network has to say which it was. The cell below is given: the data, and a training loop around your `lstm_forward` and
`lstm_backward` (a logistic loss on the last state, Adam, gradients clipped at 1).

Left, *before* training: $\lVert \partial L/\partial x_t \rVert$ for a loss on the last state, at each step $t$, on a
logarithmic axis. Straight lines are powers. The plain RNN (dotted) and the LSTM with bias 0 (circles) lose about half
at each step back, so that a millionth or less arrives at step 1. With bias 1 (triangles) a hundredth arrives; with 3
(squares) and 5 (diamonds) nothing is lost. The direct road alone would leave $\sigma(b^f)^{29}$, which is $10^{-9}$,
$10^{-4}$, 0.24 and 0.82 for the four. The lines lie higher, because the second road, through $h$ and the gates, brings
something too.

Right, the loss of the same four LSTMs while they learn, each point the mean of 10 updates. The dotted line is a coin
toss, $\ln 2$. Where too little gradient arrives, nothing is learned in 300 updates: biases 0 and 1 stay on the line, 3
and 5 leave it.
"""

# %% nbgrader={"grade_id": "memory-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
LENGTH, UNITS = 30, 8


def first_number(draw, batch):
    """Sequences xs (LENGTH, batch, 2), answers (batch,) of 0 and 1. Input 0 marks step 1, input 1 is the number."""
    answers = draw.integers(0, 2, size=batch)
    xs = np.zeros((LENGTH, batch, 2))
    xs[1:, :, 1] = 2 * draw.normal(size=(LENGTH - 1, batch))
    xs[0, :, 0], xs[0, :, 1] = 1, 2 * answers - 1
    return xs, answers


def start_weights(draw):
    """W (4H, H+2), b (4H,) and the weights w (H,) of the answer: small and random, biases 0."""
    bound = 1 / np.sqrt(UNITS)
    return [draw.uniform(-bound, bound, size=(4 * UNITS, UNITS + 2)), np.zeros(4 * UNITS),
            draw.uniform(-bound, bound, size=UNITS)]


def train_memory(params, draw, updates=300, batch=16, rate=0.01):
    """Train [W, b, w] to name the first number; the new params, and the loss before each update."""
    zero, losses = np.zeros((batch, UNITS)), []
    mean, square = [0 * p for p in params], [0 * p for p in params]
    for n in range(1, updates + 1):
        W, b, w = params
        xs, answers = first_number(draw, batch)
        hs, cs = lstm_forward(xs, zero, zero, W, b)
        p = sigmoid(hs[-1] @ w)
        losses.append(-np.mean(np.log(np.where(answers == 1, p, 1 - p) + 1e-12)))

        dscore = (p - answers) / batch
        dhs = np.zeros_like(hs)
        dhs[-1] = dscore[:, None] * w
        dxs, dh0, dc0, dW, db = lstm_backward(dhs, zero, xs, zero, zero, hs, cs, W, b)
        grads = [dW, db, dscore @ hs[-1]]
        norm = np.sqrt(sum(np.sum(g * g) for g in grads))
        grads = [g * min(1, 1 / max(norm, 1e-12)) for g in grads]
        mean = [0.9 * m + 0.1 * g for m, g in zip(mean, grads)]
        square = [0.999 * s + 0.001 * g * g for s, g in zip(square, grads)]
        params = [p - rate * (m / (1 - 0.9**n)) / (np.sqrt(s / (1 - 0.999**n)) + 1e-8)
                  for p, m, s in zip(params, mean, square)]
    return params, np.array(losses)

# %% picture of the gradient before training and the loss during it tags=["picture"]
import matplotlib.pyplot as plt

biases = {0: "o", 1: "^", 3: "s", 5: "D"}
probe, _ = first_number(np.random.default_rng(1), 16)
zero = np.zeros((16, UNITS))
last_only = np.zeros((LENGTH, 16, UNITS))
last_only[-1] = 1 / 16

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
t_memory = np.arange(1, LENGTH + 1)
for value, marker in biases.items():
    W, b, w = start_weights(np.random.default_rng(1))
    b = forget_bias(b, value)
    hs, cs = lstm_forward(probe, zero, zero, W, b)
    dxs, *_ = lstm_backward(last_only, zero, probe, zero, zero, hs, cs, W, b)
    left.semilogy(t_memory, np.linalg.norm(dxs, axis=(1, 2)), marker=marker, markersize=4,
                  label=f"LSTM, $b^f$ = {value}")
    _, losses = train_memory([W, b, w], np.random.default_rng(7))
    right.plot(np.arange(10, 301, 10), losses.reshape(-1, 10).mean(axis=1), marker=marker, markersize=4,
               label=f"$b^f$ = {value}")

W_rnn, _, _ = start_weights(np.random.default_rng(1))                   # the plain RNN of 03 gets the first H rows
W_h, W_x, states, h = W_rnn[:UNITS, :UNITS], W_rnn[:UNITS, UNITS:], [], zero
for x in probe:
    h = np.tanh(x @ W_x.T + h @ W_h.T)
    states.append(h)
da, norms = np.zeros((16, UNITS)), []
for t in reversed(range(LENGTH)):
    da = (last_only[t] + da @ W_h) * (1 - states[t]**2)
    norms.append(np.linalg.norm(da @ W_x))
left.semilogy(t_memory, norms[::-1], linestyle=":", color="black", label="plain RNN")

left.set(xlabel="step t", ylabel=r"$\|\partial L/\partial x_t\|$", title="Before training: what arrives at each step")
left.legend(fontsize=8)
right.axhline(np.log(2), color="gray", linestyle=":", linewidth=1)
right.set(xlabel="update", ylabel="loss", ylim=(0, 0.95), title="Training: who learns to remember the first number")
right.legend(title="start of the forget bias", fontsize=8)
plt.show()

# %% [markdown]
r"""
### Picture: inside the trained cell

An LSTM that started with $b^f = 5$, trained with twice the rate, reads two sequences: the same noise, but once the
first number is +1 (left), once −1 (right). Shown is the unit that answers, the one with the largest share in the
score. Four rows of squares are its gates $i$, $f$, $o$ and its candidate $g$ over time, white for 0, dark blue for 1,
dark red for −1; below them the cell $c$ (line) and the state $h$ (dashed).

Look for three things. The input gate is dark at step 1, where the number comes, and then fades: *write once*. The
forget gate is dark all the time: *keep*. And the cell takes one sign left and the other right, at the first step, and
never changes it, whatever the noise does. (Which sign stands for +1 is the network's own choice. That the cell keeps
growing is its own idea too: the candidate reads $h$ and confirms it a little at each step. Start from another seed, and
you may find more of this rehearsing, and an input gate that stays half open.)
"""

# %% picture of the gates of a trained cell tags=["picture"]
import matplotlib.pyplot as plt

W, b, w = start_weights(np.random.default_rng(1))
(W, b, w), _ = train_memory([W, forget_bias(b, 5), w], np.random.default_rng(7), updates=200, rate=0.02)
both, _ = first_number(np.random.default_rng(4), 2)
both[1:, 1] = both[1:, 0]                                               # the same noise for both
both[0, :, 1] = 1, -1
hs, cs = lstm_forward(both, np.zeros((2, UNITS)), np.zeros((2, UNITS)), W, b)
unit = np.argmax(np.abs(w * (hs[-1, 0] - hs[-1, 1])))
before = np.concatenate([np.zeros((1, 2, UNITS)), hs[:-1]])
gates = np.array([lstm_gates(x, h, W, b) for x, h in zip(both, before)])     # (T, 4, 2, H)

figure, axes = plt.subplots(2, 2, figsize=(11, 4.4), sharex=True, sharey="row", layout="constrained")
for k, name in enumerate(("+1", "−1")):
    image = axes[0, k].imshow(gates[:, :, k, unit].T, cmap="RdBu", vmin=-1, vmax=1, aspect="auto",
                              extent=(0.5, LENGTH + 0.5, 3.5, -0.5))
    answer = sigmoid(hs[-1, k] @ w)
    axes[0, k].set(yticks=range(4), yticklabels=["i write?", "f keep?", "o show?", "g what"],
                   title=f"first number {name}: +1 with probability {answer:.2f}")
    axes[1, k].plot(t_memory, cs[:, k, unit], marker="o", markersize=3, label="cell $c_t$")
    axes[1, k].plot(t_memory, hs[:, k, unit], linestyle="--", label="state $h_t$")
    axes[1, k].axhline(0, color="gray", linewidth=0.5)
    axes[1, k].set(xlabel="step t")
axes[1, 0].legend(fontsize=8)
figure.colorbar(image, ax=axes[0], label="value")
plt.show()

# %% where you stand
course.progress()

# %% [markdown]
r"""
## What the reference does differently, and why it is faster

minigrad's LSTM layer gives the numbers of your functions, and a test holds them equal. Four things make it faster:

- **One tanh for all four gates.** $\sigma(a) = \tfrac12 + \tfrac12 \tanh(a/2)$, so if the rows of i, f and o in `W`
  and `b` are halved once, before the sequence, a single call of tanh serves the whole block (B, 4H); afterwards the
  first three quarters are halved and shifted in place. That needs the three gates to be neighbours, and this is what
  Escalera's order i, f, o, g is good for. minigrad *stores* PyTorch's order, so that weights can be exchanged, and
  reorders the rows when a sequence starts. The cell below shows what one call saves.
- **Nothing is computed twice.** Your `lstm_step_backward` computes the gates again, a third of its work. The
  reference keeps $i, f, o, g$, $c$ and $\tanh c$ of every step from the way forward: more memory, less time.
- **One product for all weight gradients.** The loop back only keeps `dz` of each step. After it,
  $dW = \sum_t dz_t^\top [h_{t-1}; x_t]$ is a single product over all T·B rows.
- **No temporaries.** The state is written where the next product reads it, beside $x_t$, so nothing is concatenated.

**Exchange with PyTorch.** `torch_layout(W, b)` gives the four arrays of `torch.nn.LSTM(D, H)`, to be turned into
tensors and given to its `load_state_dict`; `minigrad.nn.LSTM` takes them as they are. Apart from a first axis for
the layers, `h_n` and `c_n` are then your `hs[-1]` and `cs[-1]`. Because PyTorch adds two biases, a forget bias of 1 in
*each* of them would be 2.

**float32 and float64.** Written as `1 / (1 + np.exp(-a))`, the logistic overflows in `exp` below −709 in float64 and
already below −88 in float32. The value is right (0), the warning is not wanted; the form with tanh is silent. A gate
near 1 loses digits in float32: between 0.5 and 1 its numbers are $6 \cdot 10^{-8}$ apart, and from $a \approx 18$ on
$\sigma(a)$ is exactly 1. Then `1 - f` is exactly 0, and no gradient reaches the bias of that gate: open it with 3 or 5,
not with 50.
"""

# %% picture of one call of tanh against four calls tags=["picture"]
import time

B, H = 16, 32
z = np.random.default_rng(0).normal(size=(B, 4 * H))
z_halved, out = z * np.repeat([0.5, 0.5, 0.5, 1], H), np.empty_like(z)  # as from W and b whose rows are halved


def best_of(function, repeats=300):
    """The shortest of some runs, in microseconds: the others were disturbed."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(1e6 * (time.perf_counter() - begin))
    return min(times)


def four_calls():
    first_three = [sigmoid(z[:, k * H:(k + 1) * H]) for k in range(3)]
    return [*first_three, np.tanh(z[:, 3 * H:])]


def one_call():
    np.tanh(z_halved, out=out)
    first_three = out[:, :3 * H]
    first_three *= 0.5
    first_three += 0.5
    return out


assert np.allclose(np.concatenate(four_calls(), axis=1), one_call())
print(f"The gates of {B} examples, {H} units.  Four calls: {best_of(four_calls):.0f} µs.  "
      f"One call: {best_of(one_call):.0f} µs.")
