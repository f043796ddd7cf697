"""Right answers in forms that no rule makes: what students have handed in or may."""

from __future__ import annotations

# (assignment, function, what is special): the source of the cell
HANDWRITTEN: dict[tuple[str, str, str], str] = {
    ("03_rnn", "rnn_step_backward", "namedtuple"): """
from collections import namedtuple
Grads = namedtuple("Grads", "dx dh dW_x dW_h db")
def rnn_step_backward(dh_new, x, h, h_new, W_x, W_h):
    da = dh_new * (1 - h_new ** 2)
    return Grads(da @ W_x, da @ W_h, da.T @ x, da.T @ h, da.sum(axis=0))
""",
    ("05_lstm", "lstm_step", "typing.NamedTuple"): """
from typing import NamedTuple
class State(NamedTuple):
    h: np.ndarray
    c: np.ndarray
def lstm_step(x, h, c, W, b):
    i, f, o, g = lstm_gates(x, h, W, b)
    c_new = f * c + i * g
    return State(o * np.tanh(c_new), c_new)
""",
    ("03_rnn", "truncated_bptt_chunks", "namedtuples in a list"): """
from collections import namedtuple
Chunk = namedtuple("Chunk", "start stop")
def truncated_bptt_chunks(T, k):
    return [Chunk(s, min(s + k, T)) for s in range(0, T, k)]
""",
    ("03_rnn", "truncated_bptt_chunks", "lru_cache"): """
import functools
@functools.lru_cache
def truncated_bptt_chunks(T, k):
    return [(s, min(s + k, T)) for s in range(0, T, k)]
""",
    ("03_rnn", "train_hello", "np.str_ letters"): """
def train_hello(seed):
    letters = np.array(list(LETTERS))
    params, losses, words = start(seed), [], []
    h0 = np.zeros((1, HIDDEN))
    for epoch in range(EPOCHS):
        W_x, W_h, b, W_y, b_y = params
        hs = rnn_forward(INPUTS, h0, W_x, W_h, b)
        loss, dscores = softmax_cross_entropy(hs[:, 0] @ W_y.T + b_y, TARGETS)
        losses.append(loss)
        dhs = (dscores @ W_y)[:, None]
        dxs, dh0, dW_x, dW_h, db = rnn_backward(dhs, INPUTS, h0, hs, W_x, W_h)
        grads = [dW_x, dW_h, db, dscores.T @ hs[:, 0], dscores.sum(axis=0)]
        params = [p - RATE * g for p, g in zip(params, clip_gradient(grads, CLIP))]
        if epoch % 10 == 9:
            W_x, W_h, b, W_y, b_y = params
            word, h = "h", h0
            while len(word) < 5:
                h = rnn_step(one_hot(word[-1]), h, W_x, W_h, b)
                word = word + letters[np.argmax(h @ W_y.T + b_y)]
            words.append(word)
    return params, losses, words
""",
    ("02_ngram", "ngram_counts", "defaultdict of Counter"): """
from collections import Counter, defaultdict
def ngram_counts(sentences, n):
    counts = defaultdict(Counter)
    for s in sentences:
        words = ["<s>"] * (n - 1) + list(s) + ["</s>"]
        for i in range(n - 1, len(words)):
            counts[tuple(words[i - n + 1:i])][words[i]] += 1
    return counts
""",
    ("07_word2vec", "skipgram_pairs", "np.array of ids"): """
def skipgram_pairs(ids, window):
    ids = np.array(ids)
    near = [(t, range(max(0, t - window), min(len(ids), t + window + 1))) for t in range(len(ids))]
    return [(ids[t], ids[j]) for t, places in near for j in places if j != t]
""",
    ("07_word2vec", "analogy", "np.int64 array"): """
def analogy(E, a, b, c):
    unit = E / np.linalg.norm(E, axis=1)[:, None]
    s = unit @ (unit[b] - unit[a] + unit[c])
    s[[a, b, c]] = -2
    return np.array(np.argsort(s)[-1])
""",
    ("08_seq2seq_attention", "greedy", "np ints"): """
def greedy(step, state, bos, eos, max_len):
    words = []
    word = bos
    while len(words) < max_len:
        logp, state = step(word, state)
        word = np.argmax(logp)
        if word == eos: break
        words.append(word)
    return words
""",
    ("09_sequence_tasks", "make_windows", "sliding_window_view"): """
def make_windows(y, n_in, n_out):
    w = np.lib.stride_tricks.sliding_window_view(y, n_in + n_out)
    return w[:, :n_in], w[:, n_in:]
""",
    ("09_sequence_tasks", "time_series_split", "lists and ranges"): """
def time_series_split(N, k):
    m = N // (k + 1)
    starts = [N - (k - i) * m for i in range(k)]
    return [(np.array(list(range(s))), np.array(list(range(s, s + m)))) for s in starts]
""",
    ("10_transformer", "positional_encoding", "lru_cache"): """
import functools
@functools.lru_cache(maxsize=None)
def positional_encoding(T, D):
    i = np.arange(D)
    a = np.arange(T)[:, None] / 10000 ** (2 * (i // 2) / D)
    return np.where(i % 2 == 0, np.sin(a), np.cos(a))
""",
    ("01_autograd", "Value", "slots and a dataclass, ints"): """
class Value:
    __slots__ = ("data", "parents", "local", "grad", "__dict__")
    def __init__(self, data, parents=(), local=()):
        self.data, self.parents, self.local, self.grad = np.float64(data), list(parents), list(local), 0
    def __add__(self, other): return Value(self.data + other.data, (self, other), (1, 1))
    def __sub__(self, other): return Value(self.data - other.data, [self, other], [1, -1])
    def __mul__(self, other): return Value(self.data * other.data, (self, other), (other.data, self.data))
    def __pow__(self, n): return Value(self.data ** n, (self,), (n * self.data ** (n - 1),))
    def tanh(self): return Value(np.tanh(self.data), (self,), (1 - np.tanh(self.data) ** 2,))
    def exp(self): return Value(np.exp(self.data), (self,), (np.exp(self.data),))
""",
    ("01_autograd", "Value", "dataclass, math"): """
import math
from dataclasses import dataclass, field
@dataclass(eq=False)
class Value:
    data: float
    parents: tuple = ()
    local: tuple = ()
    grad: float = 0.0
    def __post_init__(self): self.data = float(self.data)
    def __add__(self, other): return Value(self.data + other.data, (self, other), (1.0, 1.0))
    __radd__ = __add__
    def __sub__(self, other): return Value(self.data - other.data, (self, other), (1.0, -1.0))
    def __mul__(self, other): return Value(self.data * other.data, (self, other), (other.data, self.data))
    def __pow__(self, n): return Value(self.data ** n, (self,), (n * self.data ** (n - 1),))
    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, (self,), (1 - t * t,))
    def exp(self):
        e = math.exp(self.data) if self.data < 700 else math.inf
        return Value(e, (self,), (e,))
""",
    ("09_sequence_tasks", "span_f1", "sets, generator"): """
def span_f1(gold, pred):
    def spans(all_tags):
        out = []
        for k, tags in enumerate(all_tags):
            i = 0
            while i < len(tags):
                if tags[i] == "O":
                    i += 1
                    continue
                j = i + 1
                while j < len(tags) and tags[j] == "I-" + tags[i][2:]:
                    j += 1
                out.append((k, i, j, tags[i][2:]))
                i = j
        return out
    G, P = spans(gold), spans(pred)
    right = len(set(G) & set(P))
    if not G and not P:
        return 0
    return np.float64(2 * right / (len(G) + len(P)))
""",
}
