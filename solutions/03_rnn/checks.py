"""What the grader looks at in 03_rnn: the draws, the parts and their points, and the mistakes that it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad's tape; the
mutants are substitutions in it.  `visible` says whether the notebook's visible test notices the mistake; a test
measures it.  Gradients are compared at 1e-11.  Among their draws is one whose examples have gradients of very different
size, each compared on its own, and a large one with little time: a numerical derivative fails at both.
"""

import numpy as np

from autograder.check import GRADIENT, Check, Draw, as_float32, sizes

# ----- 1. One step

step = Check("rnn_step", cell="rnn-step-test", slide="Chemnitz, *Recurrent neural network*",
             equation="h_t = tanh(W_x x_t + W_h h_{t-1} + b)",
             args=("x (B, D)", "h (B, H)", "W_x (H, D)", "W_h (H, H)", "b (H,)"), results=("h_t (B, H)",))


@step.draws
def step_draws(rng):
    for size in sizes(rng, "BDH"):                              # 3 x all different, 2 x all equal, 2 x B = 1
        yield Draw(step.normal(rng, size, scale=0.7))
    [size] = sizes(rng, "BH", different=1, equal=0, one={})
    yield Draw(step.normal(rng, size | {"D": size["H"]}, scale=0.7))
    [large, single] = sizes(rng, "BDH", different=2, equal=0, one={})
    yield Draw(step.normal(rng, large, scale=300), {"large inputs": True})
    yield Draw(as_float32(step.normal(rng, single, scale=0.7)), {"float32": True})


step.part("shape", 2, kind="shape")
step.part("value", 9)
step.part("batch 1 and D = H", 3, where=lambda d: d["B"] == 1 or d["D"] == d["H"], edge=True)

step.mutant("no_recurrence", replace=" + h @ W_h.T", by="", visible=False, family="state not carried",
            says="Without W_h h_{t-1} this is a feed-forward layer: nothing is remembered.",
            question="Two sequences differ in x_1 only. Can your h_2 tell them apart? What carries the difference?")
step.mutant("Wh_transposed", replace="h @ W_h.T", by="h @ W_h", visible=False, family="transpose",
            says="W_h multiplies a column in the deck; with rows it must be h @ W_h.T, and a square matrix hides the "
                 "slip.",
            question="Take H = 2 and a W_h with a single 1 in row 0, column 1. Which unit of h_{t-1} reaches which "
                     "unit of h_t?")
step.mutant("no_bias", replace=" + b)", by=")", visible=True, family="bias left out",
            says="The bias b is part of the sum.")
step.mutant("logistic", visible=True, family="another activation",
            replace="np.tanh(x @ W_x.T + h @ W_h.T + b)", by="1 / (1 + np.exp(-(x @ W_x.T + h @ W_h.T + b)))",
            says="The step uses tanh here; the slide allows logistic too, but the derivative then differs.")

step.variant("a loop over the batch", """
def rnn_step(x, h, W_x, W_h, b):
    return np.stack([np.tanh(W_x @ x[i] + W_h @ h[i] + b) for i in range(len(x))])
""")
step.variant("einsum, another order of the sum", """
def rnn_step(x, h, W_x, W_h, b):
    return np.tanh(b + np.einsum("bj,ij->bi", h, W_h) + np.einsum("bj,ij->bi", x, W_x))
""")
step.variant("one product of [h; x]", """
def rnn_step(x, h, W_x, W_h, b):
    return np.tanh(np.concatenate([h, x], axis=1) @ np.concatenate([W_h, W_x], axis=1).T + b)
""")
step.variant("in place on a copy", """
def rnn_step(x, h, W_x, W_h, b):
    a = h.copy() @ W_h.T
    a += x @ W_x.T
    a += b
    np.tanh(a, out=a)
    return a
""")
step.variant("a warning on overflow, with a right value", """
def rnn_step(x, h, W_x, W_h, b):
    a = x @ W_x.T + h @ W_h.T + b
    return 1 - 2 / (np.exp(2 * a) + 1)
""")


# ----- 2. Unrolled in time

forward = Check("rnn_forward", cell="rnn-forward-test", slide="Chemnitz, *Recurrent neural networks*",
                equation="h_t = tanh(W_x x_t + W_h h_{t-1} + b) for t = 1 ... T",
                args=("xs (T, B, D)", "h0 (B, H)", "W_x (H, D)", "W_h (H, H)", "b (H,)"), results=("hs (T, B, H)",))


@forward.draws
def forward_draws(rng):
    for size in sizes(rng, "TBDH", one={"B": 2, "T": 4}, high=9):
        yield Draw(forward.normal(rng, size, scale=0.7))
    [size] = sizes(rng, "TBDH", different=1, equal=0, one={})
    yield Draw(as_float32(forward.normal(rng, size, scale=0.7)), {"float32": True})


forward.part("shape", 2, kind="shape")
forward.part("values", 9)
forward.part("T = 1", 3, where=lambda d: d["T"] == 1, edge=True)

forward.mutant("state_reset", replace="rnn_step(x, h, W_x", by="rnn_step(x, h0, W_x", visible=False,
               family="state not carried",
               says="Each step must start from the previous state, not from h_0 again.",
               question="If every step starts from h_0, on which inputs does h_5 depend?")
forward.mutant("h0_zero", replace="h, hs = h0, []", by="h, hs = 0 * h0, []", visible=True, family="state not carried",
               says="The first step starts from the given h_0, which is not always zero.")
forward.mutant("with_h0", visible=True, family="h_t for h_{t-1}",
               replace="        h = rnn_step(x, h, W_x, W_h, b)\n        hs.append(h)",
               by="        hs.append(h)\n        h = rnn_step(x, h, W_x, W_h, b)",
               says="The list holds the state *after* each step: h_1 ... h_T, without h_0.")
forward.mutant("last_only", replace="np.stack(hs)", by="np.stack([h] * len(hs))", visible=False,
               family="only the last step",
               says="Every step's state is returned, not the last one repeated.")

forward.variant("an array made before the loop", """
def rnn_forward(xs, h0, W_x, W_h, b):
    hs = np.empty((len(xs), *h0.shape), dtype=h0.dtype)
    for t in range(len(xs)):
        hs[t] = np.tanh(xs[t] @ W_x.T + (hs[t - 1] if t else h0) @ W_h.T + b)
    return hs
""")
forward.variant("one product for all inputs, in place", """
def rnn_forward(xs, h0, W_x, W_h, b):
    hs = xs @ W_x.T + b
    h = h0
    for a in hs:
        a += h @ W_h.T
        h = np.tanh(a, out=a)
    return hs
""")
forward.variant("a loop over the batch, einsum", """
def rnn_forward(xs, h0, W_x, W_h, b):
    columns = []
    for i in range(h0.shape[0]):
        h, column = h0[i], []
        for x in xs[:, i]:
            h = np.tanh(np.einsum("ij,j->i", W_h, h) + np.einsum("ij,j->i", W_x, x) + b)
            column.append(h)
        columns.append(column)
    return np.array(columns).transpose(1, 0, 2)
""")


# ----- 3. Back through one step

back = Check("rnn_step_backward", cell="rnn-step-backward-test", tol=GRADIENT,
             slide="Chemnitz, *BPTT: Backpropagation through time*",
             equation="h'_t = 1 - h_t^2;  da = dh_t * h'_t;  dW_x = da^T x_t;  dW_h = da^T h_{t-1}",
             args=("dh_new (B, H)", "x (B, D)", "h (B, H)", "h_new (B, H)", "W_x (H, D)", "W_h (H, H)"),
             results=("dx (B, D)", "dh (B, H)", "dW_x (H, D)", "dW_h (H, H)", "db (H,)"))


def step_backward_case(rng, size, saturated=1.0):
    """States are drawn, not computed: then `saturated` sets how near to 1 and -1 they are."""
    dh_new, x, h, h_new, W_x, W_h = back.normal(rng, size)
    return dh_new, x, np.tanh(h), np.tanh(saturated * h_new), W_x, W_h


@back.draws
def step_backward_draws(rng):
    for size in sizes(rng, "BDH", one={"B": 2}):
        yield Draw(step_backward_case(rng, size))
    [size, near, mixed, single] = sizes(rng, "BDH", different=4, equal=0, one={})
    yield Draw(step_backward_case(rng, size | {"D": size["H"]}))
    yield Draw(step_backward_case(rng, near, saturated=5.0), {"states near 1 and -1": True})
    args = step_backward_case(rng, mixed)
    args[0][0] *= 1e6
    yield Draw(args, {"mixed scales": True}, mixed=True)
    yield Draw(step_backward_case(rng, {"B": 100, "D": 100, "H": 101}), {"large": True}, budget=0.2)
    yield Draw(as_float32(step_backward_case(rng, single)), {"float32": True})


back.part("dx", 3)
back.part("dh", 4)
back.part("dW_x", 4)
back.part("dW_h", 4)
back.part("db", 3)

back.mutant("tanh_at_x", replace="(1 - h_new**2)", by="(1 - np.tanh(h_new) ** 2)", visible=True,
            family="derivative at the wrong point",
            says="h_t is already tanh of the sum: the derivative is 1 - h_t^2, not 1 - tanh(h_t)^2.",
            question="At h_t = 0.5, what is the slope of tanh there? Which number do you know: the sum, or its tanh?")
back.mutant("logistic_derivative", replace="(1 - h_new**2)", by="h_new * (1 - h_new)", visible=True,
            family="another activation",
            says="h (1 - h) belongs to the logistic function; tanh has 1 - h^2.",
            question="The slope of tanh at 0 is 1. What does your formula give for h_t = 0?")
back.mutant("dWh_new_h", replace="da.T @ h,", by="da.T @ h_new,", visible=False, family="h_t for h_{t-1}",
            says="W_h was multiplied by the *previous* state, so dW_h uses h_{t-1}.",
            question="If h_{t-1} = 0, does a small change of W_h change h_t? What should dW_h be then?")
back.mutant("dh_transposed", replace="da @ W_h,", by="da @ W_h.T,", visible=False, family="transpose",
            says="Going back multiplies by the transpose of what went forward: forward h @ W_h.T, so back da @ W_h.",
            question="Forward, unit j reaches unit i through W_h[i, j]. Which entry takes the gradient from i to j?")

back.variant("einsum", """
def rnn_step_backward(dh_new, x, h, h_new, W_x, W_h):
    da = (1 + h_new) * (1 - h_new) * dh_new
    return (np.einsum("bi,ij->bj", da, W_x), np.einsum("bi,ij->bj", da, W_h), np.einsum("bi,bj->ij", da, x),
            np.einsum("bi,bj->ij", da, h), np.einsum("bi->i", da))
""")
back.variant("a loop over the batch, from the last example", """
def rnn_step_backward(dh_new, x, h, h_new, W_x, W_h):
    dx, dh = np.zeros_like(x), np.zeros_like(h)
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(h[0])
    for i in reversed(range(len(x))):
        da = dh_new[i] - dh_new[i] * h_new[i] * h_new[i]
        dx[i], dh[i] = W_x.T @ da, W_h.T @ da
        dW_x += np.outer(da, x[i])
        dW_h += np.outer(da, h[i])
        db += da
    return dx, dh, dW_x, dW_h, db
""")
back.variant("in place on a copy, a list", """
def rnn_step_backward(dh_new, x, h, h_new, W_x, W_h):
    da = h_new.copy()
    da *= -da
    da += 1
    da *= dh_new
    return [da @ W_x, da @ W_h, da.T @ x, da.T @ h, np.ones(len(x), da.dtype) @ da]
""")


# ----- 4. Back through time

bptt = Check("rnn_backward", cell="rnn-backward-test", tol=GRADIENT,
             slide="Télécom, *Backward: ∂L/∂W_aa*; KTH, *BPTT Step by Step (19/20)*",
             equation="dh_t = dL_t/dh_t + (dh from step t+1);  dW = sum over t of the gradients of all steps",
             args=("dhs (T, B, H)", "xs (T, B, D)", "h0 (B, H)", "hs (T, B, H)", "W_x (H, D)", "W_h (H, H)"),
             results=("dxs (T, B, D)", "dh0 (B, H)", "dW_x (H, D)", "dW_h (H, H)", "db (H,)"))


def backward_case(rng, size):
    """States are drawn, not computed: the gradient is that of each step at the states that are given."""
    dhs, xs, h0, hs, W_x, W_h = bptt.normal(rng, size)
    return dhs, xs, np.tanh(h0), np.tanh(0.8 * hs), 0.6 * W_x, 0.6 * W_h


@bptt.draws
def backward_draws(rng):
    for size in sizes(rng, "TBDH", one={"B": 1, "T": 2}, high=8):
        yield Draw(backward_case(rng, size))
    [last, first, mixed, single] = sizes(rng, "TBDH", different=4, equal=0, one={})
    args = backward_case(rng, last)
    args[0][:-1] = 0
    yield Draw(args, {"loss on the last step only": True})
    args = backward_case(rng, first)
    args[0][1:] = 0
    yield Draw(args, {"loss on the first step only": True})
    args = backward_case(rng, mixed)
    args[0][:, 0] *= 1e6
    yield Draw(args, {"mixed scales": True}, mixed=True)
    yield Draw(backward_case(rng, {"T": 8, "B": 20, "D": 60, "H": 100}), {"large": True}, budget=0.2)
    yield Draw(as_float32(backward_case(rng, single)), {"float32": True})


bptt.part("dxs", 4)
bptt.part("dh0", 4)
bptt.part("dW_x", 5)
bptt.part("dW_h", 6)
bptt.part("db", 3)

COLLECT = "        dW_x += dW_x_t\n        dW_h += dW_h_t\n        db += db_t"

bptt.mutant("last_loss", replace="dhs[t] + dh,", by="(dhs[t] if t == len(xs) - 1 else 0) + dh,", visible=False,
            family="only the last step",
            says="Every step has its own loss: add dhs[t] at each t to what comes back from t+1.",
            question="KTH sums J(1) to J(T). Which of these terms would your gradient not notice?")
bptt.mutant("no_through_time", replace="dhs[t] + dh,", by="dhs[t],", visible=True, family="state not carried",
            says="W_h also acts through all later steps: the gradient of h_t has a part from h_{t+1}.",
            question="If the loss sits on the last step only, is the gradient of x_1 zero? Why not?")
bptt.mutant("last_step_weights", replace=COLLECT, visible=True, family="weights not summed over time",
            by="        if t == len(xs) - 1:\n            dW_x, dW_h, db = dW_x_t, dW_h_t, db_t",
            says="The same weights are used at every step: sum their gradients over all steps.",
            question="If the loss sits on the last step only, is the share of step 1 in dW_h zero? Why not?")
bptt.mutant("overwrite", replace=COLLECT, by="        dW_x, dW_h, db = dW_x_t, dW_h_t, db_t", visible=True,
            family="weights not summed over time",
            says="Assigning in the loop keeps only the first time step; weight gradients are summed.",
            question="The loss sits on the last step only, and T = 3. Through how many steps does W_h act on it?")
bptt.mutant("hp_is_h", replace="h_prev = hs[t - 1] if t > 0 else h0", by="h_prev = hs[t]", visible=True,
            family="h_t for h_{t-1}",
            says="dW_h at step t uses h_{t-1}, not h_t.")
bptt.mutant("mean_T", replace="return dxs, dh, dW_x, dW_h, db", visible=True, family="mean or sum",
            by="return dxs, dh, dW_x / len(xs), dW_h / len(xs), db / len(xs)",
            says="The total loss is the *sum* over steps here: do not divide by T.")

bptt.variant("one product for all weight gradients", """
def rnn_backward(dhs, xs, h0, hs, W_x, W_h):
    T, B, H = hs.shape
    before = np.concatenate([h0[None], hs[:-1]])
    das, slope, dh = np.empty_like(hs), 1 - hs * hs, np.zeros_like(h0)
    for t in range(T - 1, -1, -1):
        das[t] = (dhs[t] + dh) * slope[t]
        dh = das[t] @ W_h
    flat = das.reshape(T * B, H)
    return das @ W_x, dh, flat.T @ xs.reshape(T * B, -1), flat.T @ before.reshape(T * B, H), flat.sum(axis=0)
""")
bptt.variant("in place on a copy, weights in another order of sums", """
def rnn_backward(dhs, xs, h0, hs, W_x, W_h):
    dhs = dhs.copy()
    for t in reversed(range(len(xs))):
        dhs[t] *= 1 - hs[t] ** 2
        if t > 0:
            dhs[t - 1] += np.einsum("bi,ij->bj", dhs[t], W_h)
    dW_x = sum(dhs[t].T @ xs[t] for t in range(len(xs)))
    dW_h = dhs[0].T @ h0
    for t in range(1, len(xs)):
        dW_h = dW_h + dhs[t].T @ hs[t - 1]
    return np.stack([da @ W_x for da in dhs]), dhs[0] @ W_h, dW_x, dW_h, dhs.sum(axis=(0, 1))
""")
bptt.variant("a loop over the batch", """
def rnn_backward(dhs, xs, h0, hs, W_x, W_h):
    dxs, dh0 = np.zeros_like(xs), np.zeros_like(h0)
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(h0[0])
    for i in range(len(h0)):
        dh = np.zeros_like(h0[i])
        for t in reversed(range(len(xs))):
            da = (dhs[t, i] + dh) * (1 - hs[t, i] ** 2)
            dxs[t, i], dh = W_x.T @ da, W_h.T @ da
            dW_x += np.outer(da, xs[t, i])
            dW_h += np.outer(da, hs[t - 1, i] if t else h0[i])
            db += da
        dh0[i] = dh
    return dxs, dh0, dW_x, dW_h, db
""")


# ----- 5. Chunks

chunks = Check("truncated_bptt_chunks", cell="truncated-bptt-chunks-test",
               slide="Escalera, *Truncated Backpropagation through time*; Télécom, *Solution 1: truncated BPTT*",
               equation="[0, k), [k, 2k), ...; the last may be shorter", args=("T", "k"), results=("chunks",))


@chunks.draws
def chunk_draws(rng):
    for _ in range(12):
        k, n = rng.integers(2, 9), rng.integers(2, 7)
        yield Draw((int(n * k), int(k)), {"k divides T": True})
    for _ in range(12):
        k, n = rng.integers(2, 9), rng.integers(1, 6)
        yield Draw((int(n * k + rng.integers(1, k)), int(k)), {"the last chunk is shorter": True})
    for _ in range(6):
        yield Draw((int(rng.integers(2, 51)), 1), {"k = 1": True})
        T = int(rng.integers(1, 51))
        yield Draw((T, int(rng.integers(T, 61))), {"k >= T": True})


chunks.part("borders", 6, where=lambda d: d["k divides T"])
chunks.part("last chunk", 3, where=lambda d: d["the last chunk is shorter"])
chunks.part("k >= T and k = 1", 3, where=lambda d: d["k = 1"] or d["k >= T"])

LIST = "[(start, min(start + k, T)) for start in range(0, T, k)]"

chunks.mutant("drop_last", replace="range(0, T, k)", by="range(0, T - k + 1, k)", visible=False, family="last chunk",
              says="The last, shorter chunk holds data too: keep it.")
chunks.mutant("overflow", replace="min(start + k, T)", by="start + k", visible=False, family="last chunk",
              says="A chunk must not run beyond T.")
chunks.mutant("sliding", replace="range(0, T, k)", by="range(0, max(T - k, 0) + 1)", visible=True, family="windows",
              says="The chunks follow one another and do not overlap; the state is carried on, no step is read twice.")
chunks.mutant("merge_last", replace=f"return {LIST}", visible=False, family="last chunk",
              by=f"full = {LIST}\n    return full if len(full) < 2 or T % k == 0 else full[:-2] + [(full[-2][0], T)]",
              says="A chunk is never longer than k: the rest is a chunk of its own.")

chunks.variant("a while loop", """
def truncated_bptt_chunks(T, k):
    chunks, start = [], 0
    while start < T:
        stop = start + k if start + k <= T else T
        chunks.append((start, stop))
        start = stop
    return chunks
""")
chunks.variant("borders zipped", """
def truncated_bptt_chunks(T, k):
    borders = list(range(0, T, k)) + [T]
    return list(zip(borders[:-1], borders[1:]))
""")
chunks.variant("NumPy's whole numbers", """
def truncated_bptt_chunks(T, k):
    starts = np.arange(0, T, k)
    return [(a, b) for a, b in zip(starts, np.minimum(starts + k, T))]
""")


# ----- 6. Clipping

clip = Check("clip_gradient", cell="clip-gradient-test", tol=1e-5,       # so that n + 1e-6 is taken for n
             slide="Télécom, *Dealing with the exploding gradient*; Chemnitz, *Vanishing and exploding gradients*",
             equation="g <- c g / |g| if |g| > c, with one norm for all arrays", args=("grads", "c"),
             results=("clipped",))


def gradients(rng, count, norm):
    """`count` arrays of one, two or three axes whose common norm is `norm`."""
    shapes = [tuple(int(n) for n in rng.integers(2, 6, size=rng.integers(1, 4))) for _ in range(count)]
    grads = [rng.normal(size=shape) for shape in shapes]
    length = np.sqrt(sum(np.sum(g * g) for g in grads))
    return [g * (norm / length) for g in grads]


@clip.draws
def clip_draws(rng):
    for factor in (1.5, 3.0, 10.0, 1e8):
        c = float(rng.uniform(0.5, 4))
        yield Draw((gradients(rng, 1, c * factor), c), {"one array": True})
    for count in (1, 2, 3):
        c = float(rng.uniform(0.5, 4))
        yield Draw((gradients(rng, count, c * rng.uniform(0.2, 0.8)), c), {"norm below c": True})
    yield Draw(([np.array([3.0, 0.0]), np.array([[4.0]])], 5.0), {"norm below c": True, "norm equal to c": True})
    # One draw above c, or handing the list back would earn this part; with one entry alone, so that clipping entry by
    # entry loses nothing here.
    yield Draw(([np.array([0.0, -float(rng.uniform(3, 6)), 0.0])], 2.0), {"norm below c": True, "but for one": True})
    yield Draw(([np.zeros((2, 3)), np.zeros(4)], 1.0), {"norm below c": True, "zeros": True})
    for count in (2, 3, 4, 3):
        c = float(rng.uniform(0.5, 4))
        yield Draw((gradients(rng, count, c * rng.uniform(2, 6)), c), {"several arrays": True})


clip.part("scaling", 6, where=lambda d: d["one array"])
clip.part("below the threshold", 3, where=lambda d: d["norm below c"])
clip.part("list of arrays", 3, where=lambda d: d["several arrays"], edge=True)

clip.mutant("squared_norm", visible=True, family="norm",
            replace="np.sqrt(sum(np.sum(g * g) for g in grads))", by="sum(np.sum(g * g) for g in grads)",
            says="The norm is the square *root* of the sum of squares (Escalera's code line leaves it out).",
            question="Threshold 5, gradient (6, 8). How long should the clipped gradient be, and how long is yours?")
clip.mutant("each_array", replace="return [", visible=False, family="norm",
            by="return [g * min(1, c / max(np.sqrt(np.sum(g * g)), 1e-300)) for g in grads]\n    return [",
            says="One norm for all parameters together keeps the direction; clipping each array bends it.",
            question="Two arrays have norms 1 and 100, and c = 1. What is the ratio of their norms once clipped?")
clip.mutant("by_value", replace="return [", by="return [np.clip(g, -c, c) for g in grads]\n    return [", visible=True,
            family="norm",
            says="Clipping each entry changes the direction; clip the norm instead.")
clip.mutant("always_scale", replace="if norm > c else", by="if norm > 0 else", visible=True, family="threshold",
            says="Short gradients stay as they are: clip only above the threshold.")

clip.variant("one flat vector, n + 1e-6", """
def clip_gradient(grads, c):
    norm = np.linalg.norm(np.concatenate([g.ravel() for g in grads]))
    return [g * min(1.0, c / (norm + 1e-6)) for g in grads]
""")
clip.variant("in place on copies", """
def clip_gradient(grads, c):
    clipped, total = [g.copy() for g in grads], 0.0
    for g in reversed(clipped):
        total += np.dot(g.ravel(), g.ravel())
    if total > c ** 2:
        for g in clipped:
            g /= np.sqrt(total) / c
    return clipped
""")


# ----- 7. A network that spells "hello"

FIRST, CLOSE = 20, 1e-6         # losses that are compared one by one; rounding stays below 1e-12 over all 120 updates
# From 0 to 999 every seed learns the word.  With 19 of them the mutant state_never_reset does not, so that its price
# would hang on the draw; there is none of these from 463 to 639.  With 522 the bias changes no word.
SEEDS = np.arange(523, 640)
_space: dict = {}


def judge_hello(got, draw, want, call):
    """The training is fixed down to its order, so the losses are too; what was learned is tried by the reference.

    A loop that is right around wrong earlier functions agrees with `want`, which then is the reference around those
    functions.  A loop of another kind can still earn what it reaches from this start: a loss below 0.1, and the word.
    """
    params, losses, words = got
    expected_params, expected_losses, expected_words = want
    if not _space:
        _space.update(hello.text.namespace())
    agrees = np.allclose(losses, expected_losses, rtol=CLOSE, atol=CLOSE)
    same_params = all(np.allclose(p, q, rtol=CLOSE, atol=CLOSE) for p, q in zip(params, expected_params, strict=True))
    loss, word = loss_of(_space, params), spelled(_space, params)
    elsewhere = None if agrees and same_params or begun_at(
        _space, *draw.args, params, expected_params, hello.expected(draw)[0]) else \
        "the parameters that came were not learned from start(seed)"

    first = None
    if not np.allclose(losses[:FIRST], expected_losses[:FIRST], rtol=CLOSE, atol=CLOSE):
        first = "the losses of the first updates are others: compare your loop with the three steps, in their order"
    falls = None
    if not (agrees and same_params) and not (losses[-1] < 0.1 and loss < 0.1):
        falls = "the loss does not fall below 0.1" if losses[-1] >= 0.1 else \
            "the losses that came fall below 0.1, but the parameters that came have another loss on \"hello\""
    spells = None
    if same_params and words != expected_words and words[-1] == expected_words[-1]:
        spells = "the last word is right, but some before it are not those that your parameters spell after every " \
                 "tenth update: look at the bias of the scores, and at the state that the spelling begins with"
    elif not (words == expected_words and same_params) and not (words[-1] == word == "hello"):
        spells = "the parameters spell \"hello\", the last word that came does not" if word == "hello" else \
            "the network does not spell \"hello\""
    return {"first losses": first, "loss falls below 0.1": falls or elsewhere, 'spells "hello"': spells or elsewhere}


def begun_at(space, seed, params, *learned):
    """Do these parameters lie from start(seed) in the direction of one of the `learned` ones?

    Between two seeds the cosine is 0.38 at most in 99 of 100 pairs, and never above 0.53: what was learned from another
    start stands out, also where it was moved to this one. A loop of another kind has 0.6 or more, with Adam, too.
    """
    here, *ways = (np.concatenate([(p - q).ravel() for p, q in zip(each, space["start"](seed), strict=True)])
                   for each in (params, *learned))
    return any(here @ way > 0.5 * np.sqrt((here @ here) * (way @ way)) for way in ways)


def loss_of(space, params):
    """The loss on "hello" of these parameters, by the reference."""
    W_x, W_h, b, W_y, b_y = params
    hs = space["rnn_forward"](space["INPUTS"], np.zeros((1, len(b))), W_x, W_h, b)
    return space["softmax_cross_entropy"](hs[:, 0] @ W_y.T + b_y, space["TARGETS"])[0]


def spelled(space, params):
    """The word that these parameters spell from "h", by the reference."""
    W_x, W_h, b, W_y, b_y = params
    word, h = "h", np.zeros((1, len(b)))
    while len(word) < 5:
        h = space["rnn_step"](space["one_hot"](word[-1]), h, W_x, W_h, b)
        word += space["LETTERS"][int(np.argmax(h @ W_y.T + b_y))]
    return word


hello = Check("train_hello", cell="train-hello-test", slide="Escalera, *Example: Character-level Language Model*",
              equation="minimise L = - sum over t of log y_t[next letter]", args=("seed",),
              results=("params", "losses", "words"), tol=CLOSE, judge=judge_hello)


@hello.draws
def hello_draws(rng):
    for seed in rng.choice(SEEDS, size=4, replace=False):
        yield Draw((int(seed),))


hello.part("first losses", 2)
hello.part("loss falls below 0.1", 2)
hello.part('spells "hello"', 4)

hello.mutant("no_shift", visible=True, family="targets not shifted",
             replace="@ W_y.T + b_y, TARGETS)", by="@ W_y.T + b_y, INPUTS[:, 0].argmax(axis=1))",
             says="The target of each character is the *next* one; copying the input is learned at once and spells "
                  "nothing.",
             question="Your loss is nearly 0 after training. Which letter does the network answer to h?")
hello.mutant("descent_sign", replace="p - RATE * g", by="p + RATE * g", visible=True, family="sign",
             says="Go *against* the gradient: subtract it.")
hello.mutant("state_never_reset", visible=False, family="state not reset",
             replace="        if epoch % 10 == 9:", by="        h0 = hs[-1]\n        if epoch % 10 == 9:",
             says="Each word starts from h_0 = 0; state left over from the last epoch changes the spelling.")
hello.mutant("no_sampling_feedback", replace="one_hot(word[-1])", by='one_hot("h")', visible=True, family="no feedback",
             says='When sampling, each character that was drawn is the next input; yours always reads "h".',
             question='What is the input of the network at the moment when it should answer o?')
hello.mutant("spelled_without_bias", replace="np.argmax(h @ W_y.T + b_y)", by="np.argmax(h @ W_y.T)", visible=False,
             family="bias left out",
             says="The scores of the spelling have the bias b_y, too: without it another network spells.",
             question="Which letter has the largest bias after training, and how often is it a target in \"hello\"?")
hello.mutant("grads_accumulate", visible=False, family="gradients not reset",
             replace="dscores.sum(axis=0)]",
             by="dscores.sum(axis=0)]\n        kept = grads = [k + g for k, g in zip(kept, grads)] if epoch else grads",
             says="Gradients belong to one step: start each one from zero.")

hello.variant("one loop, with its own steps", """
def train_hello(seed):
    W_x, W_h, b, W_y, b_y = (p.copy() for p in start(seed))
    losses, words = [], []
    for epoch in range(EPOCHS):
        hs = [np.zeros(HIDDEN)]
        for x in INPUTS[:, 0]:
            hs.append(np.tanh(W_x @ x + W_h @ hs[-1] + b))
        scores = np.array([W_y @ h + b_y for h in hs[1:]])
        loss, d = softmax_cross_entropy(scores, TARGETS)
        losses.append(loss)
        grads = [np.zeros_like(p) for p in (W_x, W_h, b, W_y, b_y)]
        dh = np.zeros(HIDDEN)
        for t in (3, 2, 1, 0):
            grads[3] += np.outer(d[t], hs[t + 1])
            grads[4] += d[t]
            da = (dh + W_y.T @ d[t]) * (1 - hs[t + 1] ** 2)
            grads[0] += np.outer(da, INPUTS[t, 0])
            grads[1] += np.outer(da, hs[t])
            grads[2] += da
            dh = W_h.T @ da
        norm = np.linalg.norm(np.concatenate([g.ravel() for g in grads]))
        for p, g in zip((W_x, W_h, b, W_y, b_y), grads):
            p -= RATE * g * min(1, CLIP / norm)
        if (epoch + 1) % 10 == 0:
            letters, h = ["h"], np.zeros(HIDDEN)
            for _ in range(4):
                h = np.tanh(W_x @ one_hot(letters[-1])[0] + W_h @ h + b)
                letters.append(LETTERS[int((W_y @ h + b_y).argmax())])
            words.append("".join(letters))
    return [W_x, W_h, b, W_y, b_y], losses, words
""")
hello.variant("einsum, the step written into the arrays", """
def train_hello(seed):
    params, zero, losses, words = start(seed), np.zeros((1, HIDDEN)), [], []
    for n in range(1, EPOCHS + 1):
        W_x, W_h, b, W_y, b_y = params
        hs = rnn_forward(INPUTS, zero, W_x, W_h, b)
        loss, d = softmax_cross_entropy(np.einsum("tbh,vh->tv", hs, W_y) + b_y, TARGETS)
        losses += [loss]
        _, _, *grads = rnn_backward(np.einsum("tv,vh->th", d, W_y).reshape(hs.shape), INPUTS, zero, hs, W_x, W_h)
        grads += [np.einsum("tv,tbh->vh", d, hs), np.ones(len(d)) @ d]
        for p, g in zip(params, clip_gradient(grads, CLIP)):
            p -= RATE * g
        if n % 10:
            continue
        letters, h = [0], zero
        for _ in range(4):
            h = rnn_step(np.eye(len(LETTERS))[letters[-1:]], h, W_x, W_h, b)
            letters.append(int(np.argmax(np.einsum("bh,vh->v", h, W_y) + b_y)))
        words.append("".join(LETTERS[k] for k in letters))
    return params, losses, words
""")
