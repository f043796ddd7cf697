"""The recurrent forms in plain NumPy, one example at a time, from the decks' equations: what the layers must equal.

Nothing here is shared with `minigrad/nn`: gates are cut by hand, sequences run alone, in both directions, in layers.
"""
from __future__ import annotations

from typing import Any

import numpy as np

# id -> class and options: every form, each option at least once, and the combinations that are more than their parts
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "tanh": ("RNN", {}), "relu": ("RNN", {"nonlinearity": "relu"}), "sigmoid": ("RNN", {"nonlinearity": "sigmoid"}),
    "skip": ("RNN", {"skip": 3}), "skip1": ("RNN", {"skip": 1}), "residual": ("RNN", {"residual": True}),
    "skip-residual": ("RNN", {"skip": 2, "residual": True, "nonlinearity": "sigmoid"}),
    "lstm": ("LSTM", {}), "simplified": ("LSTM", {"forget": False}), "coupled": ("LSTM", {"coupled": True}),
    "full": ("LSTM", {"peephole": "full"}), "diagonal": ("LSTM", {"peephole": "diagonal"}),
    "projected": ("LSTM", {"proj_size": 2}), "full-projected": ("LSTM", {"peephole": "full", "proj_size": 2}),
    "diagonal-projected": ("LSTM", {"peephole": "diagonal", "proj_size": 3}),
    "coupled-projected": ("LSTM", {"coupled": True, "proj_size": 2}),
    "simplified-projected": ("LSTM", {"forget": False, "proj_size": 2}),
    "gru": ("GRU", {}), "gru-writes": ("GRU", {"update": "writes"}), "gru-before": ("GRU", {"reset": "before"}),
    "decks-gru": ("GRU", {"reset": "before", "update": "writes"}), "no-reset": ("GRU", {"reset": "none"}),
    "simple-gru": ("GRU", {"reset": "none", "update": "writes"})}


def logistic(a):
    return 1 / (1 + np.exp(-a))


PHI = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0), "sigmoid": logistic}


def rnn(o, x, past, w):
    """LECTURES 2.1: h = phi(W_x x + W_h h + b) (+ W_s h_{t-k}) (+ h).  past: all states so far, the newest last."""
    h, k = past[-1], o.get("skip", 0)
    a = w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"]
    if k:
        a = a + w["weight_sh"] @ (past[-k] if k <= len(past) else np.zeros_like(h))
    return PHI[o.get("nonlinearity", "tanh")](a) + (h if o.get("residual") else 0)


def lstm(o, x, h, c, w):
    """LECTURES 2.3."""
    letters = "fgo" if o.get("coupled") else "ifgo" if o.get("forget", True) else "igo"
    s = dict(zip(letters, np.split(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"], len(letters)),
                 strict=True))
    if o.get("peephole"):
        n = len(c)
        P = [p if p.ndim == 2 else np.diag(p) for p in (w["weight_ch"][k * n:(k + 1) * n] for k in range(3))]
    else:
        P = [np.zeros((len(c), len(c)))] * 3
    f = logistic(s["f"] + P[1] @ c) if "f" in s else np.ones_like(c)
    i = logistic(s["i"] + P[0] @ c) if "i" in s else 1 - f
    c = f * c + i * np.tanh(s["g"])
    h = logistic(s["o"] + P[2] @ c) * np.tanh(c)
    return (w["weight_hr"] @ h if o.get("proj_size") else h), c


def gru(o, x, h, w):
    """LECTURES 2.4."""
    n, reset = len(h), o.get("reset", "after")
    x_in, W, b = w["weight_ih"] @ x + w["bias_ih"], w["weight_hh"], w["bias_hh"]
    if reset == "none":
        z, new = logistic(x_in[:n] + W[:n] @ h + b[:n]), np.tanh(x_in[n:] + W[n:] @ h + b[n:])
    else:
        r = logistic(x_in[:n] + W[:n] @ h + b[:n])
        z = logistic(x_in[n:2 * n] + W[n:2 * n] @ h + b[n:2 * n])
        new = np.tanh(x_in[2 * n:] + (W[2 * n:] @ (r * h) + b[2 * n:] if reset == "before" else
                                      r * (W[2 * n:] @ h + b[2 * n:])))
    return (1 - z) * h + z * new if o.get("update") == "writes" else (1 - z) * new + z * h


def one_way(name, o, x, start, w):
    """One sequence x (T, D) in one layer and direction -> h of all steps, final state."""
    past, c, out = [start[0]], start[-1], []
    for x_t in x:
        if name == "RNN":
            past.append(rnn(o, x_t, past, w))
        elif name == "LSTM":
            h, c = lstm(o, x_t, past[-1], c, w)
            past.append(h)
        else:
            past.append(gru(o, x_t, past[-1], w))
        out.append(past[-1])
    return np.array(out), (past[-1], c) if name == "LSTM" else (past[-1],)


MERGE = {"concat": lambda a, b: np.concatenate([a, b], -1), "sum": lambda a, b: a + b, "mean": lambda a, b: (a + b) / 2,
         "mul": lambda a, b: a * b}


def arrays(layer, suffix=""):
    """A layer's parameters of one layer and direction, or a cell's; biases that are not there as zeros."""
    w = {k.removesuffix(suffix): p.detach().cpu().numpy() for k, p in layer.named_parameters()
         if k.partition("_l")[1] + k.partition("_l")[2] == suffix}
    zero = np.zeros(len(w["weight_ih"]), w["weight_ih"].dtype)
    return {"bias_ih": zero, "bias_hh": zero, **w}


def one_sequence(name, o, layer, x, states):
    """A whole layer on one sequence x (T, D), states of (layers * directions, size) each -> outputs, final states."""
    finals, k = [], 0
    for level in range(layer.num_layers):
        ways = []
        for way in ["", "_reverse"][:1 + layer.bidirectional]:
            w = arrays(layer, f"_l{level}{way}")
            y, final = one_way(name, o, x[::-1] if way else x, [s[k] for s in states], w)
            ways.append(y[::-1] if way else y)
            finals.append(final)
            k += 1
        x = MERGE[layer.merge](*ways) if layer.bidirectional else ways[0]
    return x, [np.array(parts) for parts in zip(*finals, strict=True)]


def whole(name, o, layer, x, states, lengths=None):
    """A layer on a batch x (T, B, D) by sequences that run alone -> outputs, 0 behind each end, and final states."""
    T, B, _ = x.shape
    lengths = [T] * B if lengths is None else lengths
    runs = [one_sequence(name, o, layer, x[:n, b], [s[:, b] for s in states]) for b, n in enumerate(lengths)]
    y = np.zeros((T, B, runs[0][0].shape[-1]))
    for b, (out, _) in enumerate(runs):
        y[:lengths[b], b] = out
    return y, [np.stack(parts, 1) for parts in zip(*[finals for _, finals in runs], strict=True)]


def random_states(layer, rng, *batch):
    """Start states, as many and as wide as the layer takes."""
    ways = layer.num_layers * (1 + layer.bidirectional)
    return [rng.standard_normal((ways, *batch, size)) for size in layer.state_sizes]
