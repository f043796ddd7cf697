"""What the grader looks at in 07_word2vec: the draws, the parts and their points, and the mistakes that it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad; the mutants are
substitutions in it.
"""

import numpy as np

from autograder.check import GRADIENT, Check, Draw, sizes

# ----- 1. A text as pairs

pairs = Check("skipgram_pairs", cell="skipgram-pairs-test", slide="Chemnitz, *word2vec (2)*",
              equation="(w_t, w_{t+j}) for 0 < |j| <= window", args=("ids", "window"), results=("pairs",))


def repeating_text(rng, n, kinds=4):
    """A text in which some words stand next to themselves."""
    ids = [int(v) for v in rng.integers(kinds, size=n)]
    at = int(rng.integers(1, n - 1))
    ids[at] = ids[at - 1]
    return ids


@pairs.draws
def pair_draws(rng):
    for window in (1, 2, 3, 4, 2, 1, 3, 4):
        yield Draw((repeating_text(rng, int(rng.integers(10, 21))), window))
    for window in (3, 4, 4, 2):
        yield Draw((repeating_text(rng, int(rng.integers(3, window + 2))), window), {"shorter than the window": True})
    yield Draw(([int(rng.integers(9))], int(rng.integers(1, 4))), {"shorter than the window": True})


pairs.part("pairs", 9, where=lambda d: not d["shorter than the window"])
pairs.part("a text shorter than the window", 5, where=lambda d: d["shorter than the window"], edge=True)

pairs.mutant("only_right", replace="max(0, t - window)", by="t + 1", visible=True, family="one side only",
             says="The context lies on both sides.")
pairs.mutant("includes_self", replace="if place != t:", by="if True:", visible=True, family="centre in its context",
             says="A word is not its own context.")
pairs.mutant("compare_words", replace="if place != t:", by="if ids[place] != ids[t]:", visible=False,
             family="centre in its context",
             says="Leave out the *position* of the centre, not every equal word.",
             question="In 'that that is is': what is the context of the first word, for a window of 1?")
pairs.mutant("window_total", visible=True, family="window",
             replace="range(max(0, t - window), min(len(ids), t + window + 1))",
             by="range(max(0, t - (window + 1) // 2), min(len(ids), t + (window + 1) // 2 + 1))",
             says="The window counts words on *each* side.")

pairs.variant("left and right apart", """
def skipgram_pairs(ids, window):
    found = []
    for t, centre in enumerate(ids):
        left = ids[t - window:t] if t >= window else ids[:t]
        found += [(centre, other) for other in left + ids[t + 1:t + 1 + window]]
    return found
""")
pairs.variant("by the distance", """
def skipgram_pairs(ids, window):
    return [(ids[t], ids[t + j]) for t in range(len(ids)) for j in range(-window, window + 1)
            if j and 0 <= t + j < len(ids)]
""")
pairs.variant("NumPy, with a mask of places", """
def skipgram_pairs(ids, window):
    places = np.arange(len(ids))
    gap = np.abs(places[:, None] - places[None, :])
    centres, others = np.nonzero((gap > 0) & (gap <= window))
    return [(int(ids[a]), int(ids[b])) for a, b in zip(centres, others)]
""")


# ----- 2. CBOW

cbow = Check("cbow_forward", cell="cbow-forward-test",
             slide="Chemnitz, *word2vec (1)*; Télécom, *Word embedding, Learning*",
             equation="p = softmax(U * mean of the context's e_w)", args=("E (V, d)", "U (V, d)", "context (M,)"),
             results=("p (V,)",))


def tables(rng, V=None, d=None, scale=1.0):
    V, d = V or int(rng.integers(4, 10)), d or int(rng.integers(2, 7))
    return scale * rng.normal(size=(V, d)), rng.normal(size=(V, d))


@cbow.draws
def cbow_draws(rng):
    for M in (2, 3, 4, 6, 5):
        E, U = tables(rng)
        yield Draw((E, U, rng.permutation(len(E))[:min(M, len(E) - 1)]))
    yield Draw((*tables(rng, 5, 5), np.array([3, 1, 4])), {"V = d": True})
    E, U = tables(rng, 6, 4)
    yield Draw((E.astype(np.float32), U.astype(np.float32), np.array([0, 5])), {"float32": True})
    E, U = tables(rng, 7, 3, 300)
    yield Draw((E, U, np.array([1, 6])), {"large inputs": True})
    for M in (3, 4):
        E, U = tables(rng)
        words = rng.permutation(len(E))[:M - 1]                         # a, b, a and a, b, c, a
        yield Draw((E, U, np.append(words, words[0])), {"repeated words": True})
    for _ in range(2):
        E, U = tables(rng)
        yield Draw((E, U, rng.integers(len(E), size=1)), {"one word": True})


def edge(draw):
    return draw["repeated words"] or draw["one word"]


cbow.part("value", 11, where=lambda d: not edge(d))
cbow.part("one word, and repeated words", 3, where=edge, edge=True)

cbow.mutant("sum", replace=".mean(axis=0)", by=".sum(axis=0)", visible=False, family="mean or sum",
            says="CBOW averages the context: a longer context must not shout louder.")
cbow.mutant("unique", replace="E[context]", by="E[np.unique(context)]", visible=False, family="repeated words",
            says="A word that occurs twice counts twice.")
cbow.mutant("one_table", replace="softmax(U @", by="softmax(E @", visible=True, family="tables exchanged",
            says="There are two tables: E for inputs, U for outputs.")
cbow.mutant("last_word", replace="E[context].mean(axis=0)", by="E[context[-1]]", visible=False,
            family="only the last step",
            says="Every context word takes part.")

cbow.variant("a loop over the context", """
def cbow_forward(E, U, context):
    total = np.zeros_like(E[0])
    for w in context:
        total = total + E[w] / len(context)
    z = U @ total
    e = np.exp(z - z.max())
    return e / e.sum()
""")
cbow.variant("shares of the words times E", """
def cbow_forward(E, U, context):
    share = np.bincount(context, minlength=len(E)).astype(E.dtype) / len(context)
    return softmax((share @ E) @ U.T)
""")
cbow.variant("the mean of scores", """
def cbow_forward(E, U, context):
    return softmax(np.mean([np.einsum("vd,d->v", U, E[w]) for w in context], axis=0))
""")


# ----- 3. Skip-gram

skip = Check("skipgram_loss", cell="skipgram-loss-test", slide="Chemnitz, *word2vec (1)*",
             equation="L = -log softmax(U e_w)[o];  dU = (y - onehot) e_w^T;  de_w = U^T (y - onehot)",
             args=("E (V, d)", "U (V, d)", "w", "o"), results=("loss", "dE (V, d)", "dU (V, d)"),
             tol={"loss": 1e-7, "dE": GRADIENT, "dU": GRADIENT},
             nan_hint="is there the logarithm of a probability that is 0, or an `exp` of a large number?")


@skip.draws
def skip_draws(rng):
    for _ in range(5):
        E, U = tables(rng)
        w, o = rng.permutation(len(E))[:2]
        yield Draw((E, U, int(w), int(o)))
    E, U = tables(rng, 5, 5)
    yield Draw((E, U, 3, 1), {"V = d": True})
    E, U = tables(rng)
    yield Draw((E, U, 2, 2), {"w = o": True})
    for _ in range(4):
        E, U, w = *tables(rng, scale=300), 0
        while np.ptp(U @ E[w]) < 1000:
            E, U = tables(rng, scale=300)
            w = int(rng.integers(len(E)))
        yield Draw((E, U, w, int((U @ E[w]).argmin())), {"large scores": True})      # its probability is 0
    yield Draw((*tables(rng, 300, 20), 7, 200), {"large": True}, budget=0.2)


def large(draw):
    return draw["large scores"]


skip.part("loss", 3, where=lambda d: not large(d))
skip.part("loss of large scores", 2, outputs="loss", where=large)
skip.part("dE", 6, where=lambda d: True)
skip.part("dU", 5, where=lambda d: True)

skip.mutant("p_minus", replace="    delta[o] -= 1\n", by="    delta[o] -= 1\n    delta = -delta\n", visible=False,
            family="sign",
            says="The gradient is prediction minus target.")
skip.mutant("only_target", replace="    delta[o] -= 1\n",
            by="    delta[o] -= 1\n    delta = delta * (np.arange(len(U)) == o)\n", visible=False,
            family="only one output",
            says="In the full softmax *every* output word gets a gradient, not the target alone.",
            question="A wrong word has probability 0.9. Should its row of U stay as it is?")
skip.mutant("dE_all", replace="dE[w] = U.T @ delta", by="dE[:] = U.T @ delta", visible=False, family="rows not used",
            says="Only the row of the input word was used.")
skip.mutant("dU_uses_u", replace="np.outer(delta, e)", by="np.outer(delta, U[o])", visible=False,
            family="tables exchanged",
            says="dU is the error times the *input* vector e_w.")

skip.mutant("log_of_p", replace="loss = z.max() + np.log(np.sum(np.exp(z - z.max()))) - z[o]", visible=False,
            by="loss = -np.log(softmax(z)[o])", family="logarithm of 0",
            says="Take the logarithm of the sum, not of the probability: where that is 0, its logarithm is minus "
                 "infinity.",
            question="Scores 0 and 1000, right word 0. What is the loss by the formula with the sum?")

skip.variant("log-softmax first", """
def skipgram_loss(E, U, w, o):
    z = E[w] @ U.T
    logs = z - np.logaddexp.reduce(z)
    error = np.exp(logs) - (np.arange(len(U)) == o)
    dE = np.where(np.arange(len(E))[:, None] == w, error @ U, 0.0)
    return float(-logs[o]), dE, error[:, None] * E[w]
""")
skip.variant("one-hot products", """
def skipgram_loss(E, U, w, o):
    x, y = np.eye(len(E))[w], np.eye(len(U))[o]
    e = x @ E
    z = U @ e
    z = z - np.max(z)
    p = np.exp(z) / np.sum(np.exp(z))
    return np.log(np.exp(z).sum()) - y @ z, np.outer(x, (p - y) @ U), np.outer(p - y, e)
""")
skip.variant("a loop over the words", """
def skipgram_loss(E, U, w, o):
    z = np.array([np.dot(u, E[w]) for u in U])
    top = max(z)
    total = sum(np.exp(z - top))
    dE, dU = np.zeros_like(E), np.zeros_like(U)
    for k in range(len(U)):
        error = np.exp(z[k] - top) / total - (k == o)
        dU[k] = error * E[w]
        dE[w] += error * U[k]
    return top + np.log(total) - z[o], dE, dU
""")


# ----- 4. Negative sampling

neg = Check("neg_sampling", cell="neg-sampling-test",
            slide="Chemnitz, *word2vec (1)*; Télécom, *Word embedding, Learning*",
            equation="L = -log s(u_o v) - sum of log s(-u_k v)", args=("v (d,)", "u_o (d,)", "U_neg (K, d)"),
            results=("loss", "dv (d,)", "du_o (d,)", "dU_neg (K, d)"),
            tol={"loss": 1e-7, "dv": GRADIENT, "du_o": GRADIENT, "dU_neg": GRADIENT},
            nan_hint="is there the logarithm of a sigma that is 0, or an `exp` of a large number?")


@neg.draws
def neg_draws(rng):
    for size in sizes(rng, "Kd", different=4, equal=1, one={}):
        yield Draw((rng.normal(size=size["d"]), rng.normal(size=size["d"]), rng.normal(size=(size["K"], size["d"]))))
    U = rng.normal(size=(4, 3))
    U[2] = U[0]
    yield Draw((rng.normal(size=3), rng.normal(size=3), U), {"a negative twice": True})
    yield Draw((rng.normal(size=4), rng.normal(size=4), rng.normal(size=(1, 4))), {"K = 1": True})
    for sign in (1, -1, 1, -1):                                # scores of +-800: sigma is exactly 0 or 1 there
        v = rng.choice([-1.0, 1.0], size=4)
        yield Draw((v, 200.0 * sign * v, np.outer([150.0 * sign, -220.0 * sign, 90.0], v) + rng.normal(size=(3, 4))),
                   {"large scores": True})
    args = rng.normal(size=300), rng.normal(size=300) / 9, rng.normal(size=(30, 300)) / 9
    yield Draw(args, {"large": True}, budget=0.2)


neg.part("loss", 4, where=lambda d: not large(d))
neg.part("loss of large scores", 2, outputs="loss", where=large)
neg.part("dv", 6, where=lambda d: True)
neg.part("du_o", 4, where=lambda d: True)
neg.part("dU_neg", 4, where=lambda d: True)

neg.mutant("same_sign", replace="np.logaddexp(0, made_up)", by="np.logaddexp(0, -made_up)", visible=False,
           family="sign",
           says="Negative words are pushed *away*: their score enters with a minus sign inside sigma.",
           question="A negative has a score of 5. Is that good or bad for the loss, and what does yours say?")
neg.mutant("mean_neg", replace="np.logaddexp(0, made_up).sum()", by="np.logaddexp(0, made_up).mean()", visible=False,
           family="mean or sum",
           says="The K negatives are summed, not averaged.")
neg.mutant("neg_gradient", replace="sigmoid(made_up)", by="sigmoid(made_up) - 1", visible=False,
           family="target of a pair",
           says="For a negative the target is 0: the error is sigma(u_k v) - 0.")
neg.mutant("dv_positive_only", replace="d_true * u_o + d_made_up @ U_neg", by="d_true * u_o", visible=False,
           family="only one output",
           says="v is moved by the negatives too.")
neg.mutant("log_sigmoid_naive", visible=False, family="unstable exp",
           replace="np.logaddexp(0, -true) + np.logaddexp(0, made_up).sum()",
           by="-np.log(1 / (1 + np.exp(-true))) - np.log(1 - 1 / (1 + np.exp(-made_up))).sum()",
           says="log sigma(x) for large |x| must be computed as -log(1 + e^-x) without overflow.")

neg.variant("all scores in one table", """
def neg_sampling(v, u_o, U_neg):
    rows = np.vstack([u_o, U_neg])
    target = np.eye(len(rows))[0]
    scores = rows @ v
    loss = np.sum(np.logaddexp(0, scores) - target * scores)
    error = sigmoid(scores) - target
    grads = np.outer(error, v)
    return loss, error @ rows, grads[0], grads[1:]
""")
neg.variant("a loop over the negatives", """
def neg_sampling(v, u_o, U_neg):
    loss, error = np.logaddexp(0, -np.dot(u_o, v)), sigmoid(np.dot(u_o, v)) - 1
    dv, dU = error * u_o, np.zeros_like(U_neg)
    for k, u in enumerate(U_neg):
        score = np.dot(u, v)
        loss += np.logaddexp(0, score)
        dv = dv + sigmoid(score) * u
        dU[k] = sigmoid(score) * v
    return loss, dv, error * v, dU
""")
neg.variant("softplus by a maximum, einsum", """
def neg_sampling(v, u_o, U_neg):
    def softplus(x):
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    a, b = np.einsum("d,d->", u_o, v), np.einsum("kd,d->k", U_neg, v)
    ea, eb = -sigmoid(-a), sigmoid(b)
    return softplus(-a) + np.sum(softplus(b)), ea * u_o + np.einsum("k,kd->d", eb, U_neg), ea * v, eb[:, None] * v
""")


# ----- 5. The famous question

ask = Check("analogy", cell="analogy-test", slide="Chemnitz, *word2vec (3)*; Télécom, *Word embedding*",
            equation="argmax of e_w (e_b - e_a + e_c) over unit vectors, w none of a, b, c",
            args=("E (V, d)", "a", "b", "c"), results=("word",))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def question(rng, kind):
    """A table in which the mistake that `kind` is about gives another answer than the right one.

    kind: "cosine", a long vector wins without normalising; "vector", the step from b to a leads elsewhere; "a", "b" and
    "c", that input lies nearest. In the first two no input does.
    """
    while True:
        V, d = int(rng.integers(9, 14)), int(rng.integers(4, 7))
        E = unit(rng.normal(size=(V, d)))
        a, b, c, answer = (int(k) for k in rng.permutation(V)[:4])
        if kind in "bc":                       # a short step, as in a real table
            E[b] = unit(E[a] + 0.4 * rng.normal(size=d))
        if kind == "a":                        # b and c lie on opposite sides of it
            aside = 0.3 * rng.normal(size=d)
            E[b], E[c] = unit(E[a] + aside), unit(E[a] - aside)
        E[answer] = unit(E[b] - E[a] + E[c] + 0.15 * rng.normal(size=d))
        table = E * (np.exp(rng.uniform(np.log(0.1), np.log(30), size=(V, 1))) if kind == "cosine" else 1)
        right, scores = _answer(E, a, b, c)
        rest = np.delete(np.arange(V), [a, b, c])
        step = table[b] - table[a] + table[c]
        raw, half, back = table @ step, E @ step, E @ (E[a] - E[b] + E[c])
        without_c = np.where(np.arange(V) == c, -np.inf, scores)
        good = {"cosine": right not in (rest[raw[rest].argmax()], rest[half[rest].argmax()]) and
                scores.argmax() == right,
                "vector": rest[back[rest].argmax()] != right and scores.argmax() == right,
                "a": scores.argmax() == a,
                "b": scores.argmax() == b, "c": scores.argmax() == c and without_c.argmax() == right}[kind]
        if good and np.diff(np.sort(scores))[-1] > 0.01:
            return table, a, b, c


def _answer(E, a, b, c):
    scores = unit(E) @ (unit(E[b]) - unit(E[a]) + unit(E[c]))
    masked = scores.copy()
    masked[[a, b, c]] = -np.inf
    return int(masked.argmax()), scores


@ask.draws
def ask_draws(rng):
    for kind in ("cosine", "vector", "a", "b", "c"):
        for _ in range(3 if kind in "abc" else 6):
            yield Draw(question(rng, kind), {"exclusion" if kind in "abc" else kind: True})


ask.part("cosine", 6, where=lambda d: d["cosine"])
ask.part("vector", 5, where=lambda d: d["vector"])
ask.part("exclusion", 3, where=lambda d: d["exclusion"], edge=True)

ask.mutant("no_exclusion", replace="    score[[a, b, c]] = -np.inf\n", by="", visible=False,
           family="inputs not left out",
           says="The nearest vector is mostly one of the inputs: leave them out.",
           question="man and woman lie close together. Which word is then nearest to king - man + woman?")
ask.mutant("wrong_sign", replace="unit[b] - unit[a]", by="unit[a] - unit[b]", visible=False, family="sign",
           says="The step goes from a to b: + b - a.")
ask.mutant("dot_product", replace="E / np.linalg.norm(E, axis=1, keepdims=True)", by="E.copy()", visible=False,
           family="lengths not removed",
           says="Compare directions (cosine): long vectors otherwise win.",
           question="One vector is thirty times as long as the others. How often will it be your answer?")
ask.mutant("exclude_c_only", replace="score[[a, b, c]]", by="score[[c]]", visible=False, family="inputs not left out",
           says="All three inputs are left out, also a and b.")

ask.mutant("a_left_in", replace="score[[a, b, c]]", by="score[[b, c]]", visible=False, family="inputs not left out",
           says="Leave out a as well: where b and c lie on opposite sides of it, b - a + c leads back to a.")
ask.mutant("raw_step", replace="(unit[b] - unit[a] + unit[c])", by="(E[b] - E[a] + E[c])", visible=False,
           family="lengths not removed",
           says="The step, too, is made of vectors of length 1: else the longest of the three decides where it goes.")

ask.variant("delete the inputs", """
def analogy(E, a, b, c):
    N = E / np.sqrt((E * E).sum(axis=1))[:, None]
    left = np.array([w for w in range(len(E)) if w not in (a, b, c)])
    return left[np.argmax(N[left] @ (N[b] + N[c] - N[a]))]
""")
ask.variant("sort, then take the first that is allowed", """
def analogy(E, a, b, c):
    N = (E.T / np.linalg.norm(E, axis=1)).T
    target = N[c] - N[a] + N[b]
    for w in np.argsort(-(N @ target)):
        if w not in {a, b, c}:
            return int(w)
""")
ask.variant("a loop", """
def analogy(E, a, b, c):
    def hat(w):
        return E[w] / np.linalg.norm(E[w])
    best, found = -np.inf, -1
    for w in range(len(E)):
        score = np.dot(hat(w), hat(b) - hat(a) + hat(c))
        if w != a and w != b and w != c and score > best:
            best, found = score, w
    return found
""")


# ----- 6. Counting

co = Check("cooccurrence", cell="cooccurrence-test", slide="Télécom, *Word embedding, Learning*",
           equation="X_ij += 1 / distance, both ways", args=("ids", "V", "window"), results=("X (V, V)",))


@co.draws
def co_draws(rng):
    for window in (2, 3, 4, 3):
        ids = [int(v) for v in rng.permutation(9)[:7]]                         # no word twice
        yield Draw((ids, 9, window), {"weights": True})
    for window in (1, 2, 3, 4):
        yield Draw((repeating_text(rng, int(rng.integers(8, 15))), 4, window), {"repeated words": True})
    for n, window in ((2, 3), (3, 4), (2, 1), (4, 4)):
        yield Draw(([int(v) for v in rng.permutation(5)[:n]], 5, window), {"short": True})


co.part("weights", 7, where=lambda d: d["weights"])
co.part("repeated words", 3, where=lambda d: d["repeated words"])
co.part("a text shorter than the window", 2, where=lambda d: d["short"], edge=True)

co.mutant("no_distance", visible=False, family="weights",
          substitutions=(("X[ids[t], ids[t + distance]] += 1 / distance", "X[ids[t], ids[t + distance]] += 1"),
                         ("X[ids[t + distance], ids[t]] += 1 / distance", "X[ids[t + distance], ids[t]] += 1")),
          says="Near words count more: weight 1 / distance.")
co.mutant("one_sided", replace="                X[ids[t + distance], ids[t]] += 1 / distance\n", by="", visible=True,
          family="one side only",
          says="The matrix is symmetric: count both ways.")
co.mutant("window_short", replace="range(1, window + 1)", by="range(1, window)", visible=True, family="window",
          says="The window includes the word at distance `window`.")
co.mutant("no_diagonal", replace="if t + distance < len(ids):",
          by="if t + distance < len(ids) and ids[t] != ids[t + distance]:", visible=False, family="repeated words",
          says="A word next to itself counts as well.")

co.mutant("diagonal_once", replace="                X[ids[t + distance], ids[t]] += 1 / distance\n", visible=False,
          by="                X[ids[t + distance], ids[t]] += 1 / distance if ids[t] != ids[t + distance] else 0\n",
          family="repeated words",
          says="Two places with the same word count both ways as well: that entry of the diagonal is added to twice.",
          question="Count 'that that', from each place to its neighbours. What is in the diagonal?")

co.variant("np.add.at for each distance", """
def cooccurrence(ids, V, window):
    X, ids = np.zeros((V, V)), np.array(ids)
    for distance in range(1, min(window, len(ids) - 1) + 1):
        np.add.at(X, (ids[:-distance], ids[distance:]), 1 / distance)
    return X + X.T
""")
co.variant("from all pairs of places", """
def cooccurrence(ids, V, window):
    X = np.zeros((V, V))
    for s, i in enumerate(ids):
        for t, j in enumerate(ids):
            if 0 < abs(s - t) <= window:
                X[i, j] += 1 / abs(s - t)
    return X
""")
co.variant("one-hot rows", """
def cooccurrence(ids, V, window):
    hot = np.eye(V)[ids]
    gap = np.abs(np.subtract.outer(np.arange(len(ids)), np.arange(len(ids))))
    near = np.where((gap > 0) & (gap <= window), 1 / np.maximum(gap, 1), 0)
    return hot.T @ near @ hot
""")


# ----- 7. GloVe's loss

weigh = Check("glove", cell="glove-test", slide="Télécom, *Word embedding, Learning*",
              equation="L = sum of f(X) (w c + b + d - log X)^2;  f = min(1, (X / x_max)^alpha)",
              args=("W (V, k)", "C (V, k)", "b (V,)", "d (V,)", "X (V, V)", "x_max", "alpha"),
              results=("loss", "dW (V, k)"), tol={"loss": 1e-7, "dW": GRADIENT})


@weigh.draws
def glove_draws(rng):
    for V, k in ((5, 3), (7, 2), (4, 4), (6, 5), (8, 3)):
        X = np.exp(rng.normal(size=(V, V)) + 1) * (rng.random((V, V)) > 0.3)
        X[0, 0], X[1, 1], X[0, 1] = 30.0, 0.2, 0.0             # above, far below and without a count, in every draw
        yield Draw((rng.normal(size=(V, k)), rng.normal(size=(V, k)), rng.normal(size=V), rng.normal(size=V), X,
                    float(rng.uniform(2, 5)), 0.75))
    X = np.exp(rng.normal(size=(60, 60))) * (rng.random((60, 60)) > 0.3)
    W, C = rng.normal(size=(2, 60, 20)) / 4
    yield Draw((W, C, rng.normal(size=60), rng.normal(size=60), X, 2.0, 0.5), {"large": True}, budget=0.2)


weigh.part("loss", 5)
weigh.part("dW", 5)

weigh.mutant("no_cap", replace="np.minimum(1, (X / x_max)**alpha)", by="(X / x_max)**alpha", visible=False,
             family="weights",
             says="The weight is capped at 1 for frequent pairs.")
weigh.mutant("no_weight", replace="np.minimum(1, (X / x_max)**alpha)", by="1.0", visible=False, family="weights",
             says="Rare pairs are noisy: f(X) gives them less weight.")
weigh.mutant("zeros_count", visible=True, family="zeros counted",
             substitutions=(("np.log(np.where(met, X, 1))", "np.log(X + 1)"),
                            ("np.where(met, np.minimum(1, (X / x_max)**alpha), 0)",
                             "np.where(met, np.minimum(1, (X / x_max)**alpha), 1)")),
             says="Pairs that never occur are left out; log(X + 1) is another model.")
weigh.mutant("grad_factor", replace="2 * (weight * error) @ C", by="(weight * error) @ C", visible=False,
             family="factor",
             says="The derivative of the square brings a factor 2.")

weigh.mutant("biases_swapped", replace="b[:, None] + d[None, :]", by="b[None, :] + d[:, None]", visible=False,
             family="rows and columns",
             says="b belongs to the words, the rows of W and X; d belongs to the contexts, the columns of X.")

weigh.variant("over the pairs that met", """
def glove(W, C, b, d, X, x_max, alpha):
    i, j = np.nonzero(X)
    x = X[i, j]
    f = np.minimum(1.0, (x / x_max) ** alpha)
    e = np.einsum("nk,nk->n", W[i], C[j]) + b[i] + d[j] - np.log(x)
    dW = np.zeros_like(W)
    np.add.at(dW, i, (2 * f * e)[:, None] * C[j])
    return float(np.dot(f * e, e)), dW
""")
weigh.variant("a loop", """
def glove(W, C, b, d, X, x_max, alpha):
    loss, dW = 0.0, np.zeros_like(W)
    for i in range(len(W)):
        for j in np.flatnonzero(X[i]):
            f = (X[i, j] / x_max) ** alpha if X[i, j] < x_max else 1.0
            e = W[i] @ C[j] + b[i] + d[j] - np.log(X[i, j])
            loss += f * e * e
            dW[i] += 2 * f * e * C[j]
    return loss, dW
""")
weigh.variant("logarithms with a mask", """
def glove(W, C, b, d, X, x_max, alpha):
    logs = np.log(X, out=np.zeros_like(X), where=X > 0)
    f = np.clip(X / x_max, 0, 1) ** alpha * (X > 0)
    e = (W @ C.T + d).T + b
    e = e.T - logs
    return (f * e * e).sum(), np.einsum("ij,jk->ik", 2 * f * e, C)
""")
