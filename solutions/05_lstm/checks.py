"""What the grader looks at in 05_lstm: the draws, the parts and their points, and the mistakes that it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad's tape and to
its LSTM layer; the mutants are substitutions in it.  `visible` says whether the notebook's visible test notices the
mistake; a test measures it.  Gradients are compared at 1e-11.  Among their draws is one whose examples have gradients
of very different size, each compared on its own, and a large one with little time: a numerical derivative fails at
both.
"""

import numpy as np

from autograder.check import GRADIENT, Check, Draw, as_float32, sizes


def normal(check, rng, size, scale=0.7, inputs=1.0):
    """Normal arrays for all arguments; those called x or xs are `inputs` times as large."""
    H, D = size["H"], size["D"]
    args = check.normal(rng, size | {"4H": 4 * H, "H+D": H + D, "2H+D": 2 * H + D}, scale)
    return tuple(a * inputs if named.name in ("x", "xs") else a for named, a in zip(check.written, args, strict=True))


# ----- 1. The gates

gates = Check("lstm_gates", cell="lstm-gates-test",
              slide="Escalera, *Long Short Term Memory (LSTM)*; Chemnitz, *The forget gate*",
              equation="(i, f, o, g) = (sigmoid, sigmoid, sigmoid, tanh)(W [h_{t-1}; x_t] + b)",
              args=("x (B, D)", "h (B, H)", "W (4H, H+D)", "b (4H,)"),
              results=("i (B, H)", "f (B, H)", "o (B, H)", "g (B, H)"))


@gates.draws
def gates_draws(rng):
    for size in sizes(rng, "BDH"):                              # 3 x all different, 2 x all equal, 2 x B = 1
        yield Draw(normal(gates, rng, size))
    [same, large, wide, single] = sizes(rng, "BDH", different=4, equal=0, one={})
    yield Draw(normal(gates, rng, same | {"D": same["H"]}))
    yield Draw(normal(gates, rng, large, inputs=300), {"large inputs": True})
    yield Draw(normal(gates, rng, wide, inputs=3000), {"large inputs": True})
    yield Draw(as_float32(normal(gates, rng, single)), {"float32": True})


gates.part("shape", 2, kind="shape")
gates.part("gates i, f, o", 6, outputs=("i", "f", "o"))
gates.part("candidate g", 3, outputs="g")
gates.part("batch 1 and large inputs", 3, where=lambda d: d["B"] == 1 or d["large inputs"], edge=True)

gates.mutant("order_torch", replace="i, f, o, g = np.split", by="i, f, g, o = np.split", visible=True,
             family="order of blocks",
             says="The blocks are stacked i, f, o, g as in Escalera's deck; PyTorch stores i, f, g, o.",
             question="H = 1. Which row of W makes the output gate here, and which row would it be in PyTorch?")
gates.mutant("x_first", replace="[h, x]", by="[x, h]", visible=False, family="order of concatenation",
             says="The columns of W are for [h; x], state first (Escalera's slide on multilayer networks writes the "
                  "input first).",
             question="H = 2, D = 3. Which column of W meets the first entry of x_t?")
gates.mutant("no_bias", replace="W.T + b", by="W.T", visible=True, family="bias left out",
             says="Each gate has a bias, and so has the candidate.")
gates.mutant("g_sigmoid", replace="np.tanh(g)", by="sigmoid(g)", visible=True, family="another activation",
             says="The candidate uses tanh: it must be able to be negative, or the cell could only grow.",
             question="With i = f = 1 the cell adds g at every step. What would the cell do if g were never negative?")
gates.mutant("interleaved", replace="np.split(z, 4, axis=1)", by="(z[:, k::4] for k in range(4))", visible=True,
             family="order of blocks",
             says="Each gate is a block of H neighbours, not every fourth of the 4H sums.")

gates.variant("a loop over the batch, four matrices", """
def lstm_gates(x, h, W, b):
    H = h.shape[1]
    results = []
    for k in range(4):
        W_k, b_k = W[k * H:(k + 1) * H], b[k * H:(k + 1) * H]
        sums = np.stack([W_k @ np.concatenate([h[n], x[n]]) + b_k for n in range(len(x))])
        results.append(np.tanh(sums) if k == 3 else sigmoid(sums))
    return tuple(results)
""")
gates.variant("einsum, h and x apart, a warning on overflow with a right value", """
def lstm_gates(x, h, W, b):
    H = h.shape[1]
    z = b + np.einsum("bd,kd->bk", x, W[:, H:]) + np.einsum("bh,kh->bk", h, W[:, :H])
    i, f, o = (1 / (1 + np.exp(-z[:, k * H:(k + 1) * H])) for k in range(3))
    return i, f, o, np.tanh(z[:, 3 * H:])
""")
gates.variant("in place, one tanh for all", """
def lstm_gates(x, h, W, b):
    B, H = h.shape
    z = np.hstack((h, x)) @ W.T
    z += b
    z[:, :3 * H] /= 2
    np.tanh(z, out=z)
    z[:, :3 * H] += 1
    z[:, :3 * H] /= 2
    i, f, o, g = z.reshape(B, 4, H).transpose(1, 0, 2)
    return i, f, o, g
""")


# ----- 2. One step

step = Check("lstm_step", cell="lstm-step-test",
             slide="Chemnitz, *LSTM*; Escalera, *Long Short Term Memory (LSTM)*",
             equation="c_t = f c_{t-1} + i g;  h_t = o tanh(c_t)",
             args=("x (B, D)", "h (B, H)", "c (B, H)", "W (4H, H+D)", "b (4H,)"),
             results=("h_new (B, H)", "c_new (B, H)"))


def step_case(rng, size, cell=2.0, **how):
    x, h, c, W, b = normal(step, rng, size, **how)
    return x, h, cell * c, W, b


@step.draws
def step_draws(rng):
    for size in sizes(rng, "BDH"):
        yield Draw(step_case(rng, size))
    [same, large, heavy, single] = sizes(rng, "BDH", different=4, equal=0, one={})
    yield Draw(step_case(rng, same | {"D": same["H"]}))
    yield Draw(step_case(rng, large, inputs=300), {"large inputs": True})
    yield Draw(step_case(rng, heavy, cell=30), {"large c": True})
    yield Draw(as_float32(step_case(rng, single)), {"float32": True})


step.part("shape", 2, kind="shape")
step.part("c_new", 5)
step.part("h_new", 5)
step.part("batch 1 and large values", 2, where=lambda d: d["B"] == 1 or d["large inputs"] or d["large c"], edge=True)

step.mutant("h_from_old_c", replace="np.tanh(c_new)", by="np.tanh(c)", visible=True, family="h_t for h_{t-1}",
            says="The output reads the *new* cell state c_t.",
            question="Can what the input gate lets in at step t be seen in h_t, or in h_{t+1} only?")
step.mutant("no_tanh", replace="np.tanh(c_new)", by="c_new", visible=True, family="another activation",
            says="The cell state passes through tanh before the output gate: c may grow beyond 1, h may not.")
step.mutant("tied", replace="i * g", by="(1 - f) * g", visible=False, family="gates mixed up",
            says="The LSTM has a separate input gate; 1 - f is the coupled variant, as in the GRU.",
            question="Can your cell keep everything and add something in the same step?")
step.mutant("swap_if", replace="f * c + i * g", by="i * c + f * g", visible=False, family="gates mixed up",
            says="f multiplies the old state, i the candidate.",
            question="f = 1 and i = 0. What should be in the cell after the step, and what is in yours?")
step.mutant("tanh_in_c", replace="c_new = f * c + i * g", by="c_new = np.tanh(f * c + i * g)", visible=True,
            family="another activation",
            says="No non-linearity on the cell's path: that is what keeps the gradient.",
            question="Gates shut, f = 1: by which factor is the gradient of the cell multiplied in one of your steps?")
step.mutant("swapped", replace="return h_new, c_new", by="return c_new, h_new", visible=True, family="c for h",
            says="h_t is returned first, then c_t.")

step.variant("a loop over the batch", """
def lstm_step(x, h, c, W, b):
    h_new, c_new = np.empty_like(h), np.empty_like(c)
    for n in range(len(x)):
        i, f, o, g = (part[0] for part in lstm_gates(x[n:n + 1], h[n:n + 1], W, b))
        c_new[n] = i * g + f * c[n]
        h_new[n] = np.tanh(c_new[n]) * o
    return h_new, c_new
""")
step.variant("gates of its own, einsum, in place on a copy", """
def lstm_step(x, h, c, W, b):
    H = h.shape[1]
    z = np.einsum("bk,mk->bm", np.concatenate([h, x], 1), W) + b
    i, f, o = (1 / (1 + np.exp(-a)) for a in (z[:, :H], z[:, H:2 * H], z[:, 2 * H:3 * H]))
    c = c.copy()
    c *= f
    c += i * np.tanh(z[:, 3 * H:])
    return o * np.tanh(c), c
""")
step.variant("tanh by exp, a list", """
def lstm_step(x, h, c, W, b):
    i, f, o, g = lstm_gates(x, h, W, b)
    new = np.add(np.multiply(f, c), np.multiply(i, g))
    return [o * (1 - 2 / (np.exp(2 * new) + 1)), new]
""")


# ----- 3. The sequence

forward = Check("lstm_forward", cell="lstm-forward-test", slide="Chemnitz, *The cell state is propagated over time*",
                equation="(h_t, c_t) = step(x_t, h_{t-1}, c_{t-1}) for t = 1 ... T",
                args=("xs (T, B, D)", "h0 (B, H)", "c0 (B, H)", "W (4H, H+D)", "b (4H,)"),
                results=("hs (T, B, H)", "cs (T, B, H)"))


@forward.draws
def forward_draws(rng):
    for size in sizes(rng, "TBDH", one={"B": 2, "T": 4}, high=8):
        yield Draw(normal(forward, rng, size))
    [single] = sizes(rng, "TBDH", different=1, equal=0, one={})
    yield Draw(as_float32(normal(forward, rng, single)), {"float32": True})


forward.part("hs", 5)
forward.part("cs", 4)
forward.part("T = 1", 3, where=lambda d: d["T"] == 1, edge=True)

CARRY = "h, c = lstm_step(x, h, c, W, b)"

forward.mutant("c_not_carried", replace=CARRY, by="h, c = lstm_step(x, h, c0, W, b)", visible=False,
               family="state not carried",
               says="The cell state is carried from step to step, like h.",
               question="If every step starts from c_0, for how many steps can the cell remember an input?")
forward.mutant("h_not_carried", replace=CARRY, by="h, c = lstm_step(x, h0, c, W, b)", visible=False,
               family="state not carried",
               says="The gates of step t read h_{t-1}, not h_0.")
forward.mutant("c0_zero", replace="h, c, hs, cs = h0, c0,", by="h, c, hs, cs = h0, 0 * c0,", visible=True,
               family="state not carried",
               says="The given c_0 starts the cell; it is not always zero.")
forward.mutant("gates_read_c", replace=CARRY, by="h, c = lstm_step(x, c, c, W, b)", visible=True,
               family="c for h",
               says="The gates look at h_{t-1} and x_t; only the peephole variant looks at c.",
               question="The output gate is shut, so h is 0. Can a gate of the next step know what is in the cell?")
forward.mutant("swapped", replace=CARRY, by="c, h = lstm_step(x, h, c, W, b)", visible=True, family="c for h",
               says="lstm_step returns h first, then c: unpack them in this order.")

forward.variant("arrays made before the loop", """
def lstm_forward(xs, h0, c0, W, b):
    hs = np.empty((len(xs), *h0.shape), dtype=h0.dtype)
    cs = np.empty_like(hs)
    for t in range(len(xs)):
        hs[t], cs[t] = lstm_step(xs[t], hs[t - 1] if t else h0, cs[t - 1] if t else c0, W, b)
    return hs, cs
""")
forward.variant("one product for all inputs, steps of its own", """
def lstm_forward(xs, h0, c0, W, b):
    H = h0.shape[1]
    zs = np.einsum("tbd,kd->tbk", xs, W[:, H:]) + b
    states, h, c = [], h0, c0
    for z in zs:
        z = z + h @ W[:, :H].T
        i, f, o = (1 / (1 + np.exp(-z[:, k * H:(k + 1) * H])) for k in range(3))
        c = f * c + i * np.tanh(z[:, 3 * H:])
        h = o * np.tanh(c)
        states.append((h, c))
    hs, cs = zip(*states)
    return np.array(hs), np.array(cs)
""")
forward.variant("a loop over the batch", """
def lstm_forward(xs, h0, c0, W, b):
    pairs = []
    for n in range(len(h0)):
        h, c, column = h0[n:n + 1], c0[n:n + 1], []
        for x in xs[:, n:n + 1]:
            h, c = lstm_step(x, h, c, W, b)
            column.append([h[0], c[0]])
        pairs.append(column)
    both = np.array(pairs)                                      # (B, T, 2, H)
    return both[:, :, 0].swapaxes(0, 1), both[:, :, 1].swapaxes(0, 1)
""")


# ----- 4. Back through one step

back = Check("lstm_step_backward", cell="lstm-step-backward-test", tol=GRADIENT,
             slide="Escalera, *Long Short Term Memory (LSTM): Gradient Flow*",
             equation="dc_t = dc'_t + dh_t o (1 - tanh^2 c_t);  di = dc_t g;  df = dc_t c_{t-1};  dg = dc_t i;  "
                      "do = dh_t tanh(c_t);  dc'_{t-1} = dc_t f",
             args=("dh_new (B, H)", "dc_new (B, H)", "x (B, D)", "h (B, H)", "c (B, H)", "W (4H, H+D)", "b (4H,)"),
             results=("dx (B, D)", "dh (B, H)", "dc (B, H)", "dW (4H, H+D)", "db (4H,)"))


@back.draws
def step_backward_draws(rng):
    for size in sizes(rng, "BDH", one={"B": 2}):
        yield Draw(normal(back, rng, size))
    [same, large, mixed, single] = sizes(rng, "BDH", different=4, equal=0, one={})
    yield Draw(normal(back, rng, same | {"D": same["H"]}))
    yield Draw(normal(back, rng, large, inputs=300), {"large inputs": True})
    args = normal(back, rng, mixed)
    args[0][0] *= 1e6
    args[1][0] *= 1e6
    yield Draw(args, {"mixed scales": True}, mixed=True)
    yield Draw(normal(back, rng, {"B": 30, "D": 40, "H": 41}, scale=0.2), {"large": True}, budget=0.2)
    yield Draw(as_float32(normal(back, rng, single)), {"float32": True})


back.part("dx", 3)
back.part("dh", 3)
back.part("dc", 5)
back.part("dW", 8)
back.part("db", 3)

back.mutant("dc_only", replace="dc_new + dh_new * o * (1 - tanh_c**2)", by="dc_new", visible=False,
            family="a road left out",
            says="h_t depends on c_t: the gradient of h_t joins that of c_t.",
            question="The loss looks at h_t alone, so dc'_t is 0. Does the input gate get a gradient from your code?")
back.mutant("h_path_only", replace="dc_new + dh_new * o", by="dh_new * o", visible=True, family="a road left out",
            says="The gradient that arrives along the cell's path, dc'_t, must be added.",
            question="The output gate is shut at every step but the last. How does the loss reach the first step?")
back.mutant("tanh_at_tanh", replace="(1 - tanh_c**2)", by="(1 - c_new**2)", visible=False,
            family="derivative at the wrong point",
            says="The derivative at c_t is 1 - tanh^2(c_t): take tanh first.",
            question="c_t may be larger than 1. Which sign has your slope there, and which sign has the slope of tanh?")
back.mutant("df_new_c", replace="dc_all * c,", by="dc_all * c_new,", visible=True, family="h_t for h_{t-1}",
            says="f multiplied the *previous* cell state, so df uses c_{t-1}.",
            question="If c_{t-1} = 0, does a small change of f change c_t? What should df be then?")
back.mutant("do_no_tanh", replace="dh_new * tanh_c", by="dh_new * c_new", visible=False,
            family="derivative at the wrong point",
            says="o multiplied tanh(c_t), not c_t: do = dh_t tanh(c_t).")
back.mutant("no_sigmoid_derivative", visible=True, family="derivative left out",
            replace="di * i * (1 - i), df * f * (1 - f), do * o * (1 - o)", by="di, df, do",
            says="Each gate is a logistic of its sum: multiply by sigmoid (1 - sigmoid).")
back.mutant("g_logistic_derivative", replace="(1 - g**2)", by="g * (1 - g)", visible=True,
            family="another activation",
            says="g (1 - g) belongs to the logistic function; the candidate is a tanh and has 1 - g^2.")
back.mutant("dc_no_f", replace="dc_all * f,", by="dc_all,", visible=True, family="a factor left out",
            says="Going back from c_t to c_{t-1} multiplies by f, and by nothing else.",
            question="f = 0: the old cell was erased. Which gradient should c_{t-1} get?")
back.mutant("dW_x_first", replace="dz.T @ np.concatenate([h, x], axis=1)",
            by="dz.T @ np.concatenate([x, h], axis=1)", visible=False, family="order of concatenation",
            says="The columns of dW are those of W: first for h_{t-1}, then for x_t.")

back.variant("einsum, gates of its own", """
def lstm_step_backward(dh_new, dc_new, x, h, c, W, b):
    B, H = h.shape
    hx = np.hstack([h, x])
    z = (np.einsum("bk,mk->bm", hx, W) + b).reshape(B, 4, H)
    s = 1 / (1 + np.exp(-z[:, :3]))
    i, f, o, g = s[:, 0], s[:, 1], s[:, 2], np.tanh(z[:, 3])
    t = np.tanh(f * c + i * g)
    dc = dh_new * o * (1 - t) * (1 + t) + dc_new
    d = np.stack([dc * g, dc * c, dh_new * t, dc * i], axis=1)
    d[:, :3] *= s * (1 - s)
    d[:, 3] *= (1 - g) * (1 + g)
    dz = d.reshape(B, 4 * H)
    dhx = np.einsum("bm,mk->bk", dz, W)
    return dhx[:, H:], dhx[:, :H], dc * f, np.einsum("bm,bk->mk", dz, hx), np.einsum("bm->m", dz)
""")
back.variant("a loop over the batch, from the last example", """
def lstm_step_backward(dh_new, dc_new, x, h, c, W, b):
    H = h.shape[1]
    dx, dh, dc, dW, db = np.zeros_like(x), np.zeros_like(h), np.zeros_like(c), np.zeros_like(W), np.zeros_like(b)
    for n in reversed(range(len(x))):
        i, f, o, g = (part[0] for part in lstm_gates(x[n:n + 1], h[n:n + 1], W, b))
        t = np.tanh(i * g + f * c[n])
        d = dc_new[n] + dh_new[n] * o - dh_new[n] * o * t * t
        dz = np.concatenate([d * g * i * (1 - i), d * c[n] * f * (1 - f), dh_new[n] * t * o * (1 - o),
                             d * i * (1 - g * g)])
        dh[n], dx[n], dc[n] = W[:, :H].T @ dz, W[:, H:].T @ dz, f * d
        dW += np.outer(dz, np.concatenate([h[n], x[n]]))
        db += dz
    return dx, dh, dc, dW, db
""")
back.variant("block by block, in place on copies", """
def lstm_step_backward(dh_new, dc_new, x, h, c, W, b):
    H = h.shape[1]
    i, f, o, g = lstm_gates(x, h, W, b)
    t = f * c
    t += i * g
    np.tanh(t, out=t)
    d = dh_new.copy()
    d *= o
    d *= 1 - t * t
    d += dc_new
    blocks = [d * g * (i - i * i), d * c * (f - f * f), dh_new * t * (o - o * o), d * i * (1 - g * g)]
    dx = sum(dz @ W[k * H:(k + 1) * H, H:] for k, dz in enumerate(blocks))
    dh = sum(dz @ W[k * H:(k + 1) * H, :H] for k, dz in enumerate(blocks))
    dW = np.concatenate([np.concatenate([dz.T @ h, dz.T @ x], axis=1) for dz in blocks])
    d *= f
    return [dx, dh, d, dW, np.concatenate([dz.sum(axis=0) for dz in blocks])]
""")


# ----- 5. Back through time

bptt = Check("lstm_backward", cell="lstm-backward-test", tol=GRADIENT, slide="Escalera, *Uninterrupted gradient flow!*",
             equation="dh_t = dL_t/dh_t + (dh from step t+1);  dc'_t = (dc from step t+1), dc_last for t = T;  "
                      "dW = sum over t of the gradients of all steps",
             args=("dhs (T, B, H)", "dc_last (B, H)", "xs (T, B, D)", "h0 (B, H)", "c0 (B, H)", "hs (T, B, H)",
                   "cs (T, B, H)", "W (4H, H+D)", "b (4H,)"),
             results=("dxs (T, B, D)", "dh0 (B, H)", "dc0 (B, H)", "dW (4H, H+D)", "db (4H,)"))


def backward_case(rng, size, scale=0.7):
    """hs and cs are those of the forward pass: a right solution may read tanh(c_t) from cs or compute it again."""
    dhs, dc_last, xs, h0, c0, hs, cs, W, b = normal(bptt, rng, size, scale)
    h, c, H = h0, c0, size["H"]
    for t, x in enumerate(xs):
        z = h @ W[:, :H].T + x @ W[:, H:].T + b
        i, f, o = (0.5 + 0.5 * np.tanh(0.5 * z[:, k * H:(k + 1) * H]) for k in range(3))
        cs[t] = c = f * c + i * np.tanh(z[:, 3 * H:])
        hs[t] = h = o * np.tanh(c)
    return dhs, dc_last, xs, h0, c0, hs, cs, W, b


@bptt.draws
def backward_draws(rng):
    for size in sizes(rng, "TBDH", one={"B": 2, "T": 2}):
        yield Draw(backward_case(rng, size))
    [last, first, mixed, one, large, single] = sizes(rng, "TBDH", different=6, equal=0, one={})
    args = backward_case(rng, last)
    args[0][:-1] = 0
    yield Draw(args, {"loss on the last step only": True})
    args = backward_case(rng, first)
    args[0][1:] = 0
    yield Draw(args, {"loss on the first step only": True})
    for size in (mixed, one | {"T": 1}):
        args = backward_case(rng, size)
        args[0][:, 0] *= 1e6
        args[1][0] *= 1e6
        yield Draw(args, {"mixed scales": True}, mixed=True)
    yield Draw(backward_case(rng, {"T": 1, "B": 20, "D": 40, "H": 50}, 0.2), {"large": True}, budget=0.2)
    yield Draw(backward_case(rng, {"T": 8, "B": 10, "D": 30, "H": 40}, 0.3), {"large": True}, budget=0.2)
    yield Draw(as_float32(backward_case(rng, single)), {"float32": True})


bptt.part("dxs", 4)
bptt.part("dh0, dc0", 5, outputs=("dh0", "dc0"))
bptt.part("dW, db", 7, outputs=("dW", "db"))
bptt.part("T = 1", 2, where=lambda d: d["T"] == 1, edge=True)

COLLECT = "        dW += dW_t\n        db += db_t"

bptt.mutant("dc_dropped", replace="dxs[t], dh, dc, dW_t", by="dxs[t], dh, _, dW_t", visible=True,
            family="a road left out",
            says="Two gradients travel back in time: dh and dc; here dc was lost between steps.",
            question="Which of the two roads has no matrix on it, so that a gradient can go far along it?")
bptt.mutant("dh_dropped", replace="dhs[t] + dh,", by="dhs[t],", visible=True, family="a road left out",
            says="The state h_t also feeds the next step's gates: add that gradient.",
            question="Where does h_t act on the loss, other than through the loss of its own step?")
bptt.mutant("dc_last_ignored", replace="np.zeros_like(h0), dc_last", by="np.zeros_like(h0), np.zeros_like(c0)",
            visible=False, family="a road left out",
            says="The last cell has a gradient too, from what reads it after the sequence: dc starts as dc_last.")
bptt.mutant("last_loss", replace="dhs[t] + dh,", by="(dhs[t] if t == len(xs) - 1 else 0) + dh,", visible=False,
            family="only the last step",
            says="Every step has its own loss: add dhs[t] at each t to what comes back from t+1.")
bptt.mutant("last_weights", replace=COLLECT, visible=False, family="weights not summed over time",
            by="        if t == len(xs) - 1:\n            dW, db = dW_t, db_t",
            says="The weights are shared by all steps: sum their gradients over all of them.",
            question="If the loss sits on the last step only, is the share of step 1 in dW zero? Why not?")
bptt.mutant("overwrite", replace=COLLECT, by="        dW, db = dW_t, db_t", visible=False,
            family="weights not summed over time",
            says="Assigning in the loop keeps only the first time step; weight gradients are summed.")
bptt.mutant("cp_is_ct", replace="(hs[t - 1], cs[t - 1])", by="(hs[t - 1], cs[t])", visible=True,
            family="h_t for h_{t-1}",
            says="Step t starts from c_{t-1}.")

bptt.variant("one product for all weight gradients, gates of its own", """
def lstm_backward(dhs, dc_last, xs, h0, c0, hs, cs, W, b):
    T, B, H = hs.shape
    hx = np.concatenate([np.concatenate([h0[None], hs[:-1]]), xs], axis=2)
    c_before = np.concatenate([c0[None], cs[:-1]])
    z = hx @ W.T + b
    i, f, o = (1 / (1 + np.exp(-z[..., k * H:(k + 1) * H])) for k in range(3))
    g, tanh_c = np.tanh(z[..., 3 * H:]), np.tanh(cs)
    slopes = np.stack([g * i * (1 - i), c_before * f * (1 - f), tanh_c * o * (1 - o), i * (1 - g * g)], axis=2)
    dz, dh, dc = np.empty_like(slopes), np.zeros_like(h0), dc_last
    for t in range(T - 1, -1, -1):
        dh = dh + dhs[t]
        dc = dc + dh * o[t] * (1 - tanh_c[t] ** 2)
        dz[t] = np.stack([dc, dc, dh, dc], axis=1) * slopes[t]
        dh = dz[t].reshape(B, 4 * H) @ W[:, :H]
        dc = dc * f[t]
    flat = dz.reshape(T * B, 4 * H)
    return (flat @ W[:, H:]).reshape(xs.shape), dh, dc, flat.T @ hx.reshape(T * B, -1), flat.sum(axis=0)
""")
bptt.variant("steps kept in a list, weights summed at the end", """
def lstm_backward(dhs, dc_last, xs, h0, c0, hs, cs, W, b):
    steps, dh, dc = [], 0, dc_last
    for t in range(len(xs) - 1, -1, -1):
        h, c = (h0, c0) if t == 0 else (hs[t - 1], cs[t - 1])
        steps.insert(0, lstm_step_backward(dh + dhs[t], dc, xs[t], h, c, W, b))
        _, dh, dc, _, _ = steps[0]
    dxs, _, _, dWs, dbs = zip(*steps)
    return np.stack(dxs), dh, dc, sum(dWs), np.sum(dbs, axis=0)
""")
bptt.variant("a loop over the batch, in place on a copy", """
def lstm_backward(dhs, dc_last, xs, h0, c0, hs, cs, W, b):
    dhs = dhs.copy()
    dxs, dh0, dc0 = np.empty_like(xs), np.empty_like(h0), np.empty_like(c0)
    dW, db = np.zeros_like(W), np.zeros_like(b)
    before, cells = np.concatenate([h0[None], hs]), np.concatenate([c0[None], cs])
    for n in range(len(h0)):
        one = slice(n, n + 1)
        dc = dc_last[one]
        for t in reversed(range(len(xs))):
            dxs[t, one], dh, dc, dW_t, db_t = lstm_step_backward(dhs[t, one], dc, xs[t, one], before[t, one],
                                                                  cells[t, one], W, b)
            dW += dW_t
            db += db_t
            if t > 0:
                dhs[t - 1, one] += dh
        dh0[one], dc0[one] = dh, dc
    return dxs, dh0, dc0, dW, db
""")


# ----- 6. A cell that cannot forget

simplified = Check("simplified_lstm_step", cell="simplified-lstm-step-test",
                   slide="Télécom, *Main ideas : Long Short Term Memory Units (LSTM)*",
                   equation="c_t = c_{t-1} + update * candidate;  a_t = output * tanh(c_t)",
                   args=("x (B, D)", "a (B, H)", "c (B, H)", "W_c (H, H+D)", "W_u (H, H+D)", "W_o (H, H+D)",
                         "b_c (H,)", "b_u (H,)", "b_o (H,)"),
                   results=("a_new (B, H)", "c_new (B, H)"))


@simplified.draws
def simplified_draws(rng):
    for size in sizes(rng, "BDH"):
        yield Draw(normal(simplified, rng, size))
    [same, large, single] = sizes(rng, "BDH", different=3, equal=0, one={})
    yield Draw(normal(simplified, rng, same | {"D": same["H"]}))
    yield Draw(normal(simplified, rng, large, inputs=300), {"large inputs": True})
    yield Draw(as_float32(normal(simplified, rng, single)), {"float32": True})


simplified.part("c_new", 4)
simplified.part("a_new", 4)

simplified.mutant("convex", replace="c + update * candidate", by="(1 - update) * c + update * candidate", visible=False,
                  family="gates mixed up",
                  says="This cell cannot erase: the old state is kept whole (1 - update is the GRU).",
                  question="The update gate is wide open. Is anything of the old cell left in yours?")
simplified.mutant("forget_by_u", replace="c + update * candidate", by="update * c + update * candidate", visible=False,
                  family="gates mixed up",
                  says="The update gate belongs to the candidate only; the old cell has no factor.",
                  question="The update gate is shut for ten steps. What should be in the cell then?")
simplified.mutant("ungated", replace="c + update * candidate", by="c + candidate", visible=True,
                  family="a factor left out",
                  says="The update gate decides how much of the candidate is added.")
simplified.mutant("no_out_gate", replace="output * np.tanh(c_new)", by="np.tanh(c_new)", visible=True,
                  family="a factor left out",
                  says="The output gate decides what is shown.")

simplified.variant("a loop over the batch", """
def simplified_lstm_step(x, a, c, W_c, W_u, W_o, b_c, b_u, b_o):
    a_new, c_new = np.empty_like(a), np.empty_like(c)
    for n in range(len(x)):
        both = np.concatenate([a[n], x[n]])
        c_new[n] = c[n] + sigmoid(W_u @ both + b_u) * np.tanh(W_c @ both + b_c)
        a_new[n] = np.tanh(c_new[n]) * sigmoid(b_o + W_o @ both)
    return a_new, c_new
""")
simplified.variant("einsum, a and x apart, a warning on overflow with a right value", """
def simplified_lstm_step(x, a, c, W_c, W_u, W_o, b_c, b_u, b_o):
    H = a.shape[1]

    def total(W, b):
        return b + np.einsum("bd,hd->bh", x, W[:, H:]) + np.einsum("bk,hk->bh", a, W[:, :H])

    c_new = np.tanh(total(W_c, b_c)) / (1 + np.exp(-total(W_u, b_u))) + c
    return np.tanh(c_new) / (1 + np.exp(-total(W_o, b_o))), c_new
""")
simplified.variant("one product for all three, in place on a copy", """
def simplified_lstm_step(x, a, c, W_c, W_u, W_o, b_c, b_u, b_o):
    W, b = np.concatenate([W_c, W_u, W_o]), np.concatenate([b_c, b_u, b_o])
    candidate, update, output = np.split(np.hstack([a, x]) @ W.T + b, 3, axis=1)
    c = c.copy()
    c += sigmoid(update) * np.tanh(candidate)
    return sigmoid(output) * np.tanh(c), c
""")


# ----- 7. Gates that look at the cell

peephole = Check("peephole_step", cell="peephole-step-test", slide="Chemnitz, *Peephole connections*",
                 equation="f, i = sigmoid(W [c_{t-1}; h; x] + b);  o = sigmoid(W_o [c_t; h; x] + b_o)",
                 args=("x (B, D)", "h (B, H)", "c (B, H)", "W_f (H, 2H+D)", "W_i (H, 2H+D)", "W_o (H, 2H+D)",
                       "W_C (H, H+D)", "b_f (H,)", "b_i (H,)", "b_o (H,)", "b_C (H,)"),
                 results=("h_new (B, H)", "c_new (B, H)"))


@peephole.draws
def peephole_draws(rng):
    for size in sizes(rng, "BDH"):
        yield Draw(normal(peephole, rng, size))
    [same, large, single] = sizes(rng, "BDH", different=3, equal=0, one={})
    yield Draw(normal(peephole, rng, same | {"D": same["H"]}))
    yield Draw(normal(peephole, rng, large, inputs=300), {"large inputs": True})
    yield Draw(as_float32(normal(peephole, rng, single)), {"float32": True})


peephole.part("c_new, by f and i", 4, outputs="c_new")
peephole.part("h_new, by o", 4, outputs="h_new")

peephole.mutant("o_old_c", replace="np.concatenate([c_new, hx], axis=1)", by="np.concatenate([c, hx], axis=1)",
                visible=False, family="h_t for h_{t-1}",
                says="The output gate looks at the *new* state c_t; f and i look at c_{t-1}.",
                question="The cell reaches the height at which o shall open. In this step, or in the next one?")
peephole.mutant("no_peep", visible=False, family="a road left out",
                substitutions=(("np.concatenate([c, hx], axis=1)", "np.concatenate([0 * c, hx], axis=1)"),
                               ("np.concatenate([c_new, hx], axis=1)", "np.concatenate([0 * c, hx], axis=1)")),
                says="The gates also see the cell state: that is the peephole.")
peephole.mutant("order_hcx", visible=True, family="order of concatenation",
                substitutions=(("np.concatenate([c, hx], axis=1)", "np.concatenate([h, c, x], axis=1)"),
                               ("np.concatenate([c_new, hx], axis=1)", "np.concatenate([h, c_new, x], axis=1)")),
                says="The columns of the gates are ordered [c; h; x], cell first.")
peephole.mutant("tanh_c", visible=False, family="another activation",
                substitutions=(("np.concatenate([c, hx], axis=1)", "np.concatenate([np.tanh(c), hx], axis=1)"),
                               ("np.concatenate([c_new, hx], axis=1)", "np.concatenate([np.tanh(c_new), hx], axis=1)")),
                says="The peephole shows c itself, not tanh(c).",
                question="Two cells hold 5 and 6. Can your gates tell them apart well?")

peephole.variant("a loop over the batch", """
def peephole_step(x, h, c, W_f, W_i, W_o, W_C, b_f, b_i, b_o, b_C):
    h_new, c_new = np.empty_like(h), np.empty_like(c)
    for n in range(len(x)):
        old = np.concatenate([c[n], h[n], x[n]])
        candidate = np.tanh(W_C @ old[len(c[n]):] + b_C)
        c_new[n] = sigmoid(W_f @ old + b_f) * c[n] + sigmoid(W_i @ old + b_i) * candidate
        h_new[n] = sigmoid(W_o @ np.concatenate([c_new[n], h[n], x[n]]) + b_o) * np.tanh(c_new[n])
    return h_new, c_new
""")
peephole.variant("einsum, c, h and x apart, a warning on overflow with a right value", """
def peephole_step(x, h, c, W_f, W_i, W_o, W_C, b_f, b_i, b_o, b_C):
    H = h.shape[1]

    def gate(W, b, cell):
        z = b + sum(np.einsum("bk,hk->bh", part, block)
                    for part, block in ((x, W[:, 2 * H:]), (h, W[:, H:2 * H]), (cell, W[:, :H])))
        return 1 / (1 + np.exp(-z))

    g = np.tanh(b_C + x @ W_C[:, H:].T + h @ W_C[:, :H].T)
    c_new = gate(W_i, b_i, c) * g + gate(W_f, b_f, c) * c
    return np.tanh(c_new) * gate(W_o, b_o, c_new), c_new
""")
peephole.variant("one array whose first block is overwritten", """
def peephole_step(x, h, c, W_f, W_i, W_o, W_C, b_f, b_i, b_o, b_C):
    H = h.shape[1]
    seen = np.hstack([c, h, x])
    f, i = np.split(sigmoid(seen @ np.vstack([W_f, W_i]).T + np.hstack([b_f, b_i])), 2, axis=1)
    seen[:, :H] *= f
    seen[:, :H] += i * np.tanh(seen[:, H:] @ W_C.T + b_C)
    o = sigmoid(seen @ W_o.T + b_o)
    c_new = seen[:, :H].copy()
    return o * np.tanh(c_new), c_new
""")


# ----- 8. A forget gate that starts open

bias = Check("forget_bias", cell="forget-bias-test", copies=True,
             slide="Télécom, *Main ideas : Long Short Term Memory Units (LSTM)*",
             equation="b^f = value, the rest unchanged", args=("b (4H,)", "value"), results=("b_new (4H,)",))


@bias.draws
def bias_draws(rng):
    for H in (2, 3, 4, 5, 6, int(rng.integers(7, 20))):
        yield Draw((rng.normal(size=4 * H), float(rng.uniform(1, 5))))
    for H in rng.integers(2, 7, size=4):
        yield Draw((rng.normal(size=4 * H), float(rng.uniform(-5, -1))), {"value below 0": True})


bias.part("the right block", 3, where=lambda d: not d["value below 0"])
bias.part("copy", 1, where=lambda d: d["value below 0"], edge=True)

bias.mutant("input_block", replace="[H:2 * H]", by="[:H]", visible=True, family="order of blocks",
            says="The forget gate is the *second* block of the stack; the first is the input gate's.",
            question="What does an LSTM do with its inputs if the input gate, not the forget gate, starts wide open?")
bias.mutant("strided", replace="[H:2 * H]", by="[1::4]", visible=False, family="order of blocks",
            says="The gate is a block of H neighbours, not every fourth entry.",
            question="H = 2, so b has eight entries. At which two places is the forget gate?")
bias.mutant("everything", replace="[H:2 * H]", by="[:]", visible=True, family="order of blocks",
            says="Only the forget gate's block is set; the other three keep their biases.")
bias.mutant("added", replace="[H:2 * H] = value", by="[H:2 * H] += value", visible=False, family="set or added",
            says="The bias is set to the value, not raised by it.")

bias.variant("put together from pieces", """
def forget_bias(b, value):
    H = len(b) // 4
    return np.concatenate([b[:H], np.full(H, value), b[2 * H:]])
""")
bias.variant("four rows", """
def forget_bias(b, value):
    rows = np.array(b.reshape(4, -1))
    rows[1] = value
    return rows.ravel()
""")
bias.variant("a mask", """
def forget_bias(b, value):
    gate = np.arange(len(b)) // (len(b) // 4)
    return np.where(gate == 1, value, b)
""")
