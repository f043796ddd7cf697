"""What the grader looks at in 04_vanishing: the draws, the parts and their points, and the mistakes that it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad's tape; the
mutants are substitutions in it.
"""

import numpy as np

from autograder.check import GRADIENT, Check, Draw, as_float32, sizes

# ----- 1. The Jacobian of a step

jacobian = Check("step_jacobian", cell="step-jacobian-test",
                 slide="Chemnitz, *Vanishing and exploding gradients*; Escalera, *Vanilla RNN Gradient Flow*",
                 equation="dh_t / dh_{t-1} = diag(1 - h_t^2) W_h", args=("h (H,)", "W_h (H, H)"),
                 results=("J (H, H)",))


def state_and_weights(rng, size, saturated=1.0):
    return np.tanh(saturated * rng.normal(size=size)), rng.normal(size=(size, size))


@jacobian.draws
def jacobian_draws(rng):
    for size in (2, 3, 4, 5, 6, 3):
        yield Draw(state_and_weights(rng, size))
    yield Draw(as_float32(state_and_weights(rng, 4)), {"float32": True})
    for size in (3, 5):
        yield Draw(state_and_weights(rng, size, 4.0), {"states near 1 and -1": True})
    for _ in range(2):
        yield Draw(state_and_weights(rng, 1), {"H = 1": True})


def special(draw):
    return draw["states near 1 and -1"] or draw["H = 1"]


jacobian.part("shape", 2, kind="shape")
jacobian.part("value", 9, where=lambda d: not special(d))
jacobian.part("H = 1 and saturated states", 3, where=special, edge=True)

jacobian.mutant("columns", replace="[:, None]", by="[None, :]", visible=False, family="rows and columns",
                says="diag(h') W scales the *rows* of W: row i belongs to output i.",
                question="Unit 2 is saturated: its slope is 0. Which entries of the Jacobian must be 0?")
jacobian.mutant("transposed", replace="(1 - h**2)[:, None] * W_h", by="((1 - h**2)[:, None] * W_h).T", visible=True,
                family="transpose",
                says="dh_t/dh_{t-1} has outputs as rows; its transpose is what backward multiplies by.")
jacobian.mutant("no_derivative", replace="(1 - h**2)[:, None] * W_h", by="1.0 * W_h", visible=False,
                family="slope left out",
                says="W_h alone is half the story: each step also multiplies by the slope of tanh.",
                question="If every unit is saturated, can h_{t-1} still move h_t? What does your Jacobian say?")
jacobian.mutant("tanh_twice", replace="(1 - h**2)", by="(1 - np.tanh(h) ** 2)", visible=False,
                family="derivative at the wrong point",
                says="h_t is already the tanh: do not take it again.")

jacobian.variant("with the diagonal matrix", """
def step_jacobian(h, W_h):
    return np.diag(1 - h * h) @ W_h
""")
jacobian.variant("einsum", """
def step_jacobian(h, W_h):
    return np.einsum("i,ij->ij", (1 - h) * (1 + h), W_h)
""")
jacobian.variant("row by row", """
def step_jacobian(h, W_h):
    J = np.zeros_like(W_h)
    for i, row in enumerate(W_h):
        J[i] = row - h[i] ** 2 * row
    return J
""")


# ----- 2. The product of Jacobians

products = Check("jacobian_products", cell="jacobian-products-test",
                 slide="Télécom, *Vanishing and exploding gradients*; KTH, *BPTT Step by Step*",
                 equation="dh_T / dh_k = product of diag(1 - h_i^2) W_h, the newest factor on the left",
                 args=("hs (T, H)", "W_h (H, H)"), results=("earlier", "last (H, H)"), driver="products_apart")


def sequence(rng, T, H, scale=1.0):
    return np.tanh(rng.normal(size=(T, H))), scale * rng.normal(size=(H, H))


@products.draws
def product_draws(rng):
    for T, H in ((2, 3), (2, 4), (2, 2), (2, 5)):
        yield Draw(sequence(rng, T, H), {"two states": True})
    for T, H in ((3, 4), (6, 3), (10, 2), (5, 5), (4, 4)):
        yield Draw(sequence(rng, T, H, 0.8), {"several states": True})
    for H in (2, 4, 3, 5):
        yield Draw(sequence(rng, 1, H), {"one state": True})


products.part("identity", 3, outputs="last", where=lambda d: not d["one state"])
products.part("order of the factors", 7, outputs="earlier", where=lambda d: d["several states"])
products.part("two states", 6, outputs="earlier", where=lambda d: d["two states"])
products.part("T = 1", 2, where=lambda d: d["one state"], edge=True)

STEP = "products[k] = products[k + 1] @ step_jacobian(hs[k + 1], W_h)"
products.mutant("order", replace=STEP, visible=False, family="order of factors",
                by="products[k] = step_jacobian(hs[k + 1], W_h) @ products[k + 1]",
                says="Matrix products do not commute: the newest Jacobian stands on the left.",
                question="A change of h_1 meets step 2 first, then step 3. Which of the two matrices acts on it first?")
products.mutant("hk", replace="step_jacobian(hs[k + 1], W_h)", by="step_jacobian(hs[k], W_h)", visible=True,
                family="h_t for h_{t-1}",
                says="The step from h_k to h_{k+1} is differentiated at h_{k+1}.")
products.mutant("power", replace="step_jacobian(hs[k + 1], W_h)", by="W_h", visible=True, family="slope left out",
                says="A power of W_h alone ignores the slopes of tanh; Chemnitz' approximate sign hides them.")
products.mutant("from_zero", replace="products[T - 1] = np.eye(H)", by="products[T - 1] = 0", visible=True,
                family="seed",
                says="dh_T/dh_T is the identity; starting from 0 everything stays 0.")
products.mutant("elementwise", replace=" @ step_jacobian(hs[k + 1], W_h)", by=" * step_jacobian(hs[k + 1], W_h)",
                visible=True, family="elementwise product",
                says="The chain rule multiplies matrices, not their entries.")

products.variant("from the left, for each k anew", """
def jacobian_products(hs, W_h):
    found = []
    for k in range(len(hs)):
        P = np.eye(len(W_h))
        for h in hs[k + 1:]:
            P = ((1 - h ** 2)[:, None] * W_h) @ P
        found.append(P)
    return np.array(found)
""")
products.variant("a list, turned round", """
def jacobian_products(hs, W_h):
    found = [np.eye(hs.shape[1])]
    for h in hs[:0:-1]:
        found.append(found[-1] @ np.diag(1 - h * h) @ W_h)
    return np.stack(found[::-1])
""")
products.variant("einsum over all Jacobians made before", """
def jacobian_products(hs, W_h):
    J = np.einsum("ti,ij->tij", 1 - hs ** 2, W_h)
    P = np.tile(np.eye(len(W_h)), (len(hs), 1, 1))
    for k in range(len(hs) - 2, -1, -1):
        P[k] = np.einsum("ij,jk->ik", P[k + 1], J[k + 1])
    return P
""")


# ----- 3. The same without Jacobians

norms = Check("gradient_norms", cell="gradient-norms-test", slide="Escalera, *Vanilla RNN Gradient Flow*",
              equation="delta_{t-1} = W_h^T (h'_t * delta_t)", driver="norms_apart",
              args=("hs (T, H)", "W_h (H, H)", "g (H,)"), results=("logs", "last"))


def long_sequence(rng, T, power, H=6):
    """States and weights for which the first gradient is about 10**power long: its square is a float64 still.

    Weights s times as large make it s**(T - 1) times as long, so one walk with a gradient kept short tells the s.
    """
    hs, W, g = np.tanh(0.5 * rng.normal(size=(T, H))), rng.normal(size=(H, H)), rng.normal(size=H)
    log, d = 0.0, g
    for h in hs[:0:-1]:
        d = W.T @ ((1 - h**2) * d)
        log, d = log + np.log(np.linalg.norm(d)), d / np.linalg.norm(d)
    return hs, W * np.exp((power * np.log(10) - log) / (T - 1)), g


@norms.draws
def norm_draws(rng):
    for T, H in ((4, 3), (7, 5), (9, 4), (5, 5), (2, 3)):
        yield Draw((*sequence(rng, T, H), rng.normal(size=H)))
    for T, power in ((200, -100), (300, -130), (250, 90), (300, 120)):
        yield Draw(long_sequence(rng, T, power), {"a long sequence": True})


norms.part("last step", 4, outputs="last", where=lambda d: not d["a long sequence"])
norms.part("values", 9, outputs="logs", where=lambda d: not d["a long sequence"])
norms.part("long sequences", 3, where=lambda d: d["a long sequence"], edge=True)

norms.mutant("no_transpose", replace="W_h.T @", by="W_h @", visible=False, family="transpose",
             says="Backward multiplies by W_h^T (the slide says so in brackets).")
norms.mutant("squared", replace="np.sqrt(np.sum(g**2))", by="np.sum(g**2)", visible=True, family="norm",
             says="The norm is the root of the sum of squares.")
norms.mutant("after", replace="W_h.T @ ((1 - hs[t]**2) * g)", by="(1 - hs[t]**2) * (W_h.T @ g)", visible=False,
             family="order of factors",
             says="First through tanh, then through W_h: the order of going back.",
             question="Forward, tanh came last. What must the gradient meet first?")
norms.mutant("forward_time", replace="    return norms", by="    return norms[::-1]", visible=False,
             family="time reversed",
             says="Entry t belongs to time t; the walk runs from T down to 1.")

norms.mutant("earlier_slope", replace="(1 - hs[t]**2)", by="(1 - hs[t - 1]**2)", visible=False,
             family="h_t for h_{t-1}",
             says="On its way from h_t to h_{t-1} the gradient passes the slope of h_t, not that of the earlier state.",
             question="h_t is saturated and h_{t-1} is 0. Can h_{t-1} still move h_t?")

norms.variant("lengths by math.hypot", """
def gradient_norms(hs, W_h, g):
    import math
    found = []
    for h in hs[::-1]:
        found.append(math.hypot(*g))
        g = W_h.T @ (g - g * h * h)
    return np.array(found[::-1])
""")
norms.variant("with the whole gradients kept", """
def gradient_norms(hs, W_h, g):
    deltas = [g]
    for h in hs[:0:-1]:
        deltas.insert(0, (deltas[0] * (1 - h * h)) @ W_h)
    return np.linalg.norm(deltas, axis=1)
""")
norms.variant("by the Jacobians", """
def gradient_norms(hs, W_h, g):
    found = np.zeros(len(hs))
    for t in range(len(hs) - 1, -1, -1):
        found[t] = np.linalg.norm(g)
        g = step_jacobian(hs[t], W_h).T @ g
    return found
""")
norms.variant("a row, in place on a copy", """
def gradient_norms(hs, W_h, g):
    g, found = g.copy(), []
    for h in reversed(hs):
        found.append(np.dot(g, g) ** 0.5)
        g *= 1 - h ** 2
        g = g @ W_h
    return np.array(found)[::-1]
""")


# ----- 4. An orthogonal start

orth = Check("orthogonal", cell="orthogonal-test", slide="Escalera, *Vanilla RNN Gradient Flow*",
             driver="gram_and_signs", equation="A = Q R;  W = gain Q diag(sign(diag R))", args=("A (N, N)", "gain"),
             results=("gram (N, N)", "W (N, N)"))


def with_signs(rng, n):
    """A random matrix for which NumPy's R has diagonal entries of both signs."""
    while True:
        A = rng.normal(size=(n, n))
        signs = np.sign(np.diag(np.linalg.qr(A)[1]))
        if n == 1 or len(set(signs)) == 2:
            return A


@orth.draws
def orth_draws(rng):
    for n in (3, 5, 8, 4, 2):
        yield Draw((with_signs(rng, n), 1.0), {"gain 1": True})
    for n, gain in ((4, 0.5), (6, 2**0.5), (3, 0.5), (5, 2**0.5), (1, 2.0)):
        yield Draw((with_signs(rng, n), gain), {"another gain": True})


orth.part("orthogonality", 5, outputs="gram", where=lambda d: d["gain 1"])
orth.part("sign rule", 5, outputs="W", where=lambda d: d["gain 1"])
orth.part("gain", 4, outputs="gram", where=lambda d: d["another gain"], edge=True)

orth.mutant("no_sign", replace=" * np.sign(np.diag(R))", by="", visible=False, family="sign rule",
            says="QR fixes Q only up to signs; without the sign rule the matrices are not uniformly distributed.")
orth.mutant("rows", replace="np.sign(np.diag(R))", by="np.sign(np.diag(R))[:, None]", visible=False,
            family="rows and columns",
            says="The signs belong to the *columns* of Q.",
            question="A = Q R. If a column of Q changes its sign, which entries of R must change theirs?")
orth.mutant("no_gain", replace="gain * Q", by="1.0 * Q", visible=False, family="factor",
            says="The gain scales all singular values.")
orth.mutant("normalise", replace="gain * Q * np.sign(np.diag(R))", by="gain * A / np.sqrt((A**2).sum(axis=0))",
            visible=True, family="normalised columns",
            says="Columns of length 1 are not yet orthogonal to each other.")

orth.variant("signs by where", """
def orthogonal(A, gain):
    Q, R = np.linalg.qr(A)
    return gain * (Q @ np.diag(np.where(np.diag(R) < 0, -1.0, 1.0)))
""")
orth.variant("Gram and Schmidt, column by column", """
def orthogonal(A, gain):
    columns = []
    for a in A.T:
        for _ in range(2):
            for q in columns:
                a = a - (q @ a) * q
        columns.append(a / np.sqrt(a @ a))
    return gain * np.array(columns).T
""")
orth.variant("R made positive first", """
def orthogonal(A, gain):
    Q, R = np.linalg.qr(A)
    for k in range(len(A)):
        if R[k, k] < 0:
            Q[:, k] *= -1
    return Q * gain
""")


# ----- 5. Shortcuts through time

skip = Check("skip_rnn_forward", cell="skip-rnn-forward-test",
             slide="Télécom, *Dealing with the vanishing gradient*; Riveill, *How to introduce residual in RNN*",
             equation="h_t = tanh(W_x x_t + W_h h_{t-1} + W_s h_{t-d} + b)", driver="skip_apart",
             args=("xs (T, B, D)", "h0 (B, H)", "W_x (H, D)", "W_h (H, H)", "W_s (H, H)", "b (H,)", "d"),
             results=("first", "rest"))


def skip_case(rng, T, d, B=None, equal=False):
    B, D, H = (3, 3, 3) if equal else (B or int(rng.integers(1, 4)), 4, 5)
    return (rng.normal(size=(T, B, D)), rng.normal(size=(B, H)), 0.7 * rng.normal(size=(H, D)),
            0.6 * rng.normal(size=(H, H)), 0.6 * rng.normal(size=(H, H)), rng.normal(size=H), d)


@skip.draws
def skip_draws(rng):
    for T, d in ((6, 2), (9, 4), (7, 3), (8, 2)):
        yield Draw(skip_case(rng, T, d))
    yield Draw(skip_case(rng, 6, 3, equal=True))
    yield Draw(skip_case(rng, 7, 2, B=1))
    yield Draw(skip_case(rng, 3, 5), {"d > T": True})           # no step is that far from the beginning
    yield Draw(as_float32(skip_case(rng, 6, 2)), {"float32": True})
    for T in (4, 6, 5, 7):
        yield Draw(skip_case(rng, T, 1), {"d = 1": True})


skip.part("value", 9, outputs="rest", where=lambda d: not d["d = 1"] and not d["d > T"])
skip.part("the first d steps", 4, outputs="first", where=lambda d: not d["d = 1"])
skip.part("d = 1", 3, where=lambda d: d["d = 1"], edge=True)

skip.mutant("no_skip", replace="a = a + hs[t - d] @ W_s.T", by="a = a + 0", visible=False, family="shortcut left out",
            says="The shortcut adds a term from d steps earlier.")
skip.mutant("off_by_one", replace="hs[t - d] @ W_s.T", by="hs[max(t - d - 1, 0)] @ W_s.T", visible=False,
            family="off by one",
            says="Count again: at time t the shortcut starts at t - d.",
            question="d = 1: which state should the shortcut read at time t, and which does yours?")
skip.mutant("shared", replace="hs[t - d] @ W_s.T", by="hs[t - d] @ W_h.T", visible=False, family="shared weights",
            says="The shortcut is a connection of its own, with its own matrix W_s.")
skip.mutant("outside", visible=False, family="place of the shortcut",
            substitutions=(("        if t - d >= 0:\n            a = a + hs[t - d] @ W_s.T\n"
                            "        hs.append(np.tanh(a))",
                            "        hs.append(np.tanh(a) + (hs[t - d] @ W_s.T if t - d >= 0 else 0))"),),
            says="The shortcut enters inside tanh, as the slide's connections do.",
            question="Can a state of yours be larger than 1? Can one of the slide's?")

skip.mutant("from_h0", visible=True, family="before the beginning",
            substitutions=(("if t - d >= 0:", "if True:"), ("hs[t - d] @ W_s.T", "hs[max(t - d, 0)] @ W_s.T")),
            says="In the first d - 1 steps nothing lies d steps back: the term is left out, and h_0 is no stand-in.")
skip.mutant("not_h0", replace="if t - d >= 0:", by="if t - d > 0:", visible=False, family="before the beginning",
            says="At t = d the shortcut reads h_0: only where t - d is below 0 the term is missing.",
            question="d = 1: from which state does the shortcut start at the first step?")

skip.variant("zeros before the beginning", """
def skip_rnn_forward(xs, h0, W_x, W_h, W_s, b, d):
    past = [np.zeros_like(h0)] * (d - 1) + [h0]
    for x in xs:
        past.append(np.tanh(b + x @ W_x.T + past[-d] @ W_s.T + past[-1] @ W_h.T))
    return np.array(past[d:])
""")
skip.variant("an array made before the loop", """
def skip_rnn_forward(xs, h0, W_x, W_h, W_s, b, d):
    T = len(xs)
    hs = np.empty((T + 1, *h0.shape), h0.dtype)
    hs[0] = h0
    for t in range(1, T + 1):
        back = hs[t - d] @ W_s.T if t >= d else 0
        hs[t] = np.tanh(xs[t - 1] @ W_x.T + hs[t - 1] @ W_h.T + back + b)
    return hs[1:]
""")
skip.variant("one product for the inputs, einsum", """
def skip_rnn_forward(xs, h0, W_x, W_h, W_s, b, d):
    ins = np.einsum("tbd,hd->tbh", xs, W_x) + b
    hs = [h0]
    for t, a in enumerate(ins):
        a = a + np.einsum("bj,ij->bi", hs[-1], W_h)
        if t + 1 >= d:
            a += np.einsum("bj,ij->bi", hs[t + 1 - d], W_s)
        hs.append(np.tanh(a))
    return np.stack(hs)[1:]
""")


# ----- 6. Truncation with the state carried on

tbptt = Check("tbptt_gradient", cell="tbptt-gradient-test", tol=GRADIENT,
              slide="Escalera, *Truncated Backpropagation through time*; Chemnitz, *Truncated BPTT*",
              equation="forward without a cut; backward inside of each chunk; dW_h summed over all chunks",
              args=("xs (T, B, D)", "h0 (B, H)", "W_x (H, D)", "W_h (H, H)", "b (H,)", "gs (T, B, H)", "k"),
              results=("dW_h (H, H)", "h_T (B, H)"))


def tbptt_case(rng, size, k):
    T, B, D, H = (size[letter] for letter in "TBDH")
    return (rng.normal(size=(T, B, D)), rng.normal(size=(B, H)), 0.7 * rng.normal(size=(H, D)),
            0.6 * rng.normal(size=(H, H)), 0.3 * rng.normal(size=H), rng.normal(size=(T, B, H)), k)


@tbptt.draws
def tbptt_draws(rng):
    for T, k in ((7, 3), (8, 3), (9, 4), (6, 2), (7, 2)):
        [size] = sizes(rng, "BDH", different=1, equal=0, one={})
        yield Draw(tbptt_case(rng, size | {"T": T}, k), {"several chunks": True})
    args = tbptt_case(rng, {"T": 7, "B": 3, "D": 2, "H": 4}, 3)
    args[5][:, 0] *= 1e6
    yield Draw(args, {"several chunks": True, "mixed scales": True})
    yield Draw(tbptt_case(rng, {"T": 12, "B": 10, "D": 30, "H": 60}, 5), {"several chunks": True, "large": True},
               budget=0.2)
    for T, k in ((4, 4), (5, 9), (3, 3), (6, 7)):
        [size] = sizes(rng, "BDH", different=1, equal=0, one={})
        yield Draw(tbptt_case(rng, size | {"T": T}, k), {"k >= T": True})
    for T in (4, 5, 6, 3):
        [size] = sizes(rng, "BDH", different=1, equal=0, one={})
        yield Draw(tbptt_case(rng, size | {"T": T}, 1), {"k = 1": True})


tbptt.part("state carried on", 6, outputs="h_T", where=lambda d: d["several chunks"])
tbptt.part("gradient cut", 8, outputs="dW_h", where=lambda d: d["several chunks"])
tbptt.part("k >= T", 5, outputs="dW_h", where=lambda d: d["k >= T"])
tbptt.part("k = 1", 3, outputs="dW_h", where=lambda d: d["k = 1"], edge=True)

tbptt.mutant("not_truncated", replace="for start in range(0, T, k):", by="k = T\n    for start in range(0, T, k):",
             visible=False, family="not cut",
             says="At a chunk's border the gradient is cut: what lies before the chunk gets none.",
             question="k = 1: through how many steps should a loss be felt?")
tbptt.mutant("state_reset", visible=False, family="state not carried",
             replace="        hs.append(np.tanh(x @ W_x.T + hs[-1] @ W_h.T + b))",
             by="        if (len(hs) - 1) % k == 0 and len(hs) > 1:\n            hs[-1] = 0 * h0\n"
                "        hs.append(np.tanh(x @ W_x.T + hs[-1] @ W_h.T + b))",
             says="Only the gradient is cut; the hidden *state* is carried on into the next chunk.",
             question="Does h_T depend on how the sequence was cut? Should it?")
tbptt.mutant("last_chunk", replace="        dh = np.zeros_like(h0)\n",
             by="        dh = np.zeros_like(h0)\n        dW_h *= 0\n", visible=False, family="only the last step",
             says="All chunks contribute; their gradients are summed (or applied one after another).")
tbptt.mutant("chunk_last_loss", replace="(gs[t] + dh)", by="((gs[t] if t == min(start + k, T) - 1 else 0) + dh)",
             visible=True, family="only the last step",
             says="Every step has its loss, not only the chunk's last.")

CHUNKS = """    for start in range(0, T, k):
        dh = np.zeros_like(h0)
        for t in reversed(range(start, min(start + k, T))):
            da = (gs[t] + dh) * (1 - hs[t + 1]**2)
            dW_h += da.T @ hs[t]
            dh = da @ W_h"""
tbptt.mutant("sliding", replace=CHUNKS, visible=False, family="not cut", by="""\
    for end in range(T):
        dh = gs[end]
        for t in range(end, max(end - k, -1), -1):
            da = dh * (1 - hs[t + 1]**2)
            dW_h += da.T @ hs[t]
            dh = da @ W_h""",
             says="Each loss goes back to the start of its own chunk, not k steps from wherever it stands: that is the "
                  "other way to truncate, of Chemnitz' slide.",
             question="k = 3: how many steps back goes the loss of the fourth step, the first of its chunk?")

tbptt.variant("one walk, with the gradient cut at borders", """
def tbptt_gradient(xs, h0, W_x, W_h, b, gs, k):
    T = len(xs)
    hs = np.empty((T + 1, *h0.shape))
    hs[0] = h0
    for t in range(T):
        hs[t + 1] = np.tanh(xs[t] @ W_x.T + hs[t] @ W_h.T + b)
    dW, back = 0.0 * W_h, 0.0
    for t in range(T - 1, -1, -1):
        if (t + 1) % k == 0:
            back = 0.0
        da = (gs[t] + back) * (1 - hs[t + 1] * hs[t + 1])
        dW, back = dW + np.einsum("bi,bj->ij", da, hs[t]), da @ W_h
    return dW, hs[-1]
""")
tbptt.variant("chunk by chunk, forward and backward", """
def tbptt_gradient(xs, h0, W_x, W_h, b, gs, k):
    dW, h = np.zeros_like(W_h), h0
    for s in range(0, len(xs), k):
        inside = [h]
        for x in xs[s:s + k]:
            h = np.tanh(np.dot(x, W_x.T) + np.dot(h, W_h.T) + b)
            inside.append(h)
        d = np.zeros_like(h0)
        for t in range(len(inside) - 2, -1, -1):
            d = (d + gs[s + t]) * (1 - inside[t + 1]) * (1 + inside[t + 1])
            dW += d.T @ inside[t]
            d = d @ W_h
    return [dW, h]
""")
tbptt.variant("one product for the weights of a chunk", """
def tbptt_gradient(xs, h0, W_x, W_h, b, gs, k):
    hs = [h0]
    for x in xs:
        hs.append(np.tanh(x @ W_x.T + hs[-1] @ W_h.T + b))
    H, dW = len(W_h), np.zeros_like(W_h)
    for start in range(0, len(xs), k):
        stop = min(start + k, len(xs))
        das = np.zeros((stop - start, *h0.shape))
        for t in range(stop - 1, start - 1, -1):
            later = das[t + 1 - start] @ W_h if t + 1 < stop else 0
            das[t - start] = (gs[t] + later) * (1 - hs[t + 1] ** 2)
        dW += das.reshape(-1, H).T @ np.array(hs[start:stop]).reshape(-1, H)
    return dW, hs[-1]
""")
