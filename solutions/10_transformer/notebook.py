# %% [markdown]
r"""
# 10 The Transformer, from one dot product to a decoder with a cache

"The animal didn't cross the street because it was too tired." At the end of this notebook a small Transformer of your
own reads this sentence, and you see where each of its eight heads looks when it reads *it*. Then you change *tired*
to *wide*, and it looks elsewhere. On the way you build

1. attention: one dot product, masks, many heads;
2. what surrounds it: positions, layer normalisation and its gradient;
3. the blocks of encoder and decoder, and the cache that makes writing word by word fast.

Nine functions, about 5 hours of writing and 3 hours for slides, pictures and questions. The minutes are given with
each part. Every part has numbers of its own for its test, so you can leave one open and go on; parts 3, 7, 8 and 9
call the functions of the parts before them. You need NumPy, and matplotlib for the pictures.

How a part works: read the equation, write the function, run the visible test below it. The visible test checks one
easy case and says what it leaves out. The points come from a hidden test with other sizes and other numbers. So ask
yourself after each green line: *what would this test not notice?* Below each function are three hints, folded: an
idea, the shapes, and a line with a gap. Opening them costs nothing. An early mistake costs its points once: where a
later function calls an earlier one of yours, the grader also compares with a right function around *yours*.
"""

# %% nbgrader={"grade_id": "environment", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

course.environment("10_transformer", functions=[
    "scaled_dot_product", "make_mask", "multi_head", "positional_encoding", "layer_norm", "layer_norm_backward",
    "encoder_block", "decoder_block", "kv_cache_step",
])

# %% [markdown]
r"""
## Letters and layout

We follow Télécom, whose slides follow the paper *Attention Is All You Need* (Vaswani and others, 2017; Escalera's
slide *Recently in Natural Language Processing…* gives 2018).

- **The batch comes first here**: X is (B, T, D), that is B sentences of T positions with D numbers each. Assignments
  03 to 08 had time first. A Transformer computes all positions at once, so time needs no loop, and no first place.
- **T counts queries, S counts keys.** In self-attention both are the same words. In the decoder's second attention T
  counts its own words and S those of the encoder.
- **Positions count from 0**: `X[:, 0]` is the deck's $x_1$.
- **A vector is a row.** The deck multiplies $x_1$ by $W^Q$ from the right. Our matrices have the shape (out, in), as
  in all assignments and in PyTorch, so the product is `X @ W_q.T`: `W_q` is the deck's $W^Q$, transposed.
- **No biases in $W^Q, W^K, W^V, W^O$**: the deck draws none. PyTorch has them; `bias=False` turns them off.
- **A mask is a bool array, and True means: may be seen.** So it is in PyTorch's function
  `scaled_dot_product_attention`. In PyTorch's *layers* True means hidden. Know which one you have before you.
- **A row of a mask that is False everywhere** sees nothing. Its weights, and so its result, are 0.
- **The norm comes after the residual sum** (post-norm), as on the slide *Residuals + Normalisation*. Many newer
  models normalise before (pre-norm).
- **Sine and cosine alternate** in the positions, as in the paper. The deck's picture has all sines on the left half.
- **$\sigma^2$ divides by D**, and $\varepsilon$ stands under the root.
- `dx` means $\partial L/\partial x$ and has the shape of `x`. $\odot$ is `*`, entry by entry.
"""

# %% [markdown]
r"""
## 1. One attention

*40 minutes, 16 points. Télécom, First step; Second step : calculate a score; Third step.*

Every word asks a question (its query $q_i$), every word says what it can be asked for (its key $k_j$), and has
something to tell (its value $v_j$). The score of a pair is a dot product; the softmax turns the scores of one query
into weights that add up to 1; the result is the weighted sum of the values. With queries, keys and values as the rows
of three matrices, that is

$$W = \operatorname{softmax}\Big(\frac{Q K^\top}{\sqrt{d_k}}\Big), \qquad Z = W\,V$$

$d_k$ is the length of a key. The deck's keys have 64 numbers, so it divides by 8. The picture after this part shows
what the root is for. (In this part $W$ means the weights of the softmax, T × S numbers; nothing here is trained.)

**The mask** says which keys a query may see. A score that is masked becomes $-\infty$ *before* the softmax; then its
weight is $e^{-\infty} = 0$, and the others still add up to 1. Where a whole row is masked there is nothing to add up;
take 0 for all its weights. And subtract the largest score of each row before the exponential, as in every softmax:
for a row without any visible key, mind that $-\infty - (-\infty)$ is not a number.
"""

# %% nbgrader={"grade_id": "scaled-dot-product", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def scaled_dot_product(Q, K, V, mask):
    """Attention of T queries to S keys, and its weights.

    Q (..., T, d), K (..., S, d), V (..., S, e): the dots are any number of axes in front, such as batch and heads
    mask: bool, of a shape that stretches to (..., T, S); True where the query may see the key
    returns Z (..., T, e), W (..., T, S).  A row of W adds up to 1, or is 0 where its query may see nothing.

    Example: if all keys are equal, every row of W is 1/S, and each z is the mean of all values.
    """
    ### BEGIN SOLUTION
    scores = Q @ np.swapaxes(K, -1, -2) / Q.shape[-1] ** 0.5
    scores = np.where(mask, scores, -np.inf)
    largest = scores.max(axis=-1, keepdims=True)
    e = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
    total = e.sum(axis=-1, keepdims=True)
    W = e / np.where(total > 0, total, 1)
    return W @ V, W
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Three lines of the slide are three lines of code: scores, softmax, weighted sum. The mask sits between the first two.
The softmax runs over the keys, so that each query has weight 1 to give away.

</details>
<details><summary>Hint 2: the shapes</summary>

`np.swapaxes(K, -1, -2)` is (…, d, S), so the scores are (…, T, S): one row for each query. The largest score and the
sum of a row are (…, T, 1) with `keepdims=True`. `W @ V` is (…, T, S) times (…, S, e). NumPy's `@` runs over all axes
in front by itself.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`scores = np.where(mask, scores, ____)`, then `largest = scores.max(axis=____, keepdims=True)`. For a row without a
visible key `largest` is `-np.inf`; use 0 there. Its exponentials are then 0, and so is their sum: divide by 1
instead.

</details>
"""

# %% nbgrader={"grade_id": "scaled-dot-product-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    scaled_dot_product,
    Q=np.array([[1.0], [-1.0]]),
    K=np.array([[0.0], [np.log(3)]]),
    V=np.array([[4.0, 0.0], [0.0, 8.0]]),
    mask=np.ones((2, 2), bool),
    results=("Z", "W"),
    expected=(np.array([[1.0, 6.0], [3.0, 2.0]]), np.array([[0.25, 0.75], [0.75, 0.25]])),
    equation="W = softmax(Q K^T / sqrt(d_k));  Z = W V",
    not_tested="keys of more than one number, more keys than queries, masks, axes in front, large scores.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("10_transformer", "scaled-dot-product-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: what the root is for

A query meets 16 keys, all of them random, so none deserves more attention than another. The picture shows the largest
of the 16 weights, on average, for keys of 1 to 1024 numbers. Upper line, squares: without the root it climbs towards
1 as keys get longer; a dot product of d random numbers is about $\sqrt d$ in size, and the softmax then gives
everything to one key, where its gradient is nearly 0. Lower line, circles: divided by $\sqrt d$ it stays where it is.
"""

# %% picture of the largest weight with and without the root tags=["picture"]
import matplotlib.pyplot as plt

draw, sizes = np.random.default_rng(1), 2 ** np.arange(11)
with_root, without = [], []
for d in sizes:
    q, k = draw.normal(size=(300, 1, d)), draw.normal(size=(300, 16, d))
    for scale, found in ((1, with_root), (d**0.5, without)):      # the root cancels that of your function
        _, weights = scaled_dot_product(scale * q, k, k, np.ones((1, 16), bool))
        found.append(weights.max(axis=-1).mean())

figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
axis.semilogx(sizes, without, marker="s", linestyle="--", base=2, label="q · k")
axis.semilogx(sizes, with_root, marker="o", base=2, label=r"q · k / $\sqrt{d}$")
axis.set(xlabel="numbers in a key, d", ylabel="largest weight", ylim=(0, 1),
         title="Without the root, one of 16 keys takes all")
axis.legend(title="score")
plt.show()

# %% [markdown]
r"""
## 2. Who may see whom

*20 minutes, 8 points. Télécom, Decoder side.*

Two things hide a key. **Padding**: sentences of a batch have different lengths, and the places behind the end of the
shorter ones hold nothing. **Time**: in the decoder a position may attend to earlier positions only (the slide says
"earlier"; a position may look at itself too, or the first one would have nobody). For example b with $n_b$ real
words, key $j$ may be seen by query $i$ if

$$j < n_b \quad\text{and}\quad (j \le i \ \text{ or not causal})$$

Padding hides *keys*. A query on padding keeps its row: nobody reads what comes out there, and a row without any key
is only trouble.
"""

# %% nbgrader={"grade_id": "make-mask", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def make_mask(lengths, T, causal):
    """Which query may see which key, for a batch of sentences of T positions.

    lengths (B,): whole numbers from 1 to T, the real words of each sentence, which stand first
    causal: True hides all keys later than the query; False lets every query see in both directions
    returns (B, T, T), bool: [b, i, j] is True if query i of sentence b may see key j

    Example: make_mask(np.array([1]), 2, False) is [[[True, False], [True, False]]]: nobody sees the padding.
    """
    ### BEGIN SOLUTION
    query, key = np.arange(T)[:, None], np.arange(T)
    real = key < lengths[:, None, None]                                     # (B, 1, T)
    earlier = key <= query if causal else np.ones((T, T), bool)             # (T, T)
    return real & earlier
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Two masks, and a key must pass both. One depends on the sentence and the key, the other on the query and the key.
NumPy's broadcasting fills in the axis that each of them does not have.

</details>
<details><summary>Hint 2: the shapes</summary>

`np.arange(T)` is (T,): the number of each key, along the last axis. `np.arange(T)[:, None]` is (T, 1): the number of
each query. `lengths[:, None, None]` is (B, 1, 1). So `key < lengths[:, None, None]` is (B, 1, T), `key <= query` is
(T, T), and `&` of both is (B, T, T).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`real = key < ____`, and `earlier = key <= ____ if causal else np.ones((T, T), bool)`

</details>
"""

# %% nbgrader={"grade_id": "make-mask-test", "grade": true, "locked": true, "points": 8, "schema_version": 3, "solution": false}
course.test(
    make_mask,
    lengths=np.array([2]),
    T=2,
    causal=True,
    expected=np.array([[[True, False], [True, True]]]),
    equation="query i may see key j if j < n_b and (j <= i or not causal)",
    not_tested="padding, causal=False, several sentences.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("10_transformer", "make-mask-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: three masks

A sentence of four words in a batch of length 6. A row is a query, a column a key; a cross marks what may be seen.
Left: padding only, the two last columns are empty. Middle: causal only, nothing right of the diagonal. Right: both.
The encoder uses the left one, a decoder over padded sentences the right one.
"""

# %% picture of three masks tags=["picture"]
import matplotlib.pyplot as plt

panels = {"padding": (4, False), "causal": (6, True), "both": (4, True)}
figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
for axis, (name, (length, causal)) in zip(axes, panels.items()):
    mask = make_mask(np.array([length]), 6, causal)[0]
    axis.imshow(mask, cmap="Blues", vmin=0, vmax=3)
    for i, j in np.argwhere(mask):
        axis.text(j, i, "×", ha="center", va="center")
    axis.set(title=name, xlabel="key j", ylabel="query i", xticks=range(6), yticks=range(6))
figure.suptitle("A row sees the keys that are marked ×")
plt.show()

# %% [markdown]
r"""
## 3. Many heads

*50 minutes, 16 points. Télécom, In summary.*

One softmax has one weight 1 to give away. A word may need two things at once, so the D numbers are split among h
heads, each with $d_k = D/h$ of them (the deck: 512 / 8 = 64). Each head attends on its own; at the end the results
stand side by side again, and $W^O$ mixes them:

$$Z_i = \operatorname{attention}(X W^Q_i,\ Y W^K_i,\ Y W^V_i), \qquad R = [Z_1, Z_2, \dots, Z_h]\, W^O$$

Queries come from X, keys and values from Y. In self-attention both are the same; here they are two arguments, and the
decoder will need that. The deck draws 8 small matrices $W^Q_1 \dots W^Q_8$. Stacked, they are one D × D matrix, and
one product computes the queries of all heads: **head 0 owns the first D/h columns of `X @ W_q.T`, head 1 the next,
and so on.**
"""

# %% nbgrader={"grade_id": "multi-head", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def multi_head(X, Y, W_q, W_k, W_v, W_o, h, mask):
    """Attention of X to Y with h heads.

    X (B, T, D): who asks;  Y (B, S, D): who is asked;  W_q, W_k, W_v, W_o (D, D), all used as `rows @ W.T`
    h: the number of heads, which divides D;  mask (B, T, S), bool: the same for all heads
    returns (B, T, D)

    Example: with one head it is one scaled_dot_product between the products with W_q, W_k, W_v and that with W_o.
    """
    ### BEGIN SOLUTION
    def split(x):
        """(B, T, D) -> (B, h, T, D/h)"""
        B, T, D = x.shape
        return x.reshape(B, T, h, D // h).swapaxes(1, 2)

    Q, K, V = split(X @ W_q.T), split(Y @ W_k.T), split(Y @ W_v.T)
    Z, _ = scaled_dot_product(Q, K, V, mask[:, None])
    return Z.swapaxes(1, 2).reshape(X.shape) @ W_o.T
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

`scaled_dot_product` treats all axes in front of the last two as separate attentions. So give it the heads as one more
axis in front, and put everything back in place afterwards. A reshape never moves a number past another; to bring the
head axis to the front you need a swap of axes as well.

</details>
<details><summary>Hint 2: the shapes</summary>

`X @ W_q.T` is (B, T, D). Reshape it to (B, T, h, D/h), then exchange axes 1 and 2: (B, h, T, D/h). The mask needs a
head axis too: `mask[:, None]` is (B, 1, T, S). Z is (B, h, T, D/h); exchange axes 1 and 2, reshape to (B, T, D), and
multiply with `W_o.T`. Y has S rows, not T.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`Q = (X @ W_q.T).reshape(B, T, h, ____).swapaxes(1, ____)`, and at the end `Z.swapaxes(1, 2).reshape(B, T, ____) @
W_o.T`

</details>
"""

# %% nbgrader={"grade_id": "multi-head-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    multi_head,
    X=np.array([[[1.0, 0.0], [0.0, 2.0]]]),
    Y=np.array([[[1.0, 0.0], [0.0, 2.0]]]),
    W_q=np.array([[1.0, 0.5], [0.0, 1.0]]),
    W_k=np.array([[0.5, 0.0], [1.0, 1.0]]),
    W_v=np.array([[2.0, 0.0], [1.0, 1.0]]),
    W_o=np.array([[1.0, 1.0], [0.0, 2.0]]),
    h=1,
    mask=np.ones((1, 2, 2), bool),
    expected=np.array([[[2.587479, 2.825042], [2.25718331, 3.48563337]]]),
    equation="R = [Z_1 ... Z_h] W^O,  Z_i = softmax(Q_i K_i^T / sqrt(D/h)) V_i",
    not_tested="more than one head, Y other than X, a batch of more than one, masks.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("10_transformer", "multi-head-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: one head, two wishes

A word wants both: the word before it, and the first word of the sentence. The left map is what one head can do with
two wishes at once: it shares its weight between them. The other two maps are two heads with one wish each: all weight
on one place. A row is a query, a column a key, dark is a weight near 1; the key of the first wish is marked ○, of the
second □. (Position 0 has no word before it and sees itself alone.) This is why a layer has several heads.
"""

# %% picture of one head with two wishes and two heads with one tags=["picture"]
import matplotlib.pyplot as plt

T = 8
before = np.eye(T, k=-1)                                # row i has its 1 at i - 1: as a query, it fits that key alone
first = np.eye(T)[np.zeros(T, int)]                     # every row has its 1 at 0
causal = np.tril(np.ones((T, T), bool))
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for axis, (name, wish) in zip(axes, {"one head": before + first, "head 1 of 2": before, "head 2 of 2": first}.items()):
    _, weights = scaled_dot_product(20 * wish, np.eye(T), np.eye(T), causal)
    image = axis.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    if name != "head 2 of 2":
        axis.plot(np.arange(T - 1), np.arange(1, T), "o", markerfacecolor="none", color="black")
    if name != "head 1 of 2":
        axis.plot(np.zeros(T), np.arange(T), "s", markerfacecolor="none", color="black", markersize=9)
    axis.set(title=name, xlabel="key j", ylabel="query i", xticks=range(T), yticks=range(T))
figure.colorbar(image, ax=axes, label="weight")
figure.suptitle("Two wishes share the weight of one head; two heads have one each")
plt.show()

# %% [markdown]
r"""
## 4. Where in the sentence?

*25 minutes, 10 points. Télécom, Representing The Order of The Sequence Using Positional Encoding.*

Attention sees a *set*: exchange two words, and all results are exchanged with them, nothing else happens. So each
embedding gets a vector added to it that says where it stands. Position $t$ has D numbers, in pairs; pair $i$ is a
clock hand that turns with its own speed:

$$P[t, 2i] = \sin\frac{t}{10000^{2i/D}}, \qquad P[t, 2i+1] = \cos\frac{t}{10000^{2i/D}}, \qquad i = 0, \dots, D/2 - 1$$

**Convention.** Sine and cosine alternate here, as in the paper. The deck's picture is split down the middle, sines
left and cosines right; the columns are the same numbers in another order. (That picture comes from a program which,
besides, divides $i$ by $D/2 - 1$ where the paper has $D/2$. We follow the paper.) The slide says that the model
*learns* the pattern; this one is fixed. Learned positions exist as well: BERT has them.
"""

# %% nbgrader={"grade_id": "positional-encoding", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def positional_encoding(T, D):
    """The vectors that are added to the embeddings at positions 0 ... T - 1.

    T: whole number, at least 1;  D: an even whole number
    returns (T, D), float: sines in columns 0, 2, 4, ..., cosines in columns 1, 3, 5, ...

    Example: for D = 2 row t is [sin(t), cos(t)].
    """
    ### BEGIN SOLUTION
    speed = 10000.0 ** (-np.arange(0, D, 2) / D)                # (D/2,): one for each pair of columns
    angle = np.arange(T)[:, None] * speed                       # (T, D/2)
    P = np.empty((T, D))
    P[:, 0::2] = np.sin(angle)
    P[:, 1::2] = np.cos(angle)
    return P
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

First a table of angles: position times speed, one column for each *pair*. Then its sine and its cosine go to every
second column.

</details>
<details><summary>Hint 2: the shapes</summary>

`np.arange(0, D, 2)` is (D/2,) and holds 0, 2, 4, …: that is $2i$ already. `np.arange(T)[:, None]` is (T, 1). Their
table of angles is (T, D/2). `P[:, 0::2]` is (T, D/2): columns 0, 2, 4, …

</details>
<details><summary>Hint 3: a line with a gap</summary>

`angle = np.arange(T)[:, None] / 10000 ** (np.arange(0, D, 2) / ____)`, then `P[:, 0::2] = np.sin(angle)` and
`P[:, ____] = np.cos(angle)`

</details>
"""

# %% nbgrader={"grade_id": "positional-encoding-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def pairs_apart(T, D):
    """Your table, as the hidden test looks at it: the first sine and cosine, and those of all other pairs."""
    P = positional_encoding(T, D)
    return P[:, 0], P[:, 1], P[:, 2::2], P[:, 3::2]

# %% nbgrader={"grade_id": "positional-encoding-test", "grade": true, "locked": true, "points": 10, "schema_version": 3, "solution": false}
course.test(
    positional_encoding,
    T=1,
    D=4,
    expected=np.array([[0.0, 1.0, 0.0, 1.0]]),
    equation="P[t, 2i] = sin(t / 10000^(2i/D)),  P[t, 2i+1] = cos(the same)",
    not_tested="any position but the first: so the speed of the pairs is not tested at all.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("10_transformer", "positional-encoding-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: the deck's picture, and what it is good for

Left: 20 positions with 128 numbers, in our order; the fast pairs on the left blur into stripes, the slow ones on the
right hardly change. Middle: the same columns, sines first, then cosines: the deck's picture, split down its centre.
Right: the dot product of the vectors at positions $t$ and $t + k$, against the distance k, for three values of t. You
see one curve with three kinds of markers on it: the product depends on the *distance* alone, and is largest at 0.
That is what a model can use.
"""

# %% picture of positions in both orders and of their dot products tags=["picture"]
import matplotlib.pyplot as plt

P = positional_encoding(20, 128)
halves = np.concatenate([P[:, 0::2], P[:, 1::2]], axis=1)
figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
for axis, table, name in ((axes[0], P, "sine and cosine alternate"), (axes[1], halves, "the deck: two halves")):
    image = axis.imshow(table, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    axis.set(title=name, xlabel="column", ylabel="position t", yticks=range(0, 20, 5))
figure.colorbar(image, ax=axes[1], label="value")
P = positional_encoding(100, 128)
for t, marker in ((5, "o"), (20, "x"), (45, "+")):
    axes[2].plot(np.arange(0, 50, 2), P[t:t + 50:2] @ P[t], marker=marker, linestyle=":", label=f"t = {t}")
axes[2].set(title="the product knows the distance", xlabel="distance k", ylabel=r"$P[t] \cdot P[t + k]$")
axes[2].legend()
plt.show()

# %% [markdown]
r"""
## 5. Layer normalisation

*20 minutes, 10 points. Télécom, Residuals + Normalisation.*

Through many layers, numbers grow or shrink. After each sub-layer every position is therefore brought back to mean 0
and spread 1, *from its own D numbers*, and then scaled and shifted by two learned vectors:

$$y = \gamma \odot \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta, \qquad \mu = \frac1D \sum_k x_k, \qquad
\sigma^2 = \frac1D \sum_k (x_k - \mu)^2$$

No other word and no other sentence has a say in it: that is the difference to batch normalisation. The deck draws the
box and gives no equation; this is the one of the paper it stands for (Ba and others, 2016).
"""

# %% nbgrader={"grade_id": "layer-norm", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def layer_norm(x, gamma, beta, eps):
    """Each row normalised by its own mean and spread, then scaled and shifted.

    x (..., D): a row is what stands along the last axis;  gamma, beta (D,);  eps > 0, a float
    returns y (..., D), in the dtype of x

    Example: a row of equal numbers comes out as beta, whatever its number is.
    """
    ### BEGIN SOLUTION
    mu = x.mean(axis=-1, keepdims=True)
    var = x.var(axis=-1, keepdims=True)
    return gamma * (x - mu) / np.sqrt(var + eps) + beta
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Subtract the mean, divide by the spread, then γ and β. Mean and variance are taken along the last axis only. Take the
variance from the differences to the mean: $\overline{x^2} - \mu^2$ is the same on paper, and loses all its digits
where the numbers are large and close together.

</details>
<details><summary>Hint 2: the shapes</summary>

With `keepdims=True` mean and variance are (…, 1), so that they stretch over the D numbers of their row. γ and β are
(D,) and stretch over all rows by themselves.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return gamma * (x - mu) / np.sqrt(____) + beta`. NumPy's `x.var(axis=-1, keepdims=True)` divides by D.

</details>
"""

# %% nbgrader={"grade_id": "layer-norm-test", "grade": true, "locked": true, "points": 10, "schema_version": 3, "solution": false}
course.test(
    layer_norm,
    x=np.array([[1.0, 3.0, 1.0, 3.0], [0.0, 0.0, 10.0, 10.0]]),
    gamma=np.ones(4),
    beta=np.zeros(4),
    eps=1e-12,
    expected=np.array([[-1.0, 1.0, -1.0, 1.0], [-1.0, -1.0, 1.0, 1.0]]),
    equation="y = gamma * (x - mu) / sqrt(var + eps) + beta, along the last axis, var with 1/D",
    not_tested="gamma and beta, eps (here it is next to nothing), a row of equal numbers, (B, T, D), large numbers.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("10_transformer", "layer-norm-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 6. Its gradient

*70 minutes, 16 points. Télécom, Residuals + Normalisation.*

From here on $\sigma$ stands for the whole root, with $\varepsilon$ in it, and $n = (x - \mu)/\sigma$ for the
normalised row, so that $y = \gamma \odot n + \beta$. γ and β are used by every row, so their gradients are sums over
all rows:

$$d\gamma = \sum_{\text{rows}} dy \odot n, \qquad d\beta = \sum_{\text{rows}} dy, \qquad dn = dy \odot \gamma$$

From $dn$ to $dx$ three roads lead, for x stands in n three times: as itself, inside μ, and inside σ. Taking μ and σ
for constants would leave $dn/\sigma$. The other two roads each take something away:

- a change of x that raises all D numbers equally moves μ along, and n does not change at all. So dx must not point in
  that direction: subtract the mean of dn;
- a change of x along n itself stretches the row, σ grows along, and n does not change (but for ε). So dx must not
  point in that direction either: subtract the part of dn along n.

$$dx = \frac1\sigma\big(dn - \operatorname{mean}(dn) - n\,\operatorname{mean}(dn \odot n)\big)$$

with both means along the last axis. You can check the derivation: $\partial\mu/\partial x_k = 1/D$ and
$\partial\sigma/\partial x_k = n_k/D$.
"""

# %% nbgrader={"grade_id": "layer-norm-backward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def layer_norm_backward(dy, x, gamma, eps):
    """The gradients of y = layer_norm(x, gamma, beta, eps), given the gradient dy of its result.

    dy (B, T, D), x (B, T, D), gamma (D,), eps > 0, a float
    returns dx (B, T, D), dgamma (D,), dbeta (D,), the last two summed over all B T rows

    Example: each row of dx adds up to 0, because raising a whole row changes nothing.
    """
    ### BEGIN SOLUTION
    sigma = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    n = (x - x.mean(axis=-1, keepdims=True)) / sigma
    dn = dy * gamma
    dx = (dn - dn.mean(axis=-1, keepdims=True) - n * (dn * n).mean(axis=-1, keepdims=True)) / sigma
    return dx, (dy * n).sum(axis=(0, 1)), dy.sum(axis=(0, 1))
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Compute σ and n again, exactly as on the way forward, with ε under the root. Then go back: first through γ and β,
which gives dn, dγ and dβ; then through the normalisation, which takes two directions out of dn.

</details>
<details><summary>Hint 2: the shapes</summary>

σ is (B, T, 1), n and dn are (B, T, D). Both means in dx are along the last axis and (B, T, 1), with `keepdims=True`.
dγ and dβ are (D,): sums over axes 0 and 1.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`dx = (dn - dn.mean(axis=-1, keepdims=True) - n * (____).mean(axis=-1, keepdims=True)) / sigma`

</details>
"""

# %% nbgrader={"grade_id": "layer-norm-backward-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    layer_norm_backward,
    dy=np.array([[[1.0, -2.0, 0.5, 4.0]]]),
    x=np.array([[[1.0, 3.0, 1.0, 3.0]]]),
    gamma=np.array([1.0, 2.0, -1.0, 0.5]),
    eps=1e-12,
    results=("dx", "dgamma", "dbeta"),
    expected={"dgamma": np.array([-1.0, -2.0, -0.5, 4.0]), "dbeta": np.array([1.0, -2.0, 0.5, 4.0])},
    equation="dgamma = sum of dy * n;  dbeta = sum of dy;  dx = (dn - mean(dn) - n mean(dn * n)) / sigma",
    not_tested="dx, more than one row, an eps that counts.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("10_transformer", "layer-norm-backward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: does the gradient foretell the loss?

A gradient is a promise: nudge x by a little $\delta$, and the loss changes by the sum of $dx \odot \delta$. Here are
80 random nudges of one row of 24 numbers. Each mark compares what was promised (upwards) with what happened (to the
right). Circles: your dx. They lie on the diagonal, the promise is kept. Crosses: the gradient that takes μ and σ for
constants, $dn/\sigma$. It foretells changes that never come, and they are strewn all over.
"""

# %% picture of promised and real changes of the loss tags=["picture"]
import matplotlib.pyplot as plt

draw, small = np.random.default_rng(2), 1e-5
x, dy, gamma = draw.normal(size=(1, 1, 24)), 1 + draw.normal(size=(1, 1, 24)), np.ones(24)
dx, _, _ = layer_norm_backward(dy, x, gamma, 1e-5)
constant = dy * gamma / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
happened, promised, wrong = [], [], []
for _ in range(80):
    nudge = small * draw.normal(size=x.shape)
    change = layer_norm(x + nudge, gamma, 0.0, 1e-5) - layer_norm(x, gamma, 0.0, 1e-5)
    happened.append(np.sum(dy * change) / small)
    promised.append(np.sum(dx * nudge) / small)
    wrong.append(np.sum(constant * nudge) / small)

figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
axis.axline((0, 0), slope=1, color="gray", linestyle=":", linewidth=1)
axis.plot(happened, wrong, "x", color="tab:orange", label="μ and σ as constants")
axis.plot(happened, promised, "o", color="tab:blue", markerfacecolor="none", label="your dx")
axis.set(xlabel="change of the loss, divided by the size of the nudge", ylabel="promised change",
         title="Your dx keeps its promise (dotted: the diagonal)")
axis.legend()
plt.show()

# %% [markdown]
r"""
### A test of your own

The visible test above does not look at dx. Write a test that does. This cell gives no points and is not graded; it is
for you. Three ideas:

- each row of dx adds up to 0, and its dot product with n is nearly 0;
- for D = 2 dx is nearly 0 everywhere, whatever dy is (why?);
- nudge one entry of `x` by $10^{-6}$ up and down, run `layer_norm`, and compare the change of $L = \sum dy \odot y$
  with that entry of `dx`.
"""

# %% room for your test
# your test


# %% [markdown]
r"""
## 7. A block of the encoder

*30 minutes, 8 points. Télécom, Residuals + Normalisation.*

Two sub-layers: self-attention, in which the words meet, and a small network, through which each word goes alone.
Around each of them a residual connection, and after each sum the norm:

$$a = \operatorname{LN}_1\big(X + \operatorname{MHA}(X, X)\big), \qquad
y = \operatorname{LN}_2\big(a + W_2 \operatorname{relu}(W_1 a + b_1) + b_2\big)$$

The paper's network goes from 512 numbers up to 2048 and back; the deck gives no size. Both norms have a γ and a β of
their own. What is trained comes as one nested tuple, so that blocks can be stacked in a loop:

- `params` is `(attention, network, norm_1, norm_2)`
- `attention` is `(W_q, W_k, W_v, W_o)`, each (D, D)
- `network` is `(W_1, b_1, W_2, b_2)`, of shapes (F, D), (F,), (D, F), (D,)
- `norm_1` and `norm_2` are `(gamma, beta)`, each (D,)

Python unpacks with a star: `multi_head(X, X, *attention, h, mask)` passes the four matrices one by one.
"""

# %% nbgrader={"grade_id": "blocks-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
EPS = 1e-5          # under the root of every norm of a block


def new_block(draw, D, F):
    """Random params of an encoder block with D numbers a word and F inside its network. draw: a NumPy generator."""
    def matrix(out, into):
        return draw.normal(size=(out, into)) / into**0.5

    attention = tuple(matrix(D, D) for _ in range(4))
    network = matrix(F, D), np.zeros(F), matrix(D, F), np.zeros(D)
    return attention, network, (np.ones(D), np.zeros(D)), (np.ones(D), np.zeros(D))

# %% nbgrader={"grade_id": "encoder-block", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def encoder_block(X, params, h, mask):
    """One block of the encoder: self-attention and a network, each with residual and norm.

    X (B, T, D);  params: (attention, network, norm_1, norm_2), see above;  h: heads;  mask (B, T, T), bool
    returns (B, T, D).  The eps of both norms is EPS.

    Example: if W_o, W_2 and b_2 are 0, gamma 1 and beta 0, it is LN(LN(X)): only the residuals are left.
    """
    ### BEGIN SOLUTION
    attention, network, norm_1, norm_2 = params
    W_1, b_1, W_2, b_2 = network
    a = layer_norm(X + multi_head(X, X, *attention, h, mask), *norm_1, EPS)
    f = np.maximum(a @ W_1.T + b_1, 0) @ W_2.T + b_2
    return layer_norm(a + f, *norm_2, EPS)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Twice the same pattern: `layer_norm(input + sub_layer(input))`. The input of the second is the result of the first.

</details>
<details><summary>Hint 2: the shapes</summary>

Everything between the steps is (B, T, D), which is why input and result of a sub-layer can be added. Inside the
network it is (B, T, F): `a @ W_1.T + b_1`. `np.maximum(·, 0)` is relu, and stands between the two products.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`a = layer_norm(____ + multi_head(X, X, *attention, h, mask), *norm_1, EPS)`, and at the end
`return layer_norm(____ + f, *norm_2, EPS)`

</details>
"""

# %% nbgrader={"grade_id": "encoder-block-test", "grade": true, "locked": true, "points": 8, "schema_version": 3, "solution": false}
course.test(
    encoder_block,
    X=np.array([[[1.0, 3.0, 1.0, 3.0], [0.0, 0.0, 10.0, 10.0]]]),
    params=((np.zeros((4, 4)),) * 4, (np.zeros((3, 4)), np.zeros(3), np.zeros((4, 3)), np.zeros(4)),
            (np.ones(4), np.zeros(4)), (np.ones(4), np.zeros(4))),
    h=2,
    mask=np.ones((1, 2, 2), bool),
    expected=np.array([[[-1.0, 1.0, -1.0, 1.0], [-1.0, -1.0, 1.0, 1.0]]]),
    tol=1e-4,
    equation="a = LN_1(X + MHA(X, X));  y = LN_2(a + W_2 relu(W_1 a + b_1) + b_2)",
    not_tested="attention and network (all weights are 0 here: only the residuals are left), gamma and beta, masks.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("10_transformer", "encoder-block-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: thirty blocks

Random numbers go through 30 random blocks, and the picture shows how large they are after each (the spread over all
entries; the axis is logarithmic). Circles: your block, as on the slide. It stays at 1. Squares: the same sums without
the norms. Each block adds its own share to what came, the spread grows by about the same factor in every block, and
the line climbs out of any useful range.
"""

# %% picture of the spread after each of 30 blocks tags=["picture"]
import matplotlib.pyplot as plt

draw, everything = np.random.default_rng(6), np.ones((4, 10, 10), bool)
X = draw.normal(size=(4, 10, 32))
normed, bare, spreads = X, X, {"with norms (your block)": [1.0], "without": [1.0]}
for _ in range(30):
    block = new_block(draw, 32, 64)
    normed = encoder_block(normed, block, 4, everything)
    attention, (W_1, b_1, W_2, b_2), _, _ = block
    bare = bare + multi_head(bare, bare, *attention, 4, everything)
    bare = bare + np.maximum(bare @ W_1.T + b_1, 0) @ W_2.T + b_2
    spreads["with norms (your block)"].append(normed.std())
    spreads["without"].append(bare.std())

figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
for (name, values), marker in zip(spreads.items(), "os"):
    axis.semilogy(values, marker=marker, label=name)
axis.set(xlabel="block", ylabel="spread of all entries", title="The norm after each sum keeps the numbers in range")
axis.legend()
plt.show()

# %% [markdown]
r"""
### Not graded: a classifier on [CLS]

*15 minutes, no points. Télécom, BERT.*

To classify a whole sentence, BERT puts one more token in front of it, [CLS], and reads the answer from what stands at
that place after the encoder. Why can one token stand for a sentence? In every block its query looks at *all* words,
and its result is a weighted mean of what they have to tell, with weights that are trained for this one purpose. It
has no word of its own to keep in mind. Write it: put the row `cls` in front of each sentence, run your
`encoder_block` with the mask for sentences that are one longer, and multiply what stands at place 0.

$$\text{scores} = W\, r_0 + b, \qquad r = \operatorname{encoder}([\,\text{cls}, x_1, \dots, x_T])$$
"""

# %% nbgrader={"grade_id": "cls-scores", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def cls_scores(X, lengths, cls, params, h, W, b):
    """Scores of C classes for each sentence, read at the token [CLS] in front of it. (No points.)

    X (B, T, D), lengths (B,): its real words;  cls (D,): the embedding of [CLS];  params, h: of one encoder block
    W (C, D), b (C,)
    returns (B, C)
    """
    ### BEGIN SOLUTION
    B, T, D = X.shape
    longer = np.concatenate([np.broadcast_to(cls, (B, 1, D)), X], axis=1)
    R = encoder_block(longer, params, h, make_mask(lengths + 1, T + 1, False))
    return R[:, 0] @ W.T + b
    ### END SOLUTION

# %% [markdown]
r"""
The test below can be done by hand. $W^Q = W^K = 0$ makes all weights equal, $W^V = W^O$ is the identity, and the
network is 0. So [CLS], itself 0, receives the mean of the two real words and itself, (2, 0), which the norms turn
into (1, −1). The third word is padding; if it leaks in, the signs change.
"""

# %% the visible test of cls_scores, without points
course.test(
    cls_scores,
    X=np.array([[[2.0, 0.0], [4.0, 0.0], [0.0, 9.0]]]),
    lengths=np.array([2]),
    cls=np.zeros(2),
    params=((np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2), np.eye(2)),
            (np.zeros((3, 2)), np.zeros(3), np.zeros((2, 3)), np.zeros(2)),
            (np.ones(2), np.zeros(2)), (np.ones(2), np.zeros(2))),
    h=1,
    W=np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    b=np.array([0.0, 0.0, 0.5]),
    expected=np.array([[1.0, -1.0, 0.5]]),
    tol=1e-4,
    equation="scores = W r_0 + b, r = encoder([cls, x_1, ..., x_T])",
    not_tested="a batch of more than one, weights that are not equal.",
)

# %% [markdown]
r"""
## 8. A block of the decoder

*30 minutes, 8 points. Télécom, Decoder side.*

Between its two layers the decoder has one more attention, which looks at the encoder's output M: the slide calls it
"Encoder-Decoder Attention". Its queries come from the layer below, as always; its keys and values come from M.
Without the network, which you have written already, the block is

$$a = \operatorname{LN}_1\big(Y + \operatorname{MHA}_{\text{causal}}(Y, Y)\big), \qquad
z = \operatorname{LN}_2\big(a + \operatorname{MHA}_{\text{pad}}(a, M)\big)$$

Two masks go with it. `causal` belongs to the first attention: in training the whole answer is given at once, and
without this mask every position could read its own solution one place to the right. `pad` belongs to the second: it
hides the padding of the *source* sentence. Nothing of the source lies in the future.

`params` is `(own, cross, norm_1, norm_2)`: `own` and `cross` are `(W_q, W_k, W_v, W_o)` each, of the first and of the
second attention.
"""

# %% nbgrader={"grade_id": "decoder-block", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def decoder_block(Y, M, params, h, causal, pad):
    """A decoder's block without its network: attention to its own words, then to the encoder's output.

    Y (B, T, D): the decoder's words;  M (B, S, D): the encoder's output;  h: heads, of both attentions
    params: (own, cross, norm_1, norm_2), see above;  causal (B, T, T), pad (B, T, S), bool
    returns (B, T, D).  The eps of both norms is EPS.

    Example: for S = 1 the second attention adds the same row to every position, W_o (W_v m).
    """
    ### BEGIN SOLUTION
    own, cross, norm_1, norm_2 = params
    a = layer_norm(Y + multi_head(Y, Y, *own, h, causal), *norm_1, EPS)
    return layer_norm(a + multi_head(a, M, *cross, h, pad), *norm_2, EPS)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

The pattern of the encoder's block again, twice. Who asks? Always the decoder. Who is asked? First its own words, then
the encoder's.

</details>
<details><summary>Hint 2: the shapes</summary>

The result of an attention has as many rows as there are queries: T, both times. Only then can it be added to Y or a,
(B, T, D). The causal mask is T × T, the other one T × S.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return layer_norm(a + multi_head(____, ____, *cross, h, pad), *norm_2, EPS)`

</details>
"""

# %% nbgrader={"grade_id": "decoder-block-test", "grade": true, "locked": true, "points": 8, "schema_version": 3, "solution": false}
course.test(
    decoder_block,
    Y=np.array([[[3.0, 0.0, -1.0, 2.0]]]),
    M=np.array([[[1.0, 2.0, 0.0, -2.0]]]),
    params=((np.eye(4), np.eye(4), 2 * np.eye(4), np.eye(4)), (np.eye(4), np.eye(4), np.eye(4), 0.5 * np.eye(4)),
            (np.ones(4), np.zeros(4)), (np.array([1.0, 2.0, 1.0, -1.0]), np.array([0.0, 0.0, 1.0, 0.0]))),
    h=2,
    causal=np.ones((1, 1, 1), bool),
    pad=np.ones((1, 1, 1), bool),
    expected=np.array([[[1.47826309, 0.43727347, -0.25290585, 0.44399398]]]),
    equation="a = LN_1(Y + MHA_causal(Y, Y));  z = LN_2(a + MHA_pad(a, M))",
    not_tested="more than one word on either side: so neither of the masks, nor any query or key.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("10_transformer", "decoder-block-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: who notices a change?

Word j of the answer is changed a little (column), and a mark shows at which positions i (rows) the decoder's output
changes. Left: with the causal mask, a change is noticed at its own place and later, never earlier. That is why
training can use all positions at once: none has seen its solution. Right: without the mask, everybody notices
everything.
"""

# %% picture of which outputs change with which word tags=["picture"]
import matplotlib.pyplot as plt

draw, T = np.random.default_rng(8), 8
own, _, *norms = new_block(draw, 16, 16)
cross, _, _, _ = new_block(draw, 16, 16)
Y, M, pad = draw.normal(size=(1, T, 16)), draw.normal(size=(1, 5, 16)), np.ones((1, T, 5), bool)
figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")
for axis, (name, causal) in zip(axes, {"with the causal mask": True, "without it": False}.items()):
    mask = make_mask(np.array([T]), T, causal)
    changed = np.zeros((T, T), bool)
    for j in range(T):
        nudged = Y.copy()
        nudged[0, j] += draw.normal(size=16)
        outputs = [decoder_block(y, M, (own, cross, *norms), 4, mask, pad) for y in (Y, nudged)]
        changed[:, j] = np.abs(outputs[0] - outputs[1]).max(axis=-1)[0] > 1e-12
    axis.imshow(changed, cmap="Blues", vmin=0, vmax=3)
    for i, j in np.argwhere(changed):
        axis.text(j, i, "×", ha="center", va="center")
    axis.set(title=name, xlabel="word j was changed", ylabel="output i", xticks=range(T), yticks=range(T))
figure.suptitle("× : the output notices the change")
plt.show()

# %% [markdown]
r"""
## 9. Word by word, with a cache

*25 minutes, 8 points. Télécom, Decoder side.*

A decoder writes one word at a time; what comes out at one step goes in at the bottom in the next. For the
next word the newest position asks all positions so far. Their keys and values do not change any more: with the causal
mask, no earlier position ever sees the new word. So they are computed once, and kept:

$$K_{\le t} = [K_{<t};\ k_t], \qquad V_{\le t} = [V_{<t};\ v_t], \qquad
z_t = \operatorname{softmax}\Big(\frac{q_t K_{\le t}^\top}{\sqrt{d_k}}\Big) V_{\le t}$$

A step then costs one query against t keys, instead of t queries against t keys. There is no mask: the cache holds the
past, and the future is not in it yet. One head, and one sentence, are enough here.
"""

# %% nbgrader={"grade_id": "kv-cache-step", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def kv_cache_step(x, cache, W_q, W_k, W_v):
    """The attention of one new position to itself and to all before it.

    x (D,): the new position;  W_q, W_k (d, D), W_v (e, D)
    cache: the pair K (t, d), V (t, e) of the t positions before, t = 0 at the start
    returns z (e,), and the new cache: the pair K (t + 1, d), V (t + 1, e).  The given cache is left as it was.

    Example: at the first step there is only one key, its weight is 1, and z is W_v x.
    """
    ### BEGIN SOLUTION
    q, k, v = W_q @ x, W_k @ x, W_v @ x
    K, V = np.concatenate([cache[0], k[None]]), np.concatenate([cache[1], v[None]])
    Z, _ = scaled_dot_product(q[None], K, V, np.ones((1, len(K)), bool))
    return Z[0], (K, V)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Compute q, k and v of the new position. Append k and v, then let q attend to everything that is in the cache now: a
position sees itself.

</details>
<details><summary>Hint 2: the shapes</summary>

`W_k @ x` is (d,), and `(W_k @ x)[None]` is (1, d): a row that `np.concatenate` can put under the (t, d) keys. Your
`scaled_dot_product` wants matrices: one query is `q[None]`, (1, d), the mask is (1, t + 1), and Z is (1, e).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`K = np.concatenate([cache[0], ____])`, and `Z, _ = scaled_dot_product(q[None], K, V, np.ones((1, len(____)), bool))`

</details>
"""

# %% nbgrader={"grade_id": "kv-cache-step-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def decode(X, W_q, W_k, W_v):
    """Your step, T times, from an empty cache: X (T, D) -> all z as rows (T, e), and the cache at the end, K and V."""
    cache = np.zeros((0, len(W_k)), X.dtype), np.zeros((0, len(W_v)), X.dtype)
    zs = []
    for x in X:
        z, cache = kv_cache_step(x, cache, W_q, W_k, W_v)
        zs.append(z)
    K, V = cache
    return np.stack(zs), K, V

# %% nbgrader={"grade_id": "kv-cache-step-test", "grade": true, "locked": true, "points": 8, "schema_version": 3, "solution": false}
course.test(
    kv_cache_step,
    x=np.array([1.0, -2.0]),
    cache=(np.zeros((0, 2)), np.zeros((0, 3))),
    W_q=np.array([[1.0, 0.0], [0.5, 1.0]]),
    W_k=np.array([[0.0, 1.0], [2.0, 1.0]]),
    W_v=np.array([[1.0, 1.0], [3.0, 0.0], [0.0, -1.0]]),
    results=("z", "cache"),
    expected=(np.array([-1.0, 3.0, 2.0]), (np.array([[-2.0, 0.0]]), np.array([[-1.0, 3.0, 2.0]]))),
    equation="append k_t and v_t;  z_t = softmax(q_t K^T / sqrt(d_k)) V",
    not_tested="any step after the first: so neither the weights nor the order in the cache.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("10_transformer", "kv-cache-step-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: words per second

One attention of 64 numbers writes 600 words. Squares: without a cache, every new word computes queries, keys and
values of all words so far and the whole triangle of scores again, to use its last row; the longer the text, the
slower. Circles: your cache. The line falls far more slowly. The words per second depend on the computer; the two
shapes do not. The line below the picture says that both computed the same numbers.
"""

# %% picture of words per second with and without the cache tags=["picture"]
import time

import matplotlib.pyplot as plt

draw, size, words, window = np.random.default_rng(10), 64, 600, 60
X = draw.normal(size=(words, size))
W_q, W_k, W_v = (draw.normal(size=(size, size)) / size**0.5 for _ in range(3))


def last_row(X):
    """The newest position's result without a cache: everything again."""
    mask = np.tri(len(X), dtype=bool)
    return scaled_dot_product(X @ W_q.T, X @ W_k.T, X @ W_v.T, mask)[0][-1]


per_second = {"without cache": [], "with cache": []}
cache, difference = (np.zeros((0, size)), np.zeros((0, size))), 0.0
for begin in range(0, words, window):
    slow, fast = [], []
    for t in range(begin, begin + window):
        clock = time.perf_counter()
        again = last_row(X[:t + 1])
        slow.append(time.perf_counter() - clock)
        clock = time.perf_counter()
        z, cache = kv_cache_step(X[t], cache, W_q, W_k, W_v)
        fast.append(time.perf_counter() - clock)
        difference = max(difference, np.abs(again - z).max())
    per_second["without cache"].append(1 / np.median(slow))         # the median: some steps are disturbed
    per_second["with cache"].append(1 / np.median(fast))

figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
for (name, speed), marker in zip(per_second.items(), "so"):
    axis.semilogy(np.arange(window, words + 1, window), speed, marker=marker, label=name)
axis.set(xlabel="words so far", ylabel="words per second", title="The longer the text, the more the cache saves")
axis.legend()
plt.show()
print(f"Largest difference between the two ways: {difference:.1e}")

# %% [markdown]
r"""
## What is "it"?

*Télécom, Self-Attention.*

The deck asks what *it* refers to in "The animal didn't cross the street because it was too tired". Now your functions
answer. The cells below are given: they make sentences of this form about ten nouns, in which whoever should have
crossed is *tired* and what had to be crossed is *wide*; and they train an encoder of two blocks with four heads each,
eight heads in all, to name the noun that *it* stands for, from the state of the word *it*. **Animal and street never
occur together in a training sentence**, so the deck's sentence is new to it.

The way forward is made of your functions, and the way back uses your `layer_norm_backward`. The rest of the way back
is written out in the next cell; with what you know from assignments 01 and 08 you can read it line by line.
"""

# %% nbgrader={"grade_id": "it-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
NOUNS = "animal street dog river child bridge horse road cat field".split()
WORDS = NOUNS + "the didn't cross because it was too tired wide".split()


def sentence(first, second, reason):
    """The words of a sentence, eleven of them; "it" is the eighth."""
    return f"the {first} didn't cross the {second} because it was too {reason}".split()


def numbers(words):
    """Words -> their places in WORDS."""
    return np.array([WORDS.index(word) for word in words])


def sentences(pairs):
    """All sentences about these pairs of nouns, as numbers (N, 11), and what "it" is in each (N,)."""
    pairs = list(pairs)
    ids = np.array([numbers(sentence(*pair, reason)) for pair in pairs for reason in ("tired", "wide")])
    return ids, np.array([NOUNS.index(noun) for pair in pairs for noun in pair])


def heads_apart(x, h):
    """The numbers of each head by themselves: (B, T, h d) -> (B, h, T, d)"""
    return np.moveaxis(x.reshape(*x.shape[:2], h, -1), 2, 1)


def heads_together(x):
    """And back, side by side: (B, h, T, d) -> (B, T, h d)"""
    return np.concatenate([x[:, i] for i in range(x.shape[1])], axis=-1)


def weight_gradient(dout, x):
    """The gradient of W in out = x @ W.T, summed over all rows: (B, T, O), (B, T, I) -> (O, I)"""
    return np.tensordot(dout, x, ((0, 1), (0, 1)))


def attention_maps(X, params, h):
    """The weights of all heads of a block, (B, h, T, T), everything visible."""
    (W_q, W_k, W_v, _), *_ = params
    q, k, v = (heads_apart(X @ W.T, h) for W in (W_q, W_k, W_v))
    return scaled_dot_product(q, k, v, np.ones((1, 1, 1, 1), bool))[1]


def block_backward(dy, X, params, h):
    """The gradients of encoder_block with everything visible: dX, and a nested tuple like params."""
    (W_q, W_k, W_v, W_o), (W_1, b_1, W_2, b_2), norm_1, norm_2 = params
    q, k, v = (heads_apart(X @ W.T, h) for W in (W_q, W_k, W_v))
    z, A = scaled_dot_product(q, k, v, np.ones((1, 1, 1, 1), bool))         # the way forward once more
    z = heads_together(z)
    sum_1 = X + z @ W_o.T
    a = layer_norm(sum_1, *norm_1, EPS)
    u = np.maximum(a @ W_1.T + b_1, 0)
    sum_2 = a + u @ W_2.T + b_2

    dsum_2, *dnorm_2 = layer_norm_backward(dy, sum_2, norm_2[0], EPS)       # and back, from the last line to the first
    du = dsum_2 @ W_2 * (u > 0)
    dnetwork = weight_gradient(du, a), du.sum(axis=(0, 1)), weight_gradient(dsum_2, u), dsum_2.sum(axis=(0, 1))
    dsum_1, *dnorm_1 = layer_norm_backward(dsum_2 + du @ W_1, sum_1, norm_1[0], EPS)
    dz = heads_apart(dsum_1 @ W_o, h)
    dA = dz @ np.swapaxes(v, -1, -2)
    ds = A * (dA - (dA * A).sum(axis=-1, keepdims=True)) / q.shape[-1] ** 0.5       # through the softmax and the root
    dq, dk = heads_together(ds @ k), heads_together(np.swapaxes(ds, -1, -2) @ q)
    dv = heads_together(np.swapaxes(A, -1, -2) @ dz)
    dX = dsum_1 + dq @ W_q + dk @ W_k + dv @ W_v
    dattention = *(weight_gradient(d, X) for d in (dq, dk, dv)), weight_gradient(dsum_1, z)
    return dX, (dattention, dnetwork, tuple(dnorm_1), tuple(dnorm_2))


def flat(params):
    """The arrays inside nested tuples and lists, in order."""
    return [params] if isinstance(params, np.ndarray) else [array for part in params for array in flat(part)]


def train_reader(pairs, D=32, h=4, updates=150, seed=0):
    """Embedding, two blocks and an output layer, trained with Adam -> [E (words, D), block, block, W (nouns, D)]"""
    draw = np.random.default_rng(seed)
    ids, answers = sentences(pairs)
    P, it = positional_encoding(ids.shape[1], D), ids[0].tolist().index(WORDS.index("it"))
    params = [draw.normal(size=(len(WORDS), D)), new_block(draw, D, 2 * D), new_block(draw, D, 2 * D),
              draw.normal(size=(len(NOUNS), D)) / D**0.5]
    mean, square = ([np.zeros_like(p) for p in flat(params)] for _ in range(2))
    mask = np.ones((64, ids.shape[1], ids.shape[1]), bool)
    for update in course.progress_bar(range(1, updates + 1), "training"):
        rows = draw.integers(len(ids), size=64)
        E, block_1, block_2, W = params
        X = E[ids[rows]] + P
        R_1 = encoder_block(X, block_1, h, mask)
        R_2 = encoder_block(R_1, block_2, h, mask)
        scores = R_2[:, it] @ W.T
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(64), answers[rows]] -= 1                        # the gradient of the cross-entropy
        dR_2 = np.zeros_like(R_2)
        dR_2[:, it] = p @ W / 64
        dR_1, dblock_2 = block_backward(dR_2, R_1, block_2, h)
        dX, dblock_1 = block_backward(dR_1, X, block_1, h)
        dE = np.zeros_like(E)
        np.add.at(dE, ids[rows], dX)
        for w, g, m, s in zip(flat(params), flat([dE, dblock_1, dblock_2, p.T @ R_2[:, it] / 64]), mean, square):
            m += 0.1 * (g - m)
            s += 0.01 * (g**2 - s)
            rate = 0.003 * min(1, update / 30)
            w -= rate * (m / (1 - 0.9**update)) / (np.sqrt(s / (1 - 0.99**update)) + 1e-8)
    return params


def read(ids, params, h=4):
    """What the reader says "it" is (N,), and its weights (N, 2 blocks, h, T, T)."""
    E, block_1, block_2, W = params
    mask = np.ones((len(ids), ids.shape[1], ids.shape[1]), bool)
    X = E[ids] + positional_encoding(ids.shape[1], E.shape[1])
    R_1 = encoder_block(X, block_1, h, mask)
    R_2 = encoder_block(R_1, block_2, h, mask)
    it = ids[0].tolist().index(WORDS.index("it"))
    maps = np.stack([attention_maps(X, block_1, h), attention_maps(R_1, block_2, h)], axis=1)
    return np.argmax(R_2[:, it] @ W.T, axis=1), maps

# %% [markdown]
r"""
### Picture: eight heads read the deck's sentence

The training takes a few seconds. The printed lines say what the encoder takes *it* for in the deck's sentence, with
*tired* and with *wide*, and how often it is right about pairs of nouns that it never met.

The upper row has the four heads of block 1, the lower row those of block 2. In each map a row is the word that looks,
a column the word that it looks at, and dark is a weight near 1. The row of *it* is framed. In block 1 one head looks
from *it* to the reason at the end of the sentence, others look at a noun; in block 2, where *it* knows the reason,
most heads look from it to the animal. Another start (`seed=1` and so on in `train_reader`) gives other heads. Nobody
tells them what to do; now and then they find the noun by way of the words beside it.
"""

# %% picture of eight heads tags=["picture"]
import matplotlib.pyplot as plt

pairs = [(a, b) for a in NOUNS for b in NOUNS if a != b]
new = [(a, b) for a, b in pairs if (NOUNS.index(a) + NOUNS.index(b)) % 5 == 1]     # a fifth, with animal and street
reader = train_reader([pair for pair in pairs if pair not in new])

ids, answers = sentences(new)
said, _ = read(ids, reader)
deck = {reason: sentence("animal", "street", reason) for reason in ("tired", "wide")}
guesses, maps = read(np.array([numbers(words) for words in deck.values()]), reader)
for words, guess in zip(deck.values(), guesses):
    print(f'{" ".join(words)}: "it" is the {NOUNS[guess]}.')
print(f"New pairs of nouns: {np.mean(said == answers):.0%} of {len(ids)} sentences are right.")

words = deck["tired"]
it = words.index("it")
figure, axes = plt.subplots(2, 4, figsize=(12, 6.4), sharex=True, sharey=True, layout="constrained")
for number, axis in enumerate(axes.flat):
    image = axis.imshow(maps[0, number // 4, number % 4], cmap="Blues", vmin=0, vmax=1)
    axis.add_patch(plt.Rectangle((-0.5, it - 0.5), len(words), 1, fill=False, edgecolor="black", linewidth=1.5))
    axis.set_title(f"block {number // 4 + 1}, head {number % 4 + 1}", fontsize=10)
    axis.set_xticks(range(len(words)), words, rotation=90)
    axis.set_yticks(range(len(words)), words)
figure.colorbar(image, ax=axes, label="weight", shrink=0.6)
figure.suptitle('Eight heads of a trained encoder; the framed row is where "it" looks')
plt.show()

# %% [markdown]
r"""
### Picture: tired or wide

The weights from *it* in block 2, the mean of its four heads, for both reasons. Plain bars: *too tired*; hatched bars:
*too wide*. One word at the end of the sentence moves the tall bar from *animal* to *street*. (Some weight lands
beside the noun: after block 1 its neighbours know of it too.) Try `sentence("street", "animal", …)` in the cell
above, or other nouns.
"""

# %% picture of the weights from it for tired and wide tags=["picture"]
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
places = np.arange(len(deck["tired"]))
for shift, hatch, reason, weights in zip((-0.2, 0.2), ("", "///"), deck, maps[:, 1, :, it].mean(axis=1)):
    axis.bar(places + shift, weights, width=0.4, hatch=hatch, edgecolor="black", label=f"too {reason}")
axis.set_xticks(places, [*deck["tired"][:-1], "tired / wide"])
axis.set(ylabel="weight", title='Where "it" looks in block 2: the reason decides')
axis.legend()
plt.show()

# %% where you stand
course.progress()

# %% [markdown]
r"""
## What the reference does differently, and why it is faster

minigrad's layers, `nn.MultiheadAttention`, `nn.TransformerEncoderLayer` and `nn.TransformerDecoderLayer`, compute
your numbers; a test holds your functions' solution equal to them. They differ in how:

- **One product for Q, K and V.** The three matrices lie under each other in one (3D, D) array, and where X asks
  itself one product serves all three.
- **Attention is one node.** Composed from small operations, it makes and keeps several T × S arrays for each head:
  the scores, the masked scores, the exponentials, the weights. As one node it has a single one, in which the scores
  become the weights in place, block by block, small enough for the processor's own memory. For long sentences these
  arrays are what fills a computer.
- **Layer norm goes back in one pass** over the rows, with what it kept of the way forward, which you computed again.
- **The cache grows in doubles.** Your `np.concatenate` copies the whole cache at every step. The reference's lies in
  a larger array, which doubles when it is full, so T steps copy less than 2T rows.
- **Pre-norm is offered beside the deck's post-norm** (`norm_first=True`). There the residual road from bottom to top
  is free of norms, and deep stacks train without a slow start. The training above raises its rate over the first 30
  updates; post-norm wants that.

**float32 and float64.** Some programs write −1e9 for −∞. In float16 that number does not exist (the largest is
65504), and in any type it turns a row that may see nothing into a *uniform* one: all scores are equal again. Use the
mask itself, as you did. Layer norm has a trap as well. For numbers around 1e4 with a spread of 1, the variance as
$\overline{x^2} - \mu^2$ subtracts two numbers near 1e8, where float32 counts in steps of 8. The cell below shows it.
Subtract the mean first, as `x.var` does.
"""

# %% picture of a variance in one pass and in two tags=["picture"]
x = (1e4 + np.random.default_rng(0).normal(size=(3, 512))).astype(np.float32)
one_pass = (x**2).mean(axis=-1) - x.mean(axis=-1) ** 2
print("variance of three rows, float64:        ", x.astype(np.float64).var(axis=-1).round(3))
print("float32, from differences to the mean:  ", x.var(axis=-1).round(3))
print("float32, mean of squares minus square:  ", one_pass.round(3))
