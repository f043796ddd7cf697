"""Three ways to answer for a subject that is far behind: by the nearest noun, by the word before, by a state.

Télécom, *Vanishing and exploding gradients (1)* and *LSTM example usage*; the texts are those of data/agreement.py. An
answer is an index of ANSWERS at every word of x (N, T); only those at the blanks count.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .. import nn
from ..create import tensor
from ..data.agreement import ANSWERS, IGNORE, NOUNS, WORDS, Agreement, encode, sentence
from ..nn.recurrent import Recurrent
from ..tensor import Tensor, no_grad


class AgreementReader(nn.Module):
    """e_t = E[x_t],  h_t = layer(e_t, h_(t-1)),  scores y_t = W_y h_t + b_y.   layer: with batch_first=True."""

    def __init__(self, layer: Recurrent) -> None:
        self.embedding = nn.Embedding(len(WORDS), layer.input_size)
        self.layer = layer
        self.read = nn.Linear(layer.hidden_size, len(ANSWERS))

    def forward(self, x: Tensor) -> Tensor:
        """Word ids x (B, T) -> scores of the answers (B, T, 5)"""
        h, _ = self.layer(self.embedding(x))   # (B, T, H)
        return self.read(h)

    def answers(self, data: Agreement) -> np.ndarray:
        """The best answer at every word of the texts -> (N, T)."""
        with no_grad():
            return self(tensor(data.x, device=self.read.weight.device)).cpu().numpy().argmax(-1)


def nearest_noun(data: Agreement) -> np.ndarray:
    """The rule that the nearest noun before a blank is the subject: its verb, its pronoun -> answers (N, T)."""
    asks = np.array([[ANSWERS.index(a) for a in NOUNS.get(word, ("was", "he"))] for word in WORDS])    # (V, 2)
    noun = np.array([word in NOUNS for word in WORDS])[data.x]                                         # (N, T)
    place = np.maximum.accumulate(np.where(noun, np.arange(data.x.shape[1]), 0), 1)        # of the nearest one
    verb, pronoun = np.moveaxis(asks[np.take_along_axis(data.x, place, 1)], -1, 0)
    return np.where(data.asked("verb"), verb, pronoun)


def bigram(train: Agreement, data: Agreement) -> np.ndarray:
    """argmax_a P(a | the word before the blank), with P from the counts in `train` -> answers (N, T).

    KTH, *n-gram Language Models*: count(word, a) / count(word).
    """
    counts = np.zeros((len(WORDS), len(ANSWERS)))
    row, at = np.nonzero(train.y >= 0)
    np.add.at(counts, (train.x[row, at - 1], train.y[row, at]), 1)
    before = np.concatenate([data.x[:, :1], data.x[:, :-1]], 1)
    return counts.argmax(1)[before]


def spread(givers: Sequence[Callable[[Agreement], np.ndarray]], tests: Sequence[Agreement], what: str) -> np.ndarray:
    """Smallest, median and largest accuracy of some models in each of K tests -> (3, K)."""
    right = [[accuracy(give(test), test, what) for test in tests] for give in givers]
    return np.percentile(right, (0, 50, 100), axis=0)


def accuracy(answers: np.ndarray, data: Agreement, what: str) -> float:
    """The share of right answers (N, T) at the blanks of verbs, or of pronouns."""
    asked = data.asked(what)
    return float((answers == data.y)[asked].mean())


def read_out(model: AgreementReader, data: Agreement, fresh: Agreement, what: str) -> tuple[int, float]:
    """The unit of an LSTM whose cell alone tells, at every word of the gap, was from were ("verb") or he from she.

    Of all units the one whose two means over the gaps of `data` lie furthest apart, over its spread; with the threshold
    between them, the share of the words of the gaps of `fresh` at which it tells the answer that is due.
    """
    labels, cells = [], []
    for d in (data, fresh):
        due = d.due(what)
        at = (due != IGNORE) & (due != ANSWERS.index("they"))
        labels.append(due[at] == ANSWERS.index("was" if what == "verb" else "he"))
        cells.append(np.swapaxes(gates(model, d)["c"], 0, 1)[at])                          # (words, H)
    one, two = cells[0][labels[0]], cells[0][~labels[0]]
    unit = int((np.abs(one.mean(0) - two.mean(0)) / (one.std(0) + two.std(0) + 1e-6)).argmax())
    low, high = sorted((one[:, unit].mean(), two[:, unit].mean()))
    told = (cells[1][:, unit] > (low + high) / 2) == (one[:, unit].mean() == high)
    return unit, float((told == labels[1]).mean())


def gates(model: AgreementReader, data: Agreement) -> dict[str, np.ndarray]:
    """`nn.gate_trace` of the model's LSTM on the texts: i, f, g, o, c, h, each (T, N, H)."""
    layer = model.layer
    assert isinstance(layer, nn.LSTM), f"only an LSTM has these gates, not {type(layer).__name__}"
    with no_grad():
        return nn.gate_trace(layer, model.embedding(tensor(data.x, device=model.read.weight.device)))


def story(model: AgreementReader, what: str, unit: int) -> tuple[dict[str, np.ndarray], list[str], list[int]]:
    """One unit while the model reads of a king, then of queens ("verb") or of a queen ("pronoun"), for `viz.gates`.

    Each is the attractor in the other's sentence. -> its trace, the words with the model's answers, the steps of these.
    """
    first, second, inside = "king", "queens" if what == "verb" else "queen", ["often", "near", "the", "monks"]
    text = encode(sentence(first, inside, second), sentence(second, inside, first, ("happy", "sang")))
    said, blanks = model.answers(text)[0], np.nonzero(text.y[0] != IGNORE)[0].tolist()
    words = [word + ANSWERS[said[t]] if t in blanks else word for t, word in enumerate(text.texts[0])]
    return {name: part[:, 0, unit] for name, part in gates(model, text).items()}, words, blanks
