"""What the grader looks at in 08_seq2seq_attention: the draws, the parts and their points, the mistakes it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad's encoder,
attention, decoding and BLEU; the mutants are substitutions in it. A search gets its `step` from a table: a driver of
the notebook makes it inside the student's process. The next word depends on the last two, so that the state matters.
"""

import numpy as np

from autograder.check import GRADIENT, Check, Draw, as_float32, sizes


def mask_of(lengths, T):
    return np.arange(T)[:, None] < lengths


def weights(rng, T, B, scale=1.0):
    """Attention weights: each column is a softmax."""
    w = np.exp(scale * rng.normal(size=(T, B)))
    return w / w.sum(axis=0)


# ----- 1. The last state

last = Check("last_state", cell="last-state-test", copies=True,
             slide="Télécom, *Sequence to Sequence*; Chemnitz, *Many to Many: seq2seq*",
             equation="c = a^<T_x>, for each sentence at its own T_x", args=("hs (T, B, H)", "lengths (B,)"),
             results=("c (B, H)",))


def last_case(rng, T, B, H, longest=None):
    """Lengths that are mixed where there is room for it, the longest one given (T, if not)."""
    longest = longest or T
    lengths = rng.integers(1, longest + 1, size=B)
    lengths[rng.integers(B)] = longest
    if B > 1 and (lengths == longest).all():
        lengths[lengths.argmax()] = 1
    return rng.normal(size=(T, B, H)), lengths


@last.draws
def last_draws(rng):
    for size in sizes(rng, "TBH", one={}):
        yield Draw(last_case(rng, **size))
    for size in sizes(rng, "TBH", different=3, equal=1, one={}, low=3):                # a row more than anybody needs
        yield Draw(last_case(rng, **size, longest=size["T"] - 1))
    for size in sizes(rng, "TBH", different=2, equal=0, one={"B": 2}, low=3):
        hs, lengths = last_case(rng, **size)
        yield Draw((hs, np.full_like(lengths, 1 if size["B"] > 1 else 2)), {"lengths of 1, or one sentence": True})
    [size] = sizes(rng, "TBH", different=1, equal=0, one={})
    yield Draw(as_float32(last_case(rng, **size)), {"float32": True})


last.part("values", 5, where=lambda d: not d["lengths of 1, or one sentence"])
last.part("lengths of 1, one sentence, a new array", 1, where=lambda d: d["lengths of 1, or one sentence"], edge=True)

last.mutant("padded_end", replace="return hs[lengths - 1, np.arange(hs.shape[1])]", by="return hs[-1].copy()",
            visible=False, family="padding leaks",
            says="The last *row* may be padding: take step n - 1 of each sentence.",
            question="A sentence of 3 words stands in a batch whose longest has 9. How many steps of padding has your "
                     "encoder read before you take its state?")
last.mutant("off_by_one", replace="lengths - 1", by="lengths", visible=True, family="off by one",
            says="Step n is index n - 1: steps count from 1, rows of an array from 0.")
last.mutant("mean", replace="return hs[lengths - 1, np.arange(hs.shape[1])]", by="return hs.mean(axis=0)", visible=True,
            family="mean or sum",
            says="The encoder's summary is its last state, not the average of all its states.")
last.mutant("min_length", replace="lengths - 1", by="np.full_like(lengths, lengths.min() - 1)", visible=False,
            family="padding leaks",
            says="Each sentence ends at its own length, not where the shortest one ends.")
last.mutant("axes_exchanged", replace="hs[lengths - 1, np.arange(hs.shape[1])]",
            by="hs[np.arange(hs.shape[1]), lengths - 1]", visible=True, family="axes exchanged",
            says="Time is the first axis, the batch the second: hs[step, sentence].")

last.variant("a loop over the batch", """
def last_state(hs, lengths):
    return np.stack([hs[n - 1, i] for i, n in enumerate(lengths)])
""")
last.variant("take_along_axis", """
def last_state(hs, lengths):
    return np.take_along_axis(hs, (lengths - 1)[None, :, None], axis=0)[0]
""")
last.variant("a one-hot mask", """
def last_state(hs, lengths):
    chosen = np.arange(1, len(hs) + 1)[:, None] == lengths[None, :]
    return np.einsum("tb,tbh->bh", chosen.astype(hs.dtype), hs)
""")


# ----- 2. Scores

additive = Check("bahdanau_scores", cell="bahdanau-scores-test",
                 slide="Télécom, *Attention model* (the alignment model)",
                 equation="e^(tau,t) = v . tanh(W_s s^(tau-1) + W_a a^(t) + b)",
                 args=("s (B, H)", "a (T, B, A)", "W_s (D, H)", "W_a (D, A)", "b (D,)", "v (D,)"),
                 results=("e (T, B)",))


@additive.draws
def additive_draws(rng):
    for size in sizes(rng, "TBHAD", one={"B": 2, "T": 1}, high=8):
        yield Draw(additive.normal(rng, size, scale=0.7))
    for size in sizes(rng, "TBHAD", different=3, equal=1, one={}, high=8):
        *others, b, v = additive.normal(rng, size, scale=30)
        yield Draw((*others, 100 * b, v), {"large inputs": True})
    [single] = sizes(rng, "TBHAD", different=1, equal=0, one={}, high=8)
    yield Draw(as_float32(additive.normal(rng, single, scale=0.7)), {"float32": True})


additive.part("shape", 3, kind="shape")
additive.part("values", 9)
additive.part("large inputs", 2, where=lambda d: d["large inputs"], edge=True)

additive.mutant("no_state", replace="s @ W_s.T + ", by="", visible=False, family="state not carried",
                says="The score compares an annotation with the decoder's state; without s all steps look alike.",
                question="The decoder has just written *black*, and then *cat*. What makes your scores differ between "
                         "the two steps?")
additive.mutant("no_tanh", replace="np.tanh(s @ W_s.T + a @ W_a.T + b)", by="(s @ W_s.T + a @ W_a.T + b)", visible=True,
                family="another activation",
                says="Without tanh the state's part is the same for all t and cancels in the softmax.",
                question="Add 5 to every score of a sentence. What happens to its attention weights?")
additive.mutant("tanh_outside", replace="np.tanh(s @ W_s.T + a @ W_a.T + b) @ v",
                by="np.tanh((s @ W_s.T + a @ W_a.T + b) @ v)", visible=True, family="another activation",
                says="tanh acts on the hidden layer, before v; outside it bounds the score.",
                question="If no score can leave the range from -1 to 1, how unequal can the weights of two words get?")
additive.mutant("swapped", replace="s @ W_s.T + a @ W_a.T", by="s @ W_a.T + a @ W_s.T", visible=True,
                family="axes exchanged",
                says="W_s belongs to the decoder's state, W_a to the annotations.")
additive.mutant("no_bias", replace=" + b)", by=")", visible=False, family="bias left out",
                says="The bias b is part of the sum inside the tanh.")

additive.variant("a loop over the positions", """
def bahdanau_scores(s, a, W_s, W_a, b, v):
    asked = b + s @ W_s.T
    return np.stack([np.tanh(asked + annotation @ W_a.T) @ v for annotation in a])
""")
additive.variant("einsum, another order of the sum", """
def bahdanau_scores(s, a, W_s, W_a, b, v):
    hidden = np.einsum("tba,da->tbd", a, W_a) + b + np.einsum("bh,dh->bd", s, W_s)[None]
    return np.einsum("tbd,d->tb", np.tanh(hidden), v)
""")
additive.variant("one product of [s; a]", """
def bahdanau_scores(s, a, W_s, W_a, b, v):
    T = len(a)
    both = np.concatenate([np.repeat(s[None], T, axis=0), a], axis=2)
    return np.tanh(both @ np.concatenate([W_s, W_a], axis=1).T + b) @ v
""")
additive.variant("one sentence after the other", """
def bahdanau_scores(s, a, W_s, W_a, b, v):
    e = np.empty(a.shape[:2], dtype=a.dtype)
    for i in range(a.shape[1]):
        for t in range(a.shape[0]):
            e[t, i] = np.dot(v, np.tanh(W_s @ s[i] + W_a @ a[t, i] + b))
    return e
""")


# ----- 3. Weights

soft = Check("masked_softmax", cell="masked-softmax-test", slide="Télécom, *Attention model* (the attention weights)",
             equation="alpha^(t) = exp(e^(t)) / sum of exp(e^(t')) over the real t'",
             args=("e (T, B)", "mask (T, B)"), results=("alpha (T, B)",),
             nan_hint="is there an `exp` of a large number, or 0 / 0 in a column without a real word?")


def mixed_lengths(rng, T, B):
    """At least one sentence with padding, at least one without."""
    lengths = rng.integers(1, T + 1, size=B)
    lengths[:2] = T, T - 1
    return rng.permutation(lengths)


@soft.draws
def soft_draws(rng):
    for size in sizes(rng, "TB", one={"T": 1, "B": 1}):
        yield Draw((rng.normal(size=(size["T"], size["B"])), np.ones((size["T"], size["B"]), bool)),
                   {"nothing is masked": True})
    for size in sizes(rng, "TB", different=4, equal=2, one={}, low=3):
        T, B = size["T"], size["B"]
        yield Draw((rng.normal(size=(T, B)), mask_of(mixed_lengths(rng, T, B), T)), {"padding": True})
    mask = np.array([[False, True], [True, True], [False, False], [True, True]])
    yield Draw((rng.normal(size=(4, 2)), mask), {"padding": True, "padding in between": True})
    [size, single] = sizes(rng, "TB", different=2, equal=0, one={}, low=3)
    ties = np.tile(rng.normal(size=(1, size["B"])), (size["T"], 1))
    yield Draw((ties, mask_of(mixed_lengths(rng, **size), size["T"])), {"padding": True, "equal scores": True})
    yield Draw(as_float32((rng.normal(size=(single["T"], single["B"])),
                           mask_of(mixed_lengths(rng, **single), single["T"]))), {"padding": True, "float32": True})
    for size in sizes(rng, "TB", different=3, equal=1, one={}, low=3):
        mask = mask_of(mixed_lengths(rng, **size), size["T"])
        e = 3000 * rng.normal(size=mask.shape)
        e[~mask] = np.abs(e).max() + 1000 * rng.random(size=int((~mask).sum()))        # the padding has the largest
        yield Draw((e, mask), {"large scores": True})
    for size in sizes(rng, "TB", different=3, equal=1, one={}, low=3):
        mask = mask_of(mixed_lengths(rng, **size), size["T"])
        mask[:, rng.integers(size["B"])] = False
        yield Draw((rng.normal(size=mask.shape), mask), {"a sentence without a word": True})


soft.part("normalised", 5, where=lambda d: d["nothing is masked"])
soft.part("padding gets no weight", 6, where=lambda d: d["padding"])
soft.part("large scores", 3, where=lambda d: d["large scores"])
soft.part("a sentence without a word", 2, where=lambda d: d["a sentence without a word"], edge=True)

soft.mutant("after_no_renorm", replace="    scores = np.where(mask, e, -np.inf)\n", visible=False,
            by="    p = np.exp(e - e.max(axis=0))\n    return p / p.sum(axis=0) * mask\n    scores = e\n",
            family="mask after softmax",
            says="Setting padded weights to 0 *after* the softmax leaves a sum below 1: mask the scores first.",
            question="Three words with equal scores, the last one is padding. What do your weights add up to?")
soft.mutant("wrong_axis", visible=True, family="softmax axis",
            substitutions=(("mask.any(axis=0), scores.max(axis=0), 0)",
                            "mask.any(axis=1), scores.max(axis=1), 0)[:, None]"),
                           ("w.sum(axis=0)", "w.sum(axis=1, keepdims=True)")),
            says="The weights of one decoder step add up to 1 over *source positions*, not over the batch.",
            question="Two sentences are translated in one batch. Should the one change what the other looks at?")
soft.mutant("score_zero", replace="    scores = np.where(mask, e, -np.inf)\n",
            by="    scores, mask = np.where(mask, e, 0), mask | True\n", visible=False, family="padding leaks",
            says="A score of 0 is not \"no attention\": exp(0) = 1. Use minus infinity.",
            question="A real word has the score -2, and the padding, by your rule, 0. Which of them gets more weight?")
soft.mutant("no_mask", replace="    scores = np.where(mask, e, -np.inf)\n", by="    scores, mask = e, mask | True\n",
            visible=False, family="padding leaks",
            says="Padding must get no weight: the sum runs over the real positions only.")
soft.mutant("unstable", replace="np.exp(scores - top)", by="np.exp(scores)", visible=False, family="unstable exp",
            says="Subtract the maximum first: exp overflows for large scores.")
soft.mutant("max_of_padding", replace="scores.max(axis=0)", by="e.max(axis=0)", visible=False, family="unstable exp",
            says="Subtract the largest score of the *real* positions: a larger one that stands on padding pushes all "
                 "real words down to exp(-large) = 0.",
            question="The real scores are 1 and 2, and on the padding stands 5000. What is exp(2 - 5000)?")
soft.mutant("empty_is_nan", replace="w / np.where(total > 0, total, 1)", by="w / total", visible=False,
            family="division by zero",
            says="In a column without a real word the sum is 0, and 0 / 0 is NaN: divide by 1 there.")

soft.mutant("empty_is_uniform", visible=False, family="padding leaks",
            substitutions=(("-np.inf", "-1e9"), ("np.where(mask.any(axis=0), scores.max(axis=0), 0)",
                                                 "scores.max(axis=0)")),
            says="A large negative number in the place of minus infinity works, but for a column without a real word: "
                 "there all scores are equally low, and the padding gets equal weights.")

soft.variant("one sentence after the other", """
def masked_softmax(e, mask):
    alpha = np.zeros_like(e)
    for i in range(e.shape[1]):
        real = mask[:, i]
        if real.any():
            w = np.exp(e[real, i] - e[real, i].max())
            alpha[real, i] = w / w.sum()
    return alpha
""")
soft.variant("a large negative number", """
def masked_softmax(e, mask):
    top = np.max(e, axis=0, initial=-1e30, where=mask)
    w = np.exp(np.where(mask, e - top, -1e30).astype(e.dtype)) * mask
    return w / np.maximum(w.sum(axis=0), np.finfo(e.dtype).tiny)
""")
soft.variant("the logarithm of the sum", """
def masked_softmax(e, mask):
    scores = e.copy()
    scores[~mask] = -np.inf
    top = scores.max(axis=0, keepdims=True)
    top[np.isinf(top)] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        log_sum = top + np.log(np.exp(scores - top).sum(axis=0, keepdims=True))
        return np.nan_to_num(np.exp(scores - log_sum)) * mask
""")
soft.variant("masked after, and divided again", """
def masked_softmax(e, mask):
    low = np.where(mask, e, e.min())
    w = np.exp(low - low.max(axis=0)) * mask
    return np.divide(w, w.sum(axis=0), out=np.zeros_like(w), where=mask.any(axis=0))
""")


# ----- 4. A step of the decoder

stepper = Check("decoder_step", cell="decoder-step-test",
                slide="Télécom, *Attention model* (the context vector); Chemnitz, *Many to Many: seq2seq*",
                equation="c = sum over t of alpha^(t) a^(t);  s_new = tanh(W [s; y; c] + b)",
                args=("y (B, E)", "s (B, H)", "a (T, B, A)", "alpha (T, B)", "W (H, H+E+A)", "b (H,)"),
                results=("s_new (B, H)", "c (B, A)"))


def step_case(rng, size):
    size = size | {"H+E+A": size["H"] + size["E"] + size["A"]}
    y, s, a, _, W, b = stepper.normal(rng, size, scale=0.7)
    return y, s, a, weights(rng, size["T"], size["B"]), W, b


@stepper.draws
def step_draws(rng):
    for size in sizes(rng, "TBAHE", one={"B": 2, "T": 1}, high=8):
        yield Draw(step_case(rng, size))
    for size in sizes(rng, "TBAHE", different=2, equal=0, one={}, high=8):
        yield Draw(step_case(rng, size | {"E": size["H"]}))
    [sharp, single] = sizes(rng, "TBAHE", different=2, equal=0, one={}, high=8)
    args = list(step_case(rng, sharp))
    args[3] = np.zeros_like(args[3])
    args[3][rng.integers(sharp["T"], size=sharp["B"]), np.arange(sharp["B"])] = 1
    yield Draw(tuple(args), {"one word has all the weight": True})
    yield Draw(as_float32(step_case(rng, single)), {"float32": True})


stepper.part("context", 6, outputs="c")
stepper.part("state", 4, outputs="s_new", edge=True)

CONTEXT = "c = np.sum(alpha[:, :, None] * a, axis=0)"

stepper.mutant("last_annotation", replace=CONTEXT, by="c = a[-1]", visible=False, family="no attention",
               says="Without attention c is a^<T_x>; with attention it is a weighted sum, another one at each step.",
               question="Which of the arguments of this function has no influence on your c?")
stepper.mutant("mean", replace=CONTEXT, by="c = np.mean(alpha[:, :, None] * a, axis=0)", visible=False,
               family="mean or sum",
               says="The weights already add up to 1: sum, do not average.",
               question="All annotations are the same vector. What should the context be then, and what is yours?")
stepper.mutant("softmax_again", replace=CONTEXT, visible=False, family="softmax twice",
               by="alpha = np.exp(alpha) / np.exp(alpha).sum(axis=0)\n    " + CONTEXT,
               says="The weights went through the softmax already; a second one makes them nearly equal.")
stepper.mutant("hard", replace=CONTEXT, by="c = a[alpha.argmax(axis=0), np.arange(a.shape[1])]", visible=False,
               family="hard attention",
               says="Soft attention mixes all annotations; picking the best one is hard attention, which has no "
                    "gradient.")
stepper.mutant("no_word", replace="[s, y, c]", by="[s, 0 * y, c]", visible=True, family="no feedback",
               says="The word just written is an input of the next step.")
stepper.mutant("word_first", replace="[s, y, c]", by="[y, s, c]", visible=True, family="order of blocks",
               says="State first: the columns of W are for [s; y; c], in this order.")

stepper.variant("a loop over the positions", """
def decoder_step(y, s, a, alpha, W, b):
    c = np.zeros_like(a[0])
    for t in reversed(range(len(a))):
        c += alpha[t][:, None] * a[t]
    H, E = s.shape[1], y.shape[1]
    return np.tanh(b + c @ W[:, H + E:].T + y @ W[:, H:H + E].T + s @ W[:, :H].T), c
""")
stepper.variant("einsum", """
def decoder_step(y, s, a, alpha, W, b):
    c = np.einsum("tb,tba->ba", alpha, a)
    return [np.tanh(np.einsum("bj,ij->bi", np.hstack([s, y, c]), W) + b), c]
""")
stepper.variant("a product of matrices, one sentence after the other", """
def decoder_step(y, s, a, alpha, W, b):
    c = np.stack([alpha[:, i] @ a[:, i] for i in range(a.shape[1])])
    s_new = np.stack([np.tanh(W @ np.concatenate([s[i], y[i], c[i]]) + b) for i in range(len(s))])
    return s_new, c
""")


# ----- 5. Back through attention

back = Check("attention_backward", cell="attention-backward-test", tol=GRADIENT, slide="Télécom, *Attention model*",
             equation="dalpha = a . dc;  de = alpha (dalpha - sum of alpha dalpha);  da = alpha dc",
             args=("dc (B, A)", "alpha (T, B)", "a (T, B, A)"), results=("de (T, B)", "da (T, B, A)"))


def back_case(rng, size, padded=False, scale=1.0):
    """`padded`: the last positions of some sentences have the weight 0."""
    dc, _, a = back.normal(rng, size)
    alpha = weights(rng, size["T"], size["B"], scale)
    if padded:
        alpha = alpha * mask_of(mixed_lengths(rng, size["T"], size["B"]), size["T"])
        alpha = alpha / alpha.sum(axis=0)
    return dc, alpha, a


@back.draws
def back_draws(rng):
    for size in sizes(rng, "TBA", one={"B": 2, "T": 1}):
        yield Draw(back_case(rng, size))
    for size in sizes(rng, "TBA", different=2, equal=0, one={}, low=3):
        yield Draw(back_case(rng, size, padded=True), {"weights of 0": True})
    for size in sizes(rng, "TBA", different=2, equal=0, one={}, low=3):
        dc, alpha, a = back_case(rng, size, scale=3.0)
        dc[0] *= 1e6
        yield Draw((dc, alpha, a), {"mixed scales": True}, mixed=True)
    yield Draw(back_case(rng, {"T": 2000, "B": 2, "A": 16}), {"large": True}, budget=0.2)
    [single] = sizes(rng, "TBA", different=1, equal=0, one={})
    yield Draw(as_float32(back_case(rng, single)), {"float32": True})
    for size in sizes(rng, "TBA", different=3, equal=1, one={}, low=3):
        dc, alpha, a = back_case(rng, size)
        alpha = np.zeros_like(alpha)
        alpha[rng.integers(size["T"], size=size["B"]), np.arange(size["B"])] = 1
        dc[0] *= 1e6
        yield Draw((dc, alpha, a), {"one word has all the weight": True}, mixed=True)


back.part("scores: de", 10, outputs="de", where=lambda d: not d["one word has all the weight"])
back.part("annotations: da", 4, outputs="da", where=lambda d: not d["one word has all the weight"])
back.part("one word has all the weight", 2, where=lambda d: d["one word has all the weight"], edge=True)

INNER = "dalpha - np.sum(alpha * dalpha, axis=0)"

back.mutant("diagonal_only", replace=f"alpha * ({INNER})", by="alpha * (1 - alpha) * dalpha", visible=True,
            family="softmax coupling",
            says="alpha (1 - alpha) is the diagonal only: raising one score lowers all other weights.",
            question="Add the same number to all scores: no weight changes. What must the de of a sentence add up to?")
back.mutant("no_softmax", replace=f"alpha * ({INNER})", by="dalpha", visible=True, family="softmax coupling",
            says="That is the gradient of the weights: it must pass back through the softmax to reach the scores.")
back.mutant("mean_shift", replace=INNER, by="dalpha - np.mean(dalpha, axis=0)", visible=False, family="mean or sum",
            says="Subtract the average *weighted by alpha*, not the plain one.",
            question="A sentence has 3 real words and 20 of padding. Which of them should enter the average?")
back.mutant("no_alpha", replace=f"alpha * ({INNER})", by=INNER, visible=True, family="softmax coupling",
            says="Each component is multiplied by its own weight: a word with no weight has no gradient.")
back.mutant("all_together", replace="np.sum(alpha * dalpha, axis=0)", by="np.sum(alpha * dalpha)", visible=False,
            family="softmax axis",
            says="The weighted mean is one number for *each sentence*: sum over the positions, not over the batch too.")
back.mutant("da_without_alpha", replace="alpha[:, :, None] * dc", by="np.ones_like(alpha)[:, :, None] * dc",
            visible=True, family="weights left out",
            says="An annotation with a small weight had a small part in c, so its gradient is dc times its weight.")

back.variant("einsum", """
def attention_backward(dc, alpha, a):
    part = alpha * np.einsum("tba,ba->tb", a, dc)
    return part - alpha * np.einsum("tb->b", part), np.einsum("tb,ba->tba", alpha, dc)
""")
back.variant("the whole Jacobian of each softmax", """
def attention_backward(dc, alpha, a):
    if len(a) > 100:                                                    # a matrix of T x T is too much there
        centre = np.einsum("tb,tba->ba", alpha, a)
        return alpha * np.einsum("tba,ba->tb", a - centre, dc), alpha[:, :, None] * dc
    de, da = np.zeros_like(alpha), np.zeros_like(a)
    for i in range(len(dc)):
        p = alpha[:, i]
        jacobian = np.diag(p) - np.outer(p, p)
        de[:, i] = jacobian @ (a[:, i] @ dc[i])
        da[:, i] = np.outer(p, dc[i])
    return de, da
""")
back.variant("in place, the context subtracted", """
def attention_backward(dc, alpha, a):
    c = (alpha[..., None] * a).sum(0)
    de = ((a - c) * dc).sum(-1)
    de *= alpha
    da = np.empty_like(a)
    np.multiply(alpha[..., None], dc[None], out=da)
    return [de, da]
""")


# ----- 6. Greedy

greedily = Check("greedy", driver="greedy_in", cell="greedy-test",
                 slide="Télécom, *Language model: (3) Sampling novel sequences using RNN*",
                 equation="y^<tau> = argmax p(y | y^<1>, ..., y^<tau-1>), fed back",
                 args=("logp (V, V, V)", "bos", "eos", "max_len"), results=("ids",))


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def language(rng, V, end=0.0, scale=1.5):
    """Log-probabilities of the next word after two others, and two different words bos and eos.

    end: added to the score of eos.  The score of bos is low: it is no word.
    """
    bos, eos = (int(i) for i in rng.choice(V, size=2, replace=False))
    z = scale * rng.normal(size=(V, V, V))
    z[:, :, eos] += end
    z[:, :, bos] -= 8
    return log_softmax(z), bos, eos


def greedy_ids(logp, bos, eos, max_len):
    ids, before, word = [], bos, bos
    while len(ids) < max_len:
        before, word = word, int(np.argmax(logp[before, word]))
        if word == eos:
            break
        ids.append(word)
    return ids


def greedy_case(rng, wanted, max_len, **options):
    """A language whose greedy sentence is what is wanted."""
    while True:
        logp, bos, eos = language(rng, int(rng.integers(5, 8)), **options)
        if wanted(greedy_ids(logp, bos, eos, max_len)):
            return logp, bos, eos, max_len


@greedily.draws
def greedy_draws(rng):
    for _ in range(12):
        yield Draw(greedy_case(rng, lambda ids: 2 <= len(ids) <= 5 and len(set(ids)) > 1, 9, end=0.5), {"ends": True})
    for _ in range(4):
        logp, bos, eos, max_len = greedy_case(rng, lambda ids: 3 <= len(ids) <= 5, 9)
        free = [w for w in range(len(logp)) if w not in (bos, eos)]
        first, second, third = sorted(int(w) for w in rng.choice(free, size=3, replace=False))
        logp[bos, bos] = -9.0
        logp[bos, bos, [second, third]] = -0.75                         # equal, and the lower one goes to the end
        logp[bos, second] = logp[bos, third] = -9.0
        logp[bos, second, first], logp[bos, third, third] = -0.5, -0.5
        logp[second, first, eos] = logp[third, third, eos] = 0.0
        yield Draw((logp, bos, eos, max_len), {"equal probabilities": True})
    for _ in range(3):
        yield Draw(greedy_case(rng, lambda ids: ids == [], 9, end=1.0), {"eos": True, "eos is the first word": True})
        yield Draw(greedy_case(rng, lambda ids: len(ids) == 3, 4, end=0.5), {"eos": True})
    for max_len in (1, 2, 4, 6, 9):
        yield Draw(greedy_case(rng, lambda ids, n=max_len: len(ids) == n, max_len, end=-6.0), {"limit reached": True})


greedily.part("choice, fed back", 3, where=lambda d: d["ends"])
greedily.part("equal probabilities", 1, where=lambda d: d["equal probabilities"], edge=True)
greedily.part("the end", 2, where=lambda d: d["eos"])
greedily.part("the limit", 2, where=lambda d: d["limit reached"])

greedily.mutant("keeps_eos", replace="        if word == eos:\n            break\n        words.append(word)\n",
                by="        words.append(word)\n        if word == eos:\n            break\n", visible=True,
                family="end token",
                says="The end token ends the sentence; it is not part of it.")
greedily.mutant("no_feedback", replace="= step(word, state)", by="= step(bos, state)", visible=True,
                family="no feedback",
                says="Each word that was written is the next input; yours always reads bos.",
                question="What is the input of the network at the moment when it should write the third word?")
greedily.mutant("never_stops", replace="        if word == eos:\n            break\n", by="", visible=True,
                family="end token",
                says="Stop at the end token: what comes after it means nothing.")
greedily.mutant("one_more", replace="range(max_len)", by="range(max_len + 1)", visible=False, family="off by one",
                says="At most max_len words.")
greedily.mutant("state_lost", replace="logp, state = step(word, state)", by="logp, _ = step(word, state)",
                visible=False, family="state not carried",
                says="The state that a step returns goes into the next step; yours always starts from the first one.",
                question="If the network sees only the last word and its first state, what does it know of the words "
                         "in between?")
greedily.mutant("last_of_equal", replace="int(np.argmax(logp))", by="len(logp) - 1 - int(np.argmax(logp[::-1]))",
                visible=False, family="ties",
                says="Of words that are equally probable the one with the lowest number is taken, as np.argmax does.")

greedily.variant("a while loop, max of a list", """
def greedy(step, state, bos, eos, max_len):
    ids = [bos]
    while len(ids) <= max_len:
        logp, state = step(ids[-1], state)
        ids.append(max(range(len(logp)), key=lambda w: logp[w]))
        if ids[-1] == eos:
            return ids[1:-1]
    return ids[1:]
""")
greedily.variant("recursion", """
def greedy(step, state, bos, eos, max_len):
    if max_len == 0:
        return []
    logp, state = step(bos, state)
    word = np.argmax(logp)
    return [] if word == eos else [word, *greedy(step, state, word, eos, max_len - 1)]
""")
greedily.variant("all words first, cut at the end token", """
def greedy(step, state, bos, eos, max_len):
    ids, word = [], bos
    for _ in range(max_len):
        logp, state = step(word, state)
        word = int(np.argsort(-logp, kind="stable")[0])
        ids += [word]
    return ids[:ids.index(eos)] if eos in ids else ids
""")


# ----- 7. Beam search

beamed = Check("beam", driver="beam_in", cell="beam-test", slide="Télécom, *Machine Translation*",
               equation="argmax of (1/|y|) sum of log p, over the k best beginnings",
               args=("logp (V, V, V)", "bos", "eos", "max_len", "k"), results=("ids", "logp"))


def beam_case(rng, end, k=None, words=None):
    k = k or int(rng.integers(2, 5))
    logp, bos, eos = language(rng, words or int(rng.integers(4, 7)), end=end)
    return logp, bos, eos, int(rng.integers(4, 7)), k


# Another recipe in use: what is finished stays among the k.  On all draws it finds the same, for it is no mistake.
STAYS = """
def beam(step, state, bos, eos, max_len, k):
    beams = [(0.0, [], state)]
    for _ in range(max_len):
        grown = [h for h in beams if h[1][-1:] == [eos]]
        for total, ids, before in beams:
            if ids[-1:] != [eos]:
                logp, after = step(ids[-1] if ids else bos, before)
                grown += [(total + logp[w], ids + [w], after) for w in range(len(logp))]
        beams = sorted(grown, key=lambda h: -h[0])[:k]
    total, ids, _ = max(beams, key=lambda h: h[0] / len(h[1]))
    return [w for w in ids if w != eos], float(total)
"""


def staying_beam(logp, bos, eos, max_len, k):
    space = {}
    exec(STAYS, space)
    return space["beam"](lambda word, state: (logp[state, word], word), bos, bos, eos, max_len, k)


def telling(rng, differs=(), agrees=(), **options):
    """A draw on which some mistakes change the answer and others do not, so that no price hangs on luck."""
    named = {m.name: beamed.mutated(m) for m in beamed.mutants}
    while True:
        draw = Draw(beam_case(rng, **options))
        right = beamed.run(beamed.reference(), draw)[0]
        if (all(beamed.run(named[name], draw)[0] != right for name in differs)
                and all(beamed.run(named[name], draw)[0] == right for name in agrees)
                and beamed.run(staying_beam, draw)[0] == right):
            return draw.args


# For each part: its tag, options, the mistakes that must not show on its draws, and those that must.
BEAM_DRAWS = (
    ("nobody ends", {"end": -12.0, "words": 7}, (), ("per_beam_best", "common_state", "adds_probabilities")),
    ("finished", {"end": 0.5}, ("per_beam_best", "no_length_norm", "eos_not_counted"),
     ("drops_finished", "stop_first", "common_state", "adds_probabilities")),
    ("lengths", {"end": 0.0}, ("per_beam_best",),
     ("no_length_norm", "eos_not_counted", "drops_finished", "stop_first", "common_state",
      "adds_probabilities")),
)


@beamed.draws
def beam_draws(rng):
    for end in (-1.0, 1.0) * 4:
        yield Draw(beam_case(rng, end=end, k=1), {"k is 1": True})
    for tag, options, agrees, mistakes in BEAM_DRAWS:
        for name in mistakes * 2:
            yield Draw(telling(rng, (name,), agrees, **options), {tag: True})
        for _ in range(5):
            yield Draw(telling(rng, (), agrees, **options), {tag: True})


beamed.part("the k best sums", 4, outputs=("ids", "logp"), where=lambda d: d["nobody ends"], edge=True)
beamed.part("finished hypotheses", 5, outputs=("ids", "logp"), where=lambda d: d["finished"])
beamed.part("divided by the length", 4, outputs="ids", where=lambda d: d["lengths"])
beamed.part("k = 1 is greedy", 3, outputs="ids", where=lambda d: d["k is 1"])

GROW = "            grown += [(total + logp[w], [*ids, w], after) for w in range(len(logp))]\n"

beamed.mutant("no_length_norm", replace="h[0] / (len(h[1]) - 1)", by="h[0]", visible=False, family="length",
              says="Without dividing by the length short sentences always win: each further word makes the sum "
                   "smaller.",
              question="One word with p = 0.5, and three words with p = 0.7 each. Which has the larger sum of log p, "
                       "and which the larger mean?")
beamed.mutant("eos_not_counted", replace="h[0] / (len(h[1]) - 1)",
              by="h[0] / max(1, len([w for w in h[1][1:] if w != eos]))", visible=False, family="length",
              says="The length counts the end token too: its logarithm is one of those in the sum.")
beamed.mutant("drops_finished", replace="max(done + live,", by="max(live or done,", visible=False,
              family="finished hypotheses",
              says="A finished hypothesis stays in the race until the end.",
              question="A short sentence ended in round 2 with a very high mean. Can your search still return it after "
                       "round 6?")
beamed.mutant("per_beam_best", replace=GROW, visible=False, family="beams",
              by="            own = sorted(range(len(logp)), key=lambda w: -logp[w])[:1 if len(live) >= k else k]\n"
                 "            grown += [(total + logp[w], [*ids, w], after) for w in own]\n",
              says="The k best are chosen among *all* extensions together, not one for each beam.",
              question="Both of the two best beginnings may come from the same hypothesis. Can that happen in yours?")
beamed.mutant("stop_first", replace="        if not live:\n", by="        if not live or done:\n", visible=False,
              family="finished hypotheses",
              says="The first finished sentence need not be the best: go on while a hypothesis is open.")
beamed.mutant("common_state", replace="logp, after = step(ids[-1], before)",
              by="logp, state = step(ids[-1], state)\n            after = state", visible=False,
              family="state not carried",
              says="Each hypothesis has a state of its own: step from the one that belongs to *its* words.",
              question="Two hypotheses are open, *the black* and *a small*. Which words has the state seen that you "
                       "hand to the second one?")
beamed.mutant("returns_mean", replace="float(total)", by="float(total / (len(ids) - 1))", visible=True, family="length",
              says="The mean decides which hypothesis wins; what is returned is its sum.")
beamed.mutant("adds_probabilities", replace="total + logp[w]", by="total + np.exp(logp[w])", visible=True,
              family="logs",
              says="Probabilities are multiplied, so their logarithms are added: log p as it comes, without exp.")

beamed.variant("arrays, the k best by argpartition", """
def beam(step, state, bos, eos, max_len, k):
    words, totals, states, ended = [[]], np.zeros(1), [state], []
    for _ in range(max_len):
        answers = [step(w[-1] if w else bos, s) for w, s in zip(words, states)]
        grown = totals[:, None] + np.array([logp for logp, _ in answers])
        flat = grown.ravel()
        best = np.argpartition(-flat, min(k, flat.size) - 1)[:k]
        ended += [(flat[i], words[i // grown.shape[1]] + [eos]) for i in best if i % grown.shape[1] == eos]
        best = [i for i in best if i % grown.shape[1] != eos]
        states = [answers[i // grown.shape[1]][1] for i in best]
        words = [words[i // grown.shape[1]] + [int(i % grown.shape[1])] for i in best]
        totals = flat[best]
        if not words:
            break
    ended += list(zip(totals, words))
    total, found = max(ended, key=lambda h: h[0] / len(h[1]))
    return found[:-1] if found[-1] == eos else found, float(total)
""")
beamed.variant("what is finished stays among the k", STAYS)
beamed.variant("a heap, the best so far kept", """
def beam(step, state, bos, eos, max_len, k):
    import heapq
    best, open_ones = (-np.inf, [], 0.0), [(0.0, (), state)]

    def consider(total, words):
        nonlocal best
        mean = total / len(words)
        if mean > best[0]:
            best = mean, [w for w in words if w != eos], float(total)

    for _ in range(max_len):
        grown = []
        for total, words, s in open_ones:
            logp, new = step(words[-1] if words else bos, s)
            grown.extend((total + p, words + (w,), new) for w, p in enumerate(logp))
        open_ones = []
        for total, words, new in heapq.nlargest(k, grown, key=lambda h: h[0]):
            if words[-1] == eos:
                consider(total, words)
            else:
                open_ones.append((total, words, new))
    for total, words, _ in open_ones:
        consider(total, words)
    return best[1], best[2]
""")
beamed.variant("a list of logarithms in each hypothesis", """
def beam(step, state, bos, eos, max_len, k):
    going = [{"words": [], "logs": [], "state": state, "last": bos}]
    over = []
    for n in range(max_len):
        new = []
        while going:
            h = going.pop()
            logp, s = step(h["last"], h["state"])
            for w in reversed(range(len(logp))):
                words = h["words"] + [w] * (w != eos)
                new.append({"words": words, "logs": h["logs"] + [logp[w]], "state": s, "last": w})
        new.sort(key=lambda h: -sum(h["logs"]))
        for h in new[:k]:
            (over if h["last"] == eos or n == max_len - 1 else going).append(h)
    winner = max(over, key=lambda h: np.mean(h["logs"]))
    return winner["words"], sum(winner["logs"])
""")


# ----- 8. BLEU

corpus = Check("bleu", cell="bleu-test", slide="Télécom, *Bleu score for long sentences*",
               equation="BLEU = BP exp((1/N) sum of log p_n),  BP = min(1, exp(1 - r/c))",
               args=("candidates", "references", "N"), results=("BLEU",),
               nan_hint="was the logarithm of a 0 taken, or was something divided by 0 words?")

WORDS = np.array(["le", "la", "un", "une", "chat", "chien", "noir", "rouge", "voit", "suit", "dort", "ici", "et", "ou"])


def sentence(rng, length):
    """Different words, so that nothing is clipped by chance."""
    return [str(w) for w in rng.choice(WORDS, size=length, replace=False)]


def repeated(rng):
    """A candidate that is longer than its reference, because pieces of it stand there three and four times.

    The reference repeats words, too: two that the candidate has more often, and two that it has less often. Without
    these a set of n-grams, or the reference's own counts, would do.
    """
    words = sentence(rng, int(rng.integers(7, 10)))
    return words[:3] + words[1:3] * int(rng.integers(1, 3)) + words, words + words[1:3] + words[4:6]


def brief(rng):
    """A piece of the reference, with one word at its end that is wrong."""
    reference = sentence(rng, int(rng.integers(9, 13)))
    return [*reference[:int(rng.integers(5, 7))], "xyz"], reference


def wrong_end(rng, length, right):
    """A candidate as long as its reference, of which the first words are right."""
    reference = sentence(rng, length)
    return reference[:right] + ["xyz"] * (length - right), reference


@corpus.draws
def corpus_draws(rng):
    for N in (1, 2, 3, 4) * 2:
        candidate, reference = repeated(rng)
        yield Draw(([candidate], [reference], N), {"clipping": True})
    for N in (1, 2, 3, 4) * 2:
        candidate, reference = brief(rng)
        yield Draw(([candidate], [reference], N), {"brevity": True})
    for N in (1, 2, 3, 4) * 2:
        pairs = [brief(rng), wrong_end(rng, 9, int(rng.integers(5, 8))), wrong_end(rng, 5, 1)]
        pairs = [pairs[i] for i in rng.permutation(3)]
        yield Draw(([x for x, _ in pairs], [y for _, y in pairs], N), {"corpus": True})
    for N in (2, 3, 4):
        reference = sentence(rng, 8)
        yield Draw(([reference[::-1]], [reference], N), {"no match": True, "no pair is right": True})
        yield Draw(([reference[:N - 1]], [reference[:N - 1]], N), {"no match": True, "too short for an N-gram": True})
        one_right = [*reference[:N], *reference[:N - 1:-1]]
        yield Draw(([one_right], [reference], N), {"no match": True, "one N-gram is right": True})
    yield Draw(([[], sentence(rng, 5)], [sentence(rng, 4), ["xyz"] * 5], 2),
               {"no match": True, "an empty candidate": True})


corpus.part("clipped counts", 5, where=lambda d: d["clipping"])
corpus.part("brevity", 4, where=lambda d: d["brevity"])
corpus.part("counts of the whole corpus", 3, where=lambda d: d["corpus"])
corpus.part("no match at all", 2, where=lambda d: d["no match"], edge=True)

FINAL = "np.exp(np.mean(np.log(matches / total)))"

corpus.mutant("no_clip", replace="min(count, right.get(gram, 0))", by="count * (gram in right)", visible=False,
              family="clipping",
              says="An n-gram counts at most as often as it stands in the reference: clip.",
              question="What is p_1 of the candidate *the the the the* for a reference with one *the*?")
corpus.mutant("set_of_ngrams", replace="min(count, right.get(gram, 0))", by="(gram in right)", visible=False,
              family="clipping",
              says="An n-gram that stands twice in the reference may be right twice: count, a set forgets how often.",
              question="Candidate and reference are both *the the the*. What is p_1?")
corpus.mutant("counts_of_the_reference", replace="min(count, right.get(gram, 0))", by="right.get(gram, 0)",
              visible=False, family="clipping",
              says="An n-gram is right at most as often as it was *written*: take the smaller one of both counts.",
              question="The reference is *the the the*, the candidate *the*. How many of its words can be right?")
corpus.mutant("no_brevity", replace="brevity = min(1.0, np.exp(1 - r / c))", by="brevity = 1.0", visible=False,
              family="length",
              says="Short candidates are punished: multiply by the brevity penalty.",
              question="The candidate is one word, and it is right. What is its precision?")
corpus.mutant("brevity_turned", replace="np.exp(1 - r / c)", by="np.exp(1 - c / r)", visible=False, family="length",
              says="The penalty is for candidates that are too *short*: r / c, the reference over the candidate.")
corpus.mutant("arithmetic", replace=FINAL, by="np.mean(matches / total)", visible=False, family="mean or sum",
              says="BLEU takes the geometric mean of the n-gram precisions: the mean of their logarithms, then exp.")
corpus.mutant("sentence_mean", replace="    matches, total = np.zeros(N), np.zeros(N)\n", visible=False,
              family="mean or sum",
              by="    if len(candidates) > 1:\n"
                 "        return float(np.mean([bleu([x], [y], N) for x, y in zip(candidates, references)]))\n"
                 "    matches, total = np.zeros(N), np.zeros(N)\n",
              says="Add up counts over the corpus first; an average of sentence scores is another number.",
              question="One of a hundred sentences has no right pair of words. What does it do to the mean of the "
                       "sentence scores, and what to the score of the corpus?")
corpus.mutant("recall", replace="total[n - 1] += sum(written.values())", by="total[n - 1] += sum(right.values())",
              visible=False, family="precision",
              says="p_n is a precision: divide by the n-grams of the candidate, not by those of the reference.")
corpus.mutant("skips_zero", replace="    if np.any(matches == 0):\n        return 0.0\n", visible=False,
              family="division by zero",
              by="    if not np.any(matches > 0):\n        return 0.0\n"
                 "    matches, total = matches[matches > 0], total[matches > 0]\n",
              says="If no n-gram of some length is right, one factor of the product is 0, and so is BLEU.")

corpus.variant("Counter, a product and a root", """
def bleu(candidates, references, N):
    from collections import Counter
    product = 1.0
    for n in range(1, N + 1):
        good = every = 0
        for x, y in zip(candidates, references):
            mine = Counter(zip(*[x[k:] for k in range(n)]))
            good += sum((mine & Counter(zip(*[y[k:] for k in range(n)]))).values())
            every += sum(mine.values())
        product *= good / every if every else 0.0
    c, r = sum(len(x) for x in candidates), sum(len(y) for y in references)
    return 0.0 if c == 0 else product ** (1 / N) * (1.0 if c > r else np.exp(1 - r / c))
""")
corpus.variant("matches struck out of a list", """
def bleu(candidates, references, N):
    logs = []
    for n in range(1, N + 1):
        hits = grams = 0
        for x, y in zip(candidates, references):
            left = [y[i:i + n] for i in range(len(y) - n + 1)]
            for i in range(len(x) - n + 1):
                grams += 1
                if x[i:i + n] in left:
                    left.remove(x[i:i + n])
                    hits += 1
        if hits == 0:
            return 0.0
        logs.append(np.log(hits) - np.log(grams))
    c, r = len(sum(candidates, [])), len(sum(references, []))
    return float(np.exp(sum(logs) / N + min(0.0, 1 - r / c)))
""")
corpus.variant("-inf and all, warnings included", """
def bleu(candidates, references, N):
    counts = np.array([[(sum(min(v, count_ngrams(y, n).get(g, 0)) for g, v in count_ngrams(x, n).items()),
                         max(len(x) - n + 1, 0)) for n in range(1, N + 1)] for x, y in zip(candidates, references)])
    hit, out_of = counts.sum(axis=0).T
    if not out_of.all():
        return 0.0
    c, r = sum(len(x) for x in candidates), sum(len(y) for y in references)
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(hit / out_of).mean()) * np.exp(min(0, 1 - r / c)))
""")
