"""From scores to text: draw a token and feed it back, or search for the most probable sentence.

    probabilities   softmax(scores / temperature), of the best k tokens or of a nucleus
    sample          Escalera, *Character-level Language Model, Sampling*; Télécom, *(3) Sampling novel sequences*
    beam_search     the `beam` best beginnings at each step, longer sentences not punished for their length

Both feed any model that is a function `step(ids (B,), state) -> (log-probabilities (B, V), state)`.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..create import tensor
from ..errors import ShapeError, describe
from ..tensor import Tensor

Step = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]


class Found(NamedTuple):
    """A sentence that `beam_search` found: its ids without the prompt, ln P(ids | prompt), and what it is ranked by."""

    ids: list[int]
    log_p: float
    score: float


def probabilities(scores: np.ndarray, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> np.ndarray:
    """softmax(scores / temperature) of the tokens that are left, 0 for the others.  (..., V) -> (..., V), float64.

    temperature: below 1 the likely gets likelier, above 1 all get alike; 0 is the best token alone.
    top_k: the k best tokens are left (Fan et al. 2018); 0 for all.  top_p: the fewest best ones whose probabilities
    add up to p are left, the "nucleus" (Holtzman et al. 2020). In this order; of equal tokens the lower id is better.
    Raises ValueError for a temperature or k below 0, or p outside of (0, 1].
    """
    if temperature < 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(f"probabilities takes temperature >= 0, top_k >= 0 and 0 < top_p <= 1, not {temperature}, "
                         f"{top_k}, {top_p}")
    scores = np.asarray(scores, np.float64)
    if temperature == 0:
        temperature, top_k = 1.0, 1
    e = (scores - scores.max(-1, keepdims=True)) / temperature
    p = np.exp(e) / np.exp(e).sum(-1, keepdims=True)
    if not top_k and top_p == 1:
        return p
    order = np.argsort(-scores, -1, kind="stable")
    best = np.take_along_axis(p, order, -1)
    if top_k:
        best[..., top_k:] = 0
        best /= best.sum(-1, keepdims=True)
    if top_p < 1:                              # a token is left if those before it do not reach p
        best[best.cumsum(-1) - best >= top_p] = 0
        best /= best.sum(-1, keepdims=True)
    np.put_along_axis(p, order, best, -1)
    return p


def draw(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One id from each row of probabilities, by one number of the generator.  (..., V) -> (...)"""
    total = p.cumsum(-1)
    at = (total <= rng.random(p.shape[:-1])[..., None] * total[..., -1:]).sum(-1)
    last = p.shape[-1] - 1 - (p[..., ::-1] > 0).argmax(-1)     # the last possible id: the product may round up to total
    return np.minimum(at, last)


def sample(step: Step, prompt: Sequence[int] | np.ndarray, length: int, rng: np.random.Generator, *, state: Any = None,
           stop: int | None = None, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> np.ndarray:
    """Up to `length` ids after a prompt, each drawn from the model and fed back to it.

    prompt (P,) -> (L,), or (P, B) -> (L, B): B texts side by side. L = length; shorter where `stop` was drawn in all of
    them (it is the last id; a text that stopped before the others is filled up with it).
    state: of the model before the prompt.  temperature, top_k, top_p: see `probabilities`.
    The same generator gives the same text. Raises ShapeError for an empty prompt.
    """
    ids = _prompt(prompt)
    log_p, state = _read(step, ids, state)
    texts: list[np.ndarray] = []
    ended = np.zeros(ids.shape[1], bool)
    while len(texts) < length and not ended.all():
        if texts:
            log_p, state = step(texts[-1], state)
        new = draw(probabilities(log_p, temperature=temperature, top_k=top_k, top_p=top_p), rng)
        if stop is not None:
            new = np.where(ended, stop, new)
            ended |= new == stop
        texts.append(new)
    found = np.array(texts, np.int64).reshape(len(texts), -1)
    return found[:, 0] if np.ndim(prompt) == 1 else found


def beam_search(step: Step, prompt: Sequence[int] | np.ndarray, length: int, *, beam: int = 5, stop: int | None = None,
                alpha: float = 1.0, state: Any = None, pick: Callable[[Any, np.ndarray], Any] | None = None
                ) -> list[Found]:
    """The most probable continuations of a prompt (P,), best first: at most `beam` of them.

    At each step the `beam` most probable beginnings are kept, and of each it is noted how good it is if it ends here.
    Sentences are ranked by ln P / L^alpha, L their length with `stop`: 0 favours short ones, for each token costs;
    1 is the mean over tokens (Wu et al. 2016 take about 0.6). beam=1 keeps the greedy beginning, and ends it where it
    ranks best, which greedy does not look for; V^length beginnings are all there are.
    stop: the id that ends a sentence, its last one; None for continuations of `length` tokens. Sentences longer than
    `length` are given up, unless none ended.
    pick(state, rows): the state of these beginnings; without it, a nested tuple of Tensors (layers, B, H).
    Raises ValueError for beam < 1 or alpha < 0, ShapeError for an empty prompt.
    """
    if beam < 1 or alpha < 0:
        raise ValueError(f"beam_search takes beam >= 1 and alpha >= 0, not {beam} and {alpha}")
    log_p, state = _read(step, _prompt(prompt, 1), state)
    texts, totals = np.zeros((1, 0), np.int64), np.zeros(1)
    done: list[Found] = []
    for n in range(1, length + 1):
        grown = totals[:, None] + log_p                                        # (beginnings, V)
        if stop is not None:
            done += [Found([*texts[k].tolist(), stop], float(v), float(v / n ** alpha))
                     for k, v in enumerate(grown[:, stop]) if np.isfinite(v)]
            done = sorted(done, key=lambda f: -f.score)[:beam]
            grown[:, stop] = -np.inf
        order = np.argsort(-grown, axis=None, kind="stable")[:beam]
        order = order[np.isfinite(grown.reshape(-1)[order])]
        rows, new = np.divmod(order, grown.shape[1])
        texts, totals = np.concatenate([texts[rows], new[:, None]], 1), grown[rows, new]
        full = len(done) == beam               # ln P only falls, so no sentence can rank above this:
        if not len(rows) or full and totals[0] / length ** alpha <= done[-1].score:
            break
        if n < length:
            log_p, state = step(new, (pick or take)(state, rows))
    if done:
        return done
    return [Found(ids.tolist(), float(v), float(v / max(1, len(ids)) ** alpha))
            for ids, v in zip(texts, totals, strict=True)]


def take(state: Any, rows: np.ndarray) -> Any:
    """The columns `rows` of a state of recurrent layers: a Tensor (layers, B, H), or nested tuples of them."""
    if isinstance(state, Tensor):
        return state[:, tensor(rows, device=state.device)]
    return type(state)([take(part, rows) for part in state]) if isinstance(state, (tuple, list)) else state


def _prompt(prompt: Sequence[int] | np.ndarray, axes: int = 2) -> np.ndarray:
    """The prompt as ids (P, B)."""
    ids = np.asarray(prompt)
    if not 1 <= ids.ndim <= axes or not ids.size or ids.dtype.kind not in "iu":
        raise ShapeError(describe(f"a prompt is ids (P,){', or (P, B) for B texts' * (axes > 1)}, not {ids.dtype} "
                                  f"{ids.shape}.", fix="at least one id: that of <bos>, or of the token before"))
    return ids if ids.ndim == 2 else ids[:, None]


def _read(step: Step, ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
    """Feed a prompt (P, B): the log-probabilities (B, V) of what comes next, and the state."""
    for row in ids:
        log_p, state = step(row, state)
    return log_p, state
