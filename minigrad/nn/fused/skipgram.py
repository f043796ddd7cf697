"""Skip-gram with negative sampling as products of blocks of text; equal to `SkipGram` (tests/models/test_skipgram.py).

The loss of a word c with context words o, and M noise words k that a whole batch shares:

    J = sum_(c, o) softplus(-u_o . e_c) + (K / M) sum_(c, o) sum_k softplus(u_k . e_c)

In expectation that is K noise words for each pair (Mikolov et al. 2013). One pair at a time would gather K + 2 rows for
E multiplications each. Here a block of L neighbouring words meets the L + 2 w words around it in one product, of which
the band counts where |i - j| is within the word's reach; all its pairs share the products with the M noise words.

Half of the time is products, and rows would take most of the other half. So both tables lie side by side (a word's e
and u are one row), the rows of a batch are gathered once for both roles, and the changes of a repeated word are summed
pairwise onto its last place, so that one write brings all back: `np.add.reduceat` over sorted ids took four times as
long. benchmarks/skipgram.py measures the whole beside gensim.
"""
from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

BLOCK = 16                                     # words in a block: at 32 the band is thinner and takes 1.8 times as long

Folds = list[tuple[np.ndarray, np.ndarray]]


class SkipGramStep:
    """Updates of a joint table (V, 2 E), e in its left half and u in its right, from batches of neighbouring words.

    batch: words in it, a multiple of 16; all their gradients are taken at the same tables.  shared: M.
    window: the longest reach.  negatives: K.
    """

    def __init__(self, dim: int, window: int, batch: int, shared: int, negatives: float,
                 dtype: np.dtype | type = np.float32) -> None:
        if batch % BLOCK or batch < BLOCK:
            raise ValueError(f"a batch is a multiple of {BLOCK} words, not {batch}")
        self.dim, self.window, self.batch, self.shared, self.negatives = dim, window, batch, shared, negatives
        n, w, blocks, span = batch, window, batch // BLOCK, BLOCK + 2 * window
        self.text = n + 2 * w                  # words of a batch with what is left and right of it
        number = np.dtype(dtype).type
        self.half, self.one, self.number = number(0.5), number(1), number
        self.rows, self.change = np.zeros((2, self.text + shared, 2 * dim), dtype)
        self.e, self.e_blocks = self._words(self.rows)
        self.u_blocks, self.u_noise = self._spans(self.rows), self.rows[self.text:, dim:]
        self.de, _ = self._words(self.change)
        self.du, self.du_noise = self.change[:self.text, dim:], self.change[self.text:, dim:]
        self.near = np.empty((blocks, BLOCK, span), dtype)
        self.noise = np.empty((n, shared), dtype)
        self.band = np.empty((n, span), dtype)
        self.de_near, self.du_near = np.empty((n, dim), dtype), np.empty((blocks, span, dim), dtype)
        apart, into = -(-span // BLOCK), self._spans(self.change)      # every apart-th span overlaps none of the others
        self.overlaps = [(into[k::apart], self.du_near[k::apart]) for k in range(apart)]
        self.bands = _bands(window, dtype)
        self.scaled = self.bands.copy()

    def _words(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """e of the batch's words: (n, E), and as blocks (n / 16, 16, E)."""
        own = rows[self.window:self.window + self.batch]
        return own[:, :self.dim], own.reshape(-1, BLOCK, 2 * self.dim)[:, :, :self.dim]

    def _spans(self, rows: np.ndarray) -> np.ndarray:
        """u of each block's words and of those around it, as views that overlap: (n / 16, 16 + 2 w, E)."""
        u = rows[:self.text, self.dim:]
        return as_strided(u, (self.batch // BLOCK, BLOCK + 2 * self.window, self.dim),
                          (BLOCK * u.strides[0], *u.strides))

    def chunk(self, table: np.ndarray, ids: np.ndarray, left: np.ndarray, right: np.ndarray, noise: np.ndarray,
              lr: float) -> tuple[float, int]:
        """Update the table by S batches, one after the other; returns the first one's loss J before it, and its pairs.

        table (V, 2 E), written in place.  ids (S n + 2 w,): the words of the S batches with w more on either side.
        left, right (S n,): how many context words each has on each side.  noise (S, M): the noise words of each batch.
        """
        n, w = self.batch, self.window
        rows = np.concatenate([as_strided(ids, (len(noise), self.text), (n * ids.strides[0], ids.strides[0])), noise],
                              axis=1)
        folds = _folds(rows, len(table))
        pattern = (left * (w + 1) + right) * BLOCK + np.arange(len(left)) % BLOCK
        pairs = (left + right).astype(self.rows.dtype)[:, None]
        np.multiply(self.bands, self.number(0.5 * lr), out=self.scaled)
        weight = pairs * self.number(-0.5 * lr * self.negatives / self.shared)
        loss = 0.0
        with np.errstate(over="ignore", invalid="ignore"):     # the caller sees a loss that is not finite
            for b, (row, fold) in enumerate(zip(rows, folds, strict=True)):
                at = slice(b * n, b * n + n)
                table.take(row, 0, out=self.rows, mode="clip")
                self._scores()
                if b == 0:
                    loss = self._loss(self.bands[pattern[at]], pairs[at])
                self._changes(pattern[at], weight[at])
                change = self.change
                for last, earlier in fold:     # a repeated word: the sum of its changes comes to its last place
                    change[last] += change[earlier]
                np.add(change, self.rows, out=self.rows)
                table[row] = self.rows         # of a repeated word the last row stays
        return loss, int(pairs[:n].sum())

    def _scores(self) -> None:
        """u_o . e_c of the blocks (the band counts), and u_k . e_c."""
        np.matmul(self.e_blocks, self.u_blocks.transpose(0, 2, 1), out=self.near)
        np.matmul(self.e, self.u_noise.T, out=self.noise)

    def _loss(self, band: np.ndarray, pairs: np.ndarray) -> float:
        softplus = np.logaddexp
        near = softplus(0, -self.near.reshape(band.shape)) * band
        return float(near.sum() + self.negatives / self.shared * (softplus(0, self.noise) * pairs).sum())

    def _changes(self, pattern: np.ndarray, weight: np.ndarray) -> None:
        """-lr dJ/drow for every row of the batch, from the scores.

        dJ/ds = -sigmoid(-s) = -(1 - tanh(s / 2)) / 2 in the band, and K / M sigmoid(s) for noise, once for each pair.
        """
        near, noise, w, n = self.near, self.noise, self.window, self.batch
        np.multiply(near, self.half, out=near)
        np.tanh(near, out=near)
        np.subtract(self.one, near, out=near)
        self.scaled.take(pattern, 0, out=self.band, mode="clip")
        np.multiply(near, self.band.reshape(near.shape), out=near)
        np.multiply(noise, self.half, out=noise)
        np.tanh(noise, out=noise)
        np.add(noise, self.one, out=noise)
        np.multiply(noise, weight, out=noise)
        np.matmul(near, self.u_blocks, out=self.de_near.reshape(near.shape[0], BLOCK, -1))
        np.matmul(noise, self.u_noise, out=self.de)
        np.add(self.de, self.de_near, out=self.de)
        np.matmul(near.transpose(0, 2, 1), self.e_blocks, out=self.du_near)
        np.matmul(noise.T, self.e, out=self.du_noise)
        self.du.fill(0)
        for into, part in self.overlaps:
            into += part
        self.change[w + n:, :self.dim] = 0     # right of the batch, and noise: no centres; old sums are there


def sizes(most: float, pairs: float, negatives: float, lr: float) -> tuple[int, int]:
    """How many words a batch may have, and how many noise words it needs, so that a step at this rate does not diverge.

    A row gets the sum over all its places in a batch, taken at one value of the row, so lr times the number of terms is
    bounded. For noise words, on 8,000 words, dim 100: lr n K pairs / M of 10 was stable at a rate of 0.05 and 12 was
    not; at 0.1, where vectors grow longer, 5 was and 6.7 was not. This keeps to 6.7 at 0.05 and less above. For the
    commonest word lr n most pairs (K + 1) of 4.6 was stable on 257 words and 12 was not; on 10 words 3 was, 4.5 not.
    most: the share of the commonest word.  pairs: of a word, on average.
    -> batch, shared
    """
    words = 4 / (most * pairs * (negatives + 1) * lr) if most * pairs * lr > 0 else np.inf
    batch = BLOCK * int(np.clip(words // BLOCK, 1, 16))
    share = np.clip(3 * lr * lr * pairs * negatives, 3 / 16, 4)
    return batch, max(24, int(np.ceil(batch * share)))


def _bands(window: int, dtype: np.dtype | type) -> np.ndarray:
    """1 where a pair counts: for each left and right reach and each place in a block a row over the block's span.

    -> ((w + 1)^2 16, 16 + 2 w)
    """
    reach = np.arange(window + 1)
    off = np.arange(BLOCK + 2 * window) - window - np.arange(BLOCK)[:, None]     # from the word to the one in the span
    far, near = -reach[:, None, None, None], reach[:, None, None]
    return ((off >= far) & (off <= near) & (off != 0)).astype(dtype).reshape(-1, off.shape[1])


def _folds(rows: np.ndarray, words: int) -> list[Folds]:
    """For each batch the rounds that sum repeated ids onto their last place: pairs (last, earlier) of places.

    rows (S, R) of ids.  In round k what stands 2^k occurrences before is added, so as many rounds as the highest count
    has bits are enough; within a round no place is both read and written.
    """
    batches, count = rows.shape
    order = np.argsort(rows.astype(np.uint16) if words <= 65536 else rows, axis=1, kind="stable")  # 16 bits: by radix
    known = np.take_along_axis(rows, order, 1)
    new = np.ones((batches, count + 1), bool)
    new[:, 1:-1] = known[:, 1:] != known[:, :-1]
    place = np.arange(count)
    first = np.maximum.accumulate(np.where(new[:, :-1], place, 0), axis=1)
    last = np.minimum.accumulate(np.where(new[:, 1:], place, count)[:, ::-1], axis=1)[:, ::-1]
    folds: list[Folds] = [[] for _ in range(batches)]
    step = 1
    while step <= (last - first).max():
        batch, at = np.nonzero(((last - place) % (2 * step) == 0) & (place - first >= step))
        into, out = order[batch, at], order[batch, at - step]
        ends = np.searchsorted(batch, np.arange(batches + 1))
        for b in np.flatnonzero(np.diff(ends)):
            folds[b].append((into[ends[b]:ends[b + 1]], out[ends[b]:ends[b + 1]]))
        step *= 2
    return folds
