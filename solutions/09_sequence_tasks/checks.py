"""What the grader looks at in 09_sequence_tasks: the draws, the parts and their points, and the mistakes it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad; the mutants are
substitutions in it.  `rollout` takes a function and goes through a driver of the notebook that makes one from arrays.
Three others go through drivers that take what is as good: any holder of row numbers for an array, 0 for 0.0.
"""

import numpy as np

from autograder.check import GRADIENT, VALUE, Check, Draw, as_float32, sizes

# ----- 1. Windows over a series

windows = Check("make_windows", cell="make-windows-test",
                slide="Riveill, *RNN for forecasting*; *How to predict futur multiple values*",
                equation="x_i = y_i ... y_{i+n_in-1};  target_i = the next n_out values;  M = N - n_in - n_out + 1",
                args=("y (N,)", "n_in", "n_out"), results=("X (M, n_in)", "Y (M, n_out)"))


@windows.draws
def window_draws(rng):
    for n_out in (2, 3, 4, 2, 1, 1):
        n_in = int(rng.integers(2, 6))
        N = n_in + n_out + int(rng.integers(n_in + 1, 20))                      # at least two windows side by side
        yield Draw((rng.normal(size=N), n_in, n_out))
    n_in = int(rng.integers(2, 6))
    yield Draw((rng.normal(size=4 * n_in).astype(np.float32), n_in, n_in), {"float32": True})
    yield Draw((rng.normal(size=int(rng.integers(8, 20))), 1, 3), {"n_in = 1": True})
    for n_out in (2, 3, 1, 4):
        n_in = int(rng.integers(2, 8))
        yield Draw((rng.normal(size=n_in + n_out), n_in, n_out), {"the shortest series": True})


def shortest(draw):
    return draw["the shortest series"]


windows.part("X", 5, where=lambda d: not shortest(d))
windows.part("Y", 5, where=lambda d: not shortest(d))
windows.part("the shortest series", 2, where=shortest, edge=True)

windows.mutant("last_lost", replace="M = len(y) - n_in - n_out + 1", by="M = len(y) - n_in - n_out", visible=False,
               family="off by one",
               says="Count the windows again: the last one is that whose target ends with the last value.",
               question="A series of exactly n_in + n_out values: how many windows has it, and how many do you make?")
windows.mutant("gap", replace="y[i + n_in:i + n_in + n_out]", by="y[i + n_in - 1:i + n_in + n_out - 1]", visible=True,
               family="targets not shifted",
               says="The target starts *after* the window: here the last input is its own target.",
               question="Which model would have no error at all on your targets, and what would it know?")
windows.mutant("same_target", replace="y[i + n_in:i + n_in + n_out]", by="np.full(n_out, y[i + n_in])", visible=False,
               family="only the last step",
               says="With n_out > 1 the target is a sequence, not one value repeated.")
windows.mutant("disjoint", visible=True, family="windows",
               substitutions=(("y[i:i + n_in] for i in range(M)", "y[i:i + n_in] for i in range(0, M, n_in)"),
                              ("n_in + n_out] for i in range(M)", "n_in + n_out] for i in range(0, M, n_in)")),
               says="Windows overlap: they start one step apart.",
               question="24 hours in, and a year of hours: how many examples do you get, and how many are there?")
windows.mutant("newest_first", replace="np.stack([y[i:i + n_in] for", by="np.stack([y[i:i + n_in][::-1] for",
               visible=True, family="time reversed",
               says="Time runs from left to right in a window: the oldest value first, the newest last.")

windows.variant("indices of all windows at once", """
def make_windows(y, n_in, n_out):
    starts = np.arange(len(y) - n_in - n_out + 1)[:, None]
    return y[starts + np.arange(n_in)], y[starts + n_in + np.arange(n_out)]
""")
windows.variant("views", """
def make_windows(y, n_in, n_out):
    rows = np.lib.stride_tricks.sliding_window_view(y, n_in + n_out)
    return rows[:, :n_in], rows[:, n_in:]
""")
windows.variant("a loop with append", """
def make_windows(y, n_in, n_out):
    X, Y, i = [], [], 0
    while i + n_in + n_out <= len(y):
        X.append(list(y[i:i + n_in]))
        Y.append(list(y[i + n_in:i + n_in + n_out]))
        i += 1
    return np.array(X), np.array(Y)
""")


# ----- 2. Many steps ahead

roll = Check("rollout", driver="rolled", cell="rollout-test",
             slide="Riveill, *How to predict futur multiple values*; Chemnitz, *Many to One: next character/word "
                   "prediction*",
             equation="y_{t+1} = f(the last n_in values); then y_{t+1} is the newest of them",
             args=("w (n,)", "b", "x (n,)", "n"), results=("first", "later"),
             nan_hint="did the model get a window of another length than n_in?")


@roll.draws
def roll_draws(rng):
    for n in (2, 3, 5, 8, 6, 4):
        size = int(rng.integers(3, 7))
        yield Draw((rng.normal(size=size) / np.sqrt(size), float(rng.normal()), rng.normal(size=size), n))
    for _ in range(4):
        size = int(rng.integers(2, 7))
        yield Draw((rng.normal(size=size), float(rng.normal()), rng.normal(size=size), 1), {"n = 1": True})


roll.part("first step", 3, outputs="first", where=lambda d: not d["n = 1"])
roll.part("feedback", 9, outputs="later", where=lambda d: not d["n = 1"])
roll.part("n = 1", 2, where=lambda d: d["n = 1"], edge=True)

SLIDE = "np.append(window[1:], y)"
roll.mutant("no_feedback", replace=f"        window = {SLIDE}\n", by="", visible=False, family="no feedback",
            says="Each forecast becomes the newest input of the next one: your window never changes.",
            question="Your model is asked ten times about the same window. How many different answers can it give?")
roll.mutant("prepend", replace=SLIDE, by="np.append(y, window[:-1])", visible=False, family="time reversed",
            says="The new value enters at the *end*: the window slides forward.",
            question="Which value of the window is the newest before the forecast, and where does it stand?")
roll.mutant("drops_newest", replace=SLIDE, by="np.append(window[:-1], y)", visible=False, family="windows",
            says="The window slides: drop the *oldest* value, not the one before the forecast.")
roll.mutant("shift_only", replace=SLIDE, by="np.append(window[1:], window[-1])", visible=False, family="no feedback",
            says="The forecast itself goes into the window, not the last known value again.")
roll.mutant("grows", replace=SLIDE, by="np.append(window, y)", visible=False, family="windows",
            says="The window keeps its length: when the forecast comes in, the oldest value leaves.")
roll.mutant("with_the_known", replace="window, ahead = x, []", by="window, ahead = x, [x[-1]]", visible=True,
            family="off by one", says="Return the n forecasts alone; the last known value is none.")

roll.variant("a list", """
def rollout(model, x, n):
    values = list(x)
    for _ in range(n):
        values.append(model(np.array(values[-len(x):])))
    return np.array(values[len(x):])
""")
roll.variant("in place on a copy", """
def rollout(model, x, n):
    window, ahead = x.copy(), np.empty(n)
    for i in range(n):
        ahead[i] = model(window)
        window[:-1] = window[1:]
        window[-1] = ahead[i]
    return ahead
""")
roll.variant("recursion", """
def rollout(model, x, n):
    y = model(x)
    rest = rollout(model, np.concatenate([x[1:], [y]]), n - 1) if n > 1 else []
    return np.concatenate([[y], rest])
""")


# ----- 3. Splits in the order of time

split = Check("time_series_split", driver="split_rows", cell="time-series-split-test",
              slide="Riveill, *Time series cross-validation*",
              equation="m = floor(N / (k + 1));  test_i = [N - (k - i) m, N - (k - i - 1) m);  train_i = all before it",
              args=("N", "k"), results=("test", "train"))


@split.draws
def split_draws(rng):
    for k in (2, 3, 4, 5, 1, 1):
        yield Draw((int((k + 1) * rng.integers(2, 8)), k), {"k + 1 divides N": True, "k": k})
    for k in (2, 3, 4, 5, 1, 1):
        N = int((k + 1) * rng.integers(k + 1, 9) + rng.integers(1, k + 1))
        yield Draw((N, k), {"k + 1 does not divide N": True, "k": k})


split.part("test blocks", 6, outputs="test", where=lambda d: d["k + 1 divides N"])
split.part("training sets", 6, outputs="train", where=lambda d: d["k + 1 divides N"])
split.part("N that k + 1 does not divide", 2, where=lambda d: d["k + 1 does not divide N"])

TRAIN = "np.arange(start), "
split.mutant("future", replace=TRAIN, by="np.delete(np.arange(N), np.arange(start, start + m)), ", visible=False,
             family="the future leaks",
             says="Training data may never lie after the test block: the model would see the future.",
             question="It is the evening before the test block begins. Which of your training rows exist already?")
split.mutant("fixed_window", replace=TRAIN, by="np.arange(start - m, start), ", visible=False, family="windows",
             says="The training set grows: it is all of the past, not the last block only.")
split.mutant("rest_end", replace="N - (k - i) * m", by="(i + 1) * m", visible=False, family="last chunk",
             says="The rest belongs to the first training set, so that the last test block ends at N.",
             question="Which rows, the newest of all, are never tested with your splits?")
split.mutant("overlap", replace=TRAIN, by="np.arange(start + 1), ", visible=False, family="off by one",
             says="Training stops before the first test value.",
             question="Is there a row on which a split both trains and is tested?")
split.mutant("k_blocks", replace="N // (k + 1)", by="N // k", visible=True, family="off by one",
             says="k tests need k + 1 blocks: there must be something to train on before the first test.")

split.variant("from the end, with lists", """
def time_series_split(N, k):
    m, pairs, stop = N // (k + 1), [], N
    while len(pairs) < k:
        pairs.insert(0, (list(range(stop - m)), list(range(stop - m, stop))))
        stop -= m
    return pairs
""")
split.variant("starts as an array", """
def time_series_split(N, k):
    m = N // (k + 1)
    rows = np.arange(N)
    return [(rows[:s], rows[s:s + m]) for s in N - m * np.arange(k, 0, -1)]
""")
split.variant("the rest first", """
def time_series_split(N, k):
    m, rest = divmod(N, k + 1)
    borders = [rest + m * (i + 1) for i in range(k + 1)]
    return tuple((range(a), range(a, b)) for a, b in zip(borders[:-1], borders[1:]))
""")


# ----- 4. The mean over time

pool = Check("mean_pool", cell="mean-pool-test", slide="Télécom, *Sentiment Classification / using a simple model*",
             equation="mean = (1/n) * sum of h_t over t < n", args=("h (T, B, H)", "lengths (B,)"),
             results=("mean (B, H)",), nan_hint="is there a division by a length of 0?")


def texts(rng, size, empty=False):
    """States with junk on the padding; the first text is short, and one is empty if asked for."""
    T, B, H = (size[k] for k in "TBH")
    lengths = rng.integers(1, T + 1, size=B)
    lengths[0] = max(1, T - 1 - int(rng.integers(0, max(1, T - 2))))
    if empty:
        lengths[int(rng.integers(B))] = 0
    return rng.normal(size=(T, B, H)) + 1, lengths


@pool.draws
def pool_draws(rng):
    for size in sizes(rng, "TBH", one={}, low=3):
        yield Draw(texts(rng, size), {"padding": True})
    for B, H in ((1, 3), (1, 4), (3, 1)):
        yield Draw(texts(rng, {"T": int(rng.integers(3, 8)), "B": B, "H": H}), {"padding": True})
    [size] = sizes(rng, "TBH", different=1, equal=0, one={}, low=3)
    yield Draw(as_float32(texts(rng, size)), {"padding": True, "float32": True})
    for size in sizes(rng, "TBH", different=2, equal=1, one={"T": 2}, low=3):
        h, lengths = texts(rng, size)
        yield Draw((h, np.full_like(lengths, size["T"])), {"one length": True})
    for size in sizes(rng, "TBH", different=3, equal=1, one={"B": 1}, low=3):
        yield Draw(texts(rng, size, empty=True), {"a text without words": True})


pool.part("texts of one length", 3, where=lambda d: d["one length"])
pool.part("padding", 7, where=lambda d: d["padding"])
pool.part("a text without words", 2, where=lambda d: d["a text without words"], edge=True)

pool.mutant("over_T", replace="total / n[:, None]", by="total / len(h)", visible=False, family="padding leaks",
            says="Divide by the number of *words*, not by the padded length.",
            question="The same review is in two batches, once beside a long one. Is its mean the same in both?")
pool.mutant("padding_counted", replace="h * real[:, :, None]", by="h", visible=False, family="padding leaks",
            says="Padding must not enter the sum: what stands there is junk.",
            question="A network computes states on padding too. What would your sum make of them?")
pool.mutant("both", replace="return total / n[:, None]", by="return h.mean(axis=0)", visible=False,
            family="padding leaks", says="A plain mean counts the padding, above and below the line of the fraction.")
pool.mutant("sum", replace="return total / n[:, None]", by="return total", visible=True, family="mean or sum",
            says="Average, do not sum: long reviews are not more positive.")
pool.mutant("nan_if_empty", replace="np.maximum(lengths, 1)", by="lengths", visible=False, family="empty",
            says="A text without words has no mean: 0/0 is NaN. Here it is defined as 0, so never divide by 0.",
            question="What becomes of a network's weights if one text of a batch has the mean NaN?")
pool.mutant("one_step_more", replace="[:, None] < lengths", by="[:, None] <= lengths", visible=False,
            family="off by one",
            says="Steps count from 0: those of a text of n words are 0 ... n - 1, so t < n, not t <= n.")

pool.variant("a loop over the texts", """
def mean_pool(h, lengths):
    pooled = np.zeros_like(h[0])
    for i, n in enumerate(lengths):
        if n > 0:
            pooled[i] = h[:n, i].mean(axis=0)
    return pooled
""")
pool.variant("einsum with weights", """
def mean_pool(h, lengths):
    T, B, H = h.shape
    weights = (np.arange(T) < lengths[:, None]) / np.maximum(lengths, 1)[:, None]
    return np.einsum("bt,tbh->bh", weights, h)
""")
pool.variant("running sums, the last real one picked", """
def mean_pool(h, lengths):
    sums = np.concatenate([np.zeros_like(h[:1]), np.cumsum(h, axis=0)])
    picked = sums[lengths, np.arange(len(lengths))]
    return picked / np.where(lengths > 0, lengths, 1)[:, None]
""")
pool.variant("in place on a copy", """
def mean_pool(h, lengths):
    h = h.copy()
    for t in range(len(h)):
        h[t, lengths <= t] = 0
    total = h.sum(axis=0)
    total[lengths > 0] /= lengths[lengths > 0, None]
    return total
""")


# ----- 5. A loss that leaves padding out

cross = Check("masked_cross_entropy", driver="loss_and_gradient", cell="masked-cross-entropy-test",
              tol={"loss": VALUE, "dz": GRADIENT},
              slide="Télécom, *Many-to-Many: T_x = T_y*; Riveill, *Named Entity Recognition / Part of Speech Tagging*",
              equation="L = -(1/n) sum over real tokens of log y[t];  dz = (y - onehot(t)) / n, 0 where ignored",
              args=("z (B, T, K)", "t (B, T)", "ignore"), results=("loss", "dz (B, T, K)"))

IGNORE = (-100, -1, 0, 999)


def tokens(rng, size, ignore):
    """Scores, and targets of which about a third is ignored: text 0 has all of its tokens, text 1 at most half."""
    B, T, K = (size[k] for k in "BTK")
    t = rng.integers(1 if ignore == 0 else 0, K, size=(B, T))
    gone = rng.random((B, T)) < 0.3
    gone[0] = False
    if B > 1:
        gone[1, :(T + 1) // 2] = True
    elif T > 1:
        gone[0, 0] = True
    t[gone] = ignore
    return rng.normal(size=(B, T, K)), t, ignore


def all_real(rng, size, scale=1.0):
    B, T, K = (size[k] for k in "BTK")
    return scale * rng.normal(size=(B, T, K)), rng.integers(0, K, size=(B, T)), -100


@cross.draws
def cross_draws(rng):
    for i, size in enumerate(sizes(rng, "BTK", low=3, one={"B": 1, "T": 1})):
        yield Draw(tokens(rng, size, IGNORE[i % 4]))
    [single, short] = sizes(rng, "BTK", different=2, equal=0, one={}, low=3)
    yield Draw(as_float32(tokens(rng, single, -100)), {"float32": True})
    z, t, ignore = tokens(rng, short, -1)
    yield Draw((z, t.astype(np.int32), ignore), {"int32": True})
    yield Draw(tokens(rng, {"B": 10, "T": 20, "K": 50}, -100), {"large": True}, budget=0.2)
    for size in sizes(rng, "BTK", different=4, equal=0, one={}, low=3):
        yield Draw(all_real(rng, size, scale=3000), {"large scores": True})
    for i, size in enumerate(sizes(rng, "BTK", different=4, equal=0, one={}, low=3)):
        z, t, ignore = all_real(rng, size)
        if i % 2:
            yield Draw((z, t, ignore), {"everything real": True})
        else:
            yield Draw((z, np.full_like(t, IGNORE[i]), IGNORE[i]), {"nothing real": True})


def all_or_nothing(draw):
    return draw["nothing real"] or draw["everything real"]


def special(draw):
    return draw["large scores"] or all_or_nothing(draw)


cross.part("loss", 6, where=lambda d: not special(d) and not d["large"])      # right, whatever the gradient's time
cross.part("gradient", 7, outputs="dz", where=lambda d: not special(d))
cross.part("nothing real, everything real", 2, where=all_or_nothing, edge=True)
cross.part("large scores", 3, where=lambda d: d["large scores"])

COUNT = "max(int(np.sum(real)), 1)"
cross.mutant("mean_all", replace=COUNT, by="t.size", visible=False, family="padding leaks",
             says="Divide by the number of *real* tokens.",
             question="A batch is filled up with a hundred more columns of padding. What does your loss do?")
cross.mutant("no_mask_grad", replace="    dz[~real] = 0\n", by="", visible=False, family="padding leaks",
             says="Ignored tokens get no gradient.",
             question="What would the network learn to say on padding with your gradient, and who asked for it?")
cross.mutant("grad_not_divided", replace="dz / n", by="dz", visible=True, family="mean or sum",
             says="The loss is a mean, so is its gradient: divide it by n too.",
             question="You nudge one score of a batch with a million tokens. How much does the mean loss move?")
cross.mutant("per_sentence", visible=False, family="mean or sum",
             substitutions=((COUNT, "np.maximum(real.sum(axis=1, keepdims=True), 1) * len(t)"),
                            ("-np.sum(log_y[real, t[real]]) / n",
                             "-np.sum(log_y[real, t[real]] / np.broadcast_to(n, t.shape)[real])"),
                            ("dz / n", "dz / n[:, :, None]")),
             says="The mean runs over all tokens of the batch, not first within each sentence.",
             question="A text of one word and a text of fifty: how much does the one word weigh in your loss?")
cross.mutant("naive_exp", replace="z - np.max(z, axis=-1, keepdims=True)", by="z", visible=False, family="unstable exp",
             says="Subtract the largest score of each token before exp: large scores overflow.")
cross.mutant("nan_if_empty", replace=COUNT, by="np.sum(real)", visible=False, family="empty",
             says="With no real token the mean is 0/0, NaN. Here it is defined as 0, so never divide by 0.")

cross.variant("a loop over the tokens", """
def masked_cross_entropy(z, t, ignore):
    dz, loss, n = np.zeros_like(z), 0.0, 0
    for i, j in zip(*np.nonzero(t != ignore)):
        row = z[i, j]
        top = row.max()
        log_sum = top + np.log(np.exp(row - top).sum())
        loss += log_sum - row[t[i, j]]
        dz[i, j] = np.exp(row - log_sum)
        dz[i, j, t[i, j]] -= 1
        n += 1
    return (loss / n, dz / n) if n else (0, dz)
""")
cross.variant("flat rows, one-hot targets", """
def masked_cross_entropy(z, t, ignore):
    K = z.shape[-1]
    rows, targets = z.reshape(-1, K), t.reshape(-1)
    mask = (targets != ignore).astype(z.dtype)
    hot = np.eye(K, dtype=z.dtype)[np.where(targets == ignore, 0, targets)]
    log_y = rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)
    n = max(mask.sum(), 1)
    loss = -(mask[:, None] * hot * log_y).sum() / n
    return loss, (mask[:, None] * (np.exp(log_y) - hot) / n).reshape(z.shape)
""")
cross.variant("only the real rows", """
def masked_cross_entropy(z, t, ignore):
    real = np.where(t != ignore)
    dz, n = np.zeros_like(z), len(real[0])
    if n == 0:
        return 0.0, dz
    s = z[real] - z[real].max(axis=1)[:, None]
    e = np.exp(s)
    total = e.sum(axis=1)
    k = t[real]
    loss = np.mean(np.log(total) - s[np.arange(n), k])
    e /= total[:, None]
    e[np.arange(n), k] -= 1
    dz[real] = e / n
    return loss, dz
""")
cross.variant("take_along_axis", """
def masked_cross_entropy(z, t, ignore):
    real = t != ignore
    n = real.sum() or 1
    place = np.where(real, t, 0)[:, :, None]
    s = z - z.max(axis=2, keepdims=True)
    log_y = s - np.log(np.exp(s).sum(axis=2, keepdims=True))
    losses = -np.take_along_axis(log_y, place, axis=2)[:, :, 0]
    dz = np.exp(log_y)
    np.put_along_axis(dz, place, np.take_along_axis(dz, place, axis=2) - 1, axis=2)
    return np.where(real, losses, 0).sum() / n, np.where(real[:, :, None], dz, 0) / n
""")


# ----- 6. Whole names

f1 = Check("span_f1", driver="score_of_spans", cell="span-f1-test",
           slide="Riveill, *Named Entity Recognition / Part of Speech Tagging*; *Machine Learning approach*",
           equation="F1 = 2 |G and P| / (|G| + |P|), spans (sentence, start, end, type)", args=("gold", "pred"),
           results=("f1",))

TYPES = ("PER", "LOC", "ORG")


def tags_of(spans, length):
    """Tags of spans [(start, end, type), ...]."""
    tags = ["O"] * length
    for start, end, kind in spans:
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tags


def apart(rng, count):
    """`count` spans of two or three words, at least one O between them and around, and the length of the sentence."""
    spans, at = [], 1
    for _ in range(count):
        start = at + int(rng.integers(0, 2))
        end = start + int(rng.integers(2, 4))
        spans.append((start, end, str(rng.choice(TYPES))))
        at = end + 1
    return spans, at + int(rng.integers(0, 3))


def neighbours(rng):
    """Two spans of one type side by side among others; one of the others was missed."""
    spans, length = apart(rng, 4)
    start, end, kind = spans[1]
    spans[2:2] = [(end, end + 1, kind)]
    if spans[3][0] <= end + 1:                                  # its room is taken
        spans[3:] = [(a + 2, b + 2, c) for a, b, c in spans[3:]]
        length += 2
    return [tags_of(spans, length)], [tags_of(spans[1:], length)]


def strays(rng):
    """Two predicted spans begin with I-: behind an O, and side by side with a span of another type. One was missed."""
    spans, length = apart(rng, 4)
    gold = tags_of(spans, length)
    other = TYPES[(TYPES.index(spans[3][2]) + 1) % 3]
    gold[spans[3][1] - 1] = f"B-{other}"                        # the last word of span 3 is a name of its own
    pred = list(gold)
    pred[spans[1][0]] = f"I-{spans[1][2]}"
    pred[spans[3][1] - 1] = f"I-{other}"
    for i in range(*spans[0][:2]):
        pred[i] = "O"
    return [gold], [pred]


def at_an_end(rng, end):
    """Two spans of which the second was missed; a third one is the first word of the sentence, or the last."""
    spans, length = apart(rng, 2)
    spans.append((0, 1, TYPES[0]) if end == "first" else (length, length + 1, TYPES[0]))
    length += end == "last"
    return [tags_of(spans, length)], [tags_of(spans[::2], length)]


def mistakes(rng):
    """One span right, one of a wrong type, two with a wrong end, one with a wrong start, one missed."""
    spans, length = apart(rng, 6)
    right, other, short, shorter, late, _ = (spans[i] for i in rng.permutation(6))
    pred = [right, (*other[:2], TYPES[(TYPES.index(other[2]) + 1) % 3])]
    pred += [(start, end - 1, kind) for start, end, kind in (short, shorter)]
    pred.append((late[0] + 1, *late[1:]))
    return [tags_of(spans, length)], [tags_of(pred, length)]


def sentences(rng):
    """Two sentences with a span at the same place, found in one of them only, and a third one with one missed."""
    spans, length = apart(rng, 2)
    third, third_length = apart(rng, 3)
    gold = [tags_of(spans, length), tags_of(spans[:1], length), tags_of(third, third_length)]
    pred = [tags_of(spans, length), ["O"] * length, tags_of(third[:2], third_length)]
    return gold, pred


def none_at_all(rng):
    length = int(rng.integers(2, 9))
    return [["O"] * length, ["O"]], [["O"] * length, ["O"]]


def none_found(rng):
    spans, length = apart(rng, 2)
    return [tags_of(spans, length)], [["O"] * length]


def one_found(rng):
    spans, length = apart(rng, 3)
    return [tags_of(spans, length), ["O"] * 3], [tags_of(spans[:1], length), ["O"] * 3]


@f1.draws
def f1_draws(rng):
    for _ in range(6):
        yield Draw(neighbours(rng), {"spans": True, "neighbours": True})
        yield Draw(strays(rng), {"spans": True, "I- without B-": True})
    for end in ("first", "last") * 3:
        yield Draw(at_an_end(rng, end), {"spans": True, f"the {end} word is a span": True})
    for _ in range(12):
        yield Draw(mistakes(rng), {"wrong borders and types": True})
    for _ in range(6):
        yield Draw(sentences(rng), {"several sentences": True})
    for made in (none_at_all, none_found, one_found):
        for _ in range(3):
            yield Draw(made(rng), {"no span": True, made.__name__.replace("_", " "): True})


f1.part("spans", 8, where=lambda d: d["spans"])
f1.part("exact match", 4, where=lambda d: d["wrong borders and types"])
f1.part("no span at all", 2, where=lambda d: d["no span"])
f1.part("several sentences", 2, where=lambda d: d["several sentences"], edge=True)

f1.mutant("tokens", replace="    G, P = spans(gold), spans(pred)\n", visible=True, family="padding leaks",
          by="    pairs = [(a, b) for x, y in zip(gold, pred) for a, b in zip(x, y)]\n"
             "    return sum(a == b for a, b in pairs) / len(pairs)\n    G, P = spans(gold), spans(pred)\n",
          says="Token accuracy rewards all the O: count whole spans.",
          question="What is your score of a tagger that says O to everything? How many names has it found?")
f1.mutant("no_type", replace="found.add((k, start, i, tags[start][2:]))", by="found.add((k, start, i))", visible=False,
          family="exact match", says="A span counts only if its *type* is right as well.",
          question="A tagger calls each place a person. What is its score with your function?")
f1.mutant("no_end", replace="found.add((k, start, i, tags[start][2:]))", by="found.add((k, start, tags[start][2:]))",
          visible=False, family="exact match", says="Both borders must be right: half of a name is no name.")
f1.mutant("merge", replace='tag != "I" + tags[start][1:]:', by="tag[1:] != tags[start][1:]:", visible=False,
          family="BIO", says="B- starts a new entity, even right after one of the same type.",
          question="What is the B in BIO for, if not for two names side by side?")
f1.mutant("stray_lost", replace='if start is None and tag != "O":', by='if start is None and tag[0] == "B":',
          visible=False, family="BIO",
          says="An I- that continues nothing begins a span here, as in the scorer of CoNLL-2000.")
f1.mutant("last_open", replace='enumerate([*tags, "O"])', by="enumerate(tags)", visible=True, family="BIO",
          says="A span that reaches the last word ends with the sentence: after the loop one may still be open.",
          question="What closes the last span of ['O', 'B-LOC'] in your loop?")
f1.mutant("first_lost", replace='enumerate([*tags, "O"])', by='list(enumerate([*tags, "O"]))[1:]', visible=False,
          family="BIO",
          says="The first word of a sentence can be a name, too: begin at place 0.")
f1.mutant("precision", replace="2 * len(G & P) / (len(G) + len(P)) if G or P else 0.0",
          by="len(G & P) / len(P) if P else 0.0", visible=True, family="precision and recall",
          says="This is precision; F1 also punishes what was missed.",
          question="A tagger names one person it is sure of, and misses a hundred. What should it get?")
f1.mutant("no_sentence", replace="found.add((k, start, i, tags[start][2:]))",
          by="found.add((start, i, tags[start][2:]))", visible=False, family="borders of sentences",
          says="A span belongs to its sentence: the same place in two sentences is two spans.",
          question="Every sentence begins with a person's name, and one of them was found. How many are right for you?")
f1.mutant("mean_of_sentences", replace="    G, P = spans(gold), spans(pred)\n", visible=False, family="mean or sum",
          by="    if len(gold) > 1:\n"
             "        return sum(span_f1([x], [y]) for x, y in zip(gold, pred)) / len(gold)\n"
             "    G, P = spans(gold), spans(pred)\n",
          says="Count the spans of all sentences together; a mean of each sentence's F1 is another number.")

f1.variant("a list of open and closed spans", """
def span_f1(gold, pred):
    def read(tags):
        spans, kind, begin = [], None, 0
        for i in range(len(tags) + 1):
            letter, _, name = (tags[i] if i < len(tags) else "O").partition("-")
            if kind is not None and (letter != "I" or name != kind):
                spans.append((begin, i, kind))
                kind = None
            if letter in "BI" and kind is None:
                kind, begin = name, i
        return spans

    right = count = 0
    for a, b in zip(gold, pred):
        a, b = read(a), read(b)
        right += sum(span in b for span in a)
        count += len(a) + len(b)
    return 2 * right / count if count else 0.0
""")
f1.variant("starts first, then ends", """
def span_f1(gold, pred):
    def spans(sentences):
        for k, tags in enumerate(sentences):
            padded = ["O", *tags]
            for i, tag in enumerate(tags):
                before = padded[i]
                if tag[0] == "B" or (tag[0] == "I" and before[2:] != tag[2:]):
                    end = i + 1
                    while end < len(tags) and tags[end] == "I-" + tag[2:]:
                        end += 1
                    yield k, i, end, tag[2:]

    a, b = list(spans(gold)), list(spans(pred))
    both = len(set(a).intersection(b))
    if both == 0:
        return 0
    precision, recall = both / len(b), both / len(a)
    return 2 * precision * recall / (precision + recall)
""")
f1.variant("one long text, I- made B- first", """
def span_f1(gold, pred):
    def spans(sentences):
        text = [tag for tags in sentences for tag in [*tags, "O"]]
        for i in range(len(text)):
            before = text[i - 1] if i else "O"
            if text[i][0] == "I" and before[1:] != text[i][1:]:
                text[i] = "B" + text[i][1:]
        found = {}
        for i, tag in enumerate(text):
            if tag[0] == "B":
                last = i
                found[last] = [i, tag[2:]]
            elif tag[0] == "I":
                found[last][0] = i
        return {(start, end, kind) for start, (end, kind) in found.items()}

    G, P = spans(gold), spans(pred)
    return 2 * len(G & P) / max(len(G) + len(P), 1)
""")


# ----- 7. Attention over a picture

look = Check("spatial_attention", cell="spatial-attention-test",
             slide="Escalera, *Image Captioning with Attention*; Chemnitz, *One to Many: image caption generation*",
             equation="e_l = u . tanh(W_h h + W_f f_l);  alpha = softmax(e) over l;  z = sum of alpha_l f_l",
             args=("h (B, H)", "F (B, L, D)", "W_h (K, H)", "W_f (K, D)", "u (K,)"),
             results=("z (B, D)", "alpha (B, L)"))


@look.draws
def look_draws(rng):
    for size in sizes(rng, "BHLDK", one={"B": 2}):
        yield Draw(look.normal(rng, size))
    for size in sizes(rng, "BHDK", different=2, equal=0, one={}):
        yield Draw(look.normal(rng, size | {"L": size["B"]}))
    [single] = sizes(rng, "BHLDK", different=1, equal=0, one={})
    yield Draw(as_float32(look.normal(rng, single)), {"float32": True})
    for size in sizes(rng, "BHDK", different=4, equal=0, one={}):
        yield Draw(look.normal(rng, size | {"L": 1}), {"one region": True})
    for size in sizes(rng, "BHLDK", different=4, equal=0, one={}, low=3, high=8):
        *args, u = look.normal(rng, size)
        yield Draw((*args, 3000 * u), {"large scores": True})


def unusual(draw):
    return draw["one region"] or draw["large scores"]


look.part("weights", 6, outputs="alpha", where=lambda d: not unusual(d))
look.part("context", 4, outputs="z", where=lambda d: not unusual(d))
look.part("one region", 2, where=lambda d: d["one region"], edge=True)
look.part("large scores", 2, where=lambda d: d["large scores"])

SCORE = "np.tanh((h @ W_h.T)[:, None] + F @ W_f.T) @ u"
look.mutant("batch_axis", replace="softmax(e, axis=1)", by="softmax(e, axis=0)", visible=True, family="softmax axis",
            says="The weights add up to 1 over the *regions* of one image, not over the images of the batch.",
            question="Somebody adds a second picture to the batch. May the weights of the first one change?")
look.mutant("no_state", replace=SCORE, by="np.tanh(F @ W_f.T) @ u", visible=False, family="state left out",
            says="Where to look depends on h, on what has been said so far.",
            question="With your scores, how many different places does the network look at while it writes a caption?")
look.mutant("unnormalised", replace="softmax(e, axis=1)", by="1 / (1 + np.exp(-e))", visible=True,
            family="softmax axis",
            says="Weights must add up to 1: softmax over the regions, not a logistic function for each.")
look.mutant("no_tanh", replace=SCORE, by="((h @ W_h.T)[:, None] + F @ W_f.T) @ u", visible=False,
            family="another activation",
            says="Without tanh the state's part is the same for all regions and cancels in the softmax.",
            question="Add the same number to all scores of a picture. What do the weights do?")
look.mutant("plain_mean", replace="np.sum(alpha[:, :, None] * F, axis=1)", by="F.mean(axis=1)", visible=False,
            family="mean or sum",
            says="The context is the *weighted* sum of the regions; a plain mean looks everywhere alike.")
look.mutant("naive_exp", replace="softmax(e, axis=1)", by="np.exp(e) / np.exp(e).sum(axis=1, keepdims=True)",
            visible=False, family="unstable exp",
            says="Subtract the largest score before exp, or take the given softmax: large scores overflow.")

look.variant("a loop over the pictures", """
def spatial_attention(h, F, W_h, W_f, u):
    zs, alphas = [], []
    for state, regions in zip(h, F):
        e = np.array([u @ np.tanh(W_h @ state + W_f @ f) for f in regions])
        alpha = softmax(e, axis=0)
        zs.append(alpha @ regions)
        alphas.append(alpha)
    return np.array(zs), np.array(alphas)
""")
look.variant("einsum", """
def spatial_attention(h, F, W_h, W_f, u):
    query = np.einsum("bh,kh->bk", h, W_h)
    keys = np.einsum("bld,kd->blk", F, W_f)
    e = np.einsum("blk,k->bl", np.tanh(keys + query[:, None, :]), u)
    e = np.exp(e - e.max(axis=1, keepdims=True))
    alpha = e / e.sum(axis=1, keepdims=True)
    return np.einsum("bl,bld->bd", alpha, F), alpha
""")
look.variant("region by region, a running sum", """
def spatial_attention(h, F, W_h, W_f, u):
    query = h @ W_h.T
    e = np.stack([np.tanh(F[:, l] @ W_f.T + query) @ u for l in range(F.shape[1])], axis=1)
    alpha = softmax(e, axis=-1)
    z = np.zeros_like(F[:, 0])
    for l in reversed(range(F.shape[1])):
        z += alpha[:, l:l + 1] * F[:, l]
    return [z, alpha]
""")
