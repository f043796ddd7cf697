"""What a table of word vectors can be asked: neighbours, analogies, groups, a map.

Chemnitz, *word2vec (3)*: words of close meaning are close, and queen = king + woman - man. The deck and Télécom measure
by Euclidean distance, the word2vec tools by cosine; the two can give different words.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

METRICS = ("cosine", "euclidean")


class WordVectors:
    """Words and their vectors: words, vectors (V, E), ids {word: row}.

    Raises ValueError unless there is one vector for each word, and each word once.
    """

    def __init__(self, words: Sequence[str], vectors: np.ndarray) -> None:
        self.words, self.vectors = list(words), np.asarray(vectors)
        self.ids = {word: k for k, word in enumerate(self.words)}
        if self.vectors.ndim != 2 or len(self.words) != len(self.vectors) or len(self.ids) != len(self.words):
            raise ValueError(f"{len(self.words)} words, {len(self.ids)} of them different, do not fit vectors of "
                             f"{self.vectors.shape}")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.ids

    def __getitem__(self, word: str) -> np.ndarray:
        """The word's vector (E,). Raises KeyError."""
        return self.vectors[self.ids[word]]

    def unit(self) -> WordVectors:
        """The same with every vector scaled to length 1, as the word2vec tools do before an analogy."""
        return WordVectors(self.words, _unit(self.vectors))

    # ------------------------------------------------------------------------------------------ neighbours, analogies

    def closeness(self, points: np.ndarray, metric: str = "cosine") -> np.ndarray:
        """How close each word is to each point, the larger the closer: points (N, E) -> (N, V).

        cosine: x . y / |x| |y|.  euclidean: -|x - y|.  Raises ValueError for another metric.
        """
        if metric not in METRICS:
            raise ValueError(f"metric is 'cosine' or 'euclidean', not {metric!r}")
        if metric == "cosine":
            return _unit(points) @ _unit(self.vectors).T
        return -np.stack([np.linalg.norm(self.vectors - point, axis=1) for point in points])      # 0 is exactly 0

    def similarity(self, a: str, b: str, metric: str = "cosine") -> float:
        """How close two words are. Raises KeyError."""
        return float(self.closeness(self[a][None], metric)[0, self.ids[b]])

    def nearest(self, what: str | np.ndarray, k: int = 10, *, metric: str = "cosine", leave_out: Iterable[str] = ()
                ) -> list[tuple[str, float]]:
        """The k words nearest to a word (itself left out) or to a vector (E,), nearest first, each with its closeness.
        """
        out = set(leave_out) | ({what} if isinstance(what, str) else set())
        point = self[what] if isinstance(what, str) else what
        close = self.closeness(point[None], metric)[0]
        close[[self.ids[word] for word in out]] = -np.inf
        best = np.argsort(-close, kind="stable")[:min(k, len(self) - len(out))]
        return [(self.words[j], float(close[j])) for j in best]

    def analogy(self, word: str, minus: str, plus: str, k: int = 1, *, metric: str = "cosine"
                ) -> list[tuple[str, float]]:
        """The k words nearest to word - minus + plus, the three left out: analogy("king", "man", "woman")."""
        return self.nearest(self[word] - self[minus] + self[plus], k, metric=metric, leave_out={word, minus, plus})

    def analogies_right(self, questions: np.ndarray, metric: str = "cosine") -> np.ndarray:
        """Which questions (N, 4) of ids are answered right, (N,): columns minus, word, plus, answer (man king woman
        queen), the first three left out."""
        minus, word, plus, answer = np.asarray(questions).T
        close = self.closeness(self.vectors[word] - self.vectors[minus] + self.vectors[plus], metric)
        rows = np.arange(len(close))
        for given in (minus, word, plus):
            close[rows, given] = -np.inf
        return close.argmax(1) == answer

    # ------------------------------------------------------------------------------------------ the whole space

    def own_group(self, group: np.ndarray, k: int = 10, *, words: np.ndarray | None = None, metric: str = "cosine"
                  ) -> float:
        """The share of a word's k nearest neighbours that are of its own group, on average.

        group (V,): a number for each word.  words: ids of those that are asked, and looked for; all if None.
        """
        chosen = np.arange(len(self)) if words is None else np.asarray(words)
        some = WordVectors([self.words[j] for j in chosen], self.vectors[chosen])
        close = some.closeness(some.vectors, metric)
        np.fill_diagonal(close, -np.inf)
        near = np.argpartition(-close, k, axis=1)[:, :k]
        mine = group[chosen]
        return float((mine[near] == mine[:, None]).mean())

    def map(self, words: Sequence[str] | None = None) -> np.ndarray:
        """A flat picture of these words (all if None): the two directions in which they differ most, (n, 2).

        Principal components: the singular vectors of the centred rows with the largest singular values.
        """
        rows = self.vectors if words is None else self.vectors[[self.ids[word] for word in words]]
        rows = rows - rows.mean(0)
        _, _, axes = np.linalg.svd(rows, full_matrices=False)
        flat = rows @ axes[:2].T
        return flat if flat.shape[1] == 2 else np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))

    # ------------------------------------------------------------------------------------------ files

    def save(self, path: Path | str) -> None:
        """As text, in word2vec's format: "V E", then a word and its numbers on each line.

        Raises ValueError for a word with a space in it, which the format cannot hold.
        """
        if bad := [word for word in self.words if not word or len(word.split()) != 1]:
            raise ValueError(f"word2vec's format cannot hold the word {bad[0]!r}")
        lines = [f"{word} {' '.join(map(repr, row.tolist()))}"
                 for word, row in zip(self.words, self.vectors, strict=True)]
        Path(path).write_text("\n".join([f"{len(self)} {self.vectors.shape[1]}", *lines, ""]), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> WordVectors:
        """From word2vec's text format, or GloVe's, which lacks the first line. Raises ValueError for another file."""
        lines = Path(path).read_text(encoding="utf-8").rstrip("\n").split("\n")
        rows = [line.rstrip().split(" ") for line in lines[len(lines[0].split()) == 2:]]
        try:
            vectors = np.array([[float(v) for v in row[1:]] for row in rows], dtype=np.float32)
        except ValueError as error:
            raise ValueError(f"{path} does not hold word vectors as text: {error}") from None
        return cls([row[0] for row in rows], vectors)


def answered(vectors: WordVectors, questions: Mapping[str, np.ndarray], metric: str = "cosine") -> dict[str, float]:
    """The share of right answers for each relation, and for all questions together under "all"."""
    right = {name: vectors.analogies_right(rows, metric) for name, rows in questions.items()}
    right["all"] = np.concatenate([*right.values()])
    return {name: float(r.mean()) for name, r in right.items()}


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays one."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)
