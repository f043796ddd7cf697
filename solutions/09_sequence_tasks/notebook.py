# %% [markdown]
r"""
# 09 Four tasks: forecasting, sentiment, tagging, captioning

Up to here the question was how a network reads a sequence. Now it is put to work. At the end of this notebook a network
describes small pictures in words, and a function of yours shows where it looks at each word. On the way you build

1. a forecaster: windows, forecasts that feed on themselves, and a fair way to test them;
2. a verdict from a text of any length: the mean over its real words;
3. a tagger: a loss that leaves padding out, and a score that counts whole names;
4. attention over the places of a picture.

Seven functions, about 4 hours of writing and 4 hours for slides, pictures and questions. The minutes are given with
each part. No function needs an earlier one, so you can leave one open and go on; the pictures of parts 2 and 3 use
`make_windows` too, and that of part 6 uses the loss of part 5. You need NumPy, and matplotlib for the pictures.

How a part works: read the equation, write the function, run the visible test below it. The visible test checks one
easy case and says what it leaves out. The points come from a hidden test with other sizes and other numbers. So ask
yourself after each green line: *what would this test not notice?* Below each function are three hints, folded: an
idea, the shapes, and a line with a gap. Opening them costs nothing.
"""

# %% nbgrader={"grade_id": "environment", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

course.environment("09_sequence_tasks", functions=[
    "make_windows", "rollout", "time_series_split", "mean_pool", "masked_cross_entropy", "span_f1",
    "spatial_attention",
])

# %% [markdown]
r"""
## Which tasks, and which letters

Chemnitz (*Classification of LSTM architectures*) and Télécom (*Various types of sequential data*) sort tasks by what is
a sequence: the input, the output, or both.

| task | input | output | parts |
|---|---|---|---|
| forecasting (Riveill, KTH) | the last values | the next value, or several | 1 to 3 |
| sentiment (Télécom, Riveill): many to one | a text | one verdict | 4 |
| tagging (Télécom, Riveill): many to many, $T_x = T_y$ | a text | one tag a word | 5 and 6 |
| captioning (Escalera, Chemnitz): one to many | a picture | a text | 7 |

- **B** texts in a batch, **T** words (the longest text's), **H** the size of a state, **K** the number of tags. Shorter
  texts are filled up: that is *padding*, and it means nothing.
- **Time first or batch first?** States of a network are (T, B, H), time first, as in 03 to 08. Scores of tags and
  places of a picture are batch first, (B, T, K) and (B, L, D), as most programs store them. Each docstring says it.
- **Means are over what is real**: real words in part 4, real tokens of the whole batch in part 5. Never over padding.
- **Empty is 0.** A mean over nothing would be 0/0. Here it is defined as 0, and so is the score of texts without a
  name.
"""

# %% [markdown]
r"""
## 1. Windows over a series

*30 minutes, 12 points. Riveill, RNN for forecasting; How to predict futur multiple values.*

A series is one long list of values $y_0, \dots, y_{N-1}$. A network learns from examples, so the series is cut into
windows: some values in, and the values right after them as the target. Riveill takes 24 hours in and 24 hours out.

$$x_i = (y_i, \dots, y_{i + n_{in} - 1}), \qquad
\text{target}_i = (y_{i + n_{in}}, \dots, y_{i + n_{in} + n_{out} - 1}), \qquad i = 0, \dots, M - 1$$

$$M = N - n_{in} - n_{out} + 1$$

Windows start one step apart, so they overlap. (Chemnitz, *Input aggregation*, writes a window as $x_{t-T}, \dots, x_t$:
those are $T + 1$ values. Here $n_{in}$ is the number of values.)
"""

# %% nbgrader={"grade_id": "make-windows", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def make_windows(y, n_in, n_out):
    """All windows of a series, and what followed each.

    y (N,);  n_in, n_out: at least 1, together at most N
    returns X (M, n_in) and Y (M, n_out), M = N - n_in - n_out + 1: row i of X starts at y[i]

    Example: y = [0, 1, 2, 3], n_in = 2, n_out = 1 gives X = [[0, 1], [1, 2]] and Y = [[2], [3]].
    """
    ### BEGIN SOLUTION
    M = len(y) - n_in - n_out + 1
    X = np.stack([y[i:i + n_in] for i in range(M)])
    Y = np.stack([y[i + n_in:i + n_in + n_out] for i in range(M)])
    return X, Y
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

One window for each start i. Where the window stops, its target starts. The last window is the one whose target ends
with the last value of the series.

</details>
<details><summary>Hint 2: the shapes</summary>

`y[i:i + n_in]` is (n_in,). M of them, stacked, are (M, n_in). Count M for a series that is just long enough,
N = n_in + n_out: it has one window.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`Y = np.stack([y[____:i + n_in + n_out] for i in range(M)])`

</details>
"""

# %% nbgrader={"grade_id": "make-windows-test", "grade": true, "locked": true, "points": 12, "schema_version": 3, "solution": false}
course.test(
    make_windows,
    y=np.array([0.0, 10, 20, 30, 40, 50]),
    n_in=3,
    n_out=1,
    results=("X", "Y"),
    part=lambda result: (result[0][:2], result[1][:2]),
    expected=(np.array([[0.0, 10, 20], [10, 20, 30]]), np.array([[30.0], [40]])),
    equation="x_i = y_i ... y_{i+n_in-1},  target_i = the next n_out values (compared here: the first two rows)",
    not_tested="the last window, n_out other than 1, the shortest series.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("09_sequence_tasks", "make-windows-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 2. Many steps ahead: the forecast becomes the input

*25 minutes, 14 points. Riveill, How to predict futur multiple values; Chemnitz, Many to One: next character/word
prediction.*

A model that knows one step can go on: its forecast enters the window as if it had been measured, and the oldest value
leaves.

$$\hat y_{t+1} = f(y_{t - n_{in} + 1}, \dots, y_t), \qquad
\hat y_{t+2} = f(y_{t - n_{in} + 2}, \dots, y_t, \hat y_{t+1}), \qquad \dots$$

Chemnitz' network writes Shakespeare in this way, letter after letter. The price: an error of the first forecast is read
as if it were true by the second. Here `model` is a function that takes a window, an array of exactly $n_{in}$ values, and
gives one number. You do not need to know what is inside it.
"""

# %% nbgrader={"grade_id": "rollout", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def rollout(model, x, n):
    """The next n values after a window, each forecast fed back.

    model: a function, window (n_in,) -> float;  x (n_in,): the last known values, left as they were;  n: at least 1
    returns (n,): the forecasts in order, the known values not among them

    Example: for model = lambda window: 2 * window[-1], x = np.array([3.0, 1.0]) and n = 3 it is [2, 4, 8].
    """
    ### BEGIN SOLUTION
    window, ahead = x, []
    for _ in range(n):
        y = model(window)
        ahead.append(y)
        window = np.append(window[1:], y)
    return np.array(ahead)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

A loop that is run n times: ask the model, note its answer, move the window by one. Time runs from left to right, so the
newest value stands at the right end.

</details>
<details><summary>Hint 2: the shapes</summary>

The window has n_in values at every step. One leaves, one comes in. n numbers are noted; as an array they are (n,).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`window = np.append(window[____:], y)`

</details>
"""

# %% nbgrader={"grade_id": "rollout-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def rolled(w, b, x, n):
    """The first of your forecasts, and the later ones, of the model w . window + b.

    A window that has another length than w gets nan.
    """
    def model(window):
        return float(np.dot(w, window) + b) if len(window) == len(w) else float("nan")

    ahead = rollout(model, x, n)
    return ahead[:1], ahead[1:]

# %% nbgrader={"grade_id": "rollout-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    rolled,
    of="rollout",
    w=np.array([0.5, 0.0, 2.0]),
    b=1.0,
    x=np.array([2.0, 5.0, 3.0]),
    n=1,
    results=("first", "later"),
    expected={"first": np.array([8.0]), "later": np.zeros(0)},
    equation="y_{t+1} = f(the last n_in values); then y_{t+1} is the newest of them",
    not_tested="n larger than 1 (so the feedback), whether x is left alone.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("09_sequence_tasks", "rollout-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: the fan of a forecast

A generated series: two waves and a drift that wanders. The model is linear, fitted by least squares to windows of the
first 400 values, and never sees what comes after. From step 400 on your `rollout` goes ten steps ahead. How sure is it?
The same was tried from all later starts too, and the bands hold 50 % and 90 % of the errors that were made there. The
fan opens, fast at first: each step ahead stands on forecasts, and their errors pile up.
"""

# %% nbgrader={"grade_id": "series-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def waves(N, seed):
    """A series (N,): a wave of 24 steps, one of 12, and noise that wanders and returns."""
    draw, t, noise = np.random.default_rng(seed), np.arange(N), np.zeros(N)
    for i in range(1, N):
        noise[i] = 0.9 * noise[i - 1] + 0.15 * draw.normal()
    return np.sin(2 * np.pi * t / 24) + 0.4 * np.sin(2 * np.pi * t / 12 + 1) + noise


def least_squares(X, Y):
    """The weights w (n_in,) and b of the linear model that fits best: X (M, n_in), Y (M, 1)."""
    found = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), Y[:, 0], rcond=None)[0]
    return found[:-1], found[-1]

# %% picture of a forecast with its fan tags=["picture"]
import matplotlib.pyplot as plt

past, n_in, n = 400, 24, 10
y = waves(700, seed=2)
w, b = least_squares(*make_windows(y[:past], n_in, 1))


def linear(window):
    return float(np.dot(w, window) + b)


starts, futures = make_windows(y[past:], n_in, n)
errors = futures - np.array([rollout(linear, window, n) for window in starts])
ahead, steps = rollout(linear, y[past - n_in:past], n), np.arange(past, past + n)

figure, axis = plt.subplots(figsize=(10, 3.2), layout="constrained")
for share, alpha in ((0.9, 0.2), (0.5, 0.35)):
    low, high = np.quantile(errors, [(1 - share) / 2, (1 + share) / 2], axis=0)
    axis.fill_between(steps, ahead + low, ahead + high, alpha=alpha, color="tab:blue",
                      label=f"{share:.0%} of the errors")
axis.plot(np.arange(past - 40, past), y[past - 40:past], color="black", label="known")
axis.plot(steps, ahead, "o-", color="tab:blue", label="forecast")
axis.plot(steps, y[past:past + n], "x--", color="black", label="what came")
axis.set(xlabel="step t", ylabel="$y_t$", title="Ten steps ahead: the fan opens")
figure.legend(loc="outside right center")
plt.show()
print("typical error, 1 to 10 steps ahead:", *np.sqrt((errors**2).mean(axis=0)).round(2))

# %% [markdown]
r"""
## 3. A fair test: train on the past, test on what came next

*30 minutes, 14 points. Riveill, Time series cross-validation.*

Cross-validation usually deals the examples out at random. In a series that is cheating: the model then trains on
Monday and Wednesday and is tested on Tuesday. In time order, each of $k$ splits is tested on a block, and trained on
**everything before it and nothing after it**:

$$m = \lfloor N / (k + 1) \rfloor, \qquad \text{test}_i = [N - (k - i)\, m,\ N - (k - i - 1)\, m), \qquad
\text{train}_i = [0,\ N - (k - i)\, m), \qquad i = 0, \dots, k - 1$$

The $k$ test blocks have $m$ rows each and follow one another; the last one ends at $N$. The first training set is the
rest, $N - k\,m$ rows. These are the splits of scikit-learn's `TimeSeriesSplit`, which the slide names. For 10 rows
and 4 splits:

| split | train on | test on |
|---|---|---|
| 0 | 0 1 | 2 3 |
| 1 | 0 1 2 3 | 4 5 |
| 2 | 0 1 2 3 4 5 | 6 7 |
| 3 | 0 1 2 3 4 5 6 7 | 8 9 |
"""

# %% nbgrader={"grade_id": "time-series-split", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def time_series_split(N, k):
    """The k splits of N rows that are in the order of time.

    N, k: whole numbers, 1 <= k < N
    returns a list of k pairs (train, test): two arrays of whole numbers, the rows to train on and those to test on

    Example: time_series_split(4, 1) is [(array([0, 1]), array([2, 3]))].
    """
    ### BEGIN SOLUTION
    m = N // (k + 1)
    splits = []
    for i in range(k):
        start = N - (k - i) * m
        splits.append((np.arange(start), np.arange(start, start + m)))
    return splits
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Only one number changes from split to split: where the test block starts. Everything before it is training. Find the
starts from the end: the last block starts at N - m, the one before at N - 2m.

</details>
<details><summary>Hint 2: the shapes</summary>

`np.arange(start)` has `start` entries, 0 to start - 1. The test block has m. In split i there are k - i blocks from its
start to the end of the series, its own included.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`start = N - ____ * m`

</details>
"""

# %% nbgrader={"grade_id": "time-series-split-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def split_rows(N, k):
    """Your splits as two lists of arrays: the test blocks, and the training sets."""
    pairs = list(time_series_split(N, k))
    tests = [np.array(list(test), dtype=int) for train, test in pairs]
    trains = [np.array(list(train), dtype=int) for train, test in pairs]
    return tests, trains

# %% nbgrader={"grade_id": "time-series-split-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    split_rows,
    of="time_series_split",
    N=12,
    k=3,
    results=("test", "train"),
    expected={"test": [np.array([3, 4, 5]), np.array([6, 7, 8]), np.array([9, 10, 11])]},
    equation="m = floor(N / (k + 1));  test_i = [N - (k - i) m, N - (k - i - 1) m)",
    not_tested="the training sets, N that k + 1 does not divide, k = 1.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("09_sequence_tasks", "time-series-split-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: random folds flatter

Two models on a series that wanders off. One answers with what came after the *most similar window* that it has seen;
the other repeats the last value and learns nothing. Left: your splits, one row each, training as a thin line and the
test block as a thick one. Right: the typical error of both models, tested twice. In random folds the similar window
is the neighbour of the test window, sometimes from its own future, and the first model looks passable. In the order
of time its error is more than twice that of the model that learns nothing.
"""

# %% picture of fair and unfair folds tags=["picture"]
import matplotlib.pyplot as plt

draw, k = np.random.default_rng(0), 5
y = 0.01 * np.arange(400) + np.cumsum(0.3 * draw.normal(size=400)) + 0.8 * np.sin(np.arange(400) * np.pi / 12)
X, Y = make_windows(y, 6, 1)


def most_similar(X_train, Y_train, X_test):
    distance = ((X_test[:, None] - X_train[None])**2).sum(axis=2)
    return Y_train[distance.argmin(axis=1)]


def last_value(X_train, Y_train, X_test):
    return X_test[:, -1:]


def typical_error(folds, model):
    return np.sqrt(np.mean([np.mean((model(X[a], Y[a], X[b]) - Y[b])**2) for a, b in folds]))


blocks = np.array_split(draw.permutation(len(X)), k)
at_random = [(np.concatenate(blocks[:i] + blocks[i + 1:]), block) for i, block in enumerate(blocks)]
in_order = time_series_split(len(X), k)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for i, (train, test) in enumerate(in_order):
    left.plot([train[0], train[-1]], [i, i], linewidth=2, color="tab:gray")
    left.plot([test[0], test[-1]], [i, i], linewidth=9, color="tab:blue", solid_capstyle="butt")
left.set(xlabel="window", ylabel="split i", yticks=range(k), title="Train on all that came before")
left.invert_yaxis()
left.legend(["train", "test"], loc="upper right")
models = {"most similar window": most_similar, "last value": last_value}
for shift, hatch, name, folds in ((-0.2, "//", "random folds", at_random), (0.2, "", "order of time", in_order)):
    bars = right.bar(np.arange(2) + shift, [typical_error(folds, model) for model in models.values()], 0.4,
                     hatch=hatch, edgecolor="white", label=name)
    right.bar_label(bars, fmt="%.2f")
right.set(xticks=range(2), xticklabels=models, ylabel="error", title="Random folds hide that a model is useless")
right.margins(y=0.15)
right.legend()
plt.show()

# %% [markdown]
r"""
## 4. One verdict from many words: the mean over time

*20 minutes, 12 points. Télécom, Sentiment Classification / using a simple model; Riveill, Sentiment analysis.*

A text of $n$ words gives $n$ vectors, and a verdict needs one. Télécom's simple model takes the average:

$$\bar h = \frac1n \sum_{t < n} h_t$$

In a batch the texts are filled up to T steps, and what stands on the padding is junk: a network computes states there
too. So each text has its own $n$, in `lengths`, and only its first $n$ steps count. A text without words ($n = 0$) has
the mean 0.
"""

# %% nbgrader={"grade_id": "mean-pool", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def mean_pool(h, lengths):
    """The mean of each text's real steps.

    h (T, B, H), time first;  lengths (B,): whole numbers from 0 to T
    returns (B, H), in the dtype of h; a row of 0 where the length is 0

    Example: for h = [[[2]], [[4]], [[9]]] (T = 3, B = 1, H = 1) and lengths = [2] it is [[3]].
    """
    ### BEGIN SOLUTION
    real = np.arange(len(h))[:, None] < lengths                 # (T, B)
    total = np.sum(h * real[:, :, None], axis=0)                # (B, H)
    n = np.maximum(lengths, 1).astype(h.dtype)
    return total / n[:, None]
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Step t of a text is real if t is smaller than the text's length. Multiply by that, 1 or 0, then add up over time, then
divide by the length. A loop over the texts is fine too.

</details>
<details><summary>Hint 2: the shapes</summary>

`np.arange(T)[:, None]` is (T, 1) and `lengths` is (B,), so their comparison is (T, B). One more axis makes it fit
(T, B, H). The sum over time is (B, H); to divide each *row* by its own number, that number must be (B, 1).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`total = np.sum(h * ____[:, :, None], axis=0)`

</details>
"""

# %% nbgrader={"grade_id": "mean-pool-test", "grade": true, "locked": true, "points": 12, "schema_version": 3, "solution": false}
course.test(
    mean_pool,
    h=np.array([[[1.0, 2, 3], [0, 0, 3]], [[3.0, 4, 5], [2, -2, 1]]]),
    lengths=np.array([2, 2]),
    expected=np.array([[2.0, 3, 4], [1, -1, 2]]),
    equation="mean = (1/n) * sum of h_t over t < n",
    not_tested="texts shorter than T (so padding), a text without words.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("09_sequence_tasks", "mean-pool-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: a film that was lacking a good script

Télécom's example: *this movie was completely lacking a good script, good actors and a good director*. Three times
"good", and a bad review. The given cell makes such reviews (in some, "lacking" turns a bad script into praise) and
trains two models, with your `mean_pool` in both: one takes the mean of the word vectors, the other the mean of the
states of a recurrent network. You need not read it; the training is that of 03.

Left: the share of right verdicts on new reviews. On plain reviews both are right; on those with "lacking" the mean of
word vectors is wrong nearly every time. A mean only adds: "lacking" has a vector of its own, but it cannot turn
"good" into its opposite. Right: the verdict after each word of Télécom's sentence, above one half for praise. When
"good" comes, the state has read "lacking" already; the vector of "good" is the same as ever.
"""

# %% nbgrader={"grade_id": "reviews-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
GOOD, BAD = "good great clever lovely".split(), "bad dull clumsy weak".split()
FILMS, PARTS = "film movie play show".split(), "script director actors story music".split()
REVIEW_WORDS = ["<pad>", *GOOD, *BAD, *FILMS, *PARTS, *"this has was completely lacking a and really quite".split()]


def reviews(count, seed):
    """Word ids (T, N) padded with 0, lengths (N,), is it praise? (N,), does it have "lacking" in it? (N,)"""
    draw, texts, praise, denied = np.random.default_rng(seed), [], [], []
    for _ in range(count):
        good, lacking = draw.random() < 0.5, draw.random() < 0.4
        words = ["this", draw.choice(FILMS), *(["was", "completely", "lacking"] if lacking else ["has"])]
        words += [draw.choice(["really", "quite"])] if draw.random() < 0.5 else []
        parts = draw.permutation(PARTS)[:draw.integers(1, 4)]
        for i, part in enumerate(parts):
            words += ["and"] if 0 < i == len(parts) - 1 else []
            words += ["a", draw.choice(GOOD if good else BAD), part]
        texts.append([REVIEW_WORDS.index(word) for word in words])
        praise.append(good != lacking)
        denied.append(lacking)
    ids = np.zeros((max(map(len, texts)), count), int)
    for i, text in enumerate(texts):
        ids[:len(text), i] = text
    return ids, np.array([len(text) for text in texts]), np.array(praise), np.array(denied)


def steps_of(weights, ids, recurrent):
    """What is averaged, (T, B, .): the word vectors E x_t, or the states tanh(W_x E x_t + W_h h_{t-1} + b)."""
    E, W_x, W_h, b, v, c = weights
    if not recurrent:
        return E[ids]
    h, hs = np.zeros((ids.shape[1], len(b))), []
    for e in E[ids]:
        h = np.tanh(e @ W_x.T + h @ W_h.T + b)
        hs.append(h)
    return np.stack(hs)


def verdict(weights, pooled):
    """The probability of praise, (B,), from the mean of each text, (B, .)."""
    return 1 / (1 + np.exp(-(pooled @ weights[4] + weights[5])))


def adam(weights, grads, moments, step, rate):
    """One step of Adam, in place. moments: for each weight two arrays like it, zeros at the start."""
    for w, g, (m, v) in zip(weights, grads, moments):
        m += 0.1 * (g - m)
        v += 0.01 * (g * g - v)
        w -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8)


def zeros_for(weights):
    return [(np.zeros_like(w), np.zeros_like(w)) for w in weights]


def train_verdict(ids, lengths, praise, recurrent, pool, updates=400, d=8, H=16, seed=0):
    """The weights [E, W_x, W_h, b, v, c].  `pool` is your mean_pool; its gradient is shared out over the real words."""
    draw, B = np.random.default_rng(seed), 32
    weights = [0.3 * draw.normal(size=(len(REVIEW_WORDS), d)), draw.normal(size=(H, d)) / 3,
               draw.normal(size=(H, H)) / 5, np.zeros(H), 0.3 * draw.normal(size=H if recurrent else d), np.zeros(1)]
    moments = zeros_for(weights)
    for step in range(1, updates + 1):
        rows = draw.integers(len(praise), size=B)
        x, n = ids[:, rows], lengths[rows]
        E, W_x, W_h, b, v, c = weights
        hs, (dE, dW_x, dW_h, db, _, _) = steps_of(weights, x, recurrent), map(np.zeros_like, weights)
        pooled = pool(hs, n)
        dscore = (verdict(weights, pooled) - praise[rows]) / B
        dhs = (np.arange(len(x))[:, None] < n)[:, :, None] / n[:, None] * (dscore[:, None] * v)
        de, dh = dhs, np.zeros((B, H))
        if recurrent:
            de = np.zeros((*x.shape, d))
            for t in reversed(range(len(x))):
                da = (dhs[t] + dh) * (1 - hs[t]**2)
                de[t], dh = da @ W_x, da @ W_h
                dW_x += da.T @ E[x[t]]
                dW_h += da.T @ hs[t - 1] if t > 0 else 0
                db += da.sum(axis=0)
        np.add.at(dE, x, de)
        adam(weights, [dE, dW_x, dW_h, db, pooled.T @ dscore, dscore.sum(keepdims=True)], moments, step,
             0.02 * (1 - step / (updates + 1)))
    return weights

# %% picture of two models of sentiment tags=["picture"]
import matplotlib.pyplot as plt

ids, lengths, praise, denied = reviews(1000, seed=0)
ids_new, lengths_new, praise_new, denied_new = reviews(400, seed=1)
words = "this movie was completely lacking a good script good actors and a good director".split()
sentence = np.array([[REVIEW_WORDS.index(word)] for word in words])

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", width_ratios=[2, 3])
for shift, hatch, style, (name, recurrent) in zip((-0.2, 0.2), ("//", ""), ("s--", "o-"),
                                                  {"mean of word vectors": False, "mean of states": True}.items()):
    weights = train_verdict(ids, lengths, praise, recurrent, mean_pool)
    right_ones = (verdict(weights, mean_pool(steps_of(weights, ids_new, recurrent), lengths_new)) > 0.5) == praise_new
    bars = left.bar(np.arange(2) + shift, [right_ones[~denied_new].mean(), right_ones[denied_new].mean()], 0.4,
                    hatch=hatch, edgecolor="white", label=name)
    left.bar_label(bars, fmt="%.2f")
    # all beginnings of the sentence as one batch: T copies of it, of which 1, 2, ... T words are real
    beginnings = np.repeat(steps_of(weights, sentence, recurrent), len(words), axis=1)
    right.plot(verdict(weights, mean_pool(beginnings, np.arange(1, len(words) + 1))), style, label=name)
left.set(xticks=range(2), xticklabels=["plain", 'with "lacking"'], ylabel="right verdicts",
         ylim=(0, 1.6), yticks=[0, 0.5, 1], title="Words are enough, until they are turned")
left.legend(loc="upper right")
right.axhline(0.5, color="gray", linewidth=1, linestyle=":")
right.set(ylabel="probability of praise", ylim=(0, 1), title="The verdict after each word")
right.set_xticks(range(len(words)), words, rotation=60, ha="right")
right.legend(loc="upper right")
plt.show()

# %% [markdown]
r"""
## 5. A loss for each word: cross-entropy that leaves padding out

*50 minutes, 18 points. Télécom, Many-to-Many: T_x = T_y; Riveill, Named Entity Recognition / Part of Speech Tagging.*

A tagger gives K scores $z$ for each word, and each word has a right tag $t$. Padding has none; in its place stands the
number `ignore`. The loss is the mean over the $n$ real tokens *of the whole batch*, and each has the same weight:

$$\hat y = \operatorname{softmax}(z), \qquad L = -\frac1n \sum_{\text{real}} \log \hat y[t], \qquad
\frac{\partial L}{\partial z} = \frac{\hat y - \text{onehot}(t)}{n} \ \text{ where real, else } 0$$

You return both, loss and gradient. Two things to take care of:

- scores of 3000 overflow in exp, and $\log 0$ is $-\infty$. Subtract the largest score of each token first, and compute
  the logarithm directly: $\log \hat y_j = s_j - \log \sum_i e^{s_i}$ with $s = z - \max z$;
- `ignore` may be any whole number, -100 as well as 0 or 999. It must never be used as an index.

PyTorch and minigrad have the classes on axis 1, (B, K, T), and say NaN where no token is real. Here they are last, and
the loss of no token is 0.
"""

# %% nbgrader={"grade_id": "masked-cross-entropy", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def masked_cross_entropy(z, t, ignore):
    """The mean cross-entropy over the real tokens, and its gradient.

    z (B, T, K): scores, batch first;  t (B, T): the right classes, whole numbers from 0 to K - 1, or `ignore`
    returns loss: a float (0.0 if no token is real);  dz (B, T, K): 0 on ignored tokens

    Example: if all scores are 0, the loss is log K.
    """
    ### BEGIN SOLUTION
    real = t != ignore                                                  # (B, T)
    n = max(int(np.sum(real)), 1)
    s = z - np.max(z, axis=-1, keepdims=True)
    log_y = s - np.log(np.sum(np.exp(s), axis=-1, keepdims=True))       # (B, T, K)
    loss = -np.sum(log_y[real, t[real]]) / n
    dz = np.exp(log_y)
    dz[real, t[real]] -= 1
    dz[~real] = 0
    return float(loss), dz / n
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

First find out which tokens are real, and how many. Then log-probabilities for all tokens, real or not, as if there were
no padding. Only then pick: the loss takes the log-probability of the right class at the real tokens. The gradient is
$\hat y$ with 1 subtracted at the right class, and 0 at the others.

</details>
<details><summary>Hint 2: the shapes</summary>

`real` is (B, T), true or false. `t[real]` is (n,): the right classes of the real tokens, one after the other.
`log_y[real]` is (n, K), and `log_y[real, t[real]]` is (n,): one entry of each row. The same index can be written to:
`dz[real, t[real]] -= 1`.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`loss = -np.sum(log_y[real, ____]) / n`

</details>
"""

# %% nbgrader={"grade_id": "masked-cross-entropy-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def loss_and_gradient(z, t, ignore):
    """What your function returns. A loss that is the whole number 0 is as good as 0.0."""
    found = masked_cross_entropy(z, t, ignore)
    if type(found) is tuple and len(found) == 2 and type(found[0]) is int:
        return float(found[0]), found[1]
    return found

# %% nbgrader={"grade_id": "masked-cross-entropy-test", "grade": true, "locked": true, "points": 18, "schema_version": 3, "solution": false}
course.test(
    loss_and_gradient,
    of="masked_cross_entropy",
    z=np.log(np.array([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]])),
    t=np.array([[0, 1]]),
    ignore=-100,
    results=("loss", "dz"),
    expected=(1.4978661367769954, np.array([[[-0.25, 0.125, 0.125], [0.05, -0.45, 0.4]]])),
    equation="L = -(1/n) sum over real tokens of log y[t];  dz = (y - onehot(t)) / n, 0 where ignored",
    not_tested="ignored tokens, several texts, large scores.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("09_sequence_tasks", "masked-cross-entropy-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Write a test of your own

Not graded. Two ideas:

- padding must not matter: compute loss and gradient of a small batch; then glue two columns of random scores to its
  end, with `ignore` as their targets. The loss must stay as it was;
- nudge one score by $\varepsilon = 10^{-5}$ up and down, and compare the change of the loss with that entry of `dz`.
  Take one score of a real token and one of an ignored token.
"""

# %% room for your test
# your test


# %% [markdown]
r"""
## 6. Whole names count: the F₁ of spans

*40 minutes, 16 points. Riveill, Named Entity Recognition / Part of Speech Tagging; Machine Learning approach.*

Most words are no name. A tagger that says O (outside) to everything is right on most words, and useless. So whole
names are counted, as **spans**: (sentence, start, end, type), the end not included. With $G$ the set of spans in the
right tags and $P$ those in the predicted ones,

$$F_1 = \frac{2\, |G \cap P|}{|G| + |P|}$$

A span is right only if both borders and the type are. On Riveill's slide a tagger calls the company "Tencent" a
PERSON: right borders, wrong type, so it does not count. Télécom tags with 1 and 0, which cannot tell two neighbouring
names from one long one. BIO tags can:

| Emmanuel | Macron | is | the | president | of | France |
|---|---|---|---|---|---|---|
| B-PER | I-PER | O | O | O | O | B-LOC |

The rules, those of the scorer of the CoNLL-2000 shared task:

- `B-X` begins a span of type X, always, also right behind another span;
- `I-X` continues a span of type X. Where there is none to continue (at the start, after O, after another type), it
  begins one, as if it were `B-X`;
- `O`, `B-`, and `I-` of another type end the span before them; so does the end of the sentence.

If $G$ and $P$ are both empty, the score is 0 here.
"""

# %% nbgrader={"grade_id": "span-f1", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def span_f1(gold, pred):
    """The F1 of whole spans, over all sentences together.

    gold, pred: lists of sentences, each a list of tags "O", "B-X" or "I-X"; of equal lengths
    returns a float from 0 to 1; 0.0 if there is no span in either

    Example: gold = [["B-PER", "I-PER", "O"]] and pred = [["B-PER", "O", "O"]] give 0.0: the end is wrong.
    """
    ### BEGIN SOLUTION
    def spans(sentences):
        found = set()
        for k, tags in enumerate(sentences):
            start = None                                        # of the span that is open
            for i, tag in enumerate([*tags, "O"]):
                if start is not None and tag != "I" + tags[start][1:]:
                    found.add((k, start, i, tags[start][2:]))
                    start = None
                if start is None and tag != "O":
                    start = i
        return found

    G, P = spans(gold), spans(pred)
    return 2 * len(G & P) / (len(G) + len(P)) if G or P else 0.0
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Write a small function inside, tags to spans, and use it twice. It walks through a sentence and remembers where the open
span began, if one is open. At each tag ask two things, in this order: does it end the open span? Does it begin one?
Python's sets do the rest: `G & P` is what both have.

</details>
<details><summary>Hint 2: the shapes</summary>

A span is a tuple of four, (number of the sentence, start, end, type); tuples can be put into a set. An "O" glued to the
end of each sentence closes what is still open there. The type of `"B-PER"` is `tag[2:]`.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`if start is not None and tag != "I" + ____[1:]:` (then the open span ends here: it began at `start`)

</details>
"""

# %% nbgrader={"grade_id": "span-f1-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def score_of_spans(gold, pred):
    """What your function returns. The whole numbers 0 and 1 are as good as 0.0 and 1.0."""
    found = span_f1(gold, pred)
    return float(found) if type(found) is int else found

# %% nbgrader={"grade_id": "span-f1-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    score_of_spans,
    of="span_f1",
    gold=[["B-PER", "I-PER", "O", "O", "O", "O", "B-LOC"]],
    pred=[["B-PER", "I-PER", "O", "O", "O", "O", "O"]],
    expected=2 / 3,
    equation="F1 = 2 |G and P| / (|G| + |P|), spans (sentence, start, end, type)",
    not_tested="wrong types and borders, neighbouring spans, I- without B-, several sentences, no span at all.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("09_sequence_tasks", "span-f1-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: right on most words, and no name found

Generated sentences with persons, places and firms, and traps: *washington* is a person or a place, *apple* is a firm
or a fruit (Télécom's example), and *new york* hides in *the new york times*. Two taggers are trained with your
`masked_cross_entropy` on padded batches: one sees each word alone, one sees its two neighbours too. A third says O to
everything. The given cell makes the sentences and holds the training; you need not read it.

Left, for each tagger: the share of words with the right tag (hatched), and your $F_1$ (plain). The tagger without a
single name still has six words of ten. Right: one new sentence as each tagger reads it; tags in brackets are wrong.
"""

# %% nbgrader={"grade_id": "tagging-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
NAMES = {"PER": ["emmanuel macron", "marie curie", "ada lovelace", "washington", "alan turing"],
         "LOC": ["france", "paris", "washington", "new york", "sweden"],
         "ORG": ["apple", "the new york times", "telecom paris"]}
PATTERNS = ["PER is the president of LOC", "PER lives in LOC LOC", "ORG stores sell the new phone in LOC",
            "yesterday PER wrote to ORG", "in LOC they drink apple juice", "the new letter of PER came to LOC",
            "apple juice is a refreshing drink", "ORG praised PER", "they read ORG in LOC"]


def tagged_sentences(count, seed):
    """Sentences, a list of lists of words, and their tags."""
    draw, sentences, tags = np.random.default_rng(seed), [], []
    for _ in range(count):
        sentences.append([])
        tags.append([])
        for part in str(draw.choice(PATTERNS)).split():
            name = str(draw.choice(NAMES[part])).split() if part in NAMES else [part]
            sentences[-1] += name
            tags[-1] += [f"B-{part}"] + [f"I-{part}"] * (len(name) - 1) if part in NAMES else ["O"]
    return sentences, tags


def windows_of_words(sentences, vocabulary, around):
    """One-hot rows (B, T, (2 around + 1) V): each word with `around` neighbours on both sides, 0 where none is."""
    T, V = max(map(len, sentences)), len(vocabulary)
    x = np.zeros((len(sentences), T, 2 * around + 1, V))
    for i, words in enumerate(sentences):
        for t in range(len(words)):
            for j, place in enumerate(range(t - around, t + around + 1)):
                if 0 <= place < len(words) and words[place] in vocabulary:
                    x[i, t, j, vocabulary.index(words[place])] = 1
    return x.reshape(len(sentences), T, -1)


def train_tagger(x, t, loss, updates=150):
    """W (K, D) of the scores x @ W.T, by gradient descent; `loss` is your masked_cross_entropy."""
    W, speed = np.zeros((len(TAGS), x.shape[2])), 0
    for _ in range(updates):
        dz = loss(x @ W.T, t, -100)[1]
        speed = 0.9 * speed - 4.0 * np.tensordot(dz, x, axes=((0, 1), (0, 1)))
        W = W + speed
    return W

# %% picture of three taggers tags=["picture"]
import matplotlib.pyplot as plt

sentences, tags = tagged_sentences(200, seed=0)
sentences_new, tags_new = tagged_sentences(200, seed=1)
vocabulary = sorted({word for words in sentences for word in words})
targets = np.full((len(tags), max(map(len, tags))), -100)
for i, row in enumerate(tags):
    targets[i, :len(row)] = [TAGS.index(tag) for tag in row]

answers = {"O to everything": [["O"] * len(row) for row in tags_new]}
for name, around in (("each word alone", 0), ("with both neighbours", 1)):
    W = train_tagger(windows_of_words(sentences, vocabulary, around), targets, masked_cross_entropy)
    best = (windows_of_words(sentences_new, vocabulary, around) @ W.T).argmax(axis=2)
    answers[name] = [[TAGS[k] for k in row[:len(words)]] for row, words in zip(best, sentences_new)]

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.4), layout="constrained", width_ratios=[2, 3])
all_tags = [tag for row in tags_new for tag in row]
words_right = [np.mean([a == b for a, b in zip(sum(said, []), all_tags)]) for said in answers.values()]
for shift, hatch, (name, values) in zip((-0.2, 0.2), ("//", ""), {
        "words": words_right, "$F_1$ of spans": [span_f1(tags_new, said) for said in answers.values()]}.items()):
    left.bar_label(left.bar(np.arange(3) + shift, values, 0.4, hatch=hatch, edgecolor="white", label=name), fmt="%.2f")
left.set(xticks=range(3), xticklabels=[name.replace(" ", "\n", 1) for name in answers], ylim=(0, 1.4),
         yticks=[0, 0.5, 1], title="Words flatter, spans do not")
left.legend(loc="upper left")

misses = [sum(a != b for a, b in zip(said, gold)) for said, gold in zip(answers["each word alone"], tags_new)]
worst = int(np.argmax(misses))
rows = [tags_new[worst], *[[tag if tag == gold else f"[{tag}]" for tag, gold in zip(said[worst], tags_new[worst])]
                           for said in answers.values()]]
right.axis("off")
table = right.table(rows, colLabels=sentences_new[worst], rowLabels=["right tags", *answers], loc="center",
                    cellLoc="center")
table.auto_set_font_size(False)
table.set_fontsize(9)
table.scale(1, 1.7)
right.set_title("One sentence, read by each (wrong tags in brackets)")
plt.show()

# %% [markdown]
r"""
## 7. Where to look: attention over a picture

*35 minutes, 14 points. Escalera, Image Captioning with Attention; Chemnitz, One to Many: image caption generation.*

A captioner writes word after word. Before each word it looks at the picture again, at another place each time. The
picture is given as $L$ regions, each a vector $f_l$. The state $h$ knows what has been said so far, and asks each
region how well it fits:

$$e_l = u^\top \tanh(W_h h + W_f f_l), \qquad \alpha = \operatorname{softmax}(e) \text{ over the regions}, \qquad
z = \sum_{l=1}^{L} \alpha_l f_l$$

The decks have pictures of it and no equation: these are of the paper that both cite, *Show, Attend and Tell* (Xu et
al., ICML 2015; Chemnitz prints NIPS). The score is the additive one of 08, in which the places of a picture stand for
the words of a sentence. A softmax along an axis is given.
"""

# %% nbgrader={"grade_id": "softmax-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def softmax(e, axis):
    """Scores to weights that add up to 1 along an axis; large scores do not overflow."""
    p = np.exp(e - np.max(e, axis=axis, keepdims=True))
    return p / np.sum(p, axis=axis, keepdims=True)

# %% nbgrader={"grade_id": "spatial-attention", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def spatial_attention(h, F, W_h, W_f, u):
    """What is seen of each picture, and where it was looked for.

    h (B, H): a state for each picture;  F (B, L, D): the L regions of each picture, batch first
    W_h (K, H), W_f (K, D), u (K,)
    returns z (B, D): the weighted sum of the regions;  alpha (B, L): the weights, each row adds up to 1

    Example: with one region (L = 1) alpha is 1 and z is that region.
    """
    ### BEGIN SOLUTION
    e = np.tanh((h @ W_h.T)[:, None] + F @ W_f.T) @ u           # (B, L)
    alpha = softmax(e, axis=1)
    z = np.sum(alpha[:, :, None] * F, axis=1)
    return z, alpha
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

The state's part, $W_h h$, is the same for all regions of a picture; the region's part, $W_f f_l$, differs. They are
added before the tanh. Then one number for each region, then weights, then a mean with these weights.

</details>
<details><summary>Hint 2: the shapes</summary>

`h @ W_h.T` is (B, K), `F @ W_f.T` is (B, L, K): a new axis in the middle of the first, (B, 1, K), makes them fit. Times
`u` it is (B, L). For the sum, `alpha[:, :, None]` is (B, L, 1) beside F's (B, L, D).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`e = np.tanh((h @ W_h.T)[:, ____] + F @ W_f.T) @ u`

</details>
"""

# %% nbgrader={"grade_id": "spatial-attention-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    spatial_attention,
    h=np.array([[0.5, -1.0]]),
    F=np.array([[[1.0, 2, -1], [1, 2, -1], [1, 2, -1], [1, 2, -1]]]),
    W_h=np.array([[1.0, 0], [0.5, -0.5]]),
    W_f=np.array([[0.5, 0, 1], [0, -0.5, 0]]),
    u=np.array([1.0, 2]),
    results=("z", "alpha"),
    expected=(np.array([[1.0, 2, -1]]), np.array([[0.25, 0.25, 0.25, 0.25]])),
    equation="e_l = u . tanh(W_h h + W_f f_l),  alpha = softmax(e) over l,  z = sum of alpha_l f_l",
    not_tested="regions that differ (so the scores themselves), more than one picture, large scores.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("09_sequence_tasks", "spatial-attention-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Closing picture: a caption, and where each word looked

Pictures of 8 × 8 pixels with two of five things in them: a box, a bar, a line, a slash, a dot. A caption names the
upper one first ("box above dot"), or the left one if both stand in one row of cells ("dot beside bar"). The regions
are the 16 cells of 2 × 2 pixels, and each knows its row and its column. The training in the given cell (you need not
read it) learns from pictures and captions alone: nobody tells the network where to look. Then it describes new
pictures with *your* attention.

Each row is one picture, then one map for each word that was written. A darker cell has more weight, and the number in
the cell with the most weight says how much. The first and the third word look at the thing that they name. For the
word between them the network looks at the second thing: it knows already where the first one was. For `<end>` it
matters little where it looks.
"""

# %% nbgrader={"grade_id": "captions-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
THINGS = {"box": [[1, 1], [1, 1]], "bar": [[1, 0], [1, 0]], "line": [[0, 0], [1, 1]], "slash": [[0, 1], [1, 0]],
          "dot": [[1, 0], [0, 0]]}
CAPTION_WORDS = ["<start>", "<end>", "above", "beside", *THINGS]


def scenes(count, seed):
    """Pictures (N, 8, 8), and captions (N, 4): ids of CAPTION_WORDS, the last of them <end>."""
    draw, pictures, captions = np.random.default_rng(seed), np.zeros((count, 8, 8)), []
    for picture in pictures:
        names = [str(name) for name in draw.choice(list(THINGS), 2, replace=False)]
        places = sorted(divmod(int(cell), 4) for cell in draw.choice(16, 2, replace=False))
        for name, (row, column) in zip(names, places):
            picture[2 * row:2 * row + 2, 2 * column:2 * column + 2] = THINGS[name]
        relation = "above" if places[0][0] < places[1][0] else "beside"
        captions.append([CAPTION_WORDS.index(word) for word in (names[0], relation, names[1], "<end>")])
    return pictures, np.array(captions)


def regions(pictures):
    """(N, 8, 8) -> (N, 16, 12): the four pixels of each cell, its row and its column as one-hot."""
    pixels = pictures.reshape(-1, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 16, 4)
    place = np.concatenate([np.repeat(np.eye(4), 4, axis=0), np.tile(np.eye(4), (4, 1))], axis=1)
    return np.concatenate([pixels, np.broadcast_to(place, (len(pixels), 16, 8))], axis=2)


def train_captioner(F, captions, updates=700, H=32, K=24, B=32, seed=0):
    """The weights of

        z_t = attention(h_{t-1}, F),  h_t = tanh(E y_{t-1} + W_z z_t + W_r h_{t-1} + b),
        y_t = softmax(W_o h_t + W_v z_t + c)

    in the order E, W_z, W_r, b, W_h, W_f, u, W_o, W_v, c.  Backpropagation through time, and through the attention.
    """
    draw, V, D = np.random.default_rng(seed), len(CAPTION_WORDS), F.shape[2]
    shapes = [(V, H), (H, D), (H, H), (H,), (K, H), (K, D), (K,), (V, H), (V, D), (V,)]
    weights = [draw.normal(size=shape) / np.sqrt(shape[-1]) for shape in shapes]
    moments = zeros_for(weights)
    for step in range(1, updates + 1):
        rows = draw.integers(len(F), size=B)
        f, y = F[rows], captions[rows]
        E, W_z, W_r, b, W_h, W_f, u, W_o, W_v, c = weights
        grads = [np.zeros_like(w) for w in weights]
        dE, dW_z, dW_r, db, dW_h, dW_f, du, dW_o, dW_v, dc = grads
        h, x, kept = np.zeros((B, H)), np.zeros(B, int), []
        for t in range(y.shape[1]):
            s = np.tanh((h @ W_h.T)[:, None] + f @ W_f.T)
            alpha = softmax(s @ u, axis=1)
            z = np.einsum("bl,bld->bd", alpha, f)
            h_new = np.tanh(E[x] + z @ W_z.T + h @ W_r.T + b)
            kept.append((x, h, s, alpha, z, h_new))
            h, x = h_new, y[:, t]
        dh = np.zeros((B, H))
        for t in reversed(range(y.shape[1])):
            x, h, s, alpha, z, h_new = kept[t]
            dscore = softmax(h_new @ W_o.T + z @ W_v.T + c, axis=1)
            dscore[np.arange(B), y[:, t]] -= 1
            dscore /= y.size
            da = (dh + dscore @ W_o) * (1 - h_new**2)
            dalpha = np.einsum("bd,bld->bl", dscore @ W_v + da @ W_z, f)
            de = alpha * (dalpha - np.sum(alpha * dalpha, axis=1, keepdims=True))
            ds = de[:, :, None] * u * (1 - s * s)
            dq = ds.sum(axis=1)
            dh = da @ W_r + dq @ W_h
            np.add.at(dE, x, da)
            for g, a, v in ((dW_z, da, z), (dW_r, da, h), (dW_h, dq, h), (dW_o, dscore, h_new), (dW_v, dscore, z)):
                g += a.T @ v
            dW_f += np.einsum("blk,bld->kd", ds, f)
            du += np.einsum("bl,blk->k", de, s)
            db += da.sum(axis=0)
            dc += dscore.sum(axis=0)
        adam(weights, grads, moments, step, 0.015 * (1 - step / (updates + 1)))
    return weights


def describe(weights, f, attention):
    """The words for one picture, regions (16, 12), and the weights (4, 4) of each; `attention` is your function."""
    E, W_z, W_r, b, W_h, W_f, u, W_o, W_v, c = weights
    h, word, words, maps = np.zeros((1, len(b))), "<start>", [], []
    while word != "<end>" and len(words) < 6:
        z, alpha = attention(h, f[None], W_h, W_f, u)
        h = np.tanh(E[[CAPTION_WORDS.index(word)]] + z @ W_z.T + h @ W_r.T + b)
        word = CAPTION_WORDS[int(np.argmax(h @ W_o.T + z @ W_v.T + c))]
        words.append(word)
        maps.append(alpha.reshape(4, 4))
    return words, maps

# %% picture of captions and where they looked tags=["picture"]
import matplotlib.pyplot as plt

pictures, captions = scenes(2000, seed=0)
pictures_new, captions_new = scenes(300, seed=1)
weights = train_captioner(regions(pictures), captions)
told = [describe(weights, f, spatial_attention) for f in regions(pictures_new)]
right = np.mean([words == [CAPTION_WORDS[k] for k in row] for (words, _), row in zip(told, captions_new)])

figure, axes = plt.subplots(3, 5, figsize=(9, 6), layout="constrained")
for row, i in zip(axes, (0, 6, 4)):
    row[0].imshow(pictures_new[i], cmap="Greys", vmin=0, vmax=1.3)
    row[0].set_title("picture", fontsize=10)
    for axis, word, alpha in zip(row[1:], *told[i]):
        axis.imshow(pictures_new[i], cmap="Greys", vmin=0, vmax=8)
        axis.imshow(np.kron(alpha, np.ones((2, 2))), cmap="Blues", vmin=0, vmax=1, alpha=0.75)
        best = np.unravel_index(alpha.argmax(), (4, 4))
        axis.text(2 * best[1] + 0.5, 2 * best[0] + 0.5, f"{alpha.max():.2f}", ha="center", va="center", fontsize=8,
                  color="white" if alpha.max() > 0.6 else "black")
        axis.set_title(word, fontsize=10)
    for axis in row:
        axis.set(xticks=np.arange(-0.5, 8, 2), yticks=np.arange(-0.5, 8, 2), xticklabels=[], yticklabels=[])
        axis.grid(color="lightgray", linewidth=0.5)
        axis.tick_params(length=0)
figure.suptitle(f"Each word looks at its own place ({right:.0%} of 300 new pictures described right)")
plt.show()

# %% where you stand
course.progress()

# %% [markdown]
r"""
## What the reference does differently, and why it is faster

- **Windows are views.** minigrad's `series_windows` copies nothing: M windows of one series lie on the same memory,
  with another stride. The cell below shows what that saves.
- **A gap in the splits.** Windows that overlap share values across the border of training and test; minigrad's
  `time_series_split` can leave out some rows between them. Or cut the series into past and future first, and make
  windows of each part: then no window reaches over the border.
- **Ragged batches.** minigrad's recurrent layers take `lengths`. After the end of a text its state stays as it is, and
  whatever stands on the padding, even NaN, changes nothing. (Your product with 0 lets NaN through: 0 times NaN is NaN.)
- **The loss is one node.** Softmax, logarithm and mask are one operation with one gradient. Each token has a share in
  the mean, 1/n if it is real and 0 if not; the rows are done in blocks that stay in the processor's cache.
- **The regions are projected once.** $W_f f_l$ does not depend on the state, so a captioner computes it before the
  first word, and each word pays for $W_h h$ alone.

**float32 and float64.** A mean over 0 tokens is NaN in PyTorch and minigrad, and one empty batch then spoils the
curve of the losses; here it was defined as 0. Targets may be int32 or int64; targets that are floats deserve an error
and not a rounding. `float32 / int64` is float64 in NumPy: that is why the number of words was cast in part 4. And a
softmax in float32 is exactly 0 where a score lies more than about 104 below the largest, so its logarithm must not be
taken afterwards.
"""

# %% picture of copies against views tags=["picture"]
import time

y = waves(50_000, seed=0)
begin = time.perf_counter()
X, Y = make_windows(y, 168, 24)
copied = time.perf_counter() - begin
begin = time.perf_counter()
views = np.lib.stride_tricks.sliding_window_view(y, 168 + 24)
viewed = time.perf_counter() - begin
print(f"{len(X)} windows copied: {1000 * copied:.0f} ms and {(X.nbytes + Y.nbytes) / 1e6:.0f} MB.  "
      f"As views: {1000 * viewed:.2f} ms and {y.nbytes / 1e6:.1f} MB.")
print("The same numbers:", np.array_equal(views[:, :168], X))
