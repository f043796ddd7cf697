# %% [markdown]
r"""
# 07 Words as vectors

At the end of this notebook you ask your own vectors *man is to king as woman is to ?*, and they answer *queen*. Nobody
told them what a king is; they read a text. On the way you build

1. the pairs of words that a text is made of, and two models that learn from them: CBOW and skip-gram;
2. negative sampling, which makes the second one fast, and its gradient;
3. the question that word vectors are famous for, and a second road to such vectors: counting (GloVe).

Seven functions, about 4 hours of writing and 4 hours for slides, pictures and questions. The minutes are given with each
part. Every part starts from given numbers, so you can leave one open and go on; the last picture uses parts 1, 4 and 5.
You need NumPy, and matplotlib for the pictures.

How a part works: read the equation, write the function, run the visible test below it. The visible test checks one easy
case and says what it leaves out. The points come from a hidden test with other sizes and other numbers. So ask yourself
after each green line: *what would this test not notice?* Below each function are three hints, folded: an idea, the
shapes, and a line with a gap. Opening them costs nothing.
"""

# %% nbgrader={"grade_id": "environment", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

course.environment("07_word2vec", functions=[
    "skipgram_pairs", "cbow_forward", "skipgram_loss", "neg_sampling", "analogy", "cooccurrence", "glove",
])

# %% [markdown]
r"""
## Letters and layout

- A **word** is a whole number from 0 to V - 1, its place in the vocabulary.
- **E** is the table of input vectors, one *row* a word: (V, d), and $e_w$ is row w. Télécom writes it the other way
  round, 300 × 10 000, one column a word, and $e = E\,o$ with a one-hot $o$. In code both are an index, `E[w]`.
- **U** is the table of output vectors, also (V, d). A word has two vectors: one as input and one as output.
- $\sigma(x) = 1 / (1 + e^{-x})$, and log is the natural logarithm.
- Chemnitz has three slides with the title *word2vec*; (1), (2) and (3) are the first, the second and the third.
- The decks name CBOW, skip-gram and GloVe and print no loss; the equations are those of the papers that they cite. The
  negatives of part 4 are **summed**, the words of a CBOW context are **averaged**, GloVe's loss is a **sum**.
"""

# %% [markdown]
r"""
## 1. A text as pairs

*25 minutes, 14 points. Chemnitz, word2vec (2): context size.*

Each word of the text is once the centre. Its context are the words at most `window` places to its left and to its right:

$$(w_t, w_{t+j}) \quad \text{for all } 0 < |j| \le \text{window for which } t + j \text{ is in the text}$$

In the order of the text: first by centre, then by place. A word can occur twice near to itself; only its own *place* is
left out.
"""

# %% nbgrader={"grade_id": "skipgram-pairs", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def skipgram_pairs(ids, window):
    """All pairs (centre, context word) of a text.

    ids: a list of whole numbers, the text;  window: how many words on each side, at least 1
    returns a list of tuples of two ints, in the order of the text

    Example: skipgram_pairs([5, 6], 3) is [(5, 6), (6, 5)].
    """
    ### BEGIN SOLUTION
    pairs = []
    for t in range(len(ids)):
        for place in range(max(0, t - window), min(len(ids), t + window + 1)):
            if place != t:
                pairs.append((ids[t], ids[place]))
    return pairs
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Two loops: over the place of the centre, and over the places around it. At the borders of the text the second one is
shorter.

</details>
<details><summary>Hint 2: the shapes</summary>

The places around t are those from t - window to t + window, cut to 0 ... len(ids) - 1. For a text of one word the list is
empty.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`for place in range(max(0, t - window), min(len(ids), ____)):`

</details>
"""

# %% nbgrader={"grade_id": "skipgram-pairs-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    skipgram_pairs,
    ids=[7, 8, 9],
    window=2,
    expected=[(7, 8), (7, 9), (8, 7), (8, 9), (9, 7), (9, 8)],
    equation="(w_t, w_{t+j}) for 0 < |j| <= window",
    not_tested="a text longer than the window, words that occur twice, a single word.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("07_word2vec", "skipgram-pairs-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 2. CBOW: a word from its context

*25 minutes, 14 points. Chemnitz, word2vec (1); Télécom, Word embedding, Learning.*

The context's input vectors are averaged, and each word of the vocabulary gets a score from its *output* vector:

$$\bar e = \frac1m \sum_{w \in \text{context}} e_w, \qquad p = \operatorname{softmax}(U\,\bar e)$$

An average, so that a long context does not shout louder than a short one. A word that stands twice in the context counts
twice. The softmax is given.
"""

# %% nbgrader={"grade_id": "softmax-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def softmax(z):
    """Scores (K,) to probabilities (K,); large scores do not overflow."""
    e = np.exp(z - np.max(z))
    return e / np.sum(e)

# %% nbgrader={"grade_id": "cbow-forward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def cbow_forward(E, U, context):
    """The probability of each word in the place that the context surrounds.

    E (V, d), U (V, d): input and output vectors;  context (m,): whole numbers, m at least 1
    returns (V,)

    Example: if U is 0, every word has probability 1 / V.
    """
    ### BEGIN SOLUTION
    return softmax(U @ E[context].mean(axis=0))
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Pick the rows of the context, average them, multiply by the other table, softmax.

</details>
<details><summary>Hint 2: the shapes</summary>

`E[context]` is (m, d), its mean over the words (d,), the scores are (V,).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return softmax(____ @ E[context].mean(axis=0))`

</details>
"""

# %% nbgrader={"grade_id": "cbow-forward-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    cbow_forward,
    E=np.array([[1.0, 0], [0.5, -1], [0, 2]]),
    U=np.array([[0.0, 1], [1, 1], [-1, 0]]),
    context=np.array([2]),
    expected=np.array([0.46831053, 0.46831053, 0.06337894]),
    equation="p = softmax(U * mean of the context's e_w)",
    not_tested="more than one context word (so the average), a word that occurs twice.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("07_word2vec", "cbow-forward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 3. Skip-gram: the context from a word

*50 minutes, 16 points. Chemnitz, word2vec (1).*

The other way round: the centre $w$ predicts one word $o$ of its context, by a softmax over *all* words:

$$\hat y = \operatorname{softmax}(U e_w), \qquad L = -\log \hat y_o, \qquad \delta = \hat y - \text{onehot}(o)$$

$$dU = \delta\, e_w^\top, \qquad de_w = U^\top \delta$$

Every row of U gets a gradient: the right word's is pulled towards $e_w$, all the others are pushed away. Of E only row w
was used, so only row w of dE is not 0. Take the logarithm of the sum, not of a probability that may be 0.
"""

# %% nbgrader={"grade_id": "skipgram-loss", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def skipgram_loss(E, U, w, o):
    """The loss of one pair (centre w, context word o), and its gradients.

    E (V, d), U (V, d);  w, o: whole numbers
    returns loss: a float;  dE (V, d), dU (V, d)

    Example: if U is 0 the loss is log V.
    """
    ### BEGIN SOLUTION
    e = E[w]
    z = U @ e
    loss = z.max() + np.log(np.sum(np.exp(z - z.max()))) - z[o]
    delta = softmax(z)
    delta[o] -= 1
    dE = np.zeros_like(E)
    dE[w] = U.T @ delta
    return loss, dE, np.outer(delta, e)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Scores, loss, the error delta (prediction minus target), and from it the two gradients, each the product of the error and
what it was multiplied by on the way forward.

</details>
<details><summary>Hint 2: the shapes</summary>

Scores and delta are (V,). `np.outer(a, b)` of (V,) and (d,) is (V, d). `U.T @ delta` is (d,), one row of dE.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`dE[w] = U.T @ ____`

</details>
"""

# %% nbgrader={"grade_id": "skipgram-loss-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    skipgram_loss,
    E=np.array([[1.0, 0], [0.5, -1], [0, 2]]),
    U=np.array([[0.0, 1], [1, 1], [-1, 0]]),
    w=2,
    o=0,
    results=("loss", "dE", "dU"),
    expected={"loss": 0.75862368},
    equation="L = -log softmax(U e_w)[o];  dU = (y - onehot) e_w^T;  de_w = U^T (y - onehot)",
    not_tested="the gradients, w = o, large scores.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("07_word2vec", "skipgram-loss-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 4. Negative sampling

*55 minutes, 20 points. Chemnitz, word2vec (1), from Mikolov et al. 2013; Télécom, Word embedding, Learning.*

A softmax over 100,000 words for each pair is far too much. So ask an easier question: is this pair from the text, or was
it made up? One true pair (v, u_o), and K made-up ones with random words, the *negatives*:

$$L = -\log \sigma(u_o \cdot v) - \sum_{k=1}^{K} \log \sigma(-u_k \cdot v)$$

Each score has an error, prediction minus target: $\sigma(u_o\cdot v) - 1$ for the true pair, $\sigma(u_k \cdot v)$ for a
negative. From the errors:

$$dv = (\sigma(u_o\cdot v) - 1)\,u_o + \sum_k \sigma(u_k\cdot v)\,u_k, \qquad du_o = (\sigma(u_o\cdot v) - 1)\,v, \qquad du_k = \sigma(u_k\cdot v)\,v$$

$\log \sigma(x) = -\log(1 + e^{-x})$ overflows for very negative x when written so. `np.logaddexp(0, -x)` is
$\log(e^0 + e^{-x})$ without overflow. A safe σ is given.
"""

# %% nbgrader={"grade_id": "sigmoid-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def sigmoid(x):
    """1 / (1 + e^-x), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x)))

# %% nbgrader={"grade_id": "neg-sampling", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def neg_sampling(v, u_o, U_neg):
    """The loss of one true pair and K negatives, and its gradients.

    v (d,): the centre's vector;  u_o (d,): the true word's;  U_neg (K, d): the negatives', one a row
    returns loss: a float;  dv (d,), du_o (d,), dU_neg (K, d)

    Example: for v = 0 every score is 0, and the loss is (1 + K) log 2.
    """
    ### BEGIN SOLUTION
    true, made_up = u_o @ v, U_neg @ v
    loss = np.logaddexp(0, -true) + np.logaddexp(0, made_up).sum()
    d_true, d_made_up = sigmoid(true) - 1, sigmoid(made_up)
    return loss, d_true * u_o + d_made_up @ U_neg, d_true * v, np.outer(d_made_up, v)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Two scores: that of the true pair, one number, and those of the negatives, K numbers. The minus sign inside of the second
σ turns $-\log\sigma(-x)$ into $\log(1 + e^{x})$.

</details>
<details><summary>Hint 2: the shapes</summary>

`u_o @ v` is a number, `U_neg @ v` is (K,). The errors have the same shapes. (K,) times (K, d) by `@` is (d,): the sum
over the negatives. `np.outer` of (K,) and (d,) is (K, d).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`loss = np.logaddexp(0, -true) + np.logaddexp(0, ____).sum()`

</details>
"""

# %% nbgrader={"grade_id": "neg-sampling-test", "grade": true, "locked": true, "points": 20, "schema_version": 3, "solution": false}
course.test(
    neg_sampling,
    v=np.zeros(2),
    u_o=np.array([1.0, -1]),
    U_neg=np.array([[0.5, 2]]),
    results=("loss", "dv", "du_o", "dU_neg"),
    expected={"loss": 1.3862943611198906},
    equation="L = -log s(u_o v) - sum of log s(-u_k v)",
    not_tested="v other than 0 (so the signs), several negatives, every gradient, large scores.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("07_word2vec", "neg-sampling-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: what a pair does to its vectors

One centre v (arrow), its true word (circle), and four negatives (crosses), before and after 30 steps of gradient descent
with your function. The true word and v turn towards each other; the negatives turn away, and faster if they were near.
"""

# %% picture of one pair tags=["picture"]
import matplotlib.pyplot as plt

v, u_o = np.array([0.9, 0.3]), np.array([-0.2, 0.9])
U_neg = np.array([[0.8, -0.3], [-0.9, -0.2], [0.5, 1.0], [0.3, -1.1]])
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharex=True, sharey=True, layout="constrained")
for axis, title in zip(axes, ("before", "after 30 steps")):
    loss = neg_sampling(v, u_o, U_neg)[0]
    axis.annotate("", v, (0, 0), arrowprops={"arrowstyle": "->", "color": "black", "lw": 2})
    axis.scatter(*u_o, s=90, facecolors="none", edgecolors="tab:blue", label="true word")
    axis.scatter(*U_neg.T, marker="x", color="tab:orange", label="negatives")
    axis.axhline(0, color="lightgray", zorder=0)
    axis.axvline(0, color="lightgray", zorder=0)
    axis.set(title=f"{title}: loss {loss:.2f}", aspect="equal", xlim=(-2.2, 2.2), ylim=(-2, 2))
    for _ in range(30):
        _, dv, du, dU = neg_sampling(v, u_o, U_neg)
        v, u_o, U_neg = v - 0.1 * dv, u_o - 0.1 * du, U_neg - 0.1 * dU
axes[0].legend(loc="lower left")
plt.show()

# %% [markdown]
r"""
## 5. The famous question

*30 minutes, 14 points. Chemnitz, word2vec (3): queen = king + woman - man; Télécom, Word embedding.*

*a is to b as c is to ?* Walk from a to b, start the same walk at c, and take the word that lies nearest. Long vectors
would win every comparison, so first make all of them 1 long, $\hat e = e / \lVert e\rVert$, and compare directions:

$$\operatorname{argmax}_{w \notin \{a, b, c\}}\ \hat e_w \cdot (\hat e_b - \hat e_a + \hat e_c)$$

The three words of the question are left out: without that rule the answer is mostly one of them.
"""

# %% nbgrader={"grade_id": "analogy", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def analogy(E, a, b, c):
    """The word that is to c as b is to a.

    E (V, d): vectors, none of them 0;  a, b, c: whole numbers
    returns an int, none of a, b, c

    Example: analogy(E, man, king, woman) is queen, if the vectors are good.
    """
    ### BEGIN SOLUTION
    unit = E / np.linalg.norm(E, axis=1, keepdims=True)
    score = unit @ (unit[b] - unit[a] + unit[c])
    score[[a, b, c]] = -np.inf
    return int(np.argmax(score))
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Divide each row by its length, build the point you look for, compare it with all rows at once, and make the scores of the
three given words so bad that they cannot win.

</details>
<details><summary>Hint 2: the shapes</summary>

The lengths are (V, 1) with `keepdims=True`. The point is (d,), the scores are (V,).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`score = unit @ (unit[b] - unit[____] + unit[c])`

</details>
"""

# %% nbgrader={"grade_id": "analogy-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    analogy,
    E=np.array([[1.0, 0, 0], [0.6, 0.8, 0], [0.6, 0, 0.8], [0, 0.6, 0.8], [-1, 0, 0]]),
    a=0,
    b=1,
    c=2,
    expected=3,
    equation="argmax of e_w (e_b - e_a + e_c) over unit vectors, w none of a, b, c",
    not_tested="vectors of unequal length, an input that lies nearest.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("07_word2vec", "analogy-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 6. The other road: counting

*25 minutes, 12 points. Télécom, Word embedding, Learning (GloVe).*

GloVe first counts, in one pass, how often words stand near each other, near ones counting more:

$$X_{ij} \mathrel{+}= \frac{1}{\text{distance}} \quad \text{for each pair of places at most } \texttt{window} \text{ apart, both ways}$$

Both ways means that X is symmetric: a pair of places with words i and j adds to $X_{ij}$ and to $X_{ji}$ (to the same
entry twice, if i = j).
"""

# %% nbgrader={"grade_id": "cooccurrence", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def cooccurrence(ids, V, window):
    """How much the words of a text stand together.

    ids: a list of whole numbers from 0 to V - 1;  window: the largest distance that counts
    returns X (V, V), symmetric

    Example: cooccurrence([0, 1], 2, 3) is [[0, 1], [1, 0]].
    """
    ### BEGIN SOLUTION
    X = np.zeros((V, V))
    for t in range(len(ids)):
        for distance in range(1, window + 1):
            if t + distance < len(ids):
                X[ids[t], ids[t + distance]] += 1 / distance
                X[ids[t + distance], ids[t]] += 1 / distance
    return X
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Go through the text once; at each place look only to the right, at distances 1 to window, and add both ways.

</details>
<details><summary>Hint 2: the shapes</summary>

X is (V, V) and starts as zeros. The farthest place that counts is t + window, if the text is that long.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`X[ids[t], ids[t + distance]] += ____`

</details>
"""

# %% nbgrader={"grade_id": "cooccurrence-test", "grade": true, "locked": true, "points": 12, "schema_version": 3, "solution": false}
course.test(
    cooccurrence,
    ids=[0, 1],
    V=3,
    window=1,
    expected=np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 0]]),
    equation="X_ij += 1 / distance, both ways",
    not_tested="distances above 1, words that occur twice.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("07_word2vec", "cooccurrence-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 7. GloVe's loss

*35 minutes, 10 points. Télécom, Word embedding, Learning (Pennington et al. 2014).*

The vectors shall explain the *logarithms* of the counts, and pairs that never met are left out altogether:

$$L = \sum_{i,j:\ X_{ij} > 0} f(X_{ij})\,\big(w_i \cdot c_j + b_i + d_j - \log X_{ij}\big)^2, \qquad
f(x) = \min\big(1, (x / x_{\max})^\alpha\big)$$

f gives rare pairs, whose counts are noise, less weight, and frequent ones no more than 1. You also return the gradient
of W: each row $w_i$ gets $\sum_j 2 f(X_{ij})\,(\dots)\,c_j$.
"""

# %% nbgrader={"grade_id": "glove", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def glove(W, C, b, d, X, x_max, alpha):
    """GloVe's loss, and the gradient of W.

    W (V, k), C (V, k): vectors as word and as context;  b (V,), d (V,): their biases;  X (V, V): counts, some of them 0
    x_max, alpha: of the weight
    returns loss: a float;  dW (V, k)

    Example: if X is 0 everywhere, both are 0.
    """
    ### BEGIN SOLUTION
    met = X > 0
    weight = np.where(met, np.minimum(1, (X / x_max)**alpha), 0)
    error = W @ C.T + b[:, None] + d[None, :] - np.log(np.where(met, X, 1))
    return np.sum(weight * error**2), 2 * (weight * error) @ C
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

All pairs at once: a matrix of errors, a matrix of weights that is 0 where nothing was counted. The logarithm of 0 is
avoided by putting a 1 there, since its weight is 0 anyway.

</details>
<details><summary>Hint 2: the shapes</summary>

Errors and weights are (V, V). `b[:, None]` varies over rows, `d[None, :]` over columns. (V, V) times (V, k) is (V, k):
the sum over j.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`weight = np.where(met, np.minimum(1, (X / ____)**alpha), 0)`

</details>
"""

# %% nbgrader={"grade_id": "glove-test", "grade": true, "locked": true, "points": 10, "schema_version": 3, "solution": false}
course.test(
    glove,
    W=np.array([[1.0, 0], [0, 1]]),
    C=np.array([[0.5, -1], [1, 1]]),
    b=np.array([0.5, 0]),
    d=np.array([0.0, -0.5]),
    X=np.full((2, 2), 10.0),
    x_max=10.0,
    alpha=0.75,
    results=("loss", "dW"),
    expected={"loss": 17.54983716},
    equation="L = sum of f(X) (w c + b + d - log X)^2;  f = min(1, (X / x_max)^alpha)",
    not_tested="counts of 0, counts below and above x_max, the gradient.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("07_word2vec", "glove-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Write a test of your own

Not graded. Move one number of `v` in part 4 by a little to both sides and compare the change of the loss with that entry
of `dv`. Then put a negative in twice: the loss and `dv` should count it twice, and `dU_neg` should have two equal rows.
"""

# %% room for your test
# your test


# %% [markdown]
r"""
### Picture: king - man + woman

A generated text about eight people: kings sit on thrones, women wear dresses, children go to school. Your pairs and your
negative sampling train the vectors for some seconds; then your `analogy` is asked. The picture shows eight of the words
in a plane. Two arrows go from man to king and from woman to queen: they point in about the same direction, and that is
why the sum works. Squares are words for women, circles for men.
"""

# %% picture of an analogy tags=["picture"]
import matplotlib.pyplot as plt

draw = np.random.default_rng(0)
MARKS = {"m": ["beard", "suit", "his"], "w": ["dress", "gown", "her"], "r": ["crown", "throne", "palace"],
         "p": ["street", "work", "market"], "o": ["grey", "years", "wise"], "y": ["school", "games", "small"]}
PEOPLE = {"king": "mro", "queen": "wro", "man": "mpo", "woman": "wpo", "prince": "mry", "princess": "wry", "boy": "mpy",
          "girl": "wpy"}
text = []
for _ in range(3000):
    who = str(draw.choice(list(PEOPLE)))
    before, after = draw.choice(list(PEOPLE[who]), size=2, replace=False)
    text += [str(draw.choice(MARKS[before])), who, str(draw.choice(MARKS[after]))]
    text += [str(w) for w in draw.choice(["the", "a", "and", "then"], size=2)]
words = sorted(set(text))
number = {word: i for i, word in enumerate(words)}
pairs = np.array(skipgram_pairs([number[w] for w in text], 1))
E, U = draw.normal(size=(len(words), 12)) / 4, np.zeros((len(words), 12))
for step, k in enumerate(course.progress_bar(draw.integers(len(pairs), size=30000), "training")):
    w, o = pairs[k]
    negatives = draw.integers(len(words), size=5)
    _, dv, du, dU = neg_sampling(E[w], U[o], U[negatives])
    rate = 0.1 * (1 - step / 30000)
    E[w] -= rate * dv
    U[o] -= rate * du
    for j, g in zip(negatives, dU):
        U[j] -= rate * g

asked = [("man", "king", "woman"), ("man", "woman", "king"), ("boy", "prince", "girl"), ("king", "queen", "prince")]
for a, b, c in asked:
    print(f"{a} is to {b} as {c} is to {words[analogy(E, number[a], number[b], number[c])]}")
rows = E[[number[w] for w in PEOPLE]]
rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
plane = (rows - rows.mean(axis=0)) @ np.linalg.svd(rows - rows.mean(axis=0))[2][:2].T
place = dict(zip(PEOPLE, plane))
figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
for word, xy in place.items():
    axis.scatter(*xy, marker="o" if PEOPLE[word][0] == "m" else "s", s=50, color="tab:blue" if PEOPLE[word][0] == "m" else "tab:orange")
    axis.annotate(word, xy, xytext=(7, 5), textcoords="offset points")
for a, b in (("man", "king"), ("woman", "queen")):
    axis.annotate("", place[b], place[a], arrowprops={"arrowstyle": "->", "color": "gray", "shrinkA": 6, "shrinkB": 6})
axis.set(title="Eight words in a plane", xticks=[], yticks=[])
axis.margins(0.2)
plt.show()

# %% where you stand
course.progress()

# %% [markdown]
r"""
## What the reference does differently, and why it is faster

- **Many pairs at once.** Your training loop takes one pair, five negatives and some twenty small array operations at a
  time. minigrad takes a stretch of the text as one product of matrices, shares its negatives, and reads about 650
  thousand words a second on one core: 2.4 times as many as gensim, whose loop over pairs is compiled.
- **Only the rows that were used.** dE of part 3 is a whole table with one row that is not 0. The reference adds the
  gradients of equal rows together and touches nothing else.
- **Frequent words are thinned out**, and negatives are drawn in proportion to count to the power 0.75, from a table made
  once, by the papers' recipes.
- **Cosine or distance?** Chemnitz and Télécom speak of Euclidean distance, the tools use the cosine. `minigrad run
  analogy` shows a question on which they disagree.

**float32 and float64.** Written naively, $\log \sigma(x)$ is minus infinity in float32 from about x = -88, and in float64
from -710. GloVe's counts go into the millions: take their logarithm in float64.
"""
