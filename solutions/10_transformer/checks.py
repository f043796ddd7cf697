"""What the grader looks at in 10_transformer: the draws, the parts and their points, and the mistakes it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad's layers; the
mutants are substitutions in it.  `visible` says whether the notebook's visible test notices the mistake; a test
measures it.  Functions that take any number of axes in front have arguments without letters here, and the sizes of
their draws as tags.
"""

import numpy as np

from autograder.check import GRADIENT, Check, Draw, as_float32, sizes


def some_seen(rng, *shape):
    """A mask in which each row sees at least one key, and, where there are two or more, misses at least one."""
    mask, keys = rng.random(shape) < 0.6, shape[-1]
    hidden = rng.integers(keys, size=(*shape[:-1], 1))
    place = np.arange(keys)
    return np.where(place == hidden, False, mask) | (place == (hidden + 1) % keys)


# ----- 1. One attention

attention = Check("scaled_dot_product", cell="scaled-dot-product-test",
                  slide="Télécom, *Second step : calculate a score*; *Third step*",
                  equation="W = softmax(Q K^T / sqrt(d_k));  Z = W V", args=("Q", "K", "V", "mask"),
                  results=("Z", "W"))


def attention_case(rng, T, S, d, e, front=(), mask=None):
    Q, K, V = (rng.normal(size=(*front, n, m)) for n, m in ((T, d), (S, d), (S, e)))
    mask = np.ones((T, S), bool) if mask is None else mask
    return (Q, K, V, mask), {"T": T, "S": S, "d": d, "e": e}


def rows_hidden(rng, *shape):
    """A mask like that, whose first row sees nothing at all."""
    mask = some_seen(rng, *shape)
    mask[..., 0, :] = False
    return mask


MASKED, NOTHING, LARGE = "masked keys", "rows that see nothing", "large scores"


def far_apart(rng, Q, K, V, mask):
    """Scores of tens of thousands, no two of a row near each other: each query sees one key, whatever the scale."""
    keys = rng.permutation(K.shape[-2])[:, None] - K.shape[-2] // 2 + 0.5
    return 300 * np.sign(Q) * (1 + rng.random(Q.shape)), 300 * keys * np.ones(K.shape), V, mask


@attention.draws
def attention_draws(rng):
    for size in sizes(rng, "TSde", one={"T": 1}):               # 3 x all different, 2 x all equal, T = 1
        yield Draw(*attention_case(rng, **size))
    for front in ((3,), (2, 3)):
        [size] = sizes(rng, "TSde", different=1, equal=0, one={})
        yield Draw(*attention_case(rng, **size, front=front))
    [size] = sizes(rng, "TSde", different=1, equal=0, one={})
    args, tags = attention_case(rng, **size)
    yield Draw(as_float32(args), tags | {"float32": True})
    # Keys of one number in the other parts: there a wrong scale cannot cost points a second time.
    for kind, hide in ((MASKED, some_seen), (NOTHING, rows_hidden), (LARGE, some_seen)):
        for front, in_front in (((), ()), ((), ()), ((3,), (3,)), ((2, 3), (2, 1))):
            [size] = sizes(rng, "TSe", different=1, equal=0, one={}, low=3)
            mask = hide(rng, *in_front, size["T"], size["S"])
            args, tags = attention_case(rng, **size, d=1, front=front, mask=mask)
            yield Draw(far_apart(rng, *args) if kind == LARGE else args, tags | {kind: True})


def open_draw(d):
    return not any(d[kind] for kind in (MASKED, NOTHING, LARGE))


attention.part("weights", 6, outputs="W", where=open_draw)
attention.part("output", 5, outputs="Z", where=open_draw)
attention.part("mask", 3, where=lambda d: d[MASKED])
attention.part("large scores", 1, where=lambda d: d[LARGE])
attention.part("rows that see nothing", 1, where=lambda d: d[NOTHING], edge=True)

attention.mutant("no_scale", replace=" / Q.shape[-1] ** 0.5", by="", visible=False, family="scale",
                 says="Divide by √d_k, or the softmax saturates for large d.",
                 question="Keys of 64 random numbers: how large is a dot product, about, and how large is e to that "
                          "power?")
attention.mutant("scale_d", replace="Q.shape[-1] ** 0.5", by="Q.shape[-1]", visible=False, family="scale",
                 says="Divide by the square *root* of d_k (8 for 64).")
attention.mutant("scale_T", replace="Q.shape[-1] ** 0.5", by="K.shape[-2] ** 0.5", visible=True, family="scale",
                 says="d_k is the size of a key, not the number of keys.")
attention.mutant("axis_queries", visible=True, family="softmax axis",
                 substitutions=(("scores.max(axis=-1, keepdims=True)", "scores.max(axis=-2, keepdims=True)"),
                                ("e.sum(axis=-1, keepdims=True)", "e.sum(axis=-2, keepdims=True)")),
                 says="Each query spreads weight 1 over the keys: softmax over the last axis.",
                 question="There is one query and there are five keys. What do your weights add up to?")
attention.mutant("mask_zero_score", replace="np.where(mask, scores, -np.inf)", by="np.where(mask, scores, 0.0)",
                 visible=False, family="mask value",
                 says="A masked score must be −∞: exp(0) is 1.",
                 question="A query may see one of its three keys. What should its three weights be?")
attention.mutant("mask_after", visible=False, family="mask after softmax",
                 substitutions=(("np.where(mask, scores, -np.inf)", "scores"),
                                ("e / np.where(total > 0, total, 1)", "e / total * mask")),
                 says="Mask before the softmax, so that the rest still adds up to 1.",
                 question="A query may see one of its three keys. What do its three weights add up to?")
attention.mutant("minus_1e9", replace="np.where(mask, scores, -np.inf)", by="np.where(mask, scores, -1e9)",
                 visible=False, family="mask value",
                 says="With −1e9 in the place of −∞ a row that may see nothing becomes uniform; its weights should "
                      "be 0.")
attention.mutant("nan_row", replace="np.where(np.isfinite(largest), largest, 0)", by="largest", visible=False,
                 family="mask value",
                 says="Where a row may see nothing, −∞ minus −∞ is NaN: its weights should be 0.")
attention.mutant("no_maximum", replace="scores - np.where(np.isfinite(largest), largest, 0)", by="scores",
                 visible=False, family="unstable exp",
                 says="Subtract the largest score of each row before the exponential: exp(1000) is inf, and inf / inf "
                      "is NaN.")

attention.variant("einsum, the mask added", """
def scaled_dot_product(Q, K, V, mask):
    d = K.shape[-1]
    s = np.einsum("...td,...sd->...ts", Q, K) / np.sqrt(d).astype(Q.dtype)
    s = s + np.where(mask, 0.0, -np.inf).astype(Q.dtype)
    top = np.maximum(s.max(axis=-1, keepdims=True), np.finfo(Q.dtype).min)
    e = np.exp(s - top)
    W = e / np.maximum(e.sum(axis=-1)[..., None], 1e-30)
    return np.einsum("...ts,...se->...te", W, V), W
""")
attention.variant("the scale on the query, exponentials multiplied by the mask", """
def scaled_dot_product(Q, K, V, mask):
    s = (Q * (1 / np.sqrt(Q.shape[-1]))) @ K.swapaxes(-1, -2)
    s = s - np.where(mask, s, -1e300).max(axis=-1, keepdims=True)
    e = np.exp(np.where(mask, s, 0)) * mask
    total = e.sum(axis=-1, keepdims=True)
    W = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
    return W @ V, W
""")
attention.variant("a loop over the queries", """
def scaled_dot_product(Q, K, V, mask):
    mask = np.broadcast_to(mask, (*Q.shape[:-1], K.shape[-2]))
    W = np.zeros(mask.shape, Q.dtype)
    for place in np.ndindex(mask.shape[:-1]):
        seen = mask[place]
        if seen.any():
            s = K[place[:-1]][seen] @ Q[place] / np.sqrt(Q.shape[-1])
            e = np.exp(s - s.max())
            W[place][seen] = e / e.sum()
    return W @ V, W
""")
attention.variant("a list, NaN repaired at the end", """
def scaled_dot_product(Q, K, V, mask):
    with np.errstate(invalid="ignore"):
        s = np.where(mask, Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1]), -np.inf)
        e = np.exp(s - s.max(axis=-1, keepdims=True))
        W = np.nan_to_num(e / e.sum(axis=-1, keepdims=True))
    return W @ V, W
""")


# ----- 2. Who may see whom

mask = Check("make_mask", cell="make-mask-test", slide="Télécom, *Decoder side*",
             equation="query i may see key j if j < n_b and (j <= i or not causal)",
             args=("lengths (B,)", "T", "causal"), results=("mask (B, T, T)",))


def mask_case(rng, kind, causal, full=False, T=None):
    """Lengths of some sentences: one has at least two words and at least one place of padding, if not `full`."""
    T = int(rng.integers(3, 8)) if T is None else T
    B = int(rng.integers(1, 5))
    lengths = rng.integers(1, T + 1, size=B)
    if full:
        lengths[:] = T
    else:
        lengths[rng.integers(B)] = rng.integers(2, T)
    return Draw((lengths, T, causal), {"T": T, kind: True})


@mask.draws
def mask_draws(rng):
    for _ in range(12):
        yield mask_case(rng, "causal, no padding", True, full=True)
        yield mask_case(rng, "padding, not causal", False)
        yield mask_case(rng, "causal and padding", True)
    for _ in range(2):
        yield mask_case(rng, "causal, no padding", True, full=True, T=1)


mask.part("causal", 4, where=lambda d: d["causal, no padding"])
mask.part("padding", 3, where=lambda d: d["padding, not causal"])
mask.part("both", 1, where=lambda d: d["causal and padding"], edge=True)

mask.mutant("strict", replace="key <= query", by="key < query", visible=True, family="off by one",
            says="A position may look at itself: key ≤ query.",
            question="Whom does the first position see in your mask? What is its softmax then?")
mask.mutant("future", replace="key <= query", by="key >= query", visible=True, family="time reversed",
            says="The past may be seen, not the future: lower triangle.")
mask.mutant("query_padding", replace="key < lengths", by="query < lengths", visible=False, family="padding leaks",
            says="Padding hides *keys* (columns), not queries (rows).",
            question="A real word asks. Does your mask keep it from mixing in what stands on padding?")
mask.mutant("rows_as_well", replace="return real & earlier", visible=False, family="padding leaks",
            by="return real & (query < lengths[:, None, None]) & earlier",
            says="Padding hides keys alone: a query on padding keeps its row, or its softmax has nothing to add up.")
mask.mutant("off_by_one", replace="key < lengths", by="key <= lengths", visible=False, family="off by one",
            says="Key n is already padding (positions count from 0).")
mask.mutant("always_causal", replace=" if causal else np.ones((T, T), bool)", by="", visible=False,
            family="time reversed",
            says="With causal=False later keys may be seen as well: an encoder reads in both directions.")
mask.mutant("inverted", replace="return real & earlier", by="return ~(real & earlier)", visible=True,
            family="mask turned round",
            says="True means *may be seen* here; yours has True for what is hidden, as PyTorch's layers have it.")

mask.variant("entry by entry", """
def make_mask(lengths, T, causal):
    mask = np.zeros((len(lengths), T, T), dtype=bool)
    for b, n in enumerate(lengths):
        for i in range(T):
            for j in range(T):
                mask[b, i, j] = j < n and (j <= i or not causal)
    return mask
""")
mask.variant("tril, repeated", """
def make_mask(lengths, T, causal):
    real = np.repeat((np.arange(T)[None] < np.asarray(lengths)[:, None])[:, None], T, axis=1)
    return np.tril(real) if causal else real
""")
mask.variant("columns switched off", """
def make_mask(lengths, T, causal):
    square = np.tri(T, dtype=bool) if causal else np.full((T, T), True)
    mask = np.stack([square] * len(lengths))
    for b in range(len(lengths)):
        mask[b, :, lengths[b]:] = False
    return mask
""")


# ----- 3. Many heads

heads = Check("multi_head", cell="multi-head-test", slide="Télécom, *In summary*",
              equation="R = [Z_1 ... Z_h] W^O,  Z_i = softmax(Q_i K_i^T / sqrt(D/h)) V_i",
              args=("X (B, T, D)", "Y (B, S, D)", "W_q (D, D)", "W_k (D, D)", "W_v (D, D)", "W_o (D, D)", "h",
                    "mask (B, T, S)"), results=("R (B, T, D)",))


def matrices(rng, D):
    """Four matrices that keep the size of what goes through them."""
    return tuple(rng.normal(size=(D, D)) * 1.5 / D ** 0.5 for _ in range(4))


def heads_case(rng, B, T, h, d, S=None, cross=False):
    S, D = S or T, h * d
    X = rng.normal(size=(B, T, D))
    Y = rng.normal(size=(B, S, D)) if cross else X.copy()
    return X, Y, *matrices(rng, D), h, some_seen(rng, B, T, S)


@heads.draws
def heads_draws(rng):
    for B, T, D in ((2, 3, 4), (3, 4, 5), (3, 3, 3), (1, 5, 4), (2, 1, 3)):
        yield Draw(heads_case(rng, B, T, 1, D), {"one head": True})
    for B, T, h, d in ((2, 5, 3, 2), (1, 4, 2, 3), (3, 2, 4, 2), (1, 6, 3, 3),      # T as large as D/h, and as h; and B
                       (2, 3, 3, 3), (2, 4, 2, 4), (3, 3, 3, 2), (2, 1, 2, 3)):
        yield Draw(heads_case(rng, B, T, h, d), {"several heads": True})
    for B, T, S, D in ((2, 3, 5, 4), (1, 4, 2, 3), (3, 4, 4, 4), (2, 3, 3, 5), (2, 1, 4, 3)):
        yield Draw(heads_case(rng, B, T, 1, D, S, cross=True), {"Y other than X": True})
    yield Draw(as_float32(heads_case(rng, 2, 4, 2, 3)), {"several heads": True, "float32": True})


heads.part("heads", 8, where=lambda d: d["several heads"])
heads.part("output", 5, where=lambda d: d["one head"])
heads.part("cross-attention", 3, where=lambda d: d["Y other than X"], edge=True)

SPLIT, ATTEND = "x.reshape(B, T, h, D // h).swapaxes(1, 2)", "scaled_dot_product(Q, K, V, mask[:, None])"
MERGE = "Z.swapaxes(1, 2).reshape(X.shape)"

heads.mutant("no_split", replace=SPLIT, by="x[:, None]", visible=False, family="heads",
             says="Each head attends on its own D/h numbers, with its own weights.",
             question="With your function, can two heads look at different words?")
heads.mutant("reshape_only", replace=SPLIT, by="x.reshape(B, h, T, D // h)", visible=False, family="heads",
             says="Reshape alone mixes positions and heads: split the last axis, then move the head axis.",
             question="Take T = 2, h = 2, D = 2. Which numbers of which words does your head 0 get?")
heads.mutant("merge_reshape", replace=MERGE, by="Z.reshape(X.shape)", visible=False, family="heads",
             says="Bring the head axis back beside d before merging.",
             question="What stands in the first row of your result: one word's heads, or one head's words?")
heads.mutant("interleaved_heads", visible=False, family="heads",
             substitutions=((SPLIT, "x.reshape(B, T, D // h, h).transpose(0, 3, 1, 2)"),
                            (MERGE, "Z.transpose(0, 2, 3, 1).reshape(X.shape)")),
             says="Head 0 owns the first D/h columns, head 1 the next: yours deals the columns out one by one.")
heads.mutant("scale_D", replace=ATTEND, by="scaled_dot_product(Q / h ** 0.5, K, V, mask[:, None])", visible=False,
             family="scale",
             says="d_k is the size of one head, D/h, not D.")
heads.mutant("no_W_o", replace=" @ W_o.T", by="", visible=True, family="weights left out",
             says="After the concatenation comes W_o, which mixes the heads.",
             question="Without W_o, can the first D/h numbers of the result know anything of the second head?")
heads.mutant("transposed", visible=True, family="transpose",
             substitutions=(("X @ W_q.T", "X @ W_q"), ("Y @ W_k.T", "Y @ W_k"), ("Y @ W_v.T", "Y @ W_v"),
                            ("@ W_o.T", "@ W_o")),
             says="The matrices have the shape (out, in): a row is multiplied as X @ W.T. They are the deck's, "
                  "transposed.")

heads.variant("a loop over the heads", """
def multi_head(X, Y, W_q, W_k, W_v, W_o, h, mask):
    d = X.shape[-1] // h
    found = []
    for i in range(h):
        own = slice(i * d, (i + 1) * d)
        found.append(scaled_dot_product(X @ W_q[own].T, Y @ W_k[own].T, Y @ W_v[own].T, mask)[0])
    return np.concatenate(found, axis=-1) @ W_o.T
""")
heads.variant("einsum, with its own softmax", """
def multi_head(X, Y, W_q, W_k, W_v, W_o, h, mask):
    D = X.shape[-1]
    q, k, v = (np.einsum("btd,hed->bhte", x, W.reshape(h, D // h, D)) for x, W in ((X, W_q), (Y, W_k), (Y, W_v)))
    s = np.einsum("bhte,bhse->bhts", q, k) / np.sqrt(D // h)
    s = np.where(mask[:, None], s, -np.inf)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    e /= e.sum(axis=-1, keepdims=True)
    return np.einsum("bhts,bhse,ohe->bto", e, v, W_o.reshape(D, h, D // h))
""")
heads.variant("a loop over the batch, np.split", """
def multi_head(X, Y, W_q, W_k, W_v, W_o, h, mask):
    R = np.empty_like(X)
    for b in range(len(X)):
        q, k, v = X[b] @ W_q.T, Y[b] @ W_k.T, Y[b] @ W_v.T
        parts = [np.split(x, h, axis=1) for x in (q, k, v)]
        R[b] = np.hstack([scaled_dot_product(*three, mask[b])[0] for three in zip(*parts)]) @ W_o.T
    return R
""")


# ----- 4. Positions

positions = Check("positional_encoding", cell="positional-encoding-test", driver="pairs_apart",
                  slide="Télécom, *Representing The Order of The Sequence Using Positional Encoding*",
                  equation="P[t, 2i] = sin(t / 10000^(2i/D)),  P[t, 2i+1] = cos(the same)", args=("T", "D"),
                  results=("sine_0 (T,)", "cosine_0 (T,)", "sines (T, I)", "cosines (T, I)"))


@positions.draws
def position_draws(rng):
    for D in (2, 4, 8, 8, 16, 64, 2 * int(rng.integers(3, 30)), 2 * int(rng.integers(3, 30))):
        yield Draw((int(rng.integers(2, 41)), D), {"several positions": True})
    for D in (4, 2 * int(rng.integers(3, 30))):
        yield Draw((1, D))
    for D in (6, 10):
        yield Draw((D, D))


positions.part("first pair", 4, outputs=("sine_0", "cosine_0"))
positions.part("wavelengths", 6, outputs=("sines", "cosines"))

SPEED, SINE, COSINE = "10000.0 ** (-np.arange(0, D, 2) / D)", "P[:, 0::2] = np.sin(angle)", "P[:, 1::2] = np.cos(angle)"

positions.mutant("halves", substitutions=((SINE, "P[:, :D // 2] = np.sin(angle)"),
                                          (COSINE, "P[:, D // 2:] = np.cos(angle)")),
                 visible=True, family="order of blocks",
                 says="The deck's picture splits in halves; this exercise interleaves sine and cosine, as the paper "
                      "does.")
positions.mutant("swap", substitutions=((SINE, "P[:, 1::2] = np.sin(angle)"), (COSINE, "P[:, 0::2] = np.cos(angle)")),
                 visible=True, family="order of blocks",
                 says="Sine comes first.")
positions.mutant("exponent", replace=SPEED, by="10000.0 ** (-np.arange(D // 2) / D)", visible=False,
                 family="wavelengths",
                 says="The exponent is 2i/D, and i counts pairs: `np.arange(0, D, 2)` is 2i already.",
                 question="D = 512: how fast does the last pair turn, compared with the first? Your slowest one turns "
                          "at a hundredth, not at a ten-thousandth.")
positions.mutant("exponent_2", replace=SPEED, by="10000.0 ** (-2 * np.arange(0, D, 2) / D)", visible=False,
                 family="wavelengths",
                 says="2i is already doubled by `np.arange(0, D, 2)`.")
positions.mutant("tensor2tensor", replace=SPEED, by="10000.0 ** (-np.arange(D // 2) / max(D // 2 - 1, 1))",
                 visible=False, family="wavelengths",
                 says="Divide i by D/2, as the paper does: i/(D/2 − 1) belongs to the program that made the deck's "
                      "picture.")
positions.mutant("from_one", replace="np.arange(T)[:, None]", by="np.arange(1, T + 1)[:, None]", visible=True,
                 family="off by one",
                 says="Positions count from 0: the first row alternates between 0 and 1.")

positions.variant("entry by entry", """
import math

def positional_encoding(T, D):
    P = np.zeros((T, D))
    for t in range(T):
        for i in range(D // 2):
            P[t, 2 * i] = math.sin(t / 10000 ** (2 * i / D))
            P[t, 2 * i + 1] = math.cos(t / 10000 ** (2 * i / D))
    return P
""")
positions.variant("pairs stacked, exponentials", """
def positional_encoding(T, D):
    angle = np.outer(np.arange(T), np.exp(np.arange(D // 2) * (-2 * np.log(10000.0) / D)))
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(T, D)
""")
positions.variant("one sine for all, cosines by a quarter turn", """
def positional_encoding(T, D):
    column = np.arange(D)
    return np.sin(np.arange(T)[:, None] / 10000 ** (column // 2 * 2 / D) + np.pi / 2 * (column % 2))
""")


# ----- 5. Layer normalisation

norm = Check("layer_norm", cell="layer-norm-test", slide="Télécom, *Residuals + Normalisation*",
             equation="y = gamma * (x - mu) / sqrt(var + eps) + beta, along the last axis, var with 1/D",
             args=("x", "gamma (D,)", "beta (D,)", "eps"), results=("y",))


TINY = 1e-20        # an eps that does not show: what is wrong about it then costs the points of one part alone


def norm_case(rng, *shape, eps=TINY):
    D = shape[-1]
    tags = dict(zip("BTD" if len(shape) == 3 else "BD", shape, strict=True))
    return (rng.normal(size=shape) + rng.normal(), 1 + 0.5 * rng.normal(size=D), rng.normal(size=D), eps), tags


def constant_rows(rng, *shape):
    """Rows of one number each."""
    args, tags = norm_case(rng, *shape, eps=1e-5)
    return (rng.normal(size=(*shape[:-1], 1)) * np.ones(shape), *args[1:]), tags


@norm.draws
def norm_draws(rng):
    for shape in ((3, 5), (4, 3), (2, 3, 6), (3, 2, 4), (4, 4, 4), (5, 5), (1, 6), (1, 3, 4), (2, 1, 5)):
        yield Draw(*norm_case(rng, *shape))
    args, tags = norm_case(rng, 3, 2, 5)
    yield Draw(as_float32(args), tags | {"float32": True})
    for shape, eps in (((3, 4), 0.1), ((2, 3, 5), 0.5), ((4, 5), 0.1), ((3, 3, 3), 0.5)):
        args, tags = norm_case(rng, *shape, eps=eps)
        yield Draw(args, tags | {"an eps that counts": True})
    for shape in ((3, 4), (2, 3, 5), (2, 2, 3)):
        args, tags = constant_rows(rng, *shape)
        yield Draw(args, tags | {"constant rows": True})
    for shape in ((4, 8), (2, 3, 9), (3, 2, 7)):
        args, tags = norm_case(rng, *shape)
        yield Draw((args[0] + 3e7, *args[1:]), tags | {"values far from 0": True})


norm.part("value", 5)
norm.part("eps", 2, where=lambda d: d["an eps that counts"])
norm.part("constant rows and values far from 0", 3, edge=True,
          where=lambda d: d["constant rows"] or d["values far from 0"])

norm.mutant("batch", visible=True, family="norm axis",
            substitutions=(("x.mean(axis=-1, keepdims=True)", "x.mean(axis=0, keepdims=True)"),
                           ("x.var(axis=-1, keepdims=True)", "x.var(axis=0, keepdims=True)")),
            says="Layer norm uses one row's own numbers; over the batch it is batch norm.",
            question="A sentence is alone in its batch. What does your function make of it?")
norm.mutant("whole_sentence", visible=True, family="norm axis",
            substitutions=(("x.mean(axis=-1, keepdims=True)", "x.mean(axis=(-2, -1), keepdims=True)"),
                           ("x.var(axis=-1, keepdims=True)", "x.var(axis=(-2, -1), keepdims=True)")),
            says="Each position has its own mean and spread: take them along the last axis alone.")
norm.mutant("ddof", replace="x.var(axis=-1, keepdims=True)", by="x.var(axis=-1, keepdims=True, ddof=1)", visible=True,
            family="mean or sum",
            says="The variance divides by D, not by D − 1.")
norm.mutant("eps_outside", replace="np.sqrt(var + eps)", by="(np.sqrt(var) + eps)", visible=False, family="epsilon",
            says="ε stands under the root.")
norm.mutant("no_beta", replace=" + beta", by="", visible=False, family="bias left out",
            says="β is added at the end.",
            question="A row of equal numbers: what should come out, and what comes out of your function?")
norm.mutant("gamma_last", replace="gamma * (x - mu) / np.sqrt(var + eps) + beta",
            by="gamma * ((x - mu) / np.sqrt(var + eps) + beta)", visible=False, family="order of operations",
            says="γ scales the normalised row alone, and β is added after that: γ does not scale β.")
norm.mutant("one_pass", replace="var = x.var(axis=-1, keepdims=True)", visible=False, family="cancellation",
            by="var = (x**2).mean(axis=-1, keepdims=True) - mu**2",
            says="The mean of the squares minus the square of the mean loses all digits far from 0: take the "
                 "differences to the mean first.",
            question="x is 30,000,000 and 30,000,002. How many digits of its square does a float64 keep?")

norm.variant("by standard deviation, in another order", """
def layer_norm(x, gamma, beta, eps):
    centred = x - np.sum(x, axis=-1, keepdims=True) / x.shape[-1]
    spread = np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + eps)
    return beta + centred / spread * gamma
""")
norm.variant("in place on a copy", """
def layer_norm(x, gamma, beta, eps):
    y = x.copy()
    y -= y.mean(axis=-1)[..., None]
    y *= (np.mean(y ** 2, axis=-1) + eps)[..., None] ** -0.5
    y *= gamma
    y += beta
    return y
""")
norm.variant("row by row", """
def layer_norm(x, gamma, beta, eps):
    y = np.empty_like(x)
    for place in np.ndindex(x.shape[:-1]):
        row = x[place]
        y[place] = gamma * (row - row.mean()) / (row.std() ** 2 + eps) ** 0.5 + beta
    return y
""")


# ----- 6. Its gradient

back = Check("layer_norm_backward", cell="layer-norm-backward-test", tol=GRADIENT,
             slide="Télécom, *Residuals + Normalisation*",
             equation="dx = (dn - mean(dn) - n mean(dn * n)) / sigma,  dn = dy * gamma",
             args=("dy (B, T, D)", "x (B, T, D)", "gamma (D,)", "eps"),
             results=("dx (B, T, D)", "dgamma (D,)", "dbeta (D,)"))


def back_case(rng, B, T, D, eps=TINY):
    return rng.normal(size=(B, T, D)), rng.normal(size=(B, T, D)) + rng.normal(), 1 + 0.5 * rng.normal(size=D), eps


@back.draws
def back_draws(rng):
    for size in sizes(rng, "BTD", low=3, high=8):               # 3 x different, 2 x equal, B = 1 and T = 1 twice
        yield Draw(back_case(rng, **size))
    for B, T, D in ((3, 4, 2), (2, 5, 2), (3, 2, 6), (4, 4, 4)):            # for D = 2 dx is 0 but for eps
        yield Draw(back_case(rng, B, T, D, eps=0.1), {"an eps that counts": True})
    dy, x, gamma, eps = back_case(rng, 4, 3, 6)
    dy[0] *= 1e6
    x[0] *= 0.01
    yield Draw((dy, x, gamma, eps), {"mixed scales": True}, mixed=True)
    yield Draw(back_case(rng, 10, 10, 100), {"large": True}, budget=0.2)
    yield Draw(as_float32(back_case(rng, 3, 2, 5)), {"float32": True})


back.part("dx", 7)
back.part("dgamma", 4)
back.part("dbeta", 3)
back.part("eps", 2, outputs=("dx", "dgamma"), where=lambda d: d["an eps that counts"])

back.mutant("mean_constant", replace=" - dn.mean(axis=-1, keepdims=True)", by="", visible=False, family="lost path",
            says="The mean depends on x too: its path subtracts mean(dn).",
            question="Add 1 to all D numbers of a row. Does y change? What does your dx say?")
back.mutant("var_constant", replace=" - n * (dn * n).mean(axis=-1, keepdims=True)", by="", visible=False,
            family="lost path",
            says="The variance depends on x too: its path subtracts n·mean(dn ⊙ n).",
            question="Double a row whose mean is 0. Does y change? What does your dx say?")
back.mutant("both_constant", visible=False, family="lost path",
            replace="(dn - dn.mean(axis=-1, keepdims=True) - n * (dn * n).mean(axis=-1, keepdims=True))", by="dn",
            says="μ and σ are functions of x; treating them as constants loses two paths.",
            question="Add 1 to all D numbers of a row. Does y change? What does your dx say?")
back.mutant("no_gamma", replace="dn = dy * gamma", by="dn = dy", visible=False, family="factor left out",
            says="dy passes through γ first.")
back.mutant("no_eps", replace=".var(axis=-1, keepdims=True) + eps", by=".var(axis=-1, keepdims=True)", visible=False,
            family="epsilon",
            says="σ on the way back is that of the way forward, with ε under the root.")
back.mutant("dgamma_x", replace="(dy * n).sum", by="(dy * x).sum", visible=True, family="derivative at the wrong point",
            says="γ was multiplied with n, the normalised row, not with x: dγ sums dy ⊙ n.")
back.mutant("gamma_again", replace="(dy * n).sum(axis=(0, 1)), dy.sum", by="(dn * n).sum(axis=(0, 1)), dn.sum",
            visible=True, family="derivative at the wrong point",
            says="dγ and dβ come from dy itself: γ only scales what goes on to x.")
back.mutant("mean_rows", visible=False, family="mean or sum",
            replace="(dy * n).sum(axis=(0, 1)), dy.sum(axis=(0, 1))",
            by="(dy * n).mean(axis=(0, 1)), dy.mean(axis=(0, 1))",
            says="γ and β are shared by all rows: their gradients are *sums* over B and T, not means.")

back.variant("einsum, all in sums", """
def layer_norm_backward(dy, x, gamma, eps):
    D = x.shape[-1]
    c = x - np.einsum("btd->bt", x)[..., None] / D
    r = (np.einsum("btd,btd->bt", c, c)[..., None] / D + eps) ** -0.5
    n, dn = c * r, dy * gamma
    inner = D * dn - dn.sum(-1)[..., None] - n * np.einsum("btd,btd->bt", dn, n)[..., None]
    return r / D * inner, np.einsum("btd,btd->d", dy, n), np.einsum("btd->d", dy)
""")
back.variant("step by step through variance and mean", """
def layer_norm_backward(dy, x, gamma, eps):
    D = x.shape[-1]
    c = x - x.mean(axis=-1, keepdims=True)
    sigma = np.sqrt((c * c).mean(axis=-1, keepdims=True) + eps)
    dn = gamma * dy
    dvar = (dn * c).sum(axis=-1, keepdims=True) * -0.5 / sigma ** 3
    dc = dn / sigma + dvar * 2 * c / D
    dx = dc - dc.sum(axis=-1, keepdims=True) / D
    rows = dy.reshape(-1, D)
    return dx, (rows * (c / sigma).reshape(-1, D)).sum(axis=0), rows.sum(axis=0)
""")
back.variant("in place on copies, a list", """
def layer_norm_backward(dy, x, gamma, eps):
    n = x.copy()
    n -= n.mean(axis=-1, keepdims=True)
    sigma = np.sqrt(np.mean(n ** 2, axis=-1, keepdims=True) + eps)
    n /= sigma
    dgamma = (dy * n).sum(axis=1).sum(axis=0)
    dx = dy.copy()
    dx *= gamma
    dx -= dx.mean(axis=-1, keepdims=True) + n * np.mean(dx * n, axis=-1, keepdims=True)
    dx /= sigma
    return [dx, dgamma, dy.sum(axis=0).sum(axis=0)]
""")
back.variant("the Jacobian of each row", """
def layer_norm_backward(dy, x, gamma, eps):
    B, T, D = x.shape
    dx, dgamma, dbeta = np.empty_like(x), np.zeros_like(gamma), np.zeros_like(gamma)
    for b in range(B):
        for t in range(T):
            row, up = x[b, t], dy[b, t]
            sigma = np.sqrt(row.var() + eps)
            n = (row - row.mean()) / sigma
            dn = up * gamma
            dx[b, t] = (dn - dn.sum() / D - n * np.dot(n, dn) / D) / sigma
            dgamma += up * n
            dbeta += up
    return dx, dgamma, dbeta
""")


# ----- 7. The encoder's block

def norm_params(rng, D):
    return 1 + 0.5 * rng.normal(size=D), rng.normal(size=D)


encoder = Check("encoder_block", cell="encoder-block-test", slide="Télécom, *Residuals + Normalisation*",
                equation="a = LN_1(X + MHA(X, X));  y = LN_2(a + W_2 relu(W_1 a + b_1) + b_2)",
                args=("X (B, T, D)", "params", "h", "mask (B, T, T)"), results=("y (B, T, D)",))


def encoder_case(rng, B, T, D, h, bare=False):
    """bare: attention and network bring nothing but b_2, so that residuals and norms are left."""
    F = D + 3
    W_q, W_k, W_v, W_o = matrices(rng, D)
    network = [rng.normal(size=(F, D)) / D ** 0.5, rng.normal(size=F), rng.normal(size=(D, F)) / F ** 0.5,
               rng.normal(size=D)]
    if bare:
        W_o, network[2] = np.zeros((D, D)), np.zeros((D, F))
        network[3] = np.abs(network[3]) * np.where(np.arange(D) % 2, 1, -1)        # some below 0, whatever the seed
    params = (W_q, W_k, W_v, W_o), tuple(network), norm_params(rng, D), norm_params(rng, D)
    return rng.normal(size=(B, T, D)), params, h, some_seen(rng, B, T, T)


@encoder.draws
def encoder_draws(rng):
    for B, T, D, h in ((2, 3, 4, 2), (3, 5, 6, 1), (4, 4, 4, 2), (1, 5, 8, 2), (2, 1, 6, 2)):
        yield Draw(encoder_case(rng, B, T, D, h), {"whole block": True})
    for B, T, D, h in ((2, 3, 4, 2), (3, 2, 5, 1), (4, 4, 4, 1), (1, 3, 6, 2), (2, 1, 4, 2)):
        yield Draw(encoder_case(rng, B, T, D, h, bare=True), {"residuals and norms only": True})
    yield Draw(as_float32(encoder_case(rng, 2, 3, 6, 2)), {"whole block": True, "float32": True})


encoder.part("residual connections and norms", 4, where=lambda d: d["residuals and norms only"])
encoder.part("whole block", 4, where=lambda d: d["whole block"], edge=True)

FIRST = "a = layer_norm(X + multi_head(X, X, *attention, h, mask), *norm_1, EPS)"
NETWORK, LAST = "np.maximum(a @ W_1.T + b_1, 0) @ W_2.T + b_2", "return layer_norm(a + f, *norm_2, EPS)"

encoder.mutant("pre_norm", visible=True, family="norm before or after",
               substitutions=((FIRST, "n = layer_norm(X, *norm_1, EPS)\n"
                                      "    a = X + multi_head(n, n, *attention, h, mask)"),
                              (f"f = {NETWORK}", "n = layer_norm(a, *norm_2, EPS)\n"
                                                 "    f = np.maximum(n @ W_1.T + b_1, 0) @ W_2.T + b_2"),
                              (LAST, "return a + f")),
               says="The deck normalises *after* the residual sum (post-norm).",
               question="Is what comes out of your block normalised? What does the next block get?")
encoder.mutant("no_residual_1", replace="X + multi_head(", by="multi_head(", visible=True, family="residual left out",
               says="Around each sub-layer goes a residual connection: the attention's input is added to its result.",
               question="If the attention brings nothing (W_o = 0), what is left of X in your block?")
encoder.mutant("no_residual_2", replace="layer_norm(a + f,", by="layer_norm(f,", visible=True,
               family="residual left out",
               says="The feed-forward part has its residual as well.")
encoder.mutant("no_relu", replace="np.maximum(a @ W_1.T + b_1, 0)", by="(a @ W_1.T + b_1)", visible=False,
               family="activation left out",
               says="Without relu the two linear maps are one.")
encoder.mutant("relu_last", replace=NETWORK, by="np.maximum((a @ W_1.T + b_1) @ W_2.T + b_2, 0)", visible=False,
               family="activation left out",
               says="relu stands between the two maps; at the end it would cut all negative numbers from the sum.")
encoder.mutant("norms_shared", replace="a + f, *norm_2", by="a + f, *norm_1", visible=False, family="weights shared",
               says="The second norm has a γ and a β of its own.")

encoder.variant("everything in its own lines", """
def encoder_block(X, params, h, mask):
    (W_q, W_k, W_v, W_o), (W_1, b_1, W_2, b_2), (g_1, c_1), (g_2, c_2) = params
    attended = multi_head(X, X, W_q, W_k, W_v, W_o, h, mask)
    a = layer_norm(attended + X, g_1, c_1, 1e-5)
    inner = np.einsum("btd,fd->btf", a, W_1) + b_1
    inner = inner * (inner > 0)
    return layer_norm(b_2 + np.einsum("btf,df->btd", inner, W_2) + a, g_2, c_2, 1e-5)
""")
encoder.variant("a pattern for both sub-layers", """
def encoder_block(X, params, h, mask):
    attention, network, *norms = params
    W_1, b_1, W_2, b_2 = network
    def meet(x):
        return multi_head(x, x, *attention, h, mask)
    def alone(x):
        return np.where(x @ W_1.T > -b_1, x @ W_1.T + b_1, 0) @ W_2.T + b_2
    for sub_layer, (gamma, beta) in zip((meet, alone), norms):
        X = layer_norm(X + sub_layer(X), gamma, beta, EPS)
    return X
""")
encoder.variant("position by position in the network, in place on a copy", """
def encoder_block(X, params, h, mask):
    attention, (W_1, b_1, W_2, b_2), norm_1, norm_2 = params
    a = X.copy()
    a += multi_head(X, X, *attention, h, mask)
    a = layer_norm(a, *norm_1, EPS)
    y = a.copy()
    for t in range(X.shape[1]):
        y[:, t] += np.maximum(0, a[:, t] @ W_1.T + b_1) @ W_2.T
        y[:, t] += b_2
    return layer_norm(y, *norm_2, EPS)
""")


# ----- 8. The decoder's block

decoder = Check("decoder_block", cell="decoder-block-test", slide="Télécom, *Decoder side*",
                equation="a = LN_1(Y + MHA_causal(Y, Y));  z = LN_2(a + MHA_pad(a, M))",
                args=("Y (B, T, D)", "M (B, S, D)", "params", "h", "causal (B, T, T)", "pad (B, T, S)"),
                results=("z (B, T, D)",))


def decoder_case(rng, B, T, S, D, h, kind):
    """kind: "own", the second attention brings nothing; "cross", nothing is hidden in the first; or "both"."""
    own, cross, M = matrices(rng, D), matrices(rng, D), rng.normal(size=(B, S, D))
    causal = np.broadcast_to(np.tri(T, dtype=bool), (B, T, T)).copy()
    lengths = rng.integers(S // 2, S, size=(B, 1, 1))
    pad = np.repeat(np.arange(S) < lengths, T, axis=1)
    if kind == "own":
        cross, M = (*cross[:3], np.zeros((D, D))), np.zeros((B, S, D))
    if kind == "cross":
        causal[:] = True
    params = own, cross, norm_params(rng, D), norm_params(rng, D)
    return rng.normal(size=(B, T, D)), M, params, h, causal, pad


OWN, CROSS, BOTH = "the encoder's output is 0", "nothing is hidden from the first attention", "both masks"


@decoder.draws
def decoder_draws(rng):
    for B, T, D, h in ((2, 3, 4, 2), (3, 4, 6, 1), (4, 4, 4, 2), (1, 5, 6, 3)):
        yield Draw(decoder_case(rng, B, T, T, D, h, "own"), {OWN: True})            # T = S: exchanged roles fit
        yield Draw(decoder_case(rng, B, T, T, D, h, "cross"), {CROSS: True})
    for B, T, S, D, h in ((2, 3, 5, 4, 2), (3, 4, 2, 6, 1), (2, 4, 4, 4, 1), (1, 3, 4, 6, 2), (2, 5, 5, 6, 2)):
        yield Draw(decoder_case(rng, B, T, S, D, h, "both"), {BOTH: True})
    yield Draw(decoder_case(rng, 2, 1, 4, 6, 2, "both"), {BOTH: True})
    yield Draw(as_float32(decoder_case(rng, 2, 3, 4, 6, 2, "both")), {BOTH: True, "float32": True})


decoder.part("causal part", 3, where=lambda d: d[OWN])
decoder.part("cross part", 3, where=lambda d: d[CROSS])
decoder.part("both masks, T and S different", 2, where=lambda d: d[BOTH], edge=True)

SECOND = "multi_head(a, M, *cross, h, pad)"

decoder.mutant("not_causal", replace="*own, h, causal)", by="*own, h, np.ones_like(causal))", visible=False,
               family="mask left out",
               says="A decoder position may not see later words: it would copy the answer.",
               question="In training the whole answer is given. Which word does position t have to predict, and where "
                        "does it stand?")
decoder.mutant("masks_exchanged", visible=False, family="mask left out",
               substitutions=(("*own, h, causal)", "*own, h, pad)"), ("*cross, h, pad)", "*cross, h, causal)")),
               says="The causal mask belongs to the decoder's own words, the padding mask to those of the encoder.")
decoder.mutant("cross_causal", visible=False, family="mask left out",
               replace="*cross, h, pad)", by="*cross, h, causal & pad)",
               says="The encoder's words are no future: the second attention needs the padding mask alone.")
decoder.mutant("roles", replace=SECOND, by="multi_head(M, a, *cross, h, pad)", visible=True, family="roles",
               says="Queries come from the decoder, keys and values from the encoder.",
               question="How many rows has your second attention's result if the source has 7 words and the answer 5?")
decoder.mutant("self_again", replace=SECOND, by="multi_head(a, a, *cross, h, causal)", visible=True, family="roles",
               says="The second attention looks at the encoder's output M.",
               question="Does your block's result change if the source sentence is another one?")
decoder.mutant("query_from_Y", replace="multi_head(a, M,", by="multi_head(Y, M,", visible=False, family="roles",
               says="The second attention asks with a, the result of the first, not with Y.")
decoder.mutant("weights_shared", replace="*cross, h, pad", by="*own, h, pad", visible=True, family="weights shared",
               says="Self- and cross-attention have weights of their own.")

decoder.variant("everything in its own lines", """
def decoder_block(Y, M, params, h, causal, pad):
    (Q1, K1, V1, O1), (Q2, K2, V2, O2), (g1, b1), (g2, b2) = params
    first = multi_head(Y, Y, Q1, K1, V1, O1, h, causal)
    a = layer_norm(first + Y, g1, b1, 1e-5)
    second = multi_head(a, M, Q2, K2, V2, O2, h, pad)
    return layer_norm(second + a, g2, b2, 1e-5)
""")
decoder.variant("a loop over both attentions", """
def decoder_block(Y, M, params, h, causal, pad):
    x = Y
    for n, mask in enumerate((causal, pad)):
        seen = M if n else x
        x = layer_norm(x + multi_head(x, seen, *params[n], h, mask), *params[2 + n], EPS)
    return x
""")
decoder.variant("sentence by sentence, in place on a copy", """
def decoder_block(Y, M, params, h, causal, pad):
    z = Y.copy()
    for b in range(len(Y)):
        x = z[b:b + 1]
        x += multi_head(Y[b:b + 1], Y[b:b + 1], *params[0], h, causal[b:b + 1])
        x[:] = layer_norm(x, *params[2], EPS)
        x += multi_head(x.copy(), M[b:b + 1], *params[1], h, pad[b:b + 1])
        x[:] = layer_norm(x, *params[3], EPS)
    return z
""")


# ----- 9. The cache

cached = Check("kv_cache_step", cell="kv-cache-step-test", driver="decode", slide="Télécom, *Decoder side*",
               equation="append k_t and v_t;  z_t = softmax(q_t K^T / sqrt(d_k)) V",
               args=("X (T, D)", "W_q (d, D)", "W_k (d, D)", "W_v (e, D)"),
               results=("z (T, e)", "K (T, d)", "V (T, e)"))


@cached.draws
def cached_draws(rng):
    for size in sizes(rng, "TDde", high=9):                     # 3 x all different, 2 x all equal, T = 1 twice
        yield Draw(cached.normal(rng, size))
    [size] = sizes(rng, "TDde", different=1, equal=0, one={}, low=3)
    yield Draw(as_float32(cached.normal(rng, size, scale=0.7)), {"float32": True})


cached.part("equal to causal attention", 6, outputs="z")
cached.part("what is in the cache", 2, outputs=("K", "V"), edge=True)

APPEND = "np.concatenate([cache[0], k[None]]), np.concatenate([cache[1], v[None]])"
ASK = "scaled_dot_product(q[None], K, V, np.ones((1, len(K)), bool))"

cached.mutant("only_new", replace=ASK, by="scaled_dot_product(q[None], K[-1:], V[-1:], np.ones((1, 1), bool))",
              visible=False, family="state not carried",
              says="The new query looks at *all* cached keys, not at its own alone.",
              question="A softmax over a single score: what is it, whatever the score?")
cached.mutant("no_self", replace=ASK, visible=False, family="off by one",
              by="scaled_dot_product(q[None], K, V, np.arange(len(K))[None] < max(len(K) - 1, 1))",
              says="Put the new key in the cache *before* attending: a position sees itself.")
cached.mutant("prepend", replace="[cache[0], k[None]]", by="[k[None], cache[0]]", visible=False,
              family="order of blocks",
              says="Keys and values must stay aligned: append both at the end.")
cached.mutant("overwrite", replace=APPEND, by="k[None], v[None]", visible=False, family="state not carried",
              says="The cache grows by one row a step: append to it, and keep what is in it.")
cached.mutant("no_scale", replace=ASK, visible=False, family="scale",
              by="scaled_dot_product(q[None] * len(q) ** 0.5, K, V, np.ones((1, len(K)), bool))",
              says="The scale 1/√d applies with a cache as well (at one step it is invisible).",
              question="At the first step there is one key. Why can no test of that step see the scale?")

cached.variant("its own softmax", """
def kv_cache_step(x, cache, W_q, W_k, W_v):
    K, V = np.vstack([cache[0], W_k @ x]), np.vstack([cache[1], W_v @ x])
    s = K @ (W_q @ x) / np.sqrt(len(W_q))
    e = np.exp(s - s.max())
    return e @ V / e.sum(), (K, V)
""")
cached.variant("the new part of each sum apart", """
def kv_cache_step(x, cache, W_q, W_k, W_v):
    q, k, v = x @ W_q.T, x @ W_k.T, x @ W_v.T
    old, new = cache[0] @ q / len(q) ** 0.5, q @ k / len(q) ** 0.5
    top = max([new, *old])
    weights, own = np.exp(old - top), np.exp(new - top)
    z = (weights @ cache[1] + own * v) / (weights.sum() + own)
    return z, (np.append(cache[0], [k], axis=0), np.append(cache[1], [v], axis=0))
""")
cached.variant("arrays made larger by hand", """
def kv_cache_step(x, cache, W_q, W_k, W_v):
    t = len(cache[0])
    K, V = np.empty((t + 1, len(W_k)), x.dtype), np.empty((t + 1, len(W_v)), x.dtype)
    K[:t], V[:t] = cache
    K[t], V[t] = np.einsum("ij,j->i", W_k, x), np.einsum("ij,j->i", W_v, x)
    Z, _ = scaled_dot_product((W_q @ x).reshape(1, -1), K, V, np.full((1, t + 1), True))
    return Z.reshape(-1), (K, V)
""")
