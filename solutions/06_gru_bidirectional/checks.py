"""What the grader looks at in 06_gru_bidirectional: the draws, the parts and their points, the mistakes it recognises.

The expected values come from the solution's text in notebook.py, which a test holds equal to minigrad's GRU and RNN
layers and to its tape; the mutants are substitutions in it.  `visible` says whether the notebook's visible test notices
the mistake; a test measures it.  Gradients are compared at 1e-11.  Among their draws is one whose examples have
gradients of very different size, each compared on its own, and a large one with little time: a numerical derivative
fails at both.  What stands on padding is drawn too, and large, so that it shows wherever it leaks.
"""

import numpy as np

from autograder.check import GRADIENT, Check, Draw, as_float32, sizes


def normal(check, rng, size, scale=0.7, inputs=1.0):
    """Normal arrays for all arguments; x is `inputs` times as large."""
    H, D = size["H"], size["D"]
    args = check.normal(rng, size | {"H+D": H + D, "3H": 3 * H}, scale)
    return tuple(a * inputs if named.name == "x" else a for named, a in zip(check.written, args, strict=True))


# ----- 1. One step of a GRU

DECKS = ("W_z (H, H+D)", "W_r (H, H+D)", "W_h (H, H+D)", "b_z (H,)", "b_r (H,)", "b_h (H,)")

step = Check("gru_step", cell="gru-step-test",
             slide="Chemnitz, *GRU: Gated Recurrent Unit*; Télécom, *Gated Recurrent Unit (GRU)*",
             equation="z, r = sigmoid(W [h_{t-1}; x_t] + b);  h~ = tanh(W_h [r h_{t-1}; x_t] + b_h);  "
                      "h_t = (1 - z) h_{t-1} + z h~",
             args=("x (B, D)", "h (B, H)", *DECKS), results=("h_t (B, H)",))


def with_r_open(args):
    """b_r so large that r is 1: what is left is Télécom's Simple GRU, and a wrong place of r does not show."""
    *others, b_r, b_h = args
    return *others, np.abs(b_r) + 40, b_h


def with_z_half(args):
    """z is 1/2 whatever comes: then it does not matter which way round it is, and what is left is the candidate."""
    x, h, W_z, W_r, W_h, b_z, b_r, b_h = args
    return x, h, 0 * W_z, W_r, W_h, 0 * b_z, b_r, b_h


@step.draws
def step_draws(rng):
    for size in sizes(rng, "BDH", different=3, equal=1, one={}):
        yield Draw(with_r_open(normal(step, rng, size)), {"r = 1": True})
        yield Draw(with_z_half(normal(step, rng, size)), {"z = 1/2": True})
    for size in sizes(rng, "BDH"):
        yield Draw(normal(step, rng, size))
    [same, large, wide, single] = sizes(rng, "BDH", different=4, equal=0, one={})
    yield Draw(normal(step, rng, same | {"D": same["H"]}))
    yield Draw(normal(step, rng, large, inputs=300), {"large inputs": True})
    yield Draw(normal(step, rng, wide, inputs=3000), {"large inputs": True})
    yield Draw(as_float32(normal(step, rng, single)), {"float32": True})


step.part("shape", 2, kind="shape")
step.part("z mixes old and new", 6, where=lambda d: d["r = 1"])
step.part("r filters the past", 5, where=lambda d: d["z = 1/2"])
step.part("both gates, batch 1, D = H, large inputs", 3, where=lambda d: not d["r = 1"] and not d["z = 1/2"], edge=True)

step.mutant("z_reversed", replace="(1 - z) * h + z * h_tilde", by="z * h + (1 - z) * h_tilde", visible=True,
            family="z reversed",
            says="In these decks z = 1 takes the *new* candidate; PyTorch and Keras use z the other way round.",
            question="All entries of z are 1. Does h_t depend on h_{t-1} directly, in your function and on the slide?")
step.mutant("r_after", replace="np.concatenate([r * h, x], axis=1) @ W_h.T + b_h",
            by="r * (h @ W_h[:, :h.shape[1]].T) + x @ W_h[:, h.shape[1]:].T + b_h", visible=False, family="place of r",
            says="In the decks r filters h_{t-1} *before* the matrix; filtering W h afterwards is the form of PyTorch "
                 "and cuDNN.",
            question="H = 2 and r = (1, 0). Which units of h_{t-1} reach the second unit of the candidate, on the "
                     "slide and in your function?")
step.mutant("no_r", replace="np.concatenate([r * h, x], axis=1)", by="q", visible=False, family="place of r",
            says="Without r the candidate always sees the whole past: that is Télécom's Simple GRU, and the full one "
                 "is asked for.")
step.mutant("swap_zr", substitutions=(("z = sigmoid(q @ W_z.T + b_z)", "r = sigmoid(q @ W_z.T + b_z)"),
                                      ("r = sigmoid(q @ W_r.T + b_r)", "z = sigmoid(q @ W_r.T + b_r)")), visible=True,
            family="gates exchanged",
            says="z mixes old and new; r filters the past for the candidate. Here the two are exchanged.",
            question="A unit should keep its state for ever. Which of the two gates must be shut for that?")
step.mutant("no_bias", substitutions=(("W_z.T + b_z", "W_z.T"), ("W_r.T + b_r", "W_r.T"), ("W_h.T + b_h", "W_h.T")),
            visible=False, family="bias left out",
            says="Chemnitz, Escalera and Riveill print no biases; here, as in Télécom's deck, each of the three sums "
                 "has one.",
            question="Your unit should keep its state unless the input says otherwise. Which number can tell it so?")
step.mutant("x_first", substitutions=(("np.concatenate([h, x], axis=1)", "np.concatenate([x, h], axis=1)"),
                                      ("np.concatenate([r * h, x], axis=1)", "np.concatenate([x, r * h], axis=1)")),
            visible=True, family="order of concatenation",
            says="The columns of every W are for [h; x], state first.")

step.variant("a loop over the batch, columns as on the slide", """
def gru_step(x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    rows = []
    for x_t, h_old in zip(x, h):
        both = np.concatenate([h_old, x_t])
        z, r = sigmoid(W_z @ both + b_z), sigmoid(W_r @ both + b_r)
        rows.append((1 - z) * h_old + z * np.tanh(W_h @ np.concatenate([r * h_old, x_t]) + b_h))
    return np.stack(rows)
""")
step.variant("einsum, h and x apart, the state moved towards the candidate", """
def gru_step(x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    H = h.shape[1]
    def total(state, W, b):
        return b + np.einsum("bd,hd->bh", x, W[:, H:]) + np.einsum("bj,hj->bh", state, W[:, :H])
    z, r = sigmoid(total(h, W_z, b_z)), sigmoid(total(h, W_r, b_r))
    return h + z * (np.tanh(total(r * h, W_h, b_h)) - h)
""")
step.variant("both gates at once, a warning on overflow with a right value", """
def gru_step(x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    a = np.hstack([h, x]) @ np.vstack([W_z, W_r]).T + np.concatenate([b_z, b_r])
    z, r = np.hsplit(1 / (1 + np.exp(-a)), 2)
    return z * np.tanh(np.hstack([r * h, x]) @ W_h.T + b_h) + (1 - z) * h
""")
step.variant("in place on copies", """
def gru_step(x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    H = h.shape[1]
    q = np.concatenate([h, x], axis=1)
    z = sigmoid(q @ W_z.T + b_z)
    q[:, :H] *= sigmoid(q @ W_r.T + b_r)
    new = q @ W_h.T
    new += b_h
    np.tanh(new, out=new)
    new *= z
    new += (1 - z) * h
    return new
""")


# ----- 2. The same unit as PyTorch writes it

torch = Check("gru_step_torch", cell="gru-step-torch-test",
              slide="the contrast to Riveill, *GRU – gated recurrent unit*",
              equation="n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn));  h_t = (1 - z) n + z h_{t-1}",
              args=("x (B, D)", "h (B, H)", "W_ih (3H, D)", "W_hh (3H, H)", "b_ih (3H,)", "b_hh (3H,)"),
              results=("h_t (B, H)",))


@torch.draws
def torch_draws(rng):
    for size in sizes(rng, "BDH", one={"B": 1}):
        for part in ("n", "z"):                         # the simpler parts do not ask what r does with b_hn
            x, h, *weights = normal(torch, rng, size)
            r_block, z_block, n_block = np.arange(3 * size["H"]).reshape(3, -1)
            weights[-1][n_block] = 0
            if part == "n":                             # nor which way round z is: it is 1/2
                for array in weights:
                    array[z_block] = 0
            yield Draw((x, h, *weights), {"part": part})
    for size in sizes(rng, "BDH"):
        yield Draw(normal(torch, rng, size))
    [same, large, single] = sizes(rng, "BDH", different=3, equal=0, one={})
    yield Draw(normal(torch, rng, same | {"D": same["H"]}))
    yield Draw(normal(torch, rng, large, inputs=300), {"large inputs": True})
    yield Draw(as_float32(normal(torch, rng, single)), {"float32": True})


torch.part("shape", 2, kind="shape")
torch.part("r and n", 4, where=lambda d: d["part"] == "n")
torch.part("z mixes new and old", 3, where=lambda d: d["part"] == "z")
torch.part("two biases", 3, where=lambda d: d["part"] is None, edge=True)

torch.mutant("deck_z", replace="(1 - z) * n + z * h", by="(1 - z) * h + z * n", visible=True, family="z reversed",
             says="In this form z = 1 *keeps* the old state: the reverse of the slides.",
             question="b_iz is very large. What does PyTorch's unit do with its state then, and what does yours?")
torch.mutant("bhn_outside", replace="r * h_n)", visible=False, family="place of r",
             by="r * (h_n - b_hh[2 * len(b_hh) // 3:]) + b_hh[2 * len(b_hh) // 3:])",
             says="r multiplies W_hn h *with* its bias: that is why there are two biases.",
             question="r = 0. Which of the two biases of n is still felt?")
torch.mutant("r_before", replace="r * h_n)", visible=False, family="place of r",
             by="(r * h) @ W_hh[2 * h.shape[1]:].T + b_hh[2 * len(b_hh) // 3:])",
             says="Here r acts after the matrix; acting on h before it is the slides' form.",
             question="A library wants one product for all of W_hh h. Can it start before r is known, in your form?")
torch.mutant("block_order", substitutions=(("i_r, i_z, i_n =", "i_z, i_r, i_n ="), ("h_r, h_z, h_n =",
                                                                                 "h_z, h_r, h_n =")), visible=True,
             family="order of blocks",
             says="The blocks are stored r, z, n; Keras and ONNX have z first.",
             question="H = 1. Which row of W_ih makes the update gate?")
torch.mutant("no_b_hh", replace="h @ W_hh.T + b_hh", by="h @ W_hh.T", visible=False, family="bias left out",
             says="PyTorch adds two biases in each block: b_hh counts too.")

torch.variant("a loop over the batch and over blocks", """
def gru_step_torch(x, h, W_ih, W_hh, b_ih, b_hh):
    H, rows = h.shape[1], []
    blocks = [slice(k * H, (k + 1) * H) for k in range(3)]
    for x_t, old in zip(x, h):
        (i_r, h_r), (i_z, h_z), (i_n, h_n) = [(W_ih[k] @ x_t + b_ih[k], W_hh[k] @ old + b_hh[k]) for k in blocks]
        z = sigmoid(i_z + h_z)
        rows.append((1 - z) * np.tanh(i_n + sigmoid(i_r + h_r) * h_n) + z * old)
    return np.array(rows)
""")
torch.variant("einsum, the candidate moved towards the state", """
def gru_step_torch(x, h, W_ih, W_hh, b_ih, b_hh):
    B, H = h.shape
    a = (np.einsum("bd,kd->bk", x, W_ih) + b_ih).reshape(B, 3, H)
    c = (np.einsum("bh,kh->bk", h, W_hh) + b_hh).reshape(B, 3, H)
    r, z = sigmoid(a[:, :2] + c[:, :2]).transpose(1, 0, 2)
    n = np.tanh(a[:, 2] + r * c[:, 2])
    return n + z * (h - n)
""")
torch.variant("in place, a warning on overflow with a right value", """
def gru_step_torch(x, h, W_ih, W_hh, b_ih, b_hh):
    H = h.shape[1]
    a = x @ W_ih.T
    a += b_ih
    c = h @ W_hh.T
    c += b_hh
    gates = 1 / (1 + np.exp(-a[:, :2 * H] - c[:, :2 * H]))
    n = c[:, 2 * H:]
    n *= gates[:, :H]
    n += a[:, 2 * H:]
    np.tanh(n, out=n)
    return gates[:, H:] * h + (1 - gates[:, H:]) * n
""")


# ----- 3. Back through one step

back = Check("gru_step_backward", cell="gru-step-backward-test", tol=GRADIENT,
             slide="Chemnitz, *GRU: Gated Recurrent Unit*; Télécom, *Gated Recurrent Unit (GRU)*",
             equation="da_h = dh_t z (1 - h~^2);  da_z = dh_t (h~ - h_{t-1}) z (1 - z);  d(r h) from W_h^T da_h;  "
                      "da_r = d(r h) h_{t-1} r (1 - r);  dh_{t-1} from four roads",
             args=("dh_new (B, H)", "x (B, D)", "h (B, H)", *DECKS),
             results=("dx (B, D)", "dh (B, H)", "dW_z (H, H+D)", "dW_r (H, H+D)", "dW_h (H, H+D)"))


@back.draws
def back_draws(rng):
    for size in sizes(rng, "BDH"):
        yield Draw(normal(back, rng, size))
    [same, large, mixed, single] = sizes(rng, "BDH", different=4, equal=0, one={})
    yield Draw(normal(back, rng, same | {"D": same["H"]}))
    yield Draw(normal(back, rng, large, inputs=300), {"large inputs": True})
    args = normal(back, rng, mixed)
    args[0][0] *= 1e6
    yield Draw(args, {"mixed scales": True}, mixed=True)
    yield Draw(normal(back, rng, {"B": 60, "D": 60, "H": 61}, scale=0.2), {"large": True}, budget=0.2)
    yield Draw(as_float32(normal(back, rng, single)), {"float32": True})


back.part("dx", 4)
back.part("dh", 8)
back.part("dW_z", 4)
back.part("dW_r", 4)
back.part("dW_h", 4)

back.mutant("dz_sign", replace="dh_new * (h_tilde - h)", by="dh_new * (h - h_tilde)", visible=True, family="sign",
            says="h_t grows with z by h~ - h_{t-1}: the sign is turned round.",
            question="The candidate is larger than the old state. Does h_t go up or down when z goes up?")
back.mutant("dz_no_old", replace="dh_new * (h_tilde - h)", by="dh_new * h_tilde", visible=False,
            family="a road left out",
            says="z also takes weight away from the old state: the factor is h~ - h_{t-1}.",
            question="The candidate equals the old state. Does h_t change when z changes? What should da_z be then?")
back.mutant("no_direct", replace="dh_new * (1 - z) + d_rh", by="d_rh", visible=False, family="a road left out",
            says="The direct road, dh_t times 1 - z, is missing: it is the one that keeps long gradients alive.",
            question="z is shut, so h_t = h_{t-1}. What must dh be then, and what is it in your function?")
back.mutant("no_r_filter", replace="d_rh * r +", by="d_rh +", visible=False, family="a factor left out",
            says="On the way back through r h_{t-1} the gradient of h_{t-1} is multiplied by r.",
            question="r = 0, so the candidate does not see the past. Which gradient may it send there?")
back.mutant("gates_path", replace=" + dq[:, :H]", by="", visible=False, family="a road left out",
            says="The gates z and r read h_{t-1} too: two more roads lead through them.",
            question="W_h is 0. On how many roads does h_{t-1} still reach h_t?")
back.mutant("dx_one_road", replace="dp[:, H:] + dq[:, H:]", by="dp[:, H:]", visible=True, family="a road left out",
            says="x_t is read by the candidate and by both gates: dx collects from all three.")
back.mutant("dWh_unfiltered", replace="da_h.T @ p", by="da_h.T @ q", visible=False, family="the wrong input",
            says="W_h was multiplied by [r h_{t-1}; x_t], not by [h_{t-1}; x_t].",
            question="r = 0. Does a small change of the first H columns of W_h change anything?")
back.mutant("no_gate_slope", replace="(h_tilde - h) * z * (1 - z)", by="(h_tilde - h)", visible=True,
            family="a factor left out",
            says="Between z and its sum a_z lies the logistic function: the factor z (1 - z) is missing.",
            question="The gate z is saturated at 1. Can a small change of its sum still change it?")

back.variant("einsum, h and x apart", """
def gru_step_backward(dh_new, x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    H = h.shape[1]
    total = lambda state, W, b: np.einsum("bh,kh->bk", state, W[:, :H]) + np.einsum("bd,kd->bk", x, W[:, H:]) + b
    z, r = sigmoid(total(h, W_z, b_z)), sigmoid(total(h, W_r, b_r))
    n = np.tanh(total(r * h, W_h, b_h))
    a_h, a_z = dh_new * z * (1 - n) * (1 + n), dh_new * (n - h) * (z - z * z)
    d_rh = np.einsum("bk,kh->bh", a_h, W_h[:, :H])
    a_r = d_rh * h * (r - r * r)
    dh = dh_new - dh_new * z + d_rh * r
    dx = np.einsum("bk,kd->bd", a_h, W_h[:, H:])
    grads = []
    for a, W, state in ((a_z, W_z, h), (a_r, W_r, h), (a_h, W_h, r * h)):
        if state is h:
            dh = dh + np.einsum("bk,kh->bh", a, W[:, :H])
            dx = dx + np.einsum("bk,kd->bd", a, W[:, H:])
        grads.append(np.concatenate([np.einsum("bk,bh->kh", a, state), np.einsum("bk,bd->kd", a, x)], axis=1))
    return dx, dh, *grads
""")
back.variant("a loop over the batch, from the last example", """
def gru_step_backward(dh_new, x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    H = h.shape[1]
    dx, dh = np.zeros_like(x), np.zeros_like(h)
    dW_z, dW_r, dW_h = np.zeros_like(W_z), np.zeros_like(W_r), np.zeros_like(W_h)
    for i in reversed(range(len(x))):
        q = np.concatenate([h[i], x[i]])
        z, r = sigmoid(W_z @ q + b_z), sigmoid(W_r @ q + b_r)
        p = np.concatenate([r * h[i], x[i]])
        n = np.tanh(W_h @ p + b_h)
        da_z = dh_new[i] * (n - h[i]) * z * (1 - z)
        da_h = dh_new[i] * z * (1 - n * n)
        dp = W_h.T @ da_h
        da_r = dp[:H] * h[i] * r * (1 - r)
        dq = W_z.T @ da_z + W_r.T @ da_r
        dx[i] = dp[H:] + dq[H:]
        dh[i] = dq[:H] + r * dp[:H] + (1 - z) * dh_new[i]
        dW_z += np.outer(da_z, q)
        dW_r += np.outer(da_r, q)
        dW_h += np.outer(da_h, p)
    return dx, dh, dW_z, dW_r, dW_h
""")
back.variant("both gates at once, in place, a list", """
def gru_step_backward(dh_new, x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    H = h.shape[1]
    W, q = np.vstack([W_z, W_r]), np.hstack([h, x])
    gates = sigmoid(q @ W.T + np.hstack([b_z, b_r]))
    z, r = gates[:, :H], gates[:, H:]
    p = q.copy()
    p[:, :H] *= r
    n = np.tanh(p @ W_h.T + b_h)
    da_h = dh_new * z
    da_h *= 1 - n ** 2
    dp = da_h @ W_h
    da = np.hstack([dh_new * (n - h), dp[:, :H] * h])
    da *= gates
    da *= 1 - gates
    dp[:, :H] *= r
    dp += da @ W
    dp[:, :H] += dh_new
    dp[:, :H] -= dh_new * z
    dW = da.T @ q
    return [dp[:, H:], dp[:, :H], dW[:H], dW[H:], da_h.T @ p]
""")


# ----- 4. Turn sentences round

def some_lengths(rng, T, B):
    """Lengths of B sentences in T >= 4 steps: the first leaves two steps of padding or more, the second none."""
    lengths = rng.integers(2, T + 1, size=B)
    lengths[0] = rng.integers(2, T - 1)
    if B > 1:
        lengths[1] = T
    return rng.permutation(lengths)


def fill_padding(xs, lengths, value):
    """xs with `value` (a number, or an array like xs) on padding."""
    return np.where(np.arange(len(xs))[:, None, None] < lengths[:, None], xs, value)


def sentence_sizes(rng, letters, **how):
    """Sizes with at least 4 steps, so that two can be padding."""
    for size in sizes(rng, letters, **how):
        yield size if size["T"] >= 4 else size | {"T": size["T"] + 4}


turn = Check("reverse_padded", cell="reverse-padded-test", copies=True,
             slide="Chemnitz, *Bidirectional LSTM*",
             equation="x'_t = x_{n-1-t} for t < n, with n = lengths[i] for example i;  x'_t = x_t for t >= n",
             args=("xs (T, B, D)", "lengths (B,)"), results=("turned (T, B, D)",))


@turn.draws
def turn_draws(rng):
    for size in sentence_sizes(rng, "TBD", different=3, equal=1, one={"B": 1}):
        xs = rng.normal(size=[size[k] for k in "TBD"])
        yield Draw((xs, np.full(size["B"], size["T"])), {"padding": "none"})
    for size in sentence_sizes(rng, "TBD", different=3, equal=1, one={"B": 2}):
        xs, lengths = rng.normal(size=[size[k] for k in "TBD"]), some_lengths(rng, size["T"], size["B"])
        yield Draw((xs, lengths), {"padding": "other numbers"})
        yield Draw((fill_padding(xs, lengths, 0.0), lengths), {"padding": "zeros"})
    [single, first] = sentence_sizes(rng, "TBD", different=2, equal=0, one={})
    xs, lengths = rng.normal(size=[single[k] for k in "TBD"]), some_lengths(rng, single["T"], single["B"])
    yield Draw(as_float32((fill_padding(xs, lengths, 0.0), lengths)), {"padding": "zeros", "float32": True})
    xs, lengths = rng.normal(size=[first[k] for k in "TBD"]), some_lengths(rng, first["T"], first["B"])
    lengths[0] = 1
    yield Draw((xs, lengths), {"padding": "other numbers", "a sentence of one word": True})


turn.part("no padding", 3, where=lambda d: d["padding"] == "none")
turn.part("what stands on padding stays", 3, where=lambda d: d["padding"] == "other numbers")
turn.part("the words before zeros", 3, where=lambda d: d["padding"] == "zeros")
turn.part("a new array", 1, kind="shape", edge=True)

TURN = "out[:n, i] = xs[:n, i][::-1]"

turn.mutant("whole", replace=TURN, by="out[:, i] = xs[::-1, i]", visible=False, family="padding leaks",
            says="Reversing the padded array puts padding first: reverse only the n real steps.",
            question="A sentence of 2 words in a batch of T = 5. Which word does your function put at t = 0?")
turn.mutant("batch_axis", replace=TURN, by="out[:, i] = xs[:, len(lengths) - 1 - i]", visible=True, family="axis",
            says="Axis 0 is time here, axis 1 the batch: the sentences change places, their words do not.")
turn.mutant("off_by_one", replace=TURN, by="out[:n - 1, i] = xs[:n - 1, i][::-1]", visible=True, family="off by one",
            says="The n-th word belongs to the sentence: lengths are counts, and the last word stands at t = n - 1.")
turn.mutant("shifted", replace=TURN, by="out[:, i] = 0\n        out[len(xs) - n:, i] = xs[:n, i][::-1]", visible=False,
            family="padding leaks",
            says="The reversed sentence starts at t = 0; its padding stays at the end.",
            question="A network reads your array from t = 0. How many steps does it walk before the first word comes?")
turn.mutant("cleared", replace="out = xs.copy()", by="out = np.zeros_like(xs)", visible=False, family="padding",
            says="What stands on padding stays as it was: start from a copy of xs, not from zeros.")

turn.variant("an index for all", """
def reverse_padded(xs, lengths):
    t = np.arange(len(xs))[:, None]
    where = np.where(t < lengths, lengths - 1 - t, t)
    return xs[where, np.arange(xs.shape[1])]
""")
turn.variant("loops over words", """
def reverse_padded(xs, lengths):
    out = np.empty_like(xs)
    for i in range(xs.shape[1]):
        for t in range(xs.shape[0]):
            out[t, i] = xs[lengths[i] - 1 - t, i] if t < lengths[i] else xs[t, i]
    return out
""")
turn.variant("joined from pieces", """
def reverse_padded(xs, lengths):
    columns = [np.concatenate([np.flip(xs[:n, i], axis=0), xs[n:, i]]) for i, n in enumerate(lengths)]
    return np.stack(columns, axis=1)
""")
turn.variant("words change places, in place on a copy", """
def reverse_padded(xs, lengths):
    out = np.array(xs)
    for i, n in enumerate(lengths):
        for t in range(n // 2):
            out[[t, n - 1 - t], i] = out[[n - 1 - t, t], i]
    return out
""")


# ----- 5. A recurrent network that stops at the end of each sentence

masked = Check("masked_rnn", cell="masked-rnn-test", slide="Télécom, *Notations*",
               equation="h_t = tanh(W [h_{t-1}; x_t] + b) while t < n, then h_{t-1};  hs is 0 on padding",
               args=("xs (T, B, D)", "lengths (B,)", "W (H, H+D)", "b (H,)"),
               results=("hs (T, B, H)", "h_last (B, H)"))


def sentences_and_weights(rng, size, networks=1, full=False):
    """xs with large numbers on padding (not so large that tanh is 1), lengths, and W and b for each network."""
    T, B, D, H = (size[k] for k in "TBDH")
    lengths = np.full(B, T) if full else some_lengths(rng, T, B)
    xs = fill_padding(rng.normal(size=(T, B, D)), lengths, 4 * rng.normal(size=(T, B, D)))
    weights = [a for _ in range(networks) for a in (0.6 * rng.normal(size=(H, H + D)), 0.6 * rng.normal(size=H))]
    return xs, lengths, *weights


@masked.draws
def masked_draws(rng):
    for size in sentence_sizes(rng, "TBDH", one={"B": 2}, high=8):
        yield Draw(sentences_and_weights(rng, size), {"padding": True})
    [same, single, first] = sentence_sizes(rng, "TBDH", different=3, equal=0, one={}, high=8)
    yield Draw(sentences_and_weights(rng, same | {"D": same["H"]}), {"padding": True})
    yield Draw(as_float32(sentences_and_weights(rng, single)), {"padding": True, "float32": True})
    args = sentences_and_weights(rng, first)
    args[1][0] = 1
    args[0][1:, 0] = 4
    yield Draw(args, {"padding": True, "a sentence of one word": True})
    for size in sizes(rng, "TBDH", different=2, equal=1, high=8):
        yield Draw(sentences_and_weights(rng, size, full=True), {"all of full length": True})


masked.part("hs", 6, where=lambda d: d["padding"], outputs="hs")
masked.part("h_last", 6, where=lambda d: d["padding"], outputs="h_last")
masked.part("all of full length", 2, where=lambda d: d["all of full length"], edge=True)

KEEP = "h = np.where(alive, h_new, h)"
OUTPUT = "np.where(alive, h_new, 0)"

masked.mutant("no_mask", substitutions=((KEEP, "h = h_new"), (OUTPUT, "h_new")), visible=False, family="padding leaks",
              says="The state ran on through the padding: freeze it after the last real step.",
              question="Two batches hold the same short sentence, one of them also a long one. Is the short sentence's "
                       "final state the same in both?")
masked.mutant("state_zeroed", replace=KEEP, by="h = np.where(alive, h_new, 0)", visible=False,
              family="state not carried",
              says="After its end a sentence keeps its state, and a classifier reads it: h_last is not 0 there, and "
                   "not hs[-1].",
              question="A classifier reads h_last. What does it see of a sentence that ended early?")
masked.mutant("hs_kept", replace=OUTPUT, by="h", visible=False, family="padding",
              says="The outputs on padding are 0; only the final state is kept.",
              question="A loss is summed over all T outputs. What may a sentence's padding add to it?")
masked.mutant("input_masked", visible=False, family="padding leaks",
              substitutions=(("rnn_step(x, h, W, b)", "rnn_step(np.where(alive, x, 0), h, W, b)"), (KEEP, "h = h_new"),
                             (OUTPUT, "h_new")),
              says="Zero input does not stop a recurrent network: h still goes through its weights and b.",
              question="x_t is 0. What is tanh(W [h; 0] + b), and is it h?")
masked.mutant("one_more", replace="(t < lengths)", by="(t <= lengths)", visible=False, family="off by one",
              says="Lengths are counts and t starts from 0: the last word stands at t = n - 1, and t = n is padding.",
              question="A sentence has one word. At which t does it stand?")
masked.mutant("state_reset", replace="rnn_step(x, h, W, b)", by="rnn_step(x, 0 * h, W, b)", visible=True,
              family="state not carried",
              says="Each step starts from the state before it, and only the first one from 0.")

masked.variant("one sentence after the other, cut to its length", """
def masked_rnn(xs, lengths, W, b):
    T, B, _ = xs.shape
    hs, h_last = np.zeros((T, B, len(b)), W.dtype), np.zeros((B, len(b)), W.dtype)
    for i in range(B):
        for t in range(lengths[i]):
            h_last[i] = np.tanh(W @ np.concatenate([h_last[i], xs[t, i]]) + b)
            hs[t, i] = h_last[i]
    return hs, h_last
""")
masked.variant("a mask of numbers, h and x apart", """
def masked_rnn(xs, lengths, W, b):
    T, B, D = xs.shape
    H = len(b)
    mask = (np.arange(T)[:, None] < lengths).astype(W.dtype)[..., None]
    a = np.einsum("tbd,hd->tbh", xs, W[:, H:]) + b
    h, hs = np.zeros((B, H), W.dtype), np.zeros((T, B, H), W.dtype)
    for t in range(T):
        new = np.tanh(a[t] + h @ W[:, :H].T)
        h = mask[t] * new + (1 - mask[t]) * h
        hs[t] = mask[t] * h
    return hs, h
""")
masked.variant("only the rows that are still there, in place", """
def masked_rnn(xs, lengths, W, b):
    hs = np.zeros((*xs.shape[:2], len(b)), W.dtype)
    h = np.zeros_like(hs[0])
    for t in range(max(lengths)):
        rows = np.flatnonzero(t < lengths)
        h[rows] = rnn_step(xs[t, rows], h[rows], W, b)
        hs[t, rows] = h[rows]
    return hs, h
""")
masked.variant("runs on, and picks the right states afterwards", """
def masked_rnn(xs, lengths, W, b):
    T, B, _ = xs.shape
    h, hs = np.zeros((B, len(b)), W.dtype), []
    for t in range(T):
        h = rnn_step(xs[t], h, W, b)
        hs.append(h)
    hs = np.array(hs)
    h_last = hs[lengths - 1, np.arange(B)]
    hs[np.arange(T)[:, None] >= lengths] = 0
    return hs, h_last
""")


# ----- 6. Both directions

both = Check("bidirectional", cell="bidirectional-test",
             slide="Télécom, *Bi-directional RNN*; Riveill, *Bi-directional RNNs*",
             equation="a_t = [forward a_t; backward a_t], both at word t",
             args=("xs (T, B, D)", "lengths (B,)", "W_f (H, H+D)", "b_f (H,)", "W_b (H, H+D)", "b_b (H,)"),
             results=("states (T, B, 2H)",))


def one_network_twice(rng, size):
    """Both directions with the same weights: a question of time alone."""
    xs, lengths, W, b = sentences_and_weights(rng, size, full=True)
    return xs, lengths, W, b, W.copy(), b.copy()


@both.draws
def both_draws(rng):
    for size in sentence_sizes(rng, "TBDH", different=3, equal=1, one={"B": 1}, high=8):
        yield Draw(one_network_twice(rng, size), {"one network both ways": True})
    for size in sentence_sizes(rng, "TBDH", different=3, equal=1, one={"B": 2}, high=8):
        yield Draw(sentences_and_weights(rng, size, networks=2), {"padding": True})
    for size in sizes(rng, "TBDH", different=0, equal=0, one={"T": 4}, high=8):
        yield Draw(sentences_and_weights(rng, size, networks=2, full=True), {"one word": True})
    [same, single] = sentence_sizes(rng, "TBDH", different=2, equal=0, one={}, high=8)
    yield Draw(sentences_and_weights(rng, same | {"D": same["H"]}, networks=2), {"padding": True})
    yield Draw(as_float32(one_network_twice(rng, single)), {"one network both ways": True, "float32": True})


both.part("alignment in time", 7, where=lambda d: d["one network both ways"])
both.part("concatenation", 3, where=lambda d: d["one word"], edge=True)
both.part("unequal lengths", 4, where=lambda d: d["padding"])

AGAIN = "reverse_padded(backward, lengths)"
BACKWARD = "masked_rnn(reverse_padded(xs, lengths), lengths, W_b, b_b)"

both.mutant("not_realigned", replace=AGAIN, by="backward", visible=False, family="time not turned back",
            says="Turn the backward outputs round again: position t must hold what was computed at t.",
            question="At t = 0 the backward network should know the whole sentence. How many words has the state read "
                     "that you put there?")
PADDING_FIRST = {
    "visible": False, "family": "padding leaks",
    "says": "The backward network read the padding first: reverse each sentence within its length.",
    "question": "A sentence of 2 words in a batch of T = 5. What does your backward network read in its first three "
                "steps?"}
both.mutant("plain_reverse", substitutions=((AGAIN, "backward[::-1]"), ("reverse_padded(xs, lengths)", "xs[::-1]")),
            **PADDING_FIRST)
both.mutant("plain_reverse_in", replace="reverse_padded(xs, lengths)", by="xs[::-1]", **PADDING_FIRST)
both.mutant("same_weights", replace="lengths, W_b, b_b)", by="lengths, W_f, b_f)", visible=True,
            family="weights shared", says="Each direction has weights of its own.")
both.mutant("sum", replace=f"np.concatenate([forward, {AGAIN}], axis=2)", by=f"forward + {AGAIN}", visible=True,
            family="sum for concatenation",
            says="The two states are concatenated, not added.")
both.mutant("backward_first", replace=f"[forward, {AGAIN}]", by=f"[{AGAIN}, forward]", visible=True,
            family="order of concatenation",
            says="The forward state comes first, then the backward state.")
both.mutant("no_reverse", substitutions=((BACKWARD, "masked_rnn(xs, lengths, W_b, b_b)"), (AGAIN, "backward")),
            visible=False, family="time not turned back",
            says="Both networks read from the first word on: the second one has to read from the last.",
            question="Which of your states at t = 0 knows the second word?")

both.variant("the mask does the turning", """
def bidirectional(xs, lengths, W_f, b_f, W_b, b_b):
    T, B, _ = xs.shape
    H = len(b_f)
    out = np.zeros((T, B, 2 * H), W_f.dtype)
    for W, b, steps, half in ((W_f, b_f, range(T), slice(0, H)), (W_b, b_b, range(T - 1, -1, -1), slice(H, 2 * H))):
        h = np.zeros((B, H), W.dtype)
        for t in steps:
            alive = (t < lengths)[:, None]
            h = np.where(alive, np.tanh(np.concatenate([h, xs[t]], axis=1) @ W.T + b), h)
            out[t, :, half] = np.where(alive, h, 0)
    return out
""")
both.variant("one sentence after the other", """
def bidirectional(xs, lengths, W_f, b_f, W_b, b_b):
    out = np.zeros((*xs.shape[:2], 2 * len(b_f)), xs.dtype)
    for i, n in enumerate(lengths):
        sentence, whole = xs[:n, i:i + 1], np.array([n])
        out[:n, i, :len(b_f)] = masked_rnn(sentence, whole, W_f, b_f)[0][:, 0]
        out[:n, i, len(b_f):] = masked_rnn(sentence[::-1], whole, W_b, b_b)[0][::-1, 0]
    return out
""")
both.variant("one network of twice the batch and twice the width", """
def bidirectional(xs, lengths, W_f, b_f, W_b, b_b):
    H, B = len(b_f), len(lengths)
    turned = reverse_padded(xs, lengths)
    halves = [masked_rnn(np.concatenate([xs, turned], axis=1), np.concatenate([lengths, lengths]), W, b)[0]
              for W, b in ((W_f, b_f), (W_b, b_b))]
    out = np.empty((len(xs), B, 2 * H), xs.dtype)
    out[:, :, :H] = halves[0][:, :B]
    out[:, :, H:] = reverse_padded(halves[1][:, B:], lengths)
    return out
""")


# ----- 7. Layers

deep = Check("stacked", cell="stacked-test", slide="Escalera, *Multilayer RNNs*; Télécom, *Deep-RNN*",
             equation="h_t^l = tanh(W^l [h_{t-1}^l; h_t^{l-1}] + b^l), with h_t^0 = x_t",
             args=("xs (T, B, D)", "lengths (B,)", "layers"), results=("y (T, B, H)", "last (L, B, H)"))


def stack_case(rng, size, depth):
    """A sentence that is alone is of full length: a final state of 0 would pass for a thoughtless answer there."""
    xs, lengths, *_ = sentences_and_weights(rng, size, full=size["B"] == 1)
    H, widths = size["H"], [size["D"], *[size["H"]] * (depth - 1)]
    return xs, lengths, [(0.6 * rng.normal(size=(H, H + D)), 0.6 * rng.normal(size=H)) for D in widths]


@deep.draws
def deep_draws(rng):
    for depth, size in zip((2, 3, 2, 3, 3), sentence_sizes(rng, "TBDH", one={}, high=8), strict=True):
        yield Draw(stack_case(rng, size, depth), {"depth": depth})
    for depth, size in zip((2, 3, 3, 2), sentence_sizes(rng, "TBDH", different=2, equal=0, one={"B": 2}, high=8),
                           strict=True):
        yield Draw(stack_case(rng, size | {"D": size["H"]}, depth), {"depth": depth})   # so that wrong wiring fits
    [single] = sentence_sizes(rng, "TBDH", different=1, equal=0, one={}, high=8)
    xs, lengths, layers = stack_case(rng, single, 2)
    layers = [as_float32(pair) for pair in layers]
    yield Draw((xs.astype(np.float32), lengths, layers), {"depth": 2, "float32": True})
    for size in sentence_sizes(rng, "TBDH", different=2, equal=1, one={"B": 1}, high=8):
        yield Draw(stack_case(rng, size, 1), {"depth": 1})


deep.part("y", 4, where=lambda d: d["depth"] > 1, outputs="y")
deep.part("last", 4, where=lambda d: d["depth"] > 1, outputs="last")
deep.part("one layer", 2, where=lambda d: d["depth"] == 1, edge=True)

LAYER = "y, h_last = masked_rnn(y, lengths, W, b)"

deep.mutant("input_again", replace=LAYER, by="y, h_last = masked_rnn(xs, lengths, W, b)", visible=False,
            family="wiring of layers",
            says="Layer l reads the *outputs* of layer l - 1, not the input again.",
            question="Three layers, and you take the second one out. Does y change, in your function?")
deep.mutant("last_only", replace="np.stack(last)", by="np.stack([h_last] * len(last))", visible=False,
            family="only the last layer", says="Each layer has its own final state.")
deep.mutant("shared_weights", replace="in layers:", by="in layers[:1] * len(layers):", visible=False,
            family="weights shared", says="Each layer has its own weights.",
            question="D = 3 and H = 5. Can one matrix serve the first and the second layer?")
deep.mutant("residual", replace=LAYER, visible=False, family="wiring of layers",
            by="below = y if last else 0\n        y, h_last = masked_rnn(y, lengths, W, b)\n        y = y + below",
            says="No addition between layers here: that would be a residual connection.")
deep.mutant("last_row", replace="last.append(h_last)", by="last.append(y[-1])", visible=True,
            family="padding",
            says="The last row of the outputs is 0 where a sentence has ended: masked_rnn returns the final state "
                 "beside them.",
            question="A sentence of 2 words in a batch of T = 5. What is the output at its last step?")

deep.variant("an index over layers", """
def stacked(xs, lengths, layers):
    outputs, finals = [xs], []
    for l in range(len(layers)):
        hs, h = masked_rnn(outputs[l], lengths, layers[l][0], layers[l][1])
        outputs.append(hs)
        finals.append(h)
    return outputs[-1], np.array(finals)
""")
deep.variant("all layers in each step", """
def stacked(xs, lengths, layers):
    T, B, _ = xs.shape
    H, dtype = len(layers[0][1]), layers[0][1].dtype
    y, last = np.zeros((T, B, H), dtype), np.zeros((len(layers), B, H), dtype)
    for t in range(T):
        alive, below = (t < lengths)[:, None], xs[t]
        for l, (W, b) in enumerate(layers):
            below = np.tanh(last[l] @ W[:, :H].T + below @ W[:, H:].T + b)
            last[l] = np.where(alive, below, last[l])
        y[t] = np.where(alive, below, 0)
    return y, last
""")
deep.variant("from the bottom by recursion", """
def stacked(xs, lengths, layers):
    (W, b), *above = layers
    hs, h = masked_rnn(xs, lengths, W, b)
    if not above:
        return hs, h[None]
    y, last = stacked(hs, lengths, above)
    return y, np.concatenate([h[None], last])
""")
