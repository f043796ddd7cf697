"""From process start to the same loss: a character model, ours and PyTorch's, each as a fresh process.

Both read the same text (Python's help pages), start from the same weights, and do the same: embedding 64, LSTM of 128
units, projection, cross-entropy, clipping, Adam, chunks of 50 characters in 32 streams with carried state. A process
ends when its smoothed loss is below the target. What the user waits for counts: imports, the text, the updates.

    python -m benchmarks.charlm --side ours       one process: prints updates and loss
"""
from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .pairs import Row, settle

V, E, H, T, B, RATE, TARGET, MOST = 97, 64, 128, 50, 32, 2e-3, 2.0, 2000
Update = Callable[[np.ndarray, np.ndarray], float]
SHAPES = {"table": (V, E), "w_ih": (4 * H, E), "w_hh": (4 * H, H), "b_ih": (4 * H,), "b_hh": (4 * H,),
          "w_o": (V, H), "b_o": (V,)}


def to_the_same_loss(pairs: int) -> dict[str, Any]:
    """From process start to a loss of 2 nats a character, H 128: at most 0.7 of PyTorch's time."""
    rows, updates = [], {}
    for threads in (1, 2):
        times: dict[str, list[float]] = {"ours": [], "torch": []}
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        env = {**os.environ, **dict.fromkeys(names, str(threads))}
        for _ in range(pairs):
            for side in times:
                settle()
                start = time.perf_counter()
                done = subprocess.run([sys.executable, "-m", "benchmarks.charlm", "--side", side], env=env, check=True,
                                      stdout=subprocess.PIPE, text=True)
                times[side].append(time.perf_counter() - start)
                updates[side] = int(done.stdout.split()[0])            # the same in every turn
        ratios = sorted(a / b for a, b in zip(*times.values(), strict=True))
        rows.append(Row(f"process start to a loss of {TARGET:g}, H {H}, {threads} thread{'s' * (threads > 1)}",
                        statistics.median(ratios), ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4],
                        statistics.median(times["ours"]), statistics.median(times["torch"]), pairs, threads, 0.7))
    return {"rows": rows, "updates": updates}


def text() -> np.ndarray:
    """The help pages as ids below V: bytes, the rarest ones as one."""
    from pydoc_data import topics
    data = "\n".join(topics.topics[k] for k in sorted(topics.topics)).encode("ascii", "ignore")
    kept, ids = np.unique(np.frombuffer(data, np.uint8), return_inverse=True)
    rank = np.argsort(np.argsort(-np.bincount(ids), kind="stable"), kind="stable")
    return np.minimum(rank[ids], V - 1).astype(np.int64) if len(kept) > V else ids.astype(np.int64)


def start() -> dict[str, np.ndarray]:
    """The same weights for both: PyTorch's distributions, by one generator."""
    rng = np.random.default_rng(0)
    weights = {k: rng.uniform(-1, 1, s).astype(np.float32) / np.float32(H ** 0.5) for k, s in SHAPES.items()}
    weights["table"] = rng.standard_normal((V, E)).astype(np.float32)
    return weights


def ours() -> Update:
    """An update of minigrad's RNNLM."""
    import minigrad as mg
    from minigrad import optim
    from minigrad.models.rnn_lm import RNNLM, train_chunk
    model = RNNLM(V, embedding=E, hidden=H)
    w = start()
    lstm = "reader.lstm.weight_ih_l0", "reader.lstm.weight_hh_l0", "reader.lstm.bias_ih_l0", "reader.lstm.bias_hh_l0"
    model.load_state_dict(dict(zip(["reader.embedding.weight", *lstm, "read.weight", "read.bias"], w.values(),
                                   strict=True)))
    adam = optim.Adam(model.parameters(), lr=RATE)
    state: list[Any] = [None]

    def update(x: np.ndarray, y: np.ndarray) -> float:
        loss, state[0] = train_chunk(model, adam, mg.tensor(x), mg.tensor(y), state[0])
        return loss
    return update


def theirs() -> Update:
    """The same in PyTorch, with its fused Adam."""
    import torch
    from torch import nn
    w = {k: torch.from_numpy(v) for k, v in start().items()}
    table, lstm, read = nn.Embedding(V, E), nn.LSTM(E, H), nn.Linear(H, V)
    with torch.no_grad():
        for p, value in zip((table.weight, *lstm.parameters(), read.weight, read.bias), w.values(), strict=True):
            p.copy_(value)
    parameters = [table.weight, *lstm.parameters(), *read.parameters()]
    adam = torch.optim.Adam(parameters, lr=RATE, fused=True)
    state: list[Any] = [None]

    def update(x: np.ndarray, y: np.ndarray) -> float:
        adam.zero_grad()
        h, last = lstm(table(torch.from_numpy(x)), state[0])
        loss = nn.functional.cross_entropy(read(h).view(-1, V), torch.from_numpy(y).view(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        state[0] = tuple(s.detach() for s in last)
        return loss.item()
    return update


def main() -> None:
    """One side alone, until its smoothed loss is below the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", choices=["ours", "torch"], required=True)
    update = ours() if parser.parse_args().side == "ours" else theirs()
    ids = text()
    n = (len(ids) - 1) // B
    x, y = (np.ascontiguousarray(ids[k:n * B + k].reshape(B, n).T) for k in (0, 1))       # (n, B)
    mean = None
    for k in range(MOST):
        rows = slice(k * T % (n - T), k * T % (n - T) + T)
        loss = update(x[rows], y[rows])
        mean = loss if mean is None else 0.95 * mean + 0.05 * loss
        if mean < TARGET:
            break
    print(k + 1, mean)


if __name__ == "__main__":
    main()
