"""One step of a recurrent network, in every form that the decks give it: each function is its equation.

Rows are examples, so the decks' W x is `F.linear(x, W)` = x W^T. Weights have PyTorch's layout: the gates' rows stand
one below the other, in the order that each docstring names. A bias may be None. Cells hold the parameters of one step
(`cells.py`), layers run a step over time (`rnn.py`), and the fused nodes in `nn/fused/` compute whole sequences.
"""
from __future__ import annotations

from typing import Any

from ..ops import concatenate, relu, sigmoid, tanh
from ..ops_select import chunk, split
from ..tensor import Tensor
from . import functional as F

ACTIVATIONS = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid}


# ---------------------------------------------------------------------------------------------- RNN

def rnn_step(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None,
             phi: Any = tanh) -> Tensor:
    """One step.  Escalera, *(Simple) Recurrent Neural Network*; Chemnitz, *Recurrent neural networks* (phi logistic).

        h' = phi(W_ih x + b_ih + W_hh h + b_hh)

    x (B, D), h (B, H) -> h' (B, H).  Fused twin: nn/fused/rnn.py.
    """
    return phi(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh))


def rnn_step_concatenated(x: Tensor, h: Tensor, w: Tensor, b: Tensor | None = None, phi: Any = tanh,
                          concat: str = "hx") -> Tensor:
    """The same step with one matrix.  Escalera, *Vanilla RNN Gradient Flow*; Télécom, *Forward propagation*; Riveill.

        h' = phi(W [h; x] + b),  W = [W_hh W_ih]           concat="hx"
        h' = phi(W [x; h] + b),  W = [W_ih W_hh]           concat="xh": Escalera, *Multilayer RNNs*

    x (B, D), h (B, H), w (H, H + D) -> h' (B, H).
    """
    if concat not in ("hx", "xh"):
        raise ValueError(f"concat is 'hx' or 'xh', not {concat!r}")
    return phi(F.linear(concatenate([h, x] if concat == "hx" else [x, h], -1), w, b))


def skip_rnn_step(x: Tensor, h: Tensor, h_back: Tensor, w_ih: Tensor, w_hh: Tensor, w_s: Tensor,
                  b_ih: Tensor | None = None, b_hh: Tensor | None = None, phi: Any = tanh) -> Tensor:
    """A step with a shortcut from k steps back, which has its own matrix.  Télécom, *Vanishing: use skip-connections*.

        h_t = phi(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh + W_s h_{t-k})

    x (B, D), h = h_{t-1} (B, H), h_back = h_{t-k} (B, H), w_s (H, H) -> h_t (B, H).  h_0 is the given start; at
    negative times h is 0, so the first k - 1 steps have no shortcut.  Fused twin: nn/fused/shortcuts.py.
    """
    return phi(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh) + F.linear(h_back, w_s))


def residual_rnn_step(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                      b_hh: Tensor | None = None, phi: Any = tanh) -> Tensor:
    """A step that adds to the state instead of replacing it.  Riveill, *How to introduce residual in RNN*.

        h' = h + phi(W_ih x + b_ih + W_hh h + b_hh)

    x (B, D), h (B, H) -> h' (B, H).  The title alone is left of the slide; the equation is ours.
    Fused twin: nn/fused/shortcuts.py.
    """
    return h + rnn_step(x, h, w_ih, w_hh, b_ih, b_hh, phi)


# ---------------------------------------------------------------------------------------------- LSTM

def lstm_step(x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
              b_hh: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One step of an LSTM.  Escalera, *Long Short Term Memory (LSTM)*; Chemnitz, *LSTM*.

        (i, f, g, o) = (sigmoid, sigmoid, tanh, sigmoid)(W_ih x + b_ih + W_hh h + b_hh)
        c' = f c + i g
        h' = o tanh c'

    x (B, D), h (B, H), c (B, H) -> h' (B, H), c' (B, H).  Rows i, f, g, o: 4H.  Fused twin: nn/fused/lstm.py.
    """
    i, f, g, o = chunk(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh), 4, -1)       # each (B, H)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = f * c + i * g
    return o * tanh(c), c


def simplified_lstm_step(x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                         b_hh: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """An LSTM that cannot forget: nothing is ever erased from c.  Télécom, *Simplified LSTM*.

        (i, g, o) = (sigmoid, tanh, sigmoid)(W_ih x + b_ih + W_hh h + b_hh)
        c' = c + i g
        h' = o tanh c'

    x (B, D), h (B, H), c (B, H) -> h' (B, H), c' (B, H).  Rows i, g, o: 3H.
    """
    i, g, o = chunk(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh), 3, -1)          # each (B, H)
    i, g, o = sigmoid(i), tanh(g), sigmoid(o)
    c = c + i * g
    return o * tanh(c), c


def coupled_lstm_step(x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                      b_hh: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """An LSTM that writes exactly where it erases: what KTH's *[GRU]* says of forgetting and adding; Greff 2017 (CIFG).

        (f, g, o) = (sigmoid, tanh, sigmoid)(W_ih x + b_ih + W_hh h + b_hh)
        c' = f c + (1 - f) g
        h' = o tanh c'

    x (B, D), h (B, H), c (B, H) -> h' (B, H), c' (B, H).  Rows f, g, o: 3H.
    """
    f, g, o = chunk(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh), 3, -1)          # each (B, H)
    f, g, o = sigmoid(f), tanh(g), sigmoid(o)
    c = f * c + (1 - f) * g
    return o * tanh(c), c


def peephole_lstm_step(x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None,
                       b_hh: Tensor | None, w_c: Tensor) -> tuple[Tensor, Tensor]:
    """An LSTM whose gates see the cell: i and f the old one, o the new one.  Chemnitz, *Peephole connections*.

        (i, f) = sigmoid(W_ih x + b_ih + W_hh h + b_hh + P c)
        g  = tanh(W_ih x + b_ih + W_hh h + b_hh)
        c' = f c + i g
        o  = sigmoid(W_ih x + b_ih + W_hh h + b_hh + P c')
        h' = o tanh c'

    x (B, D), h (B, H), c (B, H), w_c = (P_i, P_f, P_o) -> h' (B, H), c' (B, H).  Rows i, f, g, o: 4H.
    w_c: (3H, H), full matrices as on the slide, or (3H), one weight a unit (Gers 2000).
    Fused twin: nn/fused/peephole.py.
    """
    def seen(c: Tensor, p: Tensor) -> Tensor:
        return F.linear(c, p) if p.ndim == 2 else c * p                                # (B, H)
    p_i, p_f, p_o = chunk(w_c, 3, 0)
    i, f, g, o = chunk(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh), 4, -1)       # each (B, H)
    i, f, g = sigmoid(i + seen(c, p_i)), sigmoid(f + seen(c, p_f)), tanh(g)
    c = f * c + i * g
    o = sigmoid(o + seen(c, p_o))
    return o * tanh(c), c


def projected(h: Tensor, w_hr: Tensor) -> Tensor:
    """h' = W_hr (o tanh c'): the state that goes out and back is of another size than c (Sak 2014).  Chemnitz, *The
    cell state is propagated over time*, lets them differ.

    h (B, H), w_hr (R, H) -> (B, R).  It follows any LSTM step; W_hh is then (gates H, R).
    """
    return F.linear(h, w_hr)


# ---------------------------------------------------------------------------------------------- GRU

def gru_step(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
             b_hh: Tensor | None = None, update: str = "keeps") -> Tensor:
    """One step of a GRU in PyTorch's form: r after the product.  Chemnitz, *GRU: Gated Recurrent Unit*, has it before.

        r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n  = tanh(W_in x + b_in + r (W_hn h + b_hn))
        h' = (1 - z) n + z h                               update="keeps": PyTorch, Keras, ONNX
        h' = (1 - z) h + z n                               update="writes": the four decks

    x (B, D), h (B, H) -> h' (B, H).  Rows r, z, n: 3H.  Fused twin (z keeps): nn/fused/gru.py.
    """
    ir, iz, in_ = chunk(F.linear(x, w_ih, b_ih), 3, -1)                                # each (B, H)
    hr, hz, hn = chunk(F.linear(h, w_hh, b_hh), 3, -1)
    r, z = sigmoid(ir + hr), sigmoid(iz + hz)
    n = tanh(in_ + r * hn)
    return mixed(z, n, h, update)


def gru_before_step(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                    b_hh: Tensor | None = None, update: str = "keeps") -> Tensor:
    """One step of a GRU in the decks' form: r before the product.  Chemnitz, *GRU*; Escalera, *Other RNN Variants*;
    Télécom, *Full GRU*; Riveill (Cho 2014).

        r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n  = tanh(W_in x + b_in + W_hn (r h) + b_hn)
        h' as in `gru_step`; the decks mean update="writes"

    x (B, D), h (B, H) -> h' (B, H).  Rows r, z, n: 3H.  Fused twin (z keeps): nn/fused/gru_before.py.
    """
    H = w_hh.shape[1]
    w_rz, w_n = split(w_hh, (2 * H, H), 0)
    b_rz, b_n = split(b_hh, (2 * H, H), 0) if b_hh is not None else (None, None)
    ir, iz, in_ = chunk(F.linear(x, w_ih, b_ih), 3, -1)                                # each (B, H)
    hr, hz = chunk(F.linear(h, w_rz, b_rz), 2, -1)
    r, z = sigmoid(ir + hr), sigmoid(iz + hz)
    n = tanh(in_ + F.linear(r * h, w_n, b_n))
    return mixed(z, n, h, update)


def simple_gru_step(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                    b_hh: Tensor | None = None, update: str = "keeps") -> Tensor:
    """One step of a GRU without a reset gate.  Télécom, *GRU: Simple GRU* (there update="writes").

        z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n  = tanh(W_in x + b_in + W_hn h + b_hn)
        h' as in `gru_step`

    x (B, D), h (B, H) -> h' (B, H).  Rows z, n: 2H.
    """
    z, n = chunk(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh), 2, -1)             # each (B, H)
    return mixed(sigmoid(z), tanh(n), h, update)


def mixed(z: Tensor, n: Tensor, h: Tensor, update: str) -> Tensor:
    """What z = 1 does: "keeps" the old state, (1 - z) n + z h, or "writes" the new one, (1 - z) h + z n."""
    return (1 - z) * n + z * h if update == "keeps" else (1 - z) * h + z * n
