"""What the grader looks at in 02_ngram: the draws, the parts and their points, and the mistakes that it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad; the mutants are
substitutions in it.  Tables (dicts with tuples as keys) go in and out as rows, by drivers of the notebook.
"""

import numpy as np

from autograder.check import GRADIENT, Check, Draw, sizes

LETTERS = ("a", "b", "c", "d", "e")


# ----- 1. Counting n-grams

counts = Check("ngram_counts", driver="listed", cell="ngram-counts-test",
               slide="KTH, *n-gram Language Models - Example*",
               equation="count(w_{i-n+1} ... w_i), with n - 1 times <s> before and one </s> after",
               args=("sentences", "n"), results=("inside", "starts", "ends"))


def random_sentences(rng, how_many):
    """Sentences of two to six words out of few, so that n-grams repeat; no two have the same number of words."""
    lengths = rng.choice(np.arange(2, 9), size=how_many, replace=False)
    return [[str(w) for w in rng.choice(LETTERS[:3], size=n)] for n in lengths]


@counts.draws
def count_draws(rng):
    for n in (2, 3, 4, 3, 2, 4):
        yield Draw((random_sentences(rng, int(rng.integers(3, 6))), n))
    for _ in range(2):
        yield Draw((random_sentences(rng, 3), 1), {"n = 1": True})
    for n in (2, 3):
        yield Draw((random_sentences(rng, 2) + [[]], n), {"an empty sentence": True})


def edge(draw):
    return draw["n = 1"] or draw["an empty sentence"]


counts.part("counts", 6, outputs="inside", where=lambda d: not edge(d))
counts.part("padding", 5, outputs="starts", where=lambda d: not edge(d))
counts.part("end token", 3, outputs="ends", where=lambda d: not edge(d))
counts.part("n = 1 and an empty sentence", 2, where=edge, edge=True)

counts.mutant("one_pad", replace='["<s>"] * (n - 1)', by='["<s>"] * (n > 1)', visible=False, family="padding",
              says="The first word of an n-gram model sees n - 1 start tokens, not one.",
              question="n = 4. What are the three words of context of the very first word?")
counts.mutant("no_end", replace=' + ["</s>"]', by="", visible=True, family="end token",
              says="Without an end token the model never learns where a sentence stops.")
counts.mutant("joined", replace="in sentences:", by="in [[word for s in sentences for word in s]]:", visible=False,
              family="borders of sentences",
              says="N-grams must not run from one sentence into the next.",
              question="Is the last word of one sentence a reason for the first word of the next?")
counts.mutant("context_n", replace="words[i - n + 1:i]", by="words[max(i - n, 0):i]", visible=True, family="off by one",
              says="An n-gram has n - 1 words of context, and the predicted word is the n-th.")

counts.mutant("ends_n", replace=' + ["</s>"]', by=' + ["</s>"] * max(n - 1, 1)', visible=False, family="end token",
              says="One end token is enough, for any n: after it nothing is predicted.",
              question="n = 3. Which word should the model predict after (b, </s>)?")

counts.variant("windows by zip, a Counter", """
def ngram_counts(sentences, n):
    from collections import Counter, defaultdict
    table = defaultdict(Counter)
    for sentence in sentences:
        framed = ("<s>",) * (n - 1) + tuple(sentence) + ("</s>",)
        for *context, word in zip(*[framed[k:] for k in range(n)]):
            table[tuple(context)][word] += 1
    return dict(table)
""")
counts.variant("a moving context", """
def ngram_counts(sentences, n):
    table = {}
    for sentence in sentences:
        context = ("<s>",) * (n - 1)
        for word in [*sentence, "</s>"]:
            if context not in table:
                table[context] = {}
            if word not in table[context]:
                table[context][word] = 0
            table[context][word] += 1
            context = (context + (word,))[1:]
    return table
""")
counts.variant("all n-grams in one list first", """
def ngram_counts(sentences, n):
    grams = []
    for sentence in sentences:
        words = ["<s>"] * (n - 1) + sentence + ["</s>"]
        grams += [tuple(words[i:i + n]) for i in range(len(words) - n + 1)]
    return {gram[:-1]: {g[-1]: grams.count(g) for g in grams if g[:-1] == gram[:-1]} for gram in grams}
""")


# ----- 2. From counts to probabilities

prob = Check("ngram_prob", driver="prob_from", cell="ngram-prob-test",
             slide="KTH, *Problems with n-gram Language Models - Sparsity*",
             equation="p = (count(context, w) + k) / (count(context) + k |V|)", args=("rows", "context", "w", "V", "k"),
             results=("p",))


def table(rng):
    """Rows of two contexts, of which the first is asked for; its words are a and b, and c and d were never seen."""
    first, second = ("x", "y"), ("y", "x")
    rows = [(first, "a", int(rng.integers(3, 30))), (first, "b", int(rng.integers(31, 60)))]
    return rows + [(second, w, int(rng.integers(1, 9))) for w in ("a", "d")], first


@prob.draws
def prob_draws(rng):
    for w in ("a", "b", "a", "b", "c", "d"):        # c and d: without smoothing, 0
        rows, context = table(rng)
        yield Draw((rows, context, w, int(rng.integers(6, 40)), 0), {"k = 0": True})
    for w, k in (("a", 1), ("b", 0.1), ("c", 1), ("d", 0.1), ("c", 0.5), ("a", 2)):
        rows, context = table(rng)
        yield Draw((rows, context, w, int(rng.integers(6, 40)), k), {"smoothed": True})
    for k in (1, 0.1, 0, 0.5):
        rows, _ = table(rng)
        yield Draw((rows, ("z", "z"), "a", int(rng.integers(6, 40)), k), {"a context that was never seen": True})


prob.part("ratio", 5, where=lambda d: d["k = 0"])
prob.part("smoothing", 6, where=lambda d: d["smoothed"])
prob.part("a context that was never seen", 5, where=lambda d: d["a context that was never seen"])

prob.mutant("denominator_k", replace="k * V", by="k", visible=False, family="smoothing",
            says="k is added to each of the |V| words, so the denominator grows by k |V|.",
            question="With k = 1 and nothing counted: what do your probabilities of all V words add up to?")
prob.mutant("no_smooth_den", replace="sum(followers.values()) + k * V", by="sum(followers.values()) or k * V",
            visible=False, family="smoothing",
            says="Smoothing changes both parts: without k |V| below, the probabilities add up to more than 1.")
prob.mutant("seen_types", replace="k * V", by="k * (len(followers) or V)", visible=False, family="smoothing",
            says="|V| is the whole vocabulary, not the words already seen after this context.")
prob.mutant("smooth_unseen_only", replace="(followers.get(w, 0) + k)", by="(followers.get(w, 0) or k)", visible=False,
            family="smoothing",
            says="k is added to every word, seen or not.")

prob.mutant("unseen_word", replace="followers.get(w, 0)", by="followers.get(w, 0 if k else total / V)", visible=False,
            family="smoothing",
            says="Without smoothing a word that was never seen after this context has probability 0, whatever V is.",
            question="What does one such word in a test sentence do to the probability of the sentence? What is k for?")
prob.mutant("unseen_zero", replace="if total > 0 else", by="if followers else", visible=False, family="smoothing",
            says="Smoothing reaches contexts that were never seen, too: with k > 0 each word has 1 / |V| there.",
            question="Nothing is counted after a context, and k = 1. What do the formula's two parts become?")

prob.variant("try and except", """
def ngram_prob(counts, context, w, V, k):
    try:
        followers = counts[context]
    except KeyError:
        return 1 / V if k else 0
    return (followers.get(w, 0) + k) / (sum(followers.values()) + k * V)
""")
prob.variant("NumPy's numbers", """
def ngram_prob(counts, context, w, V, k):
    followers = counts.get(context, {})
    seen = np.sum(list(followers.values()), dtype=float)
    if seen == 0 and k == 0:
        return 0.0
    return np.float64(followers.get(w, 0.0) + k) / (seen + V * k)
""")
prob.variant("a mixture of the quotient and the uniform distribution", """
def ngram_prob(counts, context, w, V, k):
    followers = counts.get(tuple(context), {})
    seen = sum(followers.values())
    if seen + k * V == 0:
        return 0.0
    share = seen / (seen + k * V)
    return share * (followers.get(w, 0) / max(seen, 1)) + (1 - share) / V
""")


# ----- 3. Perplexity

pp = Check("perplexity", cell="perplexity-test", slide="Télécom, *Language model: (2) Test using a RNN*",
           equation="PP = exp(-(1/N) sum of log p_i)", args=("logp (N,)",), results=("PP",))


@pp.draws
def pp_draws(rng):
    for n in (3, 5, 1, 8, 4):
        yield Draw((np.log(rng.uniform(0.02, 0.9, size=n)),))
    for n in rng.integers(1200, 2000, size=4):
        yield Draw((np.log(rng.uniform(1e-3, 0.1, size=int(n))),), {"a long text": True})
    for n in (3, 6, 2, 4):
        logp = np.log(rng.uniform(0.1, 0.9, size=n))
        logp[int(rng.integers(n))] = -np.inf
        yield Draw((logp,), {"a word of probability 0": True})


pp.part("value", 8, where=lambda d: not d["a long text"] and not d["a word of probability 0"])
pp.part("a long text", 4, where=lambda d: d["a long text"])
pp.part("a word of probability 0", 2, where=lambda d: d["a word of probability 0"])

pp.mutant("base2", replace="np.exp(-np.mean(logp))", by="2 ** -np.mean(logp)", visible=True, family="base of the log",
          says="Log and power must have the same base: natural logs need exp, not 2 to the power.")
pp.mutant("mean_p", replace="np.exp(-np.mean(logp))", by="1 / np.mean(np.exp(logp))", visible=False,
          family="mean or sum",
          says="Perplexity is the inverse *geometric* mean of the probabilities, not of their average.",
          question="One word of two has probability 0. Should the text have a finite perplexity?")
pp.mutant("product", replace="np.exp(-np.mean(logp))", visible=False, family="underflow",
          by="np.prod(np.exp(logp)) ** (-1 / len(logp)) if np.prod(np.exp(logp)) > 0 else np.inf",
          says="A product of many probabilities underflows: add the logs.")
pp.mutant("entropy", replace="np.exp(-np.mean(logp))", by="-np.mean(logp)", visible=True,
          family="entropy for perplexity",
          says="This is the cross-entropy; perplexity is its exponential.")

pp.variant("a sum, divided", """
def perplexity(logp):
    return np.exp(-np.sum(logp) / len(logp))
""")
pp.variant("the standard library", """
def perplexity(logp):
    import math
    mean = math.fsum(logp) / len(logp)
    return math.inf if mean == -math.inf else math.exp(-mean)
""")
pp.variant("a loop", """
def perplexity(logp):
    total = 0.0
    for value in logp:
        total -= value
    return float(np.e ** (total / logp.size))
""")


# ----- 4. Sampling

pick = Check("sample_next", cell="sample-next-test",
             slide="Escalera, *Example: Character-level Language Model Sampling*",
             equation="the first k with p_0 + ... + p_k > u,  p = softmax(z / temperature)",
             args=("logits (K,)", "temperature", "u"), results=("word",))


def inside(rng, logits, temperature, k=None):
    """A random number well inside of the piece of word k, or of a word that is not the most probable one."""
    p = np.exp((logits - logits.max()) / temperature)
    p /= p.sum()
    if k is None:
        good = [j for j in range(len(p)) if p[j] > 0.03 and j != p.argmax()] or [int(p.argmax())]
        k = int(rng.choice(good))
    return float(p[:k].sum() + p[k] * rng.uniform(0.2, 0.8))


@pick.draws
def pick_draws(rng):
    for K in rng.integers(4, 9, size=12):
        logits = rng.normal(size=int(K))
        yield Draw((logits, 1.0, inside(rng, logits, 1.0)), {"temperature 1": True})
    for temperature in (0.4, 2.5, 0.3, 4.0, 0.5, 3.0, 0.4, 2.5, 0.3, 4.0, 0.5, 3.0, 0.4, 2.5, 0.3, 4.0):
        logits = rng.normal(size=6)
        yield Draw((logits, temperature, inside(rng, logits, temperature)), {"another temperature": True})
    for _ in range(4):
        logits = 300 * rng.normal(size=6)
        first, top = sorted(rng.choice(6, size=2, replace=False))
        logits[first], logits[top] = 2500.0, 4000.0         # exp of both is infinite, and the first is not the word
        yield Draw((logits, 1.0, float(rng.uniform(0.2, 0.8))), {"large scores": True})
    for K in (4, 6, 5):
        logits = np.sort(rng.normal(size=K))
        yield Draw((logits, 1.0, 0.0), {"u at an end": True})                   # word 0, the least probable one
        yield Draw((logits[::-1].copy(), 1.0, 0.999999), {"u at an end": True})
    for K, u in ((4, 0.5), (2, 0.5), (4, 0.25), (4, 0.75)):        # equal pieces whose borders are exact
        yield Draw((np.zeros(K), 2.0, u), {"u at an end": True, "u at a border": True})


def at_edge(draw):
    return draw["large scores"] or draw["u at an end"]


pick.part("temperature", 7, where=lambda d: d["another temperature"])
pick.part("inverse of the running sum", 6, where=lambda d: d["temperature 1"])
pick.part("large scores, u at an end", 3, where=at_edge, edge=True)

PICKED = "p = np.exp((logits - logits.max()) / temperature)"
pick.mutant("multiply", replace="/ temperature)", by="* temperature)", visible=False, family="temperature",
            says="Divide by the temperature: a high one flattens the distribution, a low one sharpens it.",
            question="Temperature 0.1: should the network get bolder or more careful?")
pick.mutant("after_softmax", replace=PICKED, by="p = np.exp(logits - logits.max()) / temperature", visible=False,
            family="temperature",
            says="Temperature acts on the logits; after the softmax a constant factor cancels.")
pick.mutant("argmax", replace='int(np.searchsorted(stick / stick[-1], u, side="right"))', by="int(np.argmax(p))",
            visible=False, family="greedy for sampling",
            says="Taking the most probable word is greedy decoding, not sampling.",
            question="Call your function a hundred times with other random numbers u. How many different words come?")
pick.mutant("naive_exp", replace="(logits - logits.max())", by="logits", visible=False, family="unstable exp",
            says="Subtract the maximum before exp: large logits overflow to NaN.")

pick.mutant("border", replace='side="right"', by='side="left"', visible=False, family="borders",
            says="A u that falls on a border belongs to the next piece: the running sum must be *larger* than u.",
            question="Probabilities 0 and 1, u = 0. Which word can it only be?")

pick.variant("a loop over the stick", """
def sample_next(logits, temperature, u):
    z = logits / temperature
    p = np.exp(z - np.max(z))
    p = p / np.sum(p)
    right = 0.0
    for k, share in enumerate(p):
        right += share
        if right > u:
            return k
    return len(p) - 1
""")
pick.variant("count the pieces that end before u", """
def sample_next(logits, temperature, u):
    z = (logits - np.max(logits)) / temperature
    stick = np.cumsum(np.exp(z))
    return np.minimum(np.sum(stick <= u * stick[-1]), len(z) - 1)
""")
pick.variant("argmax of a comparison", """
def sample_next(logits, temperature, u):
    z = logits / temperature
    stick = np.cumsum(np.exp(z - np.logaddexp.reduce(z)))
    return int(np.argmax(stick / stick[-1] > u))
""")


# ----- 5. A network instead of a table

WEIGHTS = ("E (V, d)", "W1 (H, nd)", "b1 (H,)", "W2 (V, H)", "b2 (V,)")
forward = Check("mlp_lm_forward", cell="mlp-lm-forward-test",
                slide="KTH, *Can We Build a Neural Language Model? (2/3)*; Télécom, *Classic neural language model*",
                equation="e = [E x_1; ...; E x_n],  h = tanh(W1 e + b1),  y = softmax(W2 h + b2)",
                args=(*WEIGHTS, "X (N, n)"), results=("y (N, V)",))


def network(rng, size, scale=1.0):
    """Weights, contexts and answers for sizes V, d, H, N, n."""
    V, d, H, N, n = (size[k] for k in "VdHNn")
    weights = [scale * rng.normal(size=(V, d)), rng.normal(size=(H, n * d)) / 2, rng.normal(size=H),
               rng.normal(size=(V, H)), rng.normal(size=V)]
    return *weights, rng.integers(V, size=(N, n)), rng.integers(V, size=N)


@forward.draws
def forward_draws(rng):
    for size in sizes(rng, "VdHNn", one={}):
        yield Draw(network(rng, size)[:6])
    for letter in "NnNn":
        [size] = sizes(rng, "VdHNn", different=1, equal=0, one={})
        *weights, X, _ = network(rng, size | {letter: 1})
        if X.shape[1] > 1:
            X[0, -1] = (X[0, 0] + 1) % size["V"]            # another context when it is read from behind
        yield Draw((*weights, X), {f"{letter} = 1": True})
    [size] = sizes(rng, "VdHNn", different=1, equal=0, one={})
    *weights, X, _ = network(rng, size)
    yield Draw((*[a.astype(np.float32) for a in weights], X), {"float32": True})


def single(draw):
    return draw["N = 1"] or draw["n = 1"]


forward.part("shape", 3, kind="shape")
forward.part("value", 11, where=lambda d: not single(d))
forward.part("N = 1 and n = 1", 4, where=single, edge=True)

forward.mutant("mean_context", replace="E[X].reshape(len(X), -1)", by="np.tile(E[X].mean(axis=1), X.shape[1])",
               visible=False, family="order of words lost",
               says="Averaging the context loses word order; this model concatenates the embeddings.",
               question="'dog bites man' and 'man bites dog': can your network tell them apart?")
forward.mutant("no_b1", replace=" + b1)", by=")", visible=False, family="bias left out",
               says="The hidden layer has a bias.")
forward.mutant("no_b2", replace=" + b2)", by=")", visible=False, family="bias left out",
               says="The output layer has a bias; it learns how frequent each word is.")
forward.mutant("axis0", replace="softmax(h @ W2.T + b2)", by="softmax(h @ W2.T + b2, axis=0)", visible=True,
               family="softmax axis",
               says="Each row is one distribution over words: softmax over the last axis.")

forward.mutant("reversed_context", replace="E[X].reshape", by="E[X[:, ::-1]].reshape", visible=False,
               family="order of words lost",
               says="The vectors stand in the order of the text: the first word of the context comes first.")

forward.variant("one context after the other", """
def mlp_lm_forward(E, W1, b1, W2, b2, X):
    rows = []
    for x in X:
        h = np.tanh(W1 @ np.concatenate([E[k] for k in x]) + b1)
        rows.append(softmax(W2 @ h + b2))
    return np.array(rows)
""")
forward.variant("one-hot rows times E", """
def mlp_lm_forward(E, W1, b1, W2, b2, X):
    N, n = X.shape
    e = np.eye(len(E), dtype=E.dtype)[X.ravel()] @ E
    z = np.tanh(e.reshape(N, -1) @ W1.T + b1) @ W2.T + b2
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)
""")
forward.variant("a block of W1 for each place", """
def mlp_lm_forward(E, W1, b1, W2, b2, X):
    d, a = E.shape[1], b1
    for k in range(X.shape[1]):
        a = a + E[X[:, k]] @ W1[:, k * d:(k + 1) * d].T
    return softmax(np.tanh(a) @ W2.T + b2)
""")


# ----- 6. Its gradient

backward = Check("mlp_lm_backward", cell="mlp-lm-backward-test", tol=GRADIENT,
                 slide="Télécom, *Classic neural language model*",
                 equation="dz = (y_hat - onehot) / N;  da = dz W2 * (1 - h^2);  dE collects every use of a word",
                 args=(*WEIGHTS, "X (N, n)", "y (N,)"),
                 results=("dE (V, d)", "dW1 (H, nd)", "db1 (H,)", "dW2 (V, H)", "db2 (V,)"))


@backward.draws
def backward_draws(rng):
    for _ in range(3):
        [size] = sizes(rng, "dHn", different=1, equal=0, one={}, high=5)
        N = int(rng.integers(2, 4))
        args = list(network(rng, size | {"N": N, "V": size["n"] * N + 3}))
        args[5] = rng.permutation(size["n"] * N + 3)[:size["n"] * N].reshape(N, size["n"])      # each word once
        yield Draw(tuple(args))
    args = list(network(rng, {"V": 60, "d": 20, "H": 40, "N": 1, "n": 3}))
    args[5] = rng.permutation(60)[None, :3]
    yield Draw(tuple(args), {"large": True}, budget=0.2)
    args = list(network(rng, {"V": 9, "d": 3, "H": 4, "N": 2, "n": 3}, 300))
    args[5] = rng.permutation(9)[:6].reshape(2, 3)
    yield Draw(tuple(args), {"large inputs": True})
    for V, N, n in ((3, 5, 2), (4, 4, 3), (2, 1, 4), (4, 6, 1)):
        args = list(network(rng, {"V": V, "d": 3, "H": 5, "N": N, "n": n}))
        args[5][0, 0] = args[5][-1, -1] = 0
        if N > 1:
            args[5][1, 0] = 0
        yield Draw(tuple(args), {"repeated words": True})


def repeated(draw):
    return draw["repeated words"]


backward.part("dW2 and db2", 5, outputs=("dW2", "db2"), where=lambda d: not repeated(d))
backward.part("dW1 and db1", 7, outputs=("dW1", "db1"), where=lambda d: not repeated(d))
backward.part("dE", 6, outputs="dE", where=lambda d: not repeated(d))
backward.part("repeated words", 2, outputs="dE", where=repeated)

backward.mutant("assign", replace="np.add.at(dE, X, de.reshape(N, n, -1))", by="dE[X] += de.reshape(N, n, -1)",
                visible=False, family="sum of uses",
                says="A word that occurs twice collects both gradients; `dE[X] = ...` (and `dE[X] += ...`) keeps one: "
                     "use `np.add.at`.",
                question="A context holds the same word twice. How many gradients reach its row of E?")
backward.mutant("no_mean", replace="    dz /= N\n", by="", visible=False, family="mean or sum",
                says="The loss is a mean over N examples, so is its gradient.")
backward.mutant("tanh_at_input", replace="(1 - h**2)", by="(1 - np.tanh(h) ** 2)", visible=True,
                family="derivative at the wrong point",
                says="h is already tanh of the sum: its derivative is 1 - h^2.")
backward.mutant("db_mean", replace="da.sum(axis=0)", by="da.mean(axis=0)", visible=False, family="mean or sum",
                says="A bias serves every example: sum its gradient over the batch (the mean is already in the loss).")

backward.variant("one-hot sums for E", """
def mlp_lm_backward(E, W1, b1, W2, b2, X, y):
    N, n = X.shape
    V, d = E.shape
    e = E[X].reshape(N, n * d)
    h = np.tanh(b1 + e @ W1.T)
    dz = (softmax(b2 + h @ W2.T) - np.eye(V)[y]) / N
    da = dz @ W2 - (dz @ W2) * h * h
    hot = np.eye(V)[X].reshape(N * n, V)
    return hot.T @ (da @ W1).reshape(N * n, d), da.T @ e, np.ones(N) @ da, dz.T @ h, np.ones(N) @ dz
""")
backward.variant("a loop over the contexts", """
def mlp_lm_backward(E, W1, b1, W2, b2, X, y):
    grads = [np.zeros_like(w) for w in (E, W1, b1, W2, b2)]
    d = E.shape[1]
    for x, k in zip(X, y):
        e = np.concatenate([E[j] for j in x])
        h = np.tanh(W1 @ e + b1)
        dz = softmax(W2 @ h + b2) / len(X)
        dz[k] -= 1 / len(X)
        da = (W2.T @ dz) * (1 - h) * (1 + h)
        de = W1.T @ da
        for place, j in enumerate(x):
            grads[0][j] += de[place * d:(place + 1) * d]
        for g, step in zip(grads[1:], (np.outer(da, e), da, np.outer(dz, h), dz)):
            g += step
    return grads
""")
backward.variant("einsum, places one by one", """
def mlp_lm_backward(E, W1, b1, W2, b2, X, y):
    N, n = X.shape
    e = np.concatenate([E[X[:, k]] for k in range(n)], axis=1)
    h = np.tanh(np.einsum("ni,hi->nh", e, W1) + b1)
    dz = mlp_lm_forward(E, W1, b1, W2, b2, X)
    np.subtract.at(dz, (np.arange(N), y), 1)
    dz = dz / N
    da = np.einsum("nv,vh->nh", dz, W2) * (1 - h * h)
    dE, de = np.zeros_like(E), da @ W1
    for k in range(n):
        np.add.at(dE, X[:, k], de[:, k * E.shape[1]:(k + 1) * E.shape[1]])
    return dE, np.einsum("nh,ni->hi", da, e), da.sum(0), np.einsum("nv,nh->vh", dz, h), dz.sum(0)
""")
