# %% [markdown]
r"""
# 02 The next word: counted, then learned

At the end of this notebook two models of your own write sentences: one that counted, and one that learned. You will
see what a longer context costs each of them. On the way you build

1. n-gram counts, probabilities from them, and smoothing for what was never seen;
2. the number that judges every language model, perplexity, and the step that lets one write: sampling;
3. the network that replaced the table: embeddings, a hidden layer, a softmax, and its gradient.

Six functions, about 4 and a half hours of writing and 3 hours for slides, pictures and questions. The minutes are given
with each part. Every part starts from given numbers, so you can leave one open and go on. You need NumPy, and
matplotlib for the pictures.

How a part works: read the equation, write the function, run the visible test below it. The visible test checks one
easy case and says what it leaves out. The points come from a hidden test with other sizes and other numbers. So ask
yourself after each green line: *what would this test not notice?* Below each function are three hints, folded: an
idea, the shapes, and a line with a gap. Opening them costs nothing.
"""

# %% nbgrader={"grade_id": "environment", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

course.environment("02_ngram", functions=[
    "ngram_counts", "ngram_prob", "perplexity", "sample_next", "mlp_lm_forward", "mlp_lm_backward",
])

# %% [markdown]
r"""
## Letters

- $V$ is the vocabulary and $|V|$ its size; KTH writes $V = \{w_1, \dots, w_v\}$. In code `V` is the size.
- A **word** is a string in parts 1 and 2, and a whole number (its place in the vocabulary) from part 4 on.
- An **n-gram** is n words in a row: the last one is predicted, the n - 1 before it are the **context**. KTH writes
  $x^{(t+1)}$ for the word that is predicted, Télécom $w_i$.
- `<s>` stands before a sentence and `</s>` after it (Télécom: `<EOS>`).
- **log** is the natural logarithm.
"""

# %% [markdown]
r"""
## 1. Counting n-grams

*45 minutes, 16 points. KTH, n-gram Language Models - Example.*

A table: for each context that occurred, how often each word followed it. Each sentence is framed first, with $n - 1$
times `<s>` before it, so that its first word has a full context too, and one `</s>` after it, so that the model learns
where sentences stop. For n = 3 the sentence *a b* becomes

$$\texttt{<s>}\ \texttt{<s>}\ a\ b\ \texttt{</s>}:\qquad (\texttt{<s>}, \texttt{<s>}) \to a,\quad (\texttt{<s>}, a) \to b,\quad (a, b) \to \texttt{</s>}$$

No n-gram runs from one sentence into the next. For n = 1 the context is the empty tuple `()`.
"""

# %% nbgrader={"grade_id": "ngram-counts", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def ngram_counts(sentences, n):
    """How often each word followed each context.

    sentences: a list of lists of words;  n: at least 1
    returns a dict: context (a tuple of n - 1 words) -> a dict: word -> count

    Example: ngram_counts([["a", "b"]], 2) is {("<s>",): {"a": 1}, ("a",): {"b": 1}, ("b",): {"</s>": 1}}.
    """
    ### BEGIN SOLUTION
    counts = {}
    for sentence in sentences:
        words = ["<s>"] * (n - 1) + list(sentence) + ["</s>"]
        for i in range(n - 1, len(words)):
            context = tuple(words[i - n + 1:i])
            followers = counts.setdefault(context, {})
            followers[words[i]] = followers.get(words[i], 0) + 1
    return counts
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

One loop over the sentences and, inside, one over the places at which a word is predicted. The first such place is the
first real word, behind all `<s>`; the last one is `</s>`.

</details>
<details><summary>Hint 2: the shapes</summary>

A framed sentence has n - 1 + L + 1 words, for L words of its own, and gives L + 1 n-grams. The context is a slice of
n - 1 words that ends just before place i, as a tuple, because a list cannot be a key.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`context = tuple(words[____:i])`

</details>
"""

# %% nbgrader={"grade_id": "ngram-counts-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def listed(sentences, n):
    """Your counts as three sorted lists of (context, word, count): inside of sentences, at their starts, at their ends."""
    rows = sorted((context if isinstance(context, str) else tuple(context), word, int(count))
                  for context, followers in ngram_counts(sentences, n).items() for word, count in followers.items())
    ends = [row for row in rows if row[1] == "</s>"]
    starts = [row for row in rows if "<s>" in row[0] and row[1] != "</s>"]
    return [row for row in rows if row not in starts and row not in ends], starts, ends

# %% nbgrader={"grade_id": "ngram-counts-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    listed,
    of="ngram_counts",
    sentences=[["the", "students", "opened", "the", "books"]],
    n=2,
    results=("inside", "starts", "ends"),
    expected=([(("opened",), "the", 1), (("students",), "opened", 1), (("the",), "books", 1), (("the",), "students", 1)],
              [(("<s>",), "the", 1)], [(("books",), "</s>", 1)]),
    equation="count(w_{i-n+1} ... w_i), with n - 1 times <s> before and one </s> after",
    not_tested="n other than 2, several sentences, an empty one.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("02_ngram", "ngram-counts-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: the table fills slowly

The given corpus, some hundred generated sentences. The picture counts how many *different* n-grams there are in the
first sentences, for n = 1 to 4. Words (n = 1) run out soon; the longer the context, the more is new in every sentence.
KTH calls it the sparsity problem: most 4-grams that are possible were never seen.
"""

# %% nbgrader={"grade_id": "corpus-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def corpus(count, seed):
    """Sentences of a small grammar: a subject, a verb that goes with it, an object that goes with the verb."""
    draw = np.random.default_rng(seed)
    groups = [(["students", "pupils", "readers"], ["opened", "closed", "lost"], ["books", "exams", "letters", "notes"]),
              (["cooks", "bakers", "guests"], ["tasted", "baked", "ate"], ["bread", "cakes", "soup", "pies"]),
              (["sailors", "captains", "pilots"], ["sailed", "steered", "left"], ["boats", "ships", "ports"])]
    found = []
    for _ in range(count):
        who, did, what = groups[draw.integers(3)]
        sentence = ["the", str(draw.choice(["young", "old", "tired"]))] if draw.random() < 0.4 else ["the"]
        sentence += [str(draw.choice(who)), str(draw.choice(did)), "their", str(draw.choice(what))]
        found.append(sentence + (["again"] if draw.random() < 0.3 else []))
    return found


TRAIN, HELD_OUT = corpus(400, 0), corpus(100, 1)
WORDS = ["<s>", "</s>", *sorted({word for sentence in TRAIN for word in sentence})]      # the vocabulary

# %% picture of the number of different n-grams tags=["picture"]
import matplotlib.pyplot as plt

sizes = range(10, 401, 10)
figure, axis = plt.subplots(figsize=(9, 3.2), layout="constrained")
for n, mark in zip((1, 2, 3, 4), "os^D"):
    kinds = [sum(map(len, ngram_counts(TRAIN[:size], n).values())) for size in sizes]
    axis.plot(sizes, kinds, marker=mark, markevery=6, label=f"n = {n}")
axis.set(xlabel="sentences counted", ylabel="different n-grams", title="Longer contexts: more that is new in every sentence")
axis.legend()
plt.show()

# %% [markdown]
r"""
## 2. From counts to probabilities

*40 minutes, 16 points. KTH, Problems with n-gram Language Models - Sparsity.*

KTH counts *students opened their* 1000 times, 400 of them before *books* and 100 before *exams*: $p = 0.4$ and $0.1$.
What was never counted gets 0, and a context that was never seen has no probability at all (0 / 0). Télécom asks for a
probability that is never zero. The oldest remedy adds a little $k$ to every count, seen or not, *of each of the $|V|$
words*:

$$p(w \mid \text{context}) = \frac{\text{count}(\text{context}, w) + k}{\text{count}(\text{context}) + k\,|V|}$$

With $k = 0$ it is the plain quotient; for a context that was never seen it is then defined as 0 here.
"""

# %% nbgrader={"grade_id": "ngram-prob", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def ngram_prob(counts, context, w, V, k):
    """The probability of the word w after a context, from smoothed counts.

    counts: as ngram_counts gives them;  context: a tuple of words;  w: a word;  V: how many words there are;  k >= 0
    returns a float; 0.0 where nothing is known (a context that was never seen, and k = 0)

    Example: with counts {("a",): {"b": 3, "c": 1}}, V = 4 and k = 1 the probability of "b" after ("a",) is 4 / 8.
    """
    ### BEGIN SOLUTION
    followers = counts.get(tuple(context), {})
    total = sum(followers.values()) + k * V
    return (followers.get(w, 0) + k) / total if total > 0 else 0.0
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Look up what followed this context; nothing may have. The number of times that the context was seen is the sum of what
followed it. Then the formula, and one case in which it cannot be computed.

</details>
<details><summary>Hint 2: the shapes</summary>

One number comes back. Over all V words the probabilities of one context add up to 1 whenever k > 0: check that for
yourself.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`total = sum(followers.values()) + k * ____`

</details>
"""

# %% nbgrader={"grade_id": "ngram-prob-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def prob_from(rows, context, w, V, k):
    """Your probability, from a table that is given as rows (context, word, count)."""
    counts = {}
    for row_context, word, count in rows:
        counts.setdefault(tuple(row_context), {})[word] = count
    p = ngram_prob(counts, tuple(context), w, V, k)
    return float(p) if type(p) is int else p            # 0 for 0.0 is as good

# %% nbgrader={"grade_id": "ngram-prob-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    prob_from,
    of="ngram_prob",
    rows=[(("students", "opened", "their"), "books", 400), (("students", "opened", "their"), "exams", 100),
          (("students", "opened", "their"), "minds", 500)],
    context=("students", "opened", "their"),
    w="books",
    V=1000,
    k=0,
    expected=0.4,
    equation="p = (count(context, w) + k) / (count(context) + k |V|)",
    not_tested="k other than 0, a word or a context that was never seen.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("02_ngram", "ngram-prob-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 3. How good is a model? Perplexity

*25 minutes, 14 points. Télécom, Language model: (2) Test using a RNN.*

The probability of a text is the product of the probabilities of its words. A long text makes that tiny, so it is
reported *per word*, and turned round:

$$PP = \exp\Big(-\frac1N \sum_{i=1}^{N} \log p_i\Big)$$

It reads as a number of choices: a model that is as unsure as if it had to choose among 10 equal words has $PP = 10$. A
single word with $p = 0$ makes it infinite, which is why smoothing exists. Your function gets the logarithms: 300 factors
of 0.01 multiply to 0 in float64, and their logarithms add up to a harmless -1382.
"""

# %% nbgrader={"grade_id": "perplexity", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def perplexity(logp):
    """The perplexity of a text whose words have these natural log-probabilities.

    logp (N,): an array; -inf for a word of probability 0
    returns a float

    Example: if every word has probability 1 / 10, it is 10.
    """
    ### BEGIN SOLUTION
    return float(np.exp(-np.mean(logp)))
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

The mean of the logarithms, its sign turned round, and exp of that. It is the inverse of the geometric mean of the
probabilities.

</details>
<details><summary>Hint 2: the shapes</summary>

(N,) in, one float out.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`return float(np.exp(-____))`

</details>
"""

# %% nbgrader={"grade_id": "perplexity-test", "grade": true, "locked": true, "points": 14, "schema_version": 3, "solution": false}
course.test(
    perplexity,
    logp=np.log(np.array([0.25, 0.25])),
    expected=4.0,
    equation="PP = exp(-(1/N) sum of log p_i)",
    not_tested="unequal probabilities, a long text, a probability of 0.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("02_ngram", "perplexity-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Picture: how long a context?

Your three functions at work: counts of the training sentences, smoothed with $k$, judged on sentences that were not
counted. The lower a point, the better. A context of one word (n = 2) helps a lot: from 22 to 3 or 4. With little
smoothing ($k = 0.01$, triangles) a second word helps a little more, and from n = 4 on the line rises again, since most
of the long contexts were seen once or never. With much ($k = 1$, circles) it rises from n = 3 on: most counts are 0, and
the $k$ drowns the rest.
"""

# %% picture of the perplexity against n tags=["picture"]
import matplotlib.pyplot as plt


def counted_logp(sentences, counts, n, k):
    """The log-probability of every word of some sentences, their ends included."""
    found = []
    for text in sentences:
        words = ["<s>"] * (n - 1) + text + ["</s>"]
        for at in range(n - 1, len(words)):
            found.append(np.log(ngram_prob(counts, tuple(words[at - n + 1:at]), words[at], len(WORDS) - 1, k)))
    return np.array(found)


figure, axis = plt.subplots(figsize=(9, 3.2), layout="constrained")
orders = [1, 2, 3, 4, 5]
for k, mark in zip((1, 0.1, 0.01), "os^"):
    tables = {n: ngram_counts(TRAIN, n) for n in orders}
    axis.plot(orders, [perplexity(counted_logp(HELD_OUT, tables[n], n, k)) for n in orders], marker=mark, label=f"k = {k}")
axis.set(xlabel="n", xticks=orders, ylabel="perplexity, held out", title="A context of one word helps; long ones cost more than they bring")
axis.legend()
plt.show()

# %% [markdown]
r"""
## 4. Let it write: sampling

*40 minutes, 16 points. Escalera, Example: Character-level Language Model Sampling.*

From scores $z$ (also called logits) to one word. First the temperature $\tau$, then the softmax, then a draw:

$$p_j = \frac{e^{z_j / \tau}}{\sum_i e^{z_i / \tau}}, \qquad
\text{the first } k \text{ with } p_0 + p_1 + \dots + p_k > u$$

where $u$ is a random number from 0 up to but not including 1. Picture the probabilities side by side as a stick of
length 1: the word is the piece on which $u$ falls. A low temperature sharpens the distribution, a high one flattens it.
Subtract the largest score before exp (it changes nothing, and $e^{1000}$ is infinite).
"""

# %% nbgrader={"grade_id": "sample-next", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def sample_next(logits, temperature, u):
    """The word that the random number u picks.

    logits (K,): a score a word;  temperature > 0;  0 <= u < 1
    returns an int from 0 to K - 1

    Example: with two equal logits it is 0 for u = 0.3 and 1 for u = 0.7, at every temperature.
    """
    ### BEGIN SOLUTION
    p = np.exp((logits - logits.max()) / temperature)
    stick = np.cumsum(p)
    return int(np.searchsorted(stick / stick[-1], u, side="right"))
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Running sums turn probabilities into the right ends of the pieces. The word is the first one whose right end lies beyond
u. Dividing by the last running sum makes the stick exactly 1 long, whatever rounding did.

</details>
<details><summary>Hint 2: the shapes</summary>

`np.cumsum(p)` is (K,), rising. `np.searchsorted(a, u, side="right")` is the number of entries of a that are at most u:
a whole number from 0 to K - 1, because the last entry is 1 and u is below it.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`p = np.exp((logits - logits.max()) / ____)`

</details>
"""

# %% nbgrader={"grade_id": "sample-next-test", "grade": true, "locked": true, "points": 16, "schema_version": 3, "solution": false}
course.test(
    sample_next,
    logits=np.log(np.array([0.1, 0.6, 0.3])),
    temperature=1.0,
    u=0.4,
    expected=1,
    equation="the first k with p_0 + ... + p_k > u,  p = softmax(z / temperature)",
    not_tested="other temperatures, u in other pieces or at a border, large scores.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("02_ngram", "sample-next-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 5. A network instead of a table

*50 minutes, 18 points. KTH, Can We Build a Neural Language Model? (2/3); Télécom, Classic neural language model.*

The table knows nothing of *boats* from what it counted about *ships*. The network has a vector for each word, and words
that are used alike come to have vectors that are alike. Take the $n$ words of the context, put their vectors side by
side, and send them through one hidden layer:

$$e = [E_{x_1}; \dots; E_{x_n}], \qquad h = \tanh(W_1 e + b_1), \qquad \hat y = \operatorname{softmax}(W_2 h + b_2)$$

KTH's *e = Eᵀx* with a one-hot $x$ picks one row of $E$; in code that is an index, `E[x]`. The order of the words is kept
because the vectors stand side by side and are not averaged. A softmax over rows is given.
"""

# %% nbgrader={"grade_id": "softmax-given", "grade": false, "locked": true, "schema_version": 3, "solution": false}
def softmax(z, axis=-1):
    """Scores to probabilities along an axis; large scores do not overflow."""
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)

# %% nbgrader={"grade_id": "mlp-lm-forward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def mlp_lm_forward(E, W1, b1, W2, b2, X):
    """The probabilities of the next word after each of N contexts.

    E (V, d): a vector a word;  W1 (H, n d), b1 (H,), W2 (V, H), b2 (V,);  X (N, n): whole numbers from 0 to V - 1
    returns (N, V): each row adds up to 1

    Example: if W2 and b2 are 0, every entry is 1 / V.
    """
    ### BEGIN SOLUTION
    e = E[X].reshape(len(X), -1)
    h = np.tanh(e @ W1.T + b1)
    return softmax(h @ W2.T + b2)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Three lines, one for each part of the equation. NumPy picks rows by an array of indices, for all examples and places at
once.

</details>
<details><summary>Hint 2: the shapes</summary>

`E[X]` is (N, n, d). Side by side that is (N, n d), the words of one context after each other in one row. `h` is (N, H),
the scores are (N, V).

</details>
<details><summary>Hint 3: a line with a gap</summary>

`e = E[X].reshape(____, -1)`

</details>
"""

# %% nbgrader={"grade_id": "mlp-lm-forward-test", "grade": true, "locked": true, "points": 18, "schema_version": 3, "solution": false}
course.test(
    mlp_lm_forward,
    E=np.array([[1.0, 0], [0, 1], [1, 1]]),
    W1=np.array([[0.5, -0.5, 1, 0], [1, 0, 0, -1]]),
    b1=np.zeros(2),
    W2=np.array([[1.0, 0], [0, 1], [-1, 1]]),
    b2=np.zeros(3),
    X=np.array([[1, 1]]),
    expected=np.array([[0.34272174, 0.25402733, 0.40325093]]),
    equation="e = [E x_1; ...; E x_n],  h = tanh(W1 e + b1),  y = softmax(W2 h + b2)",
    not_tested="biases that are not 0, words in another order, more than one context.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("02_ngram", "mlp-lm-forward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
## 6. Its gradient

*75 minutes, 20 points. Télécom, Classic neural language model.*

The loss is the *mean* over the N contexts, $L = -\frac1N \sum_i \log \hat y_{i, y_i}$. Backwards through the three lines:

$$dz = \frac{\hat y - \text{onehot}(y)}{N}, \qquad dW_2 = dz^\top h,\quad db_2 = \sum_i dz_i, \qquad
da = (dz\, W_2) \odot (1 - h^2)$$

$$dW_1 = da^\top e,\quad db_1 = \sum_i da_i, \qquad de = da\, W_1$$

`de` holds a gradient for each word of each context. A word that was used several times collects *all* of them in its row
of $dE$. `dE[X] += de` looks right and is not: where an index is repeated, NumPy adds once. `np.add.at(dE, X, de)` adds
each time.
"""

# %% nbgrader={"grade_id": "mlp-lm-backward", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def mlp_lm_backward(E, W1, b1, W2, b2, X, y):
    """The gradients of the mean cross-entropy of mlp_lm_forward.

    E (V, d), W1 (H, n d), b1 (H,), W2 (V, H), b2 (V,), X (N, n) as there;  y (N,): the right next words
    returns dE (V, d), dW1 (H, n d), db1 (H,), dW2 (V, H), db2 (V,)

    Example: rows of dE that belong to words that are in no context are 0.
    """
    ### BEGIN SOLUTION
    N, n = X.shape
    e = E[X].reshape(N, -1)
    h = np.tanh(e @ W1.T + b1)
    dz = softmax(h @ W2.T + b2)
    dz[np.arange(N), y] -= 1
    dz /= N
    da = (dz @ W2) * (1 - h**2)
    de = da @ W1
    dE = np.zeros_like(E)
    np.add.at(dE, X, de.reshape(N, n, -1))
    return dE, da.T @ e, da.sum(axis=0), dz.T @ h, dz.sum(axis=0)
    ### END SOLUTION

# %% [markdown]
r"""
<details><summary>Hint 1: the idea</summary>

Compute the way forward once more, because the way back needs e, h and the probabilities. Then one line of the equations
after the other. Shared things (a bias, a row of E) collect the sum over all their uses; the mean is in dz already.

</details>
<details><summary>Hint 2: the shapes</summary>

`dz` (N, V), `da` (N, H), `de` (N, n d). For `np.add.at` the last one is reshaped to (N, n, d), one vector for each entry
of X. `dE` starts as zeros of E's shape.

</details>
<details><summary>Hint 3: a line with a gap</summary>

`da = (dz @ W2) * (1 - ____ ** 2)`

</details>
"""

# %% nbgrader={"grade_id": "mlp-lm-backward-test", "grade": true, "locked": true, "points": 20, "schema_version": 3, "solution": false}
course.test(
    mlp_lm_backward,
    E=np.array([[1.0, 0], [0, 1], [1, 1]]),
    W1=np.array([[0.5, -0.5, 1, 0], [1, 0, 0, -1]]),
    b1=np.array([0.1, -0.1]),
    W2=np.array([[1.0, 0], [0, 1], [-1, 1]]),
    b2=np.array([0.0, 0.5, -0.5]),
    X=np.array([[0, 1]]),
    y=np.array([2]),
    results=("dE", "dW1", "db1", "dW2", "db2"),
    expected={"dE": np.array([[0.0154564, -0.49612809], [0.99225618, 0.48067169], [0, 0]]),
              "db1": np.array([0.99225618, -0.48067169])},
    equation="dz = (y_hat - onehot) / N;  da = dz W2 * (1 - h^2);  dE collects every use of a word",
    not_tested="a word that is used twice, more than one context (so the mean), the gradients of the matrices.",
)
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("02_ngram", "mlp-lm-backward-test")
### END HIDDEN TESTS

# %% [markdown]
r"""
### Write a test of your own

Not graded. Move one entry of `E` by a little to both sides and compare the change of the mean cross-entropy (from
`mlp_lm_forward`) with that entry of `dE`. Take a context in which one word stands twice. Then replace `np.add.at` by
`dE[X] += ...` and see your test fail.
"""

# %% room for your test
# your test


# %% [markdown]
r"""
### Picture: counted against learned

Your gradient trains the network on the same 400 sentences (the loop is given, with Adam). Left: perplexity on held-out
sentences, counts with n = 1 to 5 as points, the network with a context of 3 words as a dashed line. It has the context
of n = 4 and is better than those counts, and about as good as the best ones: what it learned of *cooks* helps it with
*bakers*, where a table starts from nothing. Right: the vectors of nine people, pressed flat into a plane. Readers, cooks and sailors (circles, squares, triangles) lie apart,
though nobody told the network who does what: it found out from the words that follow. Below, sentences by both.
"""

# %% picture of the network and the counts tags=["picture"]
import matplotlib.pyplot as plt

NUMBER = {word: i for i, word in enumerate(WORDS)}


def contexts(sentences, n=3):
    """All contexts of n words and the words after them, as numbers."""
    rows, answers = [], []
    for text in sentences:
        words = [NUMBER[word] for word in ["<s>"] * n + text + ["</s>"]]
        for i in range(n, len(words)):
            rows.append(words[i - n:i])
            answers.append(words[i])
    return np.array(rows), np.array(answers)


rng = np.random.default_rng(0)
n, d, H, V = 3, 8, 32, len(WORDS)
weights = [0.3 * rng.normal(size=(V, d)), rng.normal(size=(H, n * d)) / 5, np.zeros(H), rng.normal(size=(V, H)) / 6, np.zeros(V)]
X, y = contexts(TRAIN)
moments = [[np.zeros_like(w), np.zeros_like(w)] for w in weights]
for step in course.progress_bar(range(1, 601), "training"):
    rows = rng.integers(len(X), size=64)
    for w, g, (m, v) in zip(weights, mlp_lm_backward(*weights, X[rows], y[rows]), moments):
        m += 0.1 * (g - m)
        v += 0.01 * (g * g - v)
        w -= 0.01 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8)

X_held, y_held = contexts(HELD_OUT)
learned = perplexity(np.log(mlp_lm_forward(*weights, X_held)[np.arange(len(y_held)), y_held]))
counted = [perplexity(counted_logp(HELD_OUT, ngram_counts(TRAIN, m), m, 0.01)) for m in range(1, 6)]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot(range(1, 6), counted, "o-", label="counted, k = 0.01")
left.axhline(learned, color="tab:orange", linestyle="--", label=f"network, 3 words: {learned:.2f}")
left.set(xlabel="n", xticks=range(1, 6), ylabel="perplexity, held out", title="What each model makes of new sentences")
left.legend()
people = [["students", "pupils", "readers"], ["cooks", "bakers", "guests"], ["sailors", "captains", "pilots"]]
ids = [[NUMBER[word] for word in group] for group in people]
middle = weights[0] - weights[0][sum(ids, [])].mean(axis=0)
plane = middle @ np.linalg.svd(middle[sum(ids, [])])[2][:2].T
for group, words, mark in zip(ids, people, "os^"):
    right.scatter(*plane[group].T, marker=mark, s=40)
    for word, place, offset, side in zip(words, plane[group], ((7, -14), (-8, 4), (8, -3)), ("left", "right", "left")):
        right.annotate(word, place, xytext=offset, textcoords="offset points", ha=side, fontsize=10)
right.margins(0.25)
right.set(title="The vectors of nine words, in a plane", xticks=[], yticks=[])
plt.show()


def write(next_logits, length=12):
    """A sentence, word by word, by your sample_next."""
    words = ["<s>"] * 3
    while words[-1] != "</s>" and len(words) < length:
        words.append(WORDS[sample_next(next_logits(words), 1.0, rng.random())])
    return " ".join(word for word in words if word not in ("<s>", "</s>"))


table = ngram_counts(TRAIN, 2)
with np.errstate(divide="ignore"):
    by_count = [write(lambda words: np.log([ngram_prob(table, (words[-1],), w, V, 0) for w in WORDS])) for _ in range(5)]
by_network = [write(lambda words: np.log(mlp_lm_forward(*weights, np.array([[NUMBER[w] for w in words[-3:]]]))[0])) for _ in range(5)]
print("counted, n = 2:", *by_count, sep="\n  ")
print("network:", *by_network, sep="\n  ")

# %% where you stand
course.progress()

# %% [markdown]
r"""
## What the reference does differently, and why it is faster

- **Counting is sorting.** minigrad turns each n-gram into one whole number, sorts these, and reads the counts off the
  places where the number changes. All n-grams of n = 1 to 5 of a text of a million words take 0.14 seconds if it has
  4,000 different words; a `Counter` takes 17 times as long. With 50,000 different words it is 0.28 seconds, and 8 times.
- **Better smoothing.** Adding $k$ is the worst remedy that works. Kneser-Ney asks a shorter context when a long one was
  not seen, and asks there not how often a word occurred, but after how many *different* words. On ordinary text it is
  still hard to beat.
- **The gradient of an embedding** is a sorted sum: `np.add.at` goes through the indices one by one; where there are many,
  the reference sorts them and adds whole runs at once.
- **Softmax and loss are one operation.** The probabilities are never stored twice, and the logarithm is taken of a sum
  and never of a number that may be 0.

**float32 and float64.** If each word has a probability of about 0.05, their product is 0 after some 35 words in float32,
and after some 250 in float64: add logarithms. The running sums of part 4 end a little below or above 1 in float32; dividing by the last one puts the end
of the stick where it belongs, or `u = 0.9999999` falls off it.
"""
