"""Six tasks that only memory solves, each with the score of the best answer that remembers nothing.

Chemnitz, *Temporal dependencies*: what decides the answer came many steps before it. All are drawn anew for every
batch, so there is nothing to learn by heart, and what an answer needs is known: a lag, a count, an order.

    adding           the sum of two marked numbers, one in each half       Hochreiter & Schmidhuber 1997, Le 2015
    copying          ten symbols, a long silence, the ten symbols again    Hochreiter & Schmidhuber 1997, Arjovsky 2016
    temporal_order   which of X and Y came first, which came second        Hochreiter & Schmidhuber 1997
    parity           is the number of ones so far odd                      Minsky & Papert 1969
    echo             at every step the bit of `lag` steps earlier          Chemnitz, *Truncated BPTT*
    marked           the sign of the first value, noise after it           Chemnitz, *Temporal dependencies (2)*

Inputs x are (B, T, D) and float32. Answers are float32 with a last axis of 1, or int64 classes.
"""
from __future__ import annotations

import math

import numpy as np

ADDING_BASELINE = 1 / 6                        # mean squared error of the answer 1: twice the variance 1/12
COIN_BASELINE = math.log(2)                    # nats of parity, echo and marked for one half each; 0.5 are right
ORDER_BASELINE = math.log(4)                   # nats of temporal order for a quarter each; 0.25 are right
ORDER_BY_COUNTS = 0.75                         # right by the counts of X and Y alone: XX, YY, and one of XY, YX

Task = tuple[np.ndarray, np.ndarray]           # x (B, T, D), answers
SYMBOLS = "XYabcdEB"                           # of temporal order, in the order of x's columns


def copying_baseline(steps: int, symbols: int = 8, count: int = 10) -> float:
    """Nats a step of `copying` for silence until the signal and 1/symbols each after it: count ln symbols / length."""
    return count * math.log(symbols) / (steps + 2 * count)


def adding(rng: np.random.Generator, batch: int, steps: int) -> Task:
    """x (B, T, 2): a number in [0, 1), and a mark, 1 at one step of each half, else 0 -> the marked sum (B, 1).

    Hochreiter & Schmidhuber 1997, experiment 4, in the form of Le, Jaitly & Hinton 2015: numbers from 0 to 1, their sum
    as it is. Baseline: ADDING_BASELINE.  Raises ValueError for fewer than 2 steps.
    """
    _at_least("adding", batch, steps, 2)
    half, rows = steps // 2, np.arange(batch)
    x = np.zeros((batch, steps, 2), np.float32)
    x[..., 0] = rng.random((batch, steps))
    x[rows, rng.integers(0, half, batch), 1] = 1
    x[rows, rng.integers(half, steps, batch), 1] = 1
    return x, (x[..., :1] * x[..., 1:]).sum(1)


def copying(rng: np.random.Generator, batch: int, steps: int, symbols: int = 8, count: int = 10) -> Task:
    """x (B, T + 2 count, symbols + 2), one-hot: `count` symbols, T - 1 blanks, the signal to begin, `count` blanks.

    Answers (B, T + 2 count), int64: the blank (`symbols`) up to the signal, then the symbols in their order.
    Hochreiter & Schmidhuber 1997; Arjovsky, Shah & Bengio 2016 (8 symbols, 10 of them). Baseline: copying_baseline.
    Raises ValueError without a step for the signal.
    """
    _at_least("copying", batch, steps, 1)
    said = rng.integers(0, symbols, (batch, count))
    ids = np.full((batch, steps + 2 * count), symbols)
    ids[:, :count] = said
    ids[:, steps + count - 1] = symbols + 1
    answers = np.full(ids.shape, symbols)
    answers[:, -count:] = said
    return _one_hot(ids, symbols + 2), answers


def temporal_order(rng: np.random.Generator, batch: int, steps: int) -> Task:
    """x (B, T, 8), one-hot: E, then letters a to d with X or Y at two places, B at the end -> class (B), int64.

    The first place lies in T/10 ... T/5, the second in T/2 ... 3T/5. Classes: 0 XX, 1 XY, 2 YX, 3 YY.
    Four examples in a row share letters and places and are one of each class, so classes are equally many, and XY and
    YX come in pairs of equal counts: what ignores order gets ORDER_BY_COUNTS. Hochreiter & Schmidhuber 1997,
    experiment 6a (there T = 100 to 110). Baseline: ORDER_BASELINE.
    Raises ValueError for fewer than 10 steps, or a batch that is no multiple of 4.
    """
    _at_least("temporal_order", batch, steps, 10)
    if batch % 4:
        raise ValueError(f"temporal_order makes its 4 classes together: a batch of {batch} is no multiple of 4")
    fours = batch // 4
    ids = rng.integers(SYMBOLS.index("a"), SYMBOLS.index("d") + 1, (fours, steps)).repeat(4, 0)
    ids[:, 0], ids[:, -1] = SYMBOLS.index("E"), SYMBOLS.index("B")
    rows, classes = np.arange(batch), np.tile(np.arange(4), fours)
    ids[rows, rng.integers(steps // 10, steps // 5 + 1, fours).repeat(4)] = classes // 2       # 0 is X, 1 is Y
    ids[rows, rng.integers(steps // 2, steps * 3 // 5 + 1, fours).repeat(4)] = classes % 2
    return _one_hot(ids, len(SYMBOLS)), classes


def parity(rng: np.random.Generator, batch: int, steps: int) -> Task:
    """x (B, T, 1): bits as -1 and 1 -> (B, T, 1): 1 where the number of ones so far is odd, else 0.

    The last step's answer is that of the whole sequence: every bit decides it, and no sum of what each bit says does
    (Minsky & Papert 1969). Baseline: COIN_BASELINE.
    """
    _at_least("parity", batch, steps, 1)
    bits = rng.integers(0, 2, (batch, steps, 1))
    return _signs(bits), (bits.cumsum(1) % 2).astype(np.float32)


def echo(rng: np.random.Generator, batch: int, steps: int, lag: int) -> Task:
    """x (B, T, 1): bits as -1 and 1 -> (B, T, 1): the bit of `lag` steps earlier, as 0 or 1.

    Bits are independent, so nothing but the memory of that one helps. The first `lag` answers are bits from before the
    beginning, which nobody saw. Chemnitz, *Truncated BPTT*; Escalera, *Truncated Backpropagation through time*.
    Baseline: COIN_BASELINE.
    """
    _at_least("echo", batch, steps, 1)
    bits = rng.integers(0, 2, (batch, lag + steps, 1))
    return _signs(bits[:, lag:]), bits[:, :steps].astype(np.float32)


def marked(rng: np.random.Generator, batch: int, steps: int, noise: float = 0.0) -> Task:
    """x (B, T, 2): -1 or 1 with a mark beside it at the first step, then `noise` times normal values, no mark.

    Answers (B, 1): 1 for +1, 0 for -1. No later input says anything about them. Chemnitz, *How do LSTM solve the
    vanishing gradient problem? (1)*: keep the beginning, ignore the rest. Baseline: COIN_BASELINE.
    """
    _at_least("marked", batch, steps, 1)
    bits = rng.integers(0, 2, (batch, 1))
    x = np.zeros((batch, steps, 2), np.float32)
    if noise:                                  # without it nothing is drawn
        x[..., 0] = noise * rng.standard_normal((batch, steps))
    x[:, 0, :1], x[:, 0, 1] = _signs(bits), 1
    return x, bits.astype(np.float32)


def _signs(bits: np.ndarray) -> np.ndarray:
    return (2 * bits - 1).astype(np.float32)


def _one_hot(ids: np.ndarray, width: int) -> np.ndarray:
    return np.eye(width, dtype=np.float32)[ids]


def _at_least(name: str, batch: int, steps: int, least: int) -> None:
    if batch < 1 or steps < least:
        raise ValueError(f"{name} needs at least 1 example of {least} steps, not {batch} of {steps}")
