"""Five estimates of P(w | context) from counts, each as a table of probabilities and a table of weights.

    mle             c / C                                                  C: how often the context stands before a word
    add-k           (c + k) / (C + k V)
    interpolation   s_n c / C + (1 - s_n) P(w | shorter)                   s_n by expectation-maximisation
    katz            d_c c / C, or weight P(w | shorter) for an unseen w    d_c by Good and Turing
    kneser-ney      max(c - D_c, 0) / C + weight P(w | shorter)            c: of how many different words w is the next

No deck smooths; KTH, *Problems with n-gram Language Models - Sparsity*, shows why one must. Add-k after Lidstone, the
interpolation of Jelinek and Mercer (1980), Katz (1987), and the modified Kneser-Ney of Chen and Goodman (1999).

All are read in one way: a word that was seen after its context has its probability in the table; any other has the
context's weight times P(w | shorter context), with 1 for the weight of a context that was never seen.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .ngram_trie import Trie

GOOD_TURING_UP_TO = 5                          # Katz: larger counts are reliable, and not discounted
NO_DISCOUNTS = (0.5, 1.0, 1.5)                 # KenLM's, where the counts of counts give none


class Tables(NamedTuple):
    """prob[n] (U_n,): P of each n-gram's last word, n = 1 ... N.  weight[n] (U_n,): of each context, n = 0 ... N - 1.

    prob[0] is empty, so that n is the index.
    """

    prob: list[np.ndarray]
    weight: list[np.ndarray]


def counts_of(trie: Trie, base: np.ndarray) -> list[np.ndarray]:
    """The counts of each level as float64; a word that is never predicted counts 0 as a unigram."""
    counts = [level.count.astype(np.float64) for level in trie.levels]
    counts[1] = np.where(base[trie.levels[1].word] > 0, counts[1], 0)
    return counts


def add_k(trie: Trie, base: np.ndarray, k: float) -> Tables:
    """(c + k) / (C + k V); the shorter context is not asked, the weight is that of the uniform distribution.

    k = 0 is maximum likelihood; then the weight of a context that no word follows is NaN: 0 / 0.
    """
    prob, weight = [np.zeros(0)], []
    extra = k * np.count_nonzero(base)
    for n, c in enumerate(counts_of(trie, base)[1:], 1):
        level = trie.levels[n]
        total = trie.totals(n, c) + extra
        with np.errstate(invalid="ignore", divide="ignore"):
            weight.append(extra / total)
            prob.append((c + extra * base[level.word]) / total[level.context])
    return Tables(prob, weight)


def interpolation(trie: Trie, base: np.ndarray, shares: np.ndarray) -> Tables:
    """s_n c / C + (1 - s_n) P(w | shorter), shares: s_1 ... s_N; a context that was never seen leaves all to it."""
    prob, weight = [np.zeros(0)], []
    for n, c in enumerate(counts_of(trie, base)[1:], 1):
        total = trie.totals(n, c)
        weight.append(np.where(total > 0, 1 - shares[n - 1], 1))
        prob.append(_mixed(trie, base, prob, n, shares[n - 1] * c, total, weight[-1]))
    return Tables(prob, weight)


def kneser_ney(trie: Trie, base: np.ndarray, bos: int | None,
               discounts: Sequence[Sequence[float]] | None = None) -> tuple[Tables, list[tuple[float, ...]]]:
    """Interpolated modified Kneser-Ney, and its discounts (D_1, D_2, D_3+) of each n.

    The longest n-grams have their counts; a shorter one counts the different words before it, except where it begins
    with <bos>, before which nothing can stand.  discounts: given ones, for n = 1 ... N.
    """
    counts = counts_of(trie, base)
    for n in range(1, trie.order):
        longer = trie.levels[n + 1]
        followed = np.bincount(longer.suffix, minlength=len(trie.levels[n])).astype(np.float64)
        counts[n] = np.where(trie.levels[n].first == bos, counts[n], followed) if bos is not None else followed
    prob, weight, used = [np.zeros(0)], [], []
    for n, c in enumerate(counts[1:], 1):
        used.append(tuple(discounts[n - 1]) if discounts else modified_discounts(c))
        cut = np.array([0.0, *used[-1]])[np.minimum(c, 3).astype(int)]
        total, saved = trie.totals(n, c), trie.totals(n, cut)
        weight.append(np.divide(saved, total, out=np.ones_like(total), where=total > 0))
        prob.append(_mixed(trie, base, prob, n, c - cut, total, weight[-1]))
    return Tables(prob, weight), used


def modified_discounts(counts: np.ndarray) -> tuple[float, float, float]:
    """D_1, D_2, D_3+ from how many n-grams have the count 1, 2, 3, 4.   Chen and Goodman (1999), section 3.4.

    Y = n_1 / (n_1 + 2 n_2),  D_r = r - (r + 1) Y n_{r+1} / n_r.  Where one of these is 0, or a D is not between 0 and
    r, the text is too small for it: KenLM's 0.5, 1 and 1.5.
    """
    n = np.bincount(np.minimum(counts, 5).astype(int), minlength=6)
    if (n[1:5] == 0).any():
        return NO_DISCOUNTS
    y = n[1] / (n[1] + 2 * n[2])
    one, two, more = (float(r - (r + 1) * y * n[r + 1] / n[r]) for r in (1, 2, 3))
    return (one, two, more) if 0 <= one <= 1 and 0 <= two <= 2 and 0 <= more <= 3 else NO_DISCOUNTS


def katz(trie: Trie, base: np.ndarray) -> Tables:
    """Katz back-off: seen words lose what Good and Turing say, unseen ones share it as the shorter context would.

    Where a context loses nothing and has unseen words, its total grows by 1 (Doug Paul's rule, as in SRILM); where it
    has seen every word, it keeps all.
    """
    prob, weight = [np.zeros(0)], []
    words = np.count_nonzero(base)
    for n, c in enumerate(counts_of(trie, base)[1:], 1):
        level = trie.levels[n]
        kept, total = c * good_turing(c)[np.minimum(c, GOOD_TURING_UP_TO + 1).astype(int)], trie.totals(n, c)
        left = total - trie.totals(n, kept)
        whole = trie.totals(n, c > 0) == words
        stuck = (left <= 1e-9 * total) & (total > 0) & ~whole
        left, total = np.where(stuck, 1, left), total + stuck
        kept, left = np.where(whole[level.context], c, kept), np.where(whole, 0, left)
        lower = base[level.word] if n == 1 else prob[n - 1][level.suffix]
        unseen = np.where(whole, 1, 1 - trie.totals(n, np.where(c > 0, lower, 0)))
        weight.append(np.divide(left, total * unseen, out=np.ones_like(total), where=total > 0))
        prob.append(np.divide(kept, total[level.context], out=np.zeros_like(c), where=c > 0))
    return Tables(prob, weight)


def good_turing(counts: np.ndarray) -> np.ndarray:
    """The factors d_0 ... d_6 of the counts 0 ... 6 and more, from how many n-grams have each.   Katz (1987).

    r* = (r + 1) n_{r+1} / n_r;  d_r = (r* / r - q) / (1 - q) up to k = 5, else 1;  q = (k + 1) n_{k+1} / n_1.
    A d_r that is not between 0 and 1 (a small text has too few of these n-grams) is 1 too.
    """
    k = GOOD_TURING_UP_TO
    n = np.bincount(np.minimum(counts, k + 2).astype(int), minlength=k + 3).astype(np.float64)
    factors = np.ones(k + 2)
    rest = (k + 1) * n[k + 1] / n[1] if n[1] else 1.0
    for r in range(1, k + 1):
        if rest < 1 and n[r] and 0 < (d := ((r + 1) * n[r + 1] / n[r] / r - rest) / (1 - rest)) <= 1:
            factors[r] = d
    return factors


def shares_by_em(parts: np.ndarray, depth: np.ndarray, rounds: int = 200, tolerance: float = 1e-9) -> np.ndarray:
    """s_1 ... s_N that make held-out tokens most probable, by expectation-maximisation from 1/2.

    parts (T, N + 1): P of each token by the orders 0 ... N alone, the uniform first.  depth (T,): the longest order
    whose context was seen. A token is drawn by order `depth` with probability s, else handed down. Each order hands
    down one token more than it was seen to: no s is 1, so no word has the probability 0, whatever the held-out text
    lacks. The s of an order that no token reaches is 0.
    """
    orders = parts.shape[1] - 1
    s = np.full(orders, 0.5)
    reached = depth[:, None] >= np.arange(1, orders + 1)         # (T, N)
    for _ in range(rounds):
        own = np.where(reached, s, 0)                            # (T, N)
        down = np.cumprod(np.where(reached, 1 - s, 1)[:, ::-1], 1)[:, ::-1]                  # handed down to below n
        drawn = np.hstack([down[:, :1], own * np.hstack([down[:, 1:], np.ones((len(parts), 1))])]) * parts
        drawn /= np.maximum(drawn.sum(1, keepdims=True), 1e-300)
        upto = np.cumsum(drawn, 1)[:, 1:]                        # (T, N): by order n or a shorter one
        fresh = (drawn[:, 1:] * reached).sum(0) / ((upto * reached).sum(0) + 1)
        if np.abs(fresh - s).max(initial=0) < tolerance:
            return fresh
        s = fresh
    return s


def shares_of(lambdas: np.ndarray) -> np.ndarray:
    """s_1 ... s_N from the weights of a sum, lambda_0 (uniform) ... lambda_N.

    s_n = lambda_n / (lambda_0 + ... + lambda_n)
    """
    upto = lambdas.cumsum()[1:]
    return np.divide(lambdas[1:], upto, out=np.zeros_like(upto), where=upto > 0)


def lambdas_of(shares: np.ndarray) -> np.ndarray:
    """The way back: lambda_n = s_n (1 - s_{n+1}) ... (1 - s_N), and lambda_0 is what is left."""
    s = np.array([1.0, *shares])
    return s * np.append(np.cumprod((1 - s[1:])[::-1])[::-1], 1.0)


def _mixed(trie: Trie, base: np.ndarray, prob: list[np.ndarray], n: int, own: np.ndarray, total: np.ndarray,
           weight: np.ndarray) -> np.ndarray:
    """own / total + weight P(w | shorter), for each n-gram of level n."""
    level = trie.levels[n]
    lower = base[level.word] if n == 1 else prob[n - 1][level.suffix]
    total = np.where(total > 0, total, 1)
    return own / total[level.context] + weight[level.context] * lower
