# %% [markdown]
r"""
# 08 From one sentence to another: encoder, decoder, attention, search

At the end of this notebook a small network, trained with functions of your own, translates *le chat noir voit un petit
chien*, and a map shows where it looked for each word that it wrote. On the way you build

1. the encoder's summary, one vector for a whole sentence, and you see what it forgets;
2. attention: a score for each word of the source, a softmax that knows about padding, a context for each step of the
   decoder, and the gradient that teaches it where to look;
3. two ways to write a sentence, greedy and by beam search, and BLEU, the number that judges translations.

Eight functions, about 5 and a half hours of writing and 3 hours for slides, pictures and questions. The minutes are
given with each part. Every part has numbers of its own for its test, so you can leave one open and go on; only the
pictures at the end put all functions together. You need NumPy, and matplotlib for the pictures.

How a part works: read the equation, write the function, run the visible test below it. The visible test checks one
easy case and says what it leaves out. The points come from a hidden test with other sizes and other numbers. So ask
yourself after each green line: *what would this test not notice?* Below each function are three hints, folded: an
idea, the shapes, and a line with a gap. Opening them costs nothing.
"""

# %% nbgrader={"grade_id": "environment", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

course.environment("08_seq2seq_attention", functions=[
    "last_state", "bahdanau_scores", "masked_softmax", "decoder_step", "attention_backward", "greedy", "beam", "bleu",
])

# %% [markdown]
r"""
## Letters and layout

The equations of attention are on Télécom's slides alone, and we follow them. Two networks work side by side, so there
are two clocks: $t = 1 \dots T_x$ counts the words of the **source**, $\tau = 1, 2, \dots$ those of the **target**.

| here | Télécom | in words |
|---|---|---|
| `a` (T, B, A) | $a^{(t)}$ or $a^{\langle t\rangle}$ | what the encoder has for word t: its **annotation** |
| `s` (B, H) | $s^{(\tau)}$ | the decoder's state |
| `e` (T, B) | $e^{(\tau,t)}$ | score: how well word t fits what is to be written at $\tau$ |
| `alpha` (T, B) | $\alpha^{(\tau,t)}$ | attention weight: the score after the softmax |
| `c` (B, A) | $c^{(\tau)}$ | context: the weighted sum of the annotations |
| `y` (B, E) | $y^{(\tau-1)}$ | the vector of the word that was written last |

- **One step $\tau$ at a time.** Your functions see one step of the decoder, so $\tau$ is no axis of any array. The
  source is there as a whole: T is the number of its positions, and it comes first, as in 03 to 06. B sentences are
  side by side. Columns of `alpha` are sentences.
- **A matrix has the shape (out, in)**, so a product is written `x @ W.T`.
- **State first:** columns of the decoder's matrix are for $[s; y; c]$, in this order.
- **mask is True at real words**, False at padding. (PyTorch's `key_padding_mask` and minigrad's `hidden` are the
  other way round: True at padding.)
- **The score asks the old state**, $s^{(\tau-1)}$, as on the slide and in Bahdanau's paper. Another well-known form,
  Luong's, asks the new one.
- **The slides print no formula for the alignment model**, only "a feedforward neural network". Part 2 is the one of
  the paper that the slide cites, with a bias b as well.
- Chemnitz calls seq2seq models "recurrent autoencoders". That is so when the target *is* the source. Here it is another
  sentence, often of another length.
"""

# %% [markdown]
r"""
## 1. A sentence in one vector

*20 minutes, 6 points. Télécom, Sequence to Sequence; Chemnitz, Many to Many: seq2seq; KTH, RNN Design Patterns -
Encoder-Decoder.*

The encoder reads the source. What it hands to the decoder is its last state:

$$c = a^{\langle T_x \rangle}$$

In a batch each sentence has a $T_x$ of its own. The short ones are filled up with padding, and the encoder has gone on
over it: what stands in the last row of `hs` is, for a short sentence, a state after some steps of nonsense. `lengths`
are counts of words, so take step `lengths[i]` of sentence i. Steps count from 1 on the slides and from 0 in the array.
"""

# %% nbgrader={"grade_id": "last-state", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def last_state(hs, lengths):
    """The state of each sentence after its own last word.

    hs (T, B, H): all states, padding included;  lengths (B,): whole numbers from 1 to T
    returns a new array (B, H)

    Example: for lengths [1, 3], row 0 is hs[0, 0] and row 1 is hs[2, 1].
    """
    ### BEGIN SOLUTION
    return hs[lengths - 1, np.arange(hs.shape[1])]
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

One row for each sentence: sentence i at the step where it ends. A loop over the sentences will do. NumPy can also take
all of them at once, given a list of steps and a list of sentences.

</details>
<details><summary>Hint 2: the shapes</summary>

`hs[steps, sentences]`, with two arrays of shape (B,), picks B vectors of size H: `hs[steps[0], sentences[0]]`,
`hs[steps[1], sentences[1]]`, and so on. That is (B, H). The sentences are 0, 1, ..., B − 1.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return hs[____, np.arange(hs.shape[1])]`

</details>
"""

# %% nbgrader={"grade_id": "last-state-test", "grade": true, "locked": true, "points": 6, "schema_version": 3, "solution": false}
course.test(
    last_state,
    hs=np.array([[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6], [0.7, 0.8]], [[0.9, 1.0], [1.1, 1.2]]]),
    lengths=np.array([3, 3]),
    expected=np.array([[0.9, 1.0], [1.1, 1.2]]),
    equation="c = a^<T_x>, for each sentence at its own T_x",
    not_tested="sentences of different lengths (so padding), lengths of 1, as many sentences as steps.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("08_seq2seq_attention", "last-state-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: what the summary forgets

Four sentences of 4, 8, 16 and 32 random words go through an encoder that was not trained. Then one word is exchanged,
and we measure how far that moves the summary `c`, your `last_state`. Each line is one sentence, from its first word on
the left to its last on the right. All lines rise: the last word always counts most. Exchange the first word of the
longest sentence, and the summary hardly notices. Training helps to keep what matters, but the vector does not grow with
the sentence. Télécom shows what comes of it, a long sentence about Disney whose translation starts well and ends as
another story.
"""

# %% picture of what the summary forgets tags=["picture"]
import matplotlib.pyplot as plt

draw = np.random.default_rng(8)
size = 24
rotation, _ = np.linalg.qr(draw.normal(size=(size, size)))
W_words = draw.normal(size=(size, 10)) / 3


def summaries(xs, lengths):
    """The last states of a batch of sentences, xs (T, B, 10), by a plain recurrent network."""
    h, hs = np.zeros((xs.shape[1], size)), []
    for x in xs:
        h = np.tanh(x @ W_words.T + h @ (0.95 * rotation).T)
        hs.append(h)
    return last_state(np.array(hs), lengths)


figure, axis = plt.subplots(figsize=(9, 3.4), layout="constrained")
for words, mark in zip((4, 8, 16, 32), "os^D"):
    moved = np.zeros(words)
    for _ in range(20):                                                 # 20 sentences, and their mean
        xs = np.zeros((32, words + 1, 10))                              # column k: word k is exchanged; the last: none
        xs[:words] = draw.normal(size=(words, 1, 10))
        xs[np.arange(words), np.arange(words)] = draw.normal(size=(words, 10))
        c = summaries(xs, np.full(words + 1, words))
        moved += np.linalg.norm(c[:-1] - c[-1], axis=1) / np.linalg.norm(c[-1]) / 20
    axis.semilogy(range(1, words + 1), moved, marker=mark, markersize=4, label=f"{words} words")
axis.set(xlabel="which word is exchanged", ylabel="change of c, relative to its length",
         title="The longer ago a word was read, the less the summary knows of it")
axis.legend()
plt.show()

# %% [markdown]
r"""
## 2. How well does each word fit?

*35 minutes, 14 points. Télécom, Attention model (the alignment model).*

Nobody translates a long sentence by reading it once and closing the book. So keep *all* annotations $a^{(t)}$, and let
the decoder look at the ones that it needs. Before it writes word $\tau$ it gives each of them a score, by a network of
one hidden layer that sees the decoder's state and the annotation:

$$e^{(\tau,t)} = v \cdot \tanh\big(W_s\, s^{(\tau-1)} + W_a\, a^{(t)} + b\big)$$

$W_s$ belongs to the decoder's **s**tate, $W_a$ to the **a**nnotations. The state's part is the same for all t; the
tanh mixes it with the annotation's part. That is not decoration: without the tanh the state would add the same number
to all scores, and the softmax of part 3 would not notice it.
"""

# %% nbgrader={"grade_id": "bahdanau-scores", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def bahdanau_scores(s, a, W_s, W_a, b, v):
    """The scores of all source positions for one step of the decoder.

    s (B, H): the decoder's state, s^(tau-1);  a (T, B, A): the annotations
    W_s (D, H), W_a (D, A), b (D,), v (D,): D is the size of the hidden layer
    returns e (T, B), in the dtype of its arguments

    Example: if W_s, W_a and b are 0, all scores are 0.
    """
    ### BEGIN SOLUTION
    return np.tanh(s @ W_s.T + a @ W_a.T + b) @ v
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

It is the recurrent step of 03 with other names, tanh(W x + W h + b), and one more product at the end that makes
one number out of each hidden layer. `@` works on the last axis, so the whole source can go through it at once.

</details>
<details><summary>Hint 2: the shapes</summary>

`s @ W_s.T` is (B, D), `a @ W_a.T` is (T, B, D). Their sum broadcasts: the state's part is added at each position t.
`(T, B, D) @ (D,)` is (T, B).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return np.tanh(s @ W_s.T + ____ + b) @ v`

</details>
"""

# %% nbgrader={"grade_id": "bahdanau-scores-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    bahdanau_scores,
    s=np.zeros((1, 3)),
    a=np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[-1.0, 2.0]], [[0.5, 0.5]]]),
    W_s=np.array([[1.0, 0.0, -1.0], [0.5, 0.5, 0.0]]),
    W_a=np.array([[1.0, -1.0], [0.5, 2.0]]),
    b=np.zeros(2),
    v=np.array([2.0, -1.0]),
    expected=np.array([[1.06107115], [-2.48721589], [-2.98828743], [-0.84828364]]),
    equation="e^(tau,t) = v . tanh(W_s s^(tau-1) + W_a a^(t) + b)",
    not_tested="a state and a bias that are not 0, several sentences, sizes that are all equal, large numbers.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("08_seq2seq_attention", "bahdanau-scores-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 3. From scores to weights

*40 minutes, 16 points. Télécom, Attention model (the attention weights).*

A softmax over the positions of *one* sentence, and over its real words only:

$$\alpha^{(\tau,t)} = \frac{\exp(e^{(\tau,t)})}{\sum_{t'=1}^{T_x} \exp(e^{(\tau,t')})}, \qquad
\sum_t \alpha^{(\tau,t)} = 1$$

The sum ends at $T_x$, the sentence's own length. Padding gets the weight 0, whatever its score is, and the weights of
the real words still add up to 1. Two more things to take care of:

- **Large scores.** $e^{1000}$ is infinite. The softmax does not change if the same number is subtracted from all scores
  of a sentence, so subtract the largest score *of its real words* first.
- **A column without a real word** (an empty sentence): all its weights are 0 here. Not NaN: a NaN would spread into
  every gradient.
"""

# %% nbgrader={"grade_id": "masked-softmax", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def masked_softmax(e, mask):
    """Scores to weights, along the source positions (axis 0), for real positions only.

    e (T, B): finite scores, left as they were;  mask (T, B): bool, True at real words
    returns alpha (T, B), in the dtype of e: 0 where mask is False; each column adds up to 1, or is 0 if nothing is real

    Example: with equal scores, a sentence of 4 real words has the weight 1/4 at each of them.
    """
    ### BEGIN SOLUTION
    scores = np.where(mask, e, -np.inf)
    top = np.where(mask.any(axis=0), scores.max(axis=0), 0)
    w = np.exp(scores - top)
    total = w.sum(axis=0)
    return w / np.where(total > 0, total, 1)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Let the padding disappear *before* the softmax: $\exp(-\infty) = 0$, so a score of $-\infty$ (`-np.inf`) has the weight
0 and adds nothing to the sum. Then the usual softmax. An empty column has the largest score $-\infty$ and the sum 0:
subtract 0 there and divide by 1.

</details>
<details><summary>Hint 2: the shapes</summary>

`np.where(mask, e, -np.inf)` is (T, B) and a new array. The largest score of each sentence, `.max(axis=0)`, and the
sum of each sentence are (B,): they broadcast against (T, B) as they are.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`scores = np.where(mask, e, ____)`, then `top = np.where(mask.any(axis=0), scores.max(axis=0), 0)`

</details>
"""

# %% nbgrader={"grade_id": "masked-softmax-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    masked_softmax,
    e=np.log(np.array([[0.5, 0.1], [0.25, 0.6], [0.25, 0.3]])),
    mask=np.ones((3, 2), dtype=bool),
    expected=np.array([[0.5, 0.1], [0.25, 0.6], [0.25, 0.3]]),
    equation="alpha^(t) = exp(e^(t)) / sum of exp(e^(t')) over the real t'",
    not_tested="padding, an empty sentence, large scores.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("08_seq2seq_attention", "masked-softmax-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: the state decides where to look

An alignment model whose weights were set by hand, and your two functions. The annotations say which kind of word is
there, the three states ask for one kind each. Two sentences are in the batch, the second is shorter. Each row of a
panel is one state, each number a weight: the noun's row has its large numbers at the nouns, and so on, each row adds
up to 1 (up to rounding), and the padding has 0 everywhere. Where a sentence has two nouns, the weight is shared between
them: the state asked for a kind of word, and not for a place.
"""

# %% picture of weights that were set by hand tags=["picture"]
import matplotlib.pyplot as plt

KINDS = {"article": ["le", "un"], "noun": ["chat", "chien", "livre"], "adjective": ["noir", "petit", "rouge"],
         "verb": ["voit"]}
sources = ["le chat noir voit un petit chien".split(), "un livre rouge".split()]
mask = np.arange(7)[:, None] < np.array([7, 3])
a = np.zeros((7, 2, 4))                                                 # one annotation a word: which kind it is
for i, words in enumerate(sources):
    for t, word in enumerate(words):
        a[t, i] = [word in kind for kind in KINDS.values()]

figure, axes = plt.subplots(1, 2, figsize=(10, 2.6), width_ratios=(7, 7), layout="constrained")
rows = np.array([masked_softmax(bahdanau_scores(
    np.tile(np.eye(4)[k], (2, 1)), a, 2 * np.eye(4), 2 * np.eye(4), np.full(4, -3.0), np.full(4, 3.0)), mask)
    for k in (0, 1, 2)])                                                # (state, T, B)
for i, axis in enumerate(axes):
    axis.imshow(rows[:, :, i], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for k, t in np.ndindex(3, 7):
        dark = rows[k, t, i] > 0.6
        axis.text(t, k, f"{rows[k, t, i]:.2f}", ha="center", va="center", color="white" if dark else "black")
    axis.set(xticks=range(7), xticklabels=sources[i] + ["(pad)"] * (7 - len(sources[i])), yticks=range(3),
             yticklabels=[f"asks for {kind}" for kind in list(KINDS)[:3]], title=f"sentence {i + 1}: weights")
axes[1].set(yticks=[])
plt.show()

# %% [markdown]
r"""
## 4. One step of the decoder

*25 minutes, 10 points. Télécom, Attention model (the context vector); Chemnitz, Many to Many: seq2seq.*

With the weights at hand, the context is a weighted sum, and the decoder takes one recurrent step. It reads three
things: its own state, the word that it wrote last, and the context:

$$c^{(\tau)} = \sum_t \alpha^{(\tau,t)}\, a^{(t)}, \qquad
s^{(\tau)} = \tanh\big(W\, [s^{(\tau-1)}; y^{(\tau-1)}; c^{(\tau)}] + b\big)$$

Without attention $c$ is $a^{\langle T_x\rangle}$ for ever. With attention each step has a context of its own: Télécom
calls it a *local* version.
"""

# %% nbgrader={"grade_id": "decoder-step", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def decoder_step(y, s, a, alpha, W, b):
    """The decoder's next state, and the context that it read.

    y (B, E): the vector of the last word, y^(tau-1);  s (B, H): s^(tau-1);  a (T, B, A);  alpha (T, B)
    W (H, H+E+A): columns for [s; y; c], in this order;  b (H,)
    returns s_new (B, H): s^(tau);  c (B, A): c^(tau)

    Example: if alpha is 1 at one position and 0 elsewhere, c is the annotation of that position.
    """
    ### BEGIN SOLUTION
    c = np.sum(alpha[:, :, None] * a, axis=0)
    s_new = np.tanh(np.concatenate([s, y, c], axis=1) @ W.T + b)
    return s_new, c
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Two lines for two equations. The weights went through the softmax already: multiply each annotation by its weight, and
add. Then put the three vectors side by side and do one step as in 03.

</details>
<details><summary>Hint 2: the shapes</summary>

`alpha[:, :, None]` is (T, B, 1): one weight for all A numbers of an annotation. Times `a` it is (T, B, A); summed over
the positions, axis 0, (B, A). s, y and c side by side are (B, H+E+A), and times `W.T` that is (B, H).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`c = np.sum(____ * a, axis=0)`

</details>
"""

# %% nbgrader={"grade_id": "decoder-step-test", "grade": true, "locked": true, "points": 10, "schema_version": 3, "solution": false}
course.test(
    decoder_step,
    y=np.array([[1.0, -1.0]]),
    s=np.array([[0.5, 0.25]]),
    a=np.array([[[0.2, 0.4, -0.6]]]),
    alpha=np.array([[1.0]]),
    W=np.array([[1.0, 0, 0.5, 0, 1, 0, 0], [0, -1, 0, 0.5, 0, 1, 1]]),
    b=np.array([0.1, 0.0]),
    results=("s_new", "c"),
    expected=(np.array([[0.86172316, -0.73978305]]), np.array([[0.2, 0.4, -0.6]])),
    equation="c = sum over t of alpha^(t) a^(t);  s_new = tanh(W [s; y; c] + b)",
    not_tested="more than one source position (so the weights), several sentences.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("08_seq2seq_attention", "decoder-step-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 5. How attention learns where to look

*60 minutes, 16 points. Télécom, Attention model: trained jointly with all other components.*

Nobody tells the network which source word belongs to which target word. It finds out, because the context is a smooth
function of the scores, so that the loss has a gradient with respect to them. Parts 3 and 4 backwards: given $dc =
\partial L/\partial c$, for each sentence,

$$da^{(t)} = \alpha^{(t)}\, dc, \qquad d\alpha^{(t)} = a^{(t)} \cdot dc, \qquad
de^{(t)} = \alpha^{(t)} \Big( d\alpha^{(t)} - \sum_{t'} \alpha^{(t')}\, d\alpha^{(t')} \Big)$$

The last one is the way back through the softmax. All weights of a sentence share one sum: whoever raises one score
lowers all other weights. Therefore the second term. It is the *weighted mean* of the $d\alpha^{(t')}$, and so the $de$
of a sentence add up to 0.

Here `da` is the part of the annotations' gradient that comes through the sum. (They are in the scores too. That part
goes back through the alignment model; the training at the end of this notebook has it.)

Checking yourself with a difference quotient is a good idea; handing one in is not, for the hidden test asks for more
digits than it has.
"""

# %% nbgrader={"grade_id": "attention-backward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def attention_backward(dc, alpha, a):
    """The gradients of the scores and of the annotations, for c = sum over t of alpha a and alpha = softmax(e).

    dc (B, A): the loss's gradient with respect to c;  alpha (T, B), a (T, B, A): as they were on the way forward
    returns de (T, B), da (T, B, A)

    Example: where the weight of a position is 0 (padding), its de and da are 0.
    """
    ### BEGIN SOLUTION
    dalpha = np.sum(a * dc, axis=2)
    de = alpha * (dalpha - np.sum(alpha * dalpha, axis=0))
    da = alpha[:, :, None] * dc
    return de, da
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Each product of the way forward has two factors. The gradient of the one is what came back, times the other: that gives
da and dα. Then the softmax, whose gradient you find in the text. Nothing of e itself is needed, since the slope of the
softmax can be written with its result.

</details>
<details><summary>Hint 2: the shapes</summary>

`a * dc` broadcasts (T, B, A) with (B, A); summed over the last axis that is dα, (T, B). The weighted mean is summed
over the positions, axis 0, so it is (B,): one number a sentence. `alpha[:, :, None] * dc` is (T, B, A).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`de = alpha * (dalpha - np.sum(____ * dalpha, axis=0))`

</details>
"""

# %% nbgrader={"grade_id": "attention-backward-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    attention_backward,
    dc=np.array([[1.0, -2.0]]),
    alpha=np.array([[0.5], [0.5]]),
    a=np.array([[[3.0, 1.0]], [[0.5, 0.75]]]),
    results=("de", "da"),
    expected=(np.array([[0.5], [-0.5]]), np.array([[[0.5, -1.0]], [[0.5, -1.0]]])),
    equation="dalpha = a . dc;  de = alpha (dalpha - sum of alpha dalpha);  da = alpha dc",
    not_tested="weights that are not equal, weights of 0 and 1, several sentences.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("08_seq2seq_attention", "attention-backward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### A test of your own

Not graded. The visible test has equal weights and one sentence. Write a test that would notice a mistake which it lets
through. Three ideas:

- the `de` of each sentence add up to 0, whatever the weights are;
- nudge one score by $\varepsilon = 10^{-6}$ up and down, run `masked_softmax` and then `decoder_step`, look at the
  change of $\sum dc \odot c$, and compare with that entry of `de`;
- two sentences in one batch must get the same gradients as each of them alone.
"""

# %% room for your test
# your test


# %% [markdown]
r"""
### Picture: learning where to look

Six annotations, and only one of them, number 5, is what the decoder needs as its context. The scores start somewhere,
and gradient descent moves them, with your `attention_backward`. Left: all scores start equal. The weight of word 5
(thick line, squares) climbs to nearly 1, and the others (thin lines) go to 0. Right: the scores start with a firm but
wrong belief, word 2 (dashed line, circles) has nearly all the weight. For a good third of the picture nothing seems to
happen: a weight near 0 has a gradient near 0, for $de$ has the factor $\alpha$. So a network should start with small
scores.
"""

# %% picture of scores that learn tags=["picture"]
import matplotlib.pyplot as plt

draw = np.random.default_rng(4)
a = draw.normal(size=(6, 1, 8))
real, idle = np.ones((6, 1), dtype=bool), np.zeros((1, 1))              # only the context of the step is looked at
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), sharey=True, layout="constrained")
for axis, belief, title in zip(axes, (0.0, 7.0), ("all scores start equal", "a wrong belief at the start: word 2")):
    e = np.zeros((6, 1))
    e[1] = belief
    history = []
    for _ in range(150):
        alpha = masked_softmax(e, real)
        _, c = decoder_step(idle, idle, a, alpha, np.zeros((1, 10)), np.zeros(1))
        de, _ = attention_backward(c - a[4], alpha, a)                  # the loss is half of |c - a^(5)|^2
        e = e - 0.3 * de
        history.append(alpha[:, 0])
    for t, line in enumerate(np.array(history).T):
        style = {4: {"linewidth": 2.5, "marker": "s", "label": "word 5"},
                 1: {"linestyle": "--", "marker": "o", "label": "word 2"}}.get(t, {"linewidth": 0.8})
        axis.plot(line, markevery=15, color="black" if t in (1, 4) else "gray", **style)
    axis.set(xlabel="step of gradient descent", title=title, ylim=(-0.03, 1.03))
axes[0].set(ylabel=r"weight $\alpha^{(t)}$")
axes[0].legend(loc="center right")
plt.show()

# %% [markdown]
r"""
## 6. Writing, greedily

*20 minutes, 8 points. Télécom, Language model: (3) Sampling novel sequences using RNN; Escalera, Example:
Character-level Language Model Sampling.*

A decoder is a language model with a source behind it. To write, take the most probable word, feed it back as the next
input, and go on until the end token comes:

$$y^{\langle\tau\rangle} = \operatorname{argmax}_y\ p(y \mid y^{\langle 1\rangle}, \dots, y^{\langle\tau-1\rangle}, x)$$

Your function knows nothing of networks. It gets a function `step`, which takes the last word and a state and gives two
things, the logarithms of the probabilities of the next word, and the new state:

`logp, state = step(word, state)`

A word is a whole number. The first word that goes in is `bos`. For the tests the cell below makes such a `step` out of
a table; at the end of the notebook it is a trained network.
"""

# %% nbgrader={"grade_id": "greedy", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def greedy(step, state, bos, eos, max_len):
    """The sentence in which each word is the most probable one after those before it.

    step(word, state) -> logp (V,), new state;  state: the one before the first word;  bos, eos: whole numbers
    returns a list of at most max_len whole numbers, without bos and eos.  Of equal logp the lowest number is taken.

    Example: if eos is the most probable word after bos, it is [].
    """
    ### BEGIN SOLUTION
    words, word = [], bos
    for _ in range(max_len):
        logp, state = step(word, state)
        word = int(np.argmax(logp))
        if word == eos:
            break
        words.append(word)
    return words
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

A loop in which two things are handed on: the word and the state. Both come out of one turn and go into the next. The
end token ends the loop before it is written down.

</details>
<details><summary>Hint 2: the shapes</summary>

`logp` is (V,); `np.argmax(logp)` is the place of its largest entry, the first one if there are several. `int(...)`
makes it a plain whole number. At most max_len turns.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`logp, state = step(____, state)`

</details>
"""

# %% nbgrader={"grade_id": "table-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def table_step(logp):
    """A small language as a `step`: the next word depends on the last two words.

    logp (V, V, V): logp[i, j] are the log-probabilities of the next word after the words i and j.  The state is i.
    """
    def step(word, state):
        return logp[state, word].copy(), word
    return step


def greedy_in(logp, bos, eos, max_len):
    """Your greedy sentence in the language of a table; before the first word stand two bos."""
    return greedy(table_step(logp), bos, bos, eos, max_len)

# %% nbgrader={"grade_id": "greedy-test", "grade": true, "locked": true, "points": 8, "schema_version": 3, "solution": false}
course.test(
    greedy_in,
    of="greedy",
    logp=np.log(np.array([[[0.1, 0.1, 0.1, 0.7], [0.25, 0.25, 0.25, 0.25],
                           [0.1, 0.6, 0.2, 0.1], [0.2, 0.1, 0.5, 0.2]]] * 4)),
    bos=0,
    eos=1,
    max_len=5,
    expected=[3, 2],
    equation="y^<tau> = argmax p(y | y^<1>, ..., y^<tau-1>), fed back",
    not_tested="a state that matters, the limit max_len, eos as the first word, equal probabilities.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("08_seq2seq_attention", "greedy-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 7. Beam search

*80 minutes, 16 points. Télécom, Machine Translation (the conditional language model).*

The best first word need not begin the best sentence. What is wanted is the sentence with the largest probability, and
that is a product over all its words. Long products are small, so logarithms are added; and because each further word
makes the sum smaller, the sum is divided by the length $|y|$, or short sentences would always win:

$$\hat y = \operatorname{argmax}_y\ \frac{1}{|y|} \sum_{\tau=1}^{|y|}
\log p(y^{\langle\tau\rangle} \mid y^{\langle 1\rangle}, \dots, y^{\langle\tau-1\rangle}, x)$$

Trying all sentences is out of the question. A beam search keeps the k most probable beginnings, called hypotheses.
There are several recipes; here it is exactly this one:

1. Start with one open hypothesis: no words yet, sum 0, the given state.
2. Repeat at most `max_len` times: extend **each** open hypothesis by **every** word. Of all these extensions *together*
   keep the k with the largest sums. Those that end with `eos` are finished: put them aside. The others are the open
   hypotheses of the next round, each with the state that came out of its own step. Stop if none is open.
3. Of all hypotheses that were put aside, and those that are still open at the end, take the one with the largest sum
   divided by its length. The length counts all words after `bos`, and `eos` is one of them.

Return its words without `eos`, and its sum (not divided). With k = 1 this is what greedy does. Equal sums do not occur
in the hidden test. (In another recipe finished hypotheses stay among the k and take a place there. The hidden test has
no sentence on which the two differ.)
"""

# %% nbgrader={"grade_id": "beam", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def beam(step, state, bos, eos, max_len, k):
    """The best sentence that a beam search finds, by the mean of log p over its words.

    step, state, bos, eos, max_len: as in greedy;  k: at least 1
    returns ids: a list of at most max_len whole numbers, without bos and eos;
            logp: a float, the sum of the logarithms of its words, that of eos included if it ended

    Example: with k = 1, ids is what greedy returns.
    """
    ### BEGIN SOLUTION
    live, done = [(0.0, [bos], state)], []
    for _ in range(max_len):
        grown = []
        for total, ids, before in live:
            logp, after = step(ids[-1], before)
            grown += [(total + logp[w], [*ids, w], after) for w in range(len(logp))]
        best = sorted(grown, key=lambda h: h[0], reverse=True)[:k]
        done += [h for h in best if h[1][-1] == eos]
        live = [h for h in best if h[1][-1] != eos]
        if not live:
            break
    total, ids, _ = max(done + live, key=lambda h: h[0] / (len(h[1]) - 1))
    return [w for w in ids[1:] if w != eos], float(total)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Two lists: the open hypotheses, and the finished ones. A hypothesis is a tuple of its sum, its words and its state. In
each round make one long list of all extensions of all open hypotheses, sort it, cut it after k, and deal the k out to
the two lists.

</details>
<details><summary>Hint 2: the shapes</summary>

With n open hypotheses and V words a round makes n · V extensions, and k of them are kept (fewer if there are fewer).
All extensions of one round have the same length, so dividing is needed only at the end. If the list of words starts
with bos, the length of a hypothesis is `len(ids) - 1`, and `ids[-1]` is always the word to feed.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`grown += [(____, [*ids, w], after) for w in range(len(logp))]`, and at the end the largest of `done + live` by
`key=lambda h: h[0] / ____`

</details>
"""

# %% nbgrader={"grade_id": "beam-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def beam_in(logp, bos, eos, max_len, k):
    """Your beam search in the language of a table; before the first word stand two bos."""
    return beam(table_step(logp), bos, bos, eos, max_len, k)

# %% nbgrader={"grade_id": "beam-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    beam_in,
    of="beam",
    logp=np.log(np.array([[[0.1, 0.1, 0.1, 0.7], [0.25, 0.25, 0.25, 0.25],
                           [0.1, 0.6, 0.2, 0.1], [0.2, 0.1, 0.5, 0.2]]] * 4)),
    bos=0,
    eos=1,
    max_len=5,
    k=1,
    results=("ids", "logp"),
    expected=([3, 2], -1.5606477482646683),
    equation="argmax of (1/|y|) sum of log p, over the k best beginnings",
    not_tested="k other than 1, so everything that makes it a beam; a state that matters; the limit max_len.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("08_seq2seq_attention", "beam-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: a wider beam finds more

A hundred random languages of four words. In each the best sentence of at most five words is known, because a beam of
1,024 leaves nothing out. The line is the share of languages in which a beam of width k finds it; the dotted line is
your greedy. Most of what there is to gain comes with the first two or three hypotheses, and the time grows with k. (On
real text a beam of 4 to 10 is usual. Very wide ones can do harm there: they find sentences that the network holds
for probable and no person does.)
"""

# %% picture of the width of the beam tags=["picture"]
import matplotlib.pyplot as plt

draw = np.random.default_rng(7)
widths, found, by_greedy = (1, 2, 3, 4, 6, 8, 12, 16), np.zeros(8), 0.0
for _ in range(100):
    z = 1.5 * draw.normal(size=(4, 4, 4))
    table = z - np.log(np.exp(z).sum(axis=2, keepdims=True))
    best, _ = beam_in(table, 0, 1, 5, 1024)
    by_greedy += (greedy_in(table, 0, 1, 5) == best) / 100
    found += [(beam_in(table, 0, 1, 5, k)[0] == best) / 100 for k in widths]

figure, axis = plt.subplots(figsize=(9, 3.2), layout="constrained")
axis.plot(widths, found, "o-", label="beam search")
axis.axhline(by_greedy, linestyle=":", color="black", label="greedy")
axis.set(xlabel="width k of the beam", xticks=widths, ylabel="share of best sentences found", ylim=(0, 1.05),
         title="The first few hypotheses bring most")
axis.legend(loc="lower right")
plt.show()

# %% [markdown]
r"""
## 8. How good is a translation? BLEU

*40 minutes, 14 points. Télécom, Bleu score for long sentences.*

The slide shows BLEU against the length of a sentence, and not what BLEU is. It compares candidates $\hat y$, which a
system wrote, with references, which people wrote. Two ideas:

$$\text{BLEU} = BP \cdot \exp\Big(\frac1N \sum_{n=1}^{N} \log p_n\Big), \qquad BP = \min\big(1,\ e^{1 - r/c}\big)$$

- **Precision of n-grams.** $p_n$ is the share of the candidates' n-grams that are in the reference. They are
  *clipped*: an n-gram counts at most as often as it stands in the reference, or *the the the* would be a perfect
  translation of anything that has a *the*. The geometric mean of $p_1 \dots p_N$ asks for right words and for right
  order.
- **Brevity penalty.** Who writes little makes few mistakes. c is the number of words of all candidates, r that of all
  references; if c is smaller than r, BP is below 1. Being too long needs no penalty: superfluous words cost precision.

**It is a score of a corpus.** Matches and n-grams are added up over all sentences first, n by n, and divided once. If
one $p_n$ is 0, or there is no n-gram of that length at all, BLEU is 0. Here it lies between 0 and 1; papers and
minigrad print it times 100, with N = 4.
"""

# %% nbgrader={"grade_id": "bleu-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def count_ngrams(words, n):
    """How often each n-gram occurs: count_ngrams(["a", "b", "a", "b"], 2) is {("a", "b"): 2, ("b", "a"): 1}."""
    counts = {}
    for i in range(len(words) - n + 1):
        gram = tuple(words[i:i + n])
        counts[gram] = counts.get(gram, 0) + 1
    return counts

# %% nbgrader={"grade_id": "bleu", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def bleu(candidates, references, N):
    """BLEU of a corpus, from 0 to 1.

    candidates, references: lists of as many sentences, each a list of words;  N: at least 1
    returns a float

    Example: bleu([["a", "b"]], [["a", "c"]], 1) is 0.5, and for N = 2 it is 0.0: no pair of words is right.
    """
    ### BEGIN SOLUTION
    matches, total = np.zeros(N), np.zeros(N)
    for candidate, reference in zip(candidates, references, strict=True):
        for n in range(1, N + 1):
            written, right = count_ngrams(candidate, n), count_ngrams(reference, n)
            matches[n - 1] += sum(min(count, right.get(gram, 0)) for gram, count in written.items())
            total[n - 1] += sum(written.values())
    c, r = sum(map(len, candidates)), sum(map(len, references))
    if np.any(matches == 0):
        return 0.0
    brevity = min(1.0, np.exp(1 - r / c))
    return float(brevity * np.exp(np.mean(np.log(matches / total))))
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

For each n two numbers are collected over all sentences: how many n-grams were written, and how many of them count as
right. After the loops come two more sums, c and r, and then the formula. Look for a 0 before you take a logarithm.

</details>
<details><summary>Hint 2: the shapes</summary>

Two arrays of N numbers, matches and total. A sentence of L words has L − n + 1 n-grams, none if it is shorter than n.
The quotient matches / total is p, N numbers; the mean of their logarithms is one number.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`matches[n - 1] += sum(min(count, ____) for gram, count in written.items())`

</details>
"""

# %% nbgrader={"grade_id": "bleu-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    bleu,
    candidates=[["the", "black", "cat", "sees", "a", "dog"]],
    references=[["the", "black", "cat", "sees", "a", "dog"]],
    N=4,
    expected=1.0,
    equation="BLEU = BP exp((1/N) sum of log p_n),  BP = min(1, exp(1 - r/c))",
    not_tested="anything that is not a perfect translation: clipping, brevity, several sentences, no match.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("08_seq2seq_attention", "bleu-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 9. All together: a translator

*Nothing to write. Télécom, Attention model: the visualisation of α, and Bleu score for long sentences.*

First a pair of small languages. The French side has adjectives before the noun (*petit chat*) and after it (*chat
noir*), which English puts in front, so that words change places; and *du* becomes two words, *of the*. Sentences are
made of phrases in a row, so they can be as long as we like.
"""

# %% nbgrader={"grade_id": "languages-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
ARTICLES = {"le": "the", "un": "a"}
NOUNS = {"chat": "cat", "chien": "dog", "cheval": "horse", "bateau": "boat", "train": "train", "livre": "book",
         "jardin": "garden", "voisin": "neighbour"}
BEFORE = {"petit": "small", "grand": "big", "vieux": "old"}                 # stand before the noun, as in English
AFTER = {"noir": "black", "rouge": "red", "vert": "green", "blanc": "white"}         # stand behind it
LINKS = {"voit": ["sees"], "suit": ["follows"], "et": ["and"], "du": ["of", "the"]}

SOURCE = [*ARTICLES, *NOUNS, *BEFORE, *AFTER, *LINKS]
TARGET = ["<s>", "</s>", *sorted({*ARTICLES.values(), *NOUNS.values(), *BEFORE.values(), *AFTER.values()}
                                 | {word for words in LINKS.values() for word in words})]
BOS, EOS = 0, 1


def one_of(draw, words):
    """One of some words, at random."""
    return list(words)[int(draw.integers(len(words)))]


def sentence_pair(draw, phrases):
    """A source and its translation, as lists of words: `phrases` phrases, with a link between two of them."""
    x, y = [], []
    for i in range(phrases):
        link = one_of(draw, LINKS) if i else ""
        if link:
            x, y = [*x, link], y + LINKS[link]
        if link != "du":
            article = one_of(draw, ARTICLES)
            x, y = [*x, article], [*y, ARTICLES[article]]
        noun, adjective = one_of(draw, NOUNS), one_of(draw, ["", *BEFORE, *AFTER, *AFTER])
        if not adjective:
            x, y = [*x, noun], [*y, NOUNS[noun]]
        elif adjective in BEFORE:
            x, y = [*x, adjective, noun], [*y, BEFORE[adjective], NOUNS[noun]]
        else:
            x, y = [*x, noun, adjective], [*y, AFTER[adjective], NOUNS[noun]]
    return x, y


def numbered(pairs):
    """Pairs as numbers: x (T, B), lengths (B,), y (U + 1, B) from <s> on and padded with </s>, words to write (B,)."""
    n, m = np.array([len(x) for x, _ in pairs]), np.array([len(y) + 1 for _, y in pairs])
    xs, ys = np.zeros((n.max(), len(pairs)), dtype=int), np.full((m.max() + 1, len(pairs)), EOS)
    ys[0] = BOS
    for i, (x, y) in enumerate(pairs):
        xs[:n[i], i] = [SOURCE.index(word) for word in x]
        ys[1:m[i], i] = [TARGET.index(word) for word in y]
    return xs, n, ys, m


print(*(" ".join(words) for words in sentence_pair(np.random.default_rng(5), 3)), sep="\n")

# %% [markdown]
r"""
### Picture: what BLEU punishes

A hundred reference sentences, damaged on purpose, and your `bleu` with N = 4. In each sentence 0 to 4 times something
happens to a random word: it is written twice, it is replaced by another word, it is left out, or it changes places with
its neighbour. All lines start at 1 and fall. A word written twice costs least. An exchange of neighbours costs about as
much as leaving a word out, though all words are still there: it breaks the longer n-grams.
"""

# %% picture of what BLEU punishes tags=["picture"]
import matplotlib.pyplot as plt


def damaged(words, kind, times, draw):
    """A copy of a sentence in which something happened to random words."""
    words = list(words)
    for _ in range(times):
        i = int(draw.integers(len(words) - 1))
        if kind == "replaced":
            words[i] = one_of(draw, TARGET[2:])
        elif kind == "exchanged":
            words[i], words[i + 1] = words[i + 1], words[i]
        elif kind == "left out":
            del words[i]
        else:
            words.insert(i, words[i])
    return words


draw = np.random.default_rng(2)
sentences = [sentence_pair(draw, 5)[1] for _ in range(100)]
figure, axis = plt.subplots(figsize=(9, 3.2), layout="constrained")
for kind, mark in zip(("written twice", "replaced", "left out", "exchanged"), "^osD"):
    scores = [bleu([damaged(words, kind, times, draw) for words in sentences], sentences, 4) for times in range(5)]
    axis.plot(range(5), scores, marker=mark, label=kind)
axis.set(xlabel="damaged words in each sentence", xticks=range(5), ylabel="BLEU", ylim=(0, 1.05),
         title="What happened to a word, and what it costs")
axis.legend()
plt.show()

# %% [markdown]
r"""
### The network

The next cell is given: the forward pass, built of *your* functions 1 to 4, and the gradient, in which yours of part 5
is the heart. The encoder is a plain recurrent network in both directions, as in 06, so an annotation is $a^{(t)} =
[\overrightarrow a^{(t)}; \overleftarrow a^{(t)}]$. The decoder starts from both last states.

A network **without** attention is the same network whose source has one position only: the summary
$c = a^{\langle T_x\rangle}$ of part 1. Its softmax over one position is 1, its context never changes, and everything
else stays as it is.
"""

# %% nbgrader={"grade_id": "translator-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def start(seed, E=16, H=24, S=32, D=24):
    """The weights: word vectors E, encoder H in each direction, decoder S, alignment model D."""
    draw, A = np.random.default_rng(seed), 2 * H

    def matrix(rows, columns):
        return draw.normal(size=(rows, columns)) / np.sqrt(columns)

    p = {"E_x": 0.5 * draw.normal(size=(len(SOURCE), E)), "E_y": 0.5 * draw.normal(size=(len(TARGET), E)),
         "W_f": matrix(H, H + E), "b_f": np.zeros(H), "W_r": matrix(H, H + E), "b_r": np.zeros(H),
         "W_0": matrix(S, A), "b_0": np.zeros(S),
         "W_s": matrix(D, S), "W_a": matrix(D, A), "b_e": np.zeros(D), "v": matrix(1, D)[0],
         "W": matrix(S, S + E + A), "b": np.zeros(S), "W_o": matrix(len(TARGET), S), "b_o": np.zeros(len(TARGET))}
    for name, size in (("W_f", H), ("W_r", H), ("W", S)):               # states start as rotations, see 04
        p[name][:, :size] = np.linalg.qr(draw.normal(size=(size, size)))[0]
    return {name: w.astype(np.float32) for name, w in p.items()}


def states_of(xs, W, b):
    """All states of a plain recurrent network, from 0.  xs (T, B, E) -> (T, B, H)"""
    h, hs = np.zeros((xs.shape[1], len(b)), xs.dtype), []
    for x in xs:
        h = np.tanh(np.concatenate([h, x], axis=1) @ W.T + b)
        hs.append(h)
    return np.array(hs)


def reversed_places(n, T):
    """From which place each place of the reversed sentences is taken; padding stays where it is.  (T, B)"""
    t = np.arange(T)[:, None]
    return np.where(t < n, n - 1 - t, t)


def encode(p, xs, n, attention):
    """Read the source -> the states of both directions, annotations, their mask, the summary, the decoder's start."""
    T, B = xs.shape
    turn, column = reversed_places(n, T), np.arange(B)
    forth = states_of(p["E_x"][xs], p["W_f"], p["b_f"])
    back = states_of(p["E_x"][xs[turn, column]], p["W_r"], p["b_r"])
    summary = np.concatenate([last_state(forth, n), last_state(back, n)], axis=1)
    if attention:
        a, mask = np.concatenate([forth, back[turn, column]], axis=2), np.arange(T)[:, None] < n
    else:
        a, mask = summary[None], np.ones((1, B), dtype=bool)            # a source of one position
    return forth, back, a, mask, summary, np.tanh(summary @ p["W_0"].T + p["b_0"])


def write_one(p, words, s, a, mask):
    """One step of the decoder: the last words (B,), the state before them -> the new state, context, weights."""
    alpha = masked_softmax(bahdanau_scores(s, a, p["W_s"], p["W_a"], p["b_e"], p["v"]), mask)
    s_new, c = decoder_step(p["E_y"][words], s, a, alpha, p["W"], p["b"])
    return s_new, c, alpha


def log_softmax(z):
    """The logarithms of softmax(z), along the last axis."""
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def gradients(p, xs, n, ys, m, attention):
    """The mean of -log p over the real target words, and its gradient with respect to every weight."""
    U, (T, B) = len(ys) - 1, xs.shape
    forth, back, a, mask, summary, s = encode(p, xs, n, attention)
    states, steps = [s], []
    for u in range(U):                                                  # the right words go in: teacher forcing
        s, c, alpha = write_one(p, ys[u], s, a, mask)
        states.append(s)
        steps.append((c, alpha))
    S = np.array(states[1:])
    logp, right = log_softmax(S @ p["W_o"].T + p["b_o"]), ys[1:, :, None]
    real = np.arange(U)[:, None] < m
    loss = -np.mean(np.take_along_axis(logp, right, axis=2)[:, :, 0][real])
    dz = np.exp(logp)
    np.put_along_axis(dz, right, np.take_along_axis(dz, right, axis=2) - 1, axis=2)
    dz *= (real / real.sum())[:, :, None].astype(dz.dtype)

    def collected(left, rest):
        """Sum over steps and sentences of the outer products: one matrix product."""
        return left.reshape(-1, left.shape[-1]).T @ rest.reshape(-1, rest.shape[-1])

    g = {name: np.zeros_like(w) for name, w in p.items()}
    g["W_o"], g["b_o"], dS = collected(dz, S), dz.sum(axis=(0, 1)), dz @ p["W_o"]
    keys, size = a @ p["W_a"].T + p["b_e"], len(p["b"])
    ds, da, dkeys = np.zeros_like(states[0]), np.zeros_like(a), np.zeros_like(keys)
    for u in reversed(range(U)):                                        # the decoder, from its last step to its first
        s, y, (c, alpha) = states[u], p["E_y"][ys[u]], steps[u]
        dsum = (dS[u] + ds) * (1 - states[u + 1] ** 2)
        g["W"] += dsum.T @ np.concatenate([s, y, c], axis=1)
        g["b"] += dsum.sum(axis=0)
        ds, dy, dc = np.split(dsum @ p["W"], [size, size + y.shape[1]], axis=1)
        np.add.at(g["E_y"], ys[u], dy)
        de, da_here = attention_backward(dc, alpha, a)                  # yours
        hidden = np.tanh(s @ p["W_s"].T + keys)                         # and back through the alignment model
        dhidden = de[:, :, None] * p["v"] * (1 - hidden**2)
        g["v"] += np.tensordot(de, hidden, axes=2)
        g["W_s"] += dhidden.sum(axis=0).T @ s
        ds, da, dkeys = ds + dhidden.sum(axis=0) @ p["W_s"], da + da_here, dkeys + dhidden
    g["W_a"], g["b_e"], da = collected(dkeys, a), dkeys.sum(axis=(0, 1)), da + dkeys @ p["W_a"]

    d0, H = ds * (1 - states[0] ** 2), len(p["b_f"])                    # the start of the decoder, and the encoder
    g["W_0"], g["b_0"], dsummary = d0.T @ summary, d0.sum(axis=0), d0 @ p["W_0"]
    turn, column = reversed_places(n, T), np.arange(B)
    dforth, dback = np.zeros_like(forth), np.zeros_like(back)
    if attention:
        dforth, dback = da[:, :, :H].copy(), da[:, :, H:][turn, column]
    else:
        dsummary = dsummary + da[0]
    dforth[n - 1, column] += dsummary[:, :H]
    dback[n - 1, column] += dsummary[:, H:]
    for dhs, hs, ids, W, b in ((dforth, forth, xs, "W_f", "b_f"), (dback, back, xs[turn, column], "W_r", "b_r")):
        dh = np.zeros_like(hs[0])
        for t in reversed(range(T)):
            dsum = (dhs[t] + dh) * (1 - hs[t] ** 2)
            g[W] += dsum.T @ np.concatenate([hs[t - 1] if t else np.zeros_like(hs[0]), p["E_x"][ids[t]]], axis=1)
            g[b] += dsum.sum(axis=0)
            dh, dx = np.split(dsum @ p[W], [H], axis=1)
            np.add.at(g["E_x"], ids[t], dx)
    return float(loss), g


def train(attention, updates, longest, seed=0):
    """The weights after training with Adam on fresh sentences of 1 to `longest` phrases, 32 of them an update."""
    p, draw = start(seed), np.random.default_rng(seed)
    moments = {name: [np.zeros_like(w), np.zeros_like(w)] for name, w in p.items()}
    for i in course.progress_bar(range(1, updates + 1), "with attention   " if attention else "without attention"):
        pairs = [sentence_pair(draw, int(draw.integers(1, longest + 1))) for _ in range(32)]
        _, g = gradients(p, *numbered(pairs), attention)
        norm = np.sqrt(sum(float(np.sum(x * x)) for x in g.values()))
        for name, w in p.items():
            first, second = moments[name]
            x = g[name] * min(1, 1 / norm)
            first += 0.1 * (x - first)
            second += 0.01 * (x * x - second)
            rate = 0.015 * (1 - 0.9 * i / updates)
            w -= rate * (first / (1 - 0.9**i)) / (np.sqrt(second / (1 - 0.99**i)) + 1e-8)
    return p


def translate(p, words, attention, k=0):
    """A translation by your greedy, or with k by your beam: its words, and the weights (words, T) at each of them."""
    xs, n, _, _ = numbered([(words, [])])
    _, _, a, mask, _, s = encode(p, xs, n, attention)

    def step(word, state):
        s, looked = state
        s, _, alpha = write_one(p, np.array([word]), s, a, mask)
        return log_softmax(s[0] @ p["W_o"].T + p["b_o"]), (s, [*looked, alpha[:, 0]])

    ids = beam(step, (s, []), BOS, EOS, 40, k)[0] if k else greedy(step, (s, []), BOS, EOS, 40)
    state = (s, [])
    for word in [BOS, *ids]:                                            # once more along the words, for the weights
        _, state = step(word, state)
    return [TARGET[i] for i in ids], np.array(state[1][:len(ids)])

# %% [markdown]
r"""
### Picture: the alignment map

The network with attention, trained for a few seconds on sentences of up to five phrases. Each row is a word that it
wrote, each column a word of the source; the darker a square, the larger the weight (weights from 0.3 up are printed as
numbers too). You should see a diagonal with crossings: *noir* and *chat* change places and so the squares do, at
*petit chien* they do not. Some rows, above all those of *the* and *a*, are spread over several words, or look *behind*
the article: an annotation has read its neighbours too, so the noun knows which article it has. Nobody told the network
which words belong together.
"""

# %% picture of the alignment map tags=["picture"]
import matplotlib.pyplot as plt

with_attention = train(True, 400, longest=5)
source = "le chat noir voit un petit chien et un cheval blanc du voisin".split()
target, weights = translate(with_attention, source, True)

figure, axis = plt.subplots(figsize=(8, 6), layout="constrained")
image = axis.imshow(weights, cmap="Greys", vmin=0, vmax=1)
for i, t in zip(*np.nonzero(weights >= 0.3)):
    dark = weights[i, t] > 0.5
    axis.text(t, i, f"{weights[i, t]:.1f}", ha="center", va="center", fontsize=7, color="white" if dark else "black")
axis.set(xticks=range(len(source)), yticks=range(len(target)), yticklabels=target, ylabel="written",
         title=r"Where the decoder looked: weights $\alpha^{(\tau,t)}$")
axis.set_xticks(range(len(source)), source, rotation=60, ha="right")
figure.colorbar(image, label="weight")
plt.show()

# %% [markdown]
r"""
### Picture: one vector is too little for a long sentence

The same network without attention, trained with as many updates. BLEU of sentences that are one to seven phrases long,
by your `greedy` and your `bleu` (N = 4; N = 2 for a single phrase, which has no four words). Circles, with attention:
perfect or nearly so for all lengths that occurred in training. Squares, without: good for the shortest sentences, then
the line falls, as on the slide. The gray area on the right is longer than anything in training: there both fall, for
nobody taught the network to find its way so far out. Diamonds: attention with your `beam` and k = 4 in place of
greedy: where the network is sure of its words, that changes nothing, and far out it can help.
"""

# %% picture of BLEU against length tags=["picture"]
import matplotlib.pyplot as plt

without = train(False, 400, longest=5)
lengths, curves = [], {"with attention, greedy": [], "with attention, beam of 4": [], "without attention, greedy": []}
settings = (with_attention, True, 0), (with_attention, True, 4), (without, False, 0)
for phrases in range(1, 8):
    pairs = [sentence_pair(np.random.default_rng(1000 * phrases + i), phrases) for i in range(25)]
    lengths.append(np.mean([len(x) for x, _ in pairs]))
    references = [y for _, y in pairs]
    for name, (p, attention, k) in zip(curves, settings):
        candidates = [translate(p, x, attention, k)[0] for x, _ in pairs]
        curves[name].append(bleu(candidates, references, 4 if phrases > 1 else 2))

figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
for (name, line), style in zip(curves.items(), ("o-", "D:", "s--")):
    axis.plot(lengths, line, style, label=name)
axis.axvspan((lengths[4] + lengths[5]) / 2, lengths[-1] + 1, color="lightgray", alpha=0.5)
axis.text(lengths[-1] + 0.8, 0.05, "longer than in training", ha="right")
axis.set(xlabel="words of the source, mean", ylabel="BLEU", ylim=(0, 1.05),
         title="Attention holds out where one vector is too little")
axis.legend(loc="lower left")
plt.show()

# %% where you stand
course.progress()

# %% [markdown]
r"""
## What the reference does differently, and why it is faster

minigrad's attention (`nn/scores.py`, `models/bahdanau.py`), searches and BLEU give the numbers of your functions, and
tests hold them equal. What they do differently:

- **The keys are computed once.** $W_a\, a^{(t)}$ does not depend on $\tau$. Your `bahdanau_scores` computes it anew at
  each step of the decoder; the reference does it before the first one and keeps it (`score.project` and
  `score.compare`). The cell below shows what that saves.
- **The whole decoder is one node** of the graph: score, softmax, context and step (its step is a GRU), with a gradient
  written by hand, of which yours of part 5 is a line. The hidden layers of the alignment model, one for each pair
  $(\tau, t)$, are the largest arrays of the network. The node works on one $\tau$ at a time, so that its part of them
  is still in the processor's cache when it is needed again.
- **All sentences, and all hypotheses, are one batch.** `step` takes k words and gives k rows of log-probabilities, so a
  beam of 5 costs hardly more than greedy on a graphics card.
- **Its beam search differs in one point.** It notes for *each* open hypothesis how good it would be if it ended now,
  even if that extension is not among the k best, and it stops when no open hypothesis can win any more. Both recipes
  are in use; that is why two libraries may give two translations from the same weights.

**float32 and float64.** $e^x$ overflows in float32 above 88, in float64 above 709: subtract the maximum first.
$-\infty - (-\infty)$ is NaN, and that is what a column without a real word gives if its maximum is subtracted; so
decide on the mask and not on the score. Sums of logarithms differ in their last digits between float32 and float64,
and a beam that decides between two hypotheses of nearly equal sums can then write two different sentences. Compare
BLEU, and not sentences, between two machines.
"""

# %% picture of keys computed once and again tags=["picture"]
import time

draw = np.random.default_rng(0)
T, B, H, A, D, steps = 30, 32, 64, 128, 64, 30
s, a = draw.normal(size=(B, H)), draw.normal(size=(T, B, A))
W_s, W_a, b, v = draw.normal(size=(D, H)), draw.normal(size=(D, A)), draw.normal(size=D), draw.normal(size=D)


def best_of(function, repeats=5):
    """The shortest of some runs, in milliseconds: the others were disturbed."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - begin))
    return min(times)


def keys_once():
    """The scores of all steps, with W_a a + b computed before the first of them."""
    keys = a @ W_a.T + b
    return [np.tanh(s @ W_s.T + keys) @ v for _ in range(steps)]


assert np.allclose(keys_once()[0], bahdanau_scores(s, a, W_s, W_a, b, v))
print(f"Scores of {steps} steps over {T} source words.  Keys at each step: "
      f"{best_of(lambda: [bahdanau_scores(s, a, W_s, W_a, b, v) for _ in range(steps)]):.1f} ms.  "
      f"Keys once: {best_of(keys_once):.1f} ms.")
