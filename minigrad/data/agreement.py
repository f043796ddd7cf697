"""Verbs and pronouns that agree with a subject far behind them, past nouns that lead astray.

Télécom, *Vanishing and exploding gradients (1)*: "The student, which already followed 6 hours of lessons, was tired.
The students, ... were tired." And *LSTM example usage*: the gender of the subject is kept for its pronouns until a new
subject comes. A text here has two sentences, and each asks for a verb and a pronoun:

    the king which already near the monks often praised the queens _ tired and _ slept .        was, he
    the aunts which slowly warned the waiter _ happy and _ sang .                                were, they

`_` stands where the answer belongs, and the answer is never read: no word behind the subject tells its number or
gender. The words between the subject and its verb are the gap. It ends in a noun, often one that asks for another
answer: an attractor. Texts come in pairs that change the two nouns' places: before each question both have read the
same words in another order, and beside an attractor they have different answers. A bag of words is right in half.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_HE = "king prince actor waiter uncle monk host boy"
_SHE = "queen princess actress waitress aunt nun hostess girl"
_FILL = "already often slowly twice today gladly again kindly early briefly"
_NEAR = "near behind beside without"
_SAW = "praised warned followed greeted trusted painted"
_IS = "tired happy late ill proud rich"
_DID = "slept sang left waited laughed danced"

NUMBER, GENDER, NONE, MIXED = "number", "gender", "none", "mixed"      # kinds of attractor
ANSWERS = ("was", "were", "he", "she", "they")
BLANK, IGNORE = "_", -100
SHORTEST = 4                                   # of a gap: which, a verb, the, a noun


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith("ss") else "s")


# noun -> the answers it asks for
NOUNS = {noun: ("was", pronoun) for names, pronoun in ((_HE, "he"), (_SHE, "she")) for noun in names.split()}
NOUNS |= {_plural(noun): ("were", "they") for noun in tuple(NOUNS)}
WORDS = ("the", "which", "and", ".", BLANK, *NOUNS, *" ".join((_FILL, _NEAR, _SAW, _IS, _DID)).split())
_INDEX = {word: k for k, word in enumerate(WORDS)}
_BY_ANSWER = {(be, pronoun): tuple(n for n, a in NOUNS.items() if a == (be, pronoun))
              for be, pronoun in (("was", "he"), ("was", "she"), ("were", "they"))}


@dataclass(frozen=True)
class Agreement:
    """N texts, of which 2k and 2k + 1 are a pair.

    x (N, T): word ids (WORDS), filled up with ".".  y (N, T): ids of the answers (ANSWERS) at the blanks, IGNORE
    elsewhere.  texts: the words of each.  A text has four blanks: verb, pronoun, verb, pronoun.
    """

    x: np.ndarray
    y: np.ndarray
    texts: tuple[tuple[str, ...], ...]

    def asked(self, what: str) -> np.ndarray:
        """The blanks (N, T) of one kind, "verb" or "pronoun". Raises ValueError for another."""
        if what not in ("verb", "pronoun"):
            raise ValueError(f"a text asks for verbs and pronouns, not for {what!r}")
        return (self.y >= 0) & (self.y < 2 if what == "verb" else self.y >= 2)

    def due(self, what: str) -> np.ndarray:
        """The answer that is coming, at each word from behind its subject to its blank (N, T); IGNORE elsewhere.

        Whoever is to give it has to keep it there.  what: "verb" or "pronoun".
        """
        due = np.full_like(self.y, IGNORE)
        for row, at in zip(*np.nonzero(self.asked(what)), strict=True):
            subject = np.nonzero(self.x[row, :at] == _INDEX["which"])[0][-1]
            due[row, subject:at + 1] = self.y[row, at]
        return due


def agreement_texts(rng: np.random.Generator, pairs: int, gaps: Sequence[int], attractor: str = MIXED) -> Agreement:
    """`pairs` pairs of texts -> Agreement with N = 2 pairs. Each sentence draws its gap, in words, from `gaps`.

    attractor: what the last noun of each gap is. "number": of the other number, so that verb and pronoun are others;
    "gender": singular as the subject, and of the other gender; "none": it asks for the subject's answers; "mixed": the
    first in 3 of 10 sentences, the second in 2 of 10, so that the nearest noun is right more often than not. In the
    mixture one half of the subjects is plural.
    Raises ValueError for no pair, a gap of fewer than 4 words, or another kind of attractor.
    """
    if pairs < 1 or not len(gaps) or min(gaps) < SHORTEST:
        raise ValueError(f"agreement_texts needs a pair and gaps of at least {SHORTEST} words, not {pairs} pairs and "
                         f"gaps {list(gaps)}")
    if attractor not in (NUMBER, GENDER, NONE, MIXED):
        raise ValueError(f"attractor is 'number', 'gender', 'none' or 'mixed', not {attractor!r}")
    texts, answers = [], []
    for _ in range(pairs):
        sentences = [tuple(_sentence(rng, int(rng.choice(gaps)), attractor)) for _ in range(2)]
        for one, two in zip(*sentences, strict=True):
            texts.append((*one[0], *two[0]))
            answers.append((*one[1], *two[1]))
    return _encode(texts, answers)


def sentence(subject: str, inside: Sequence[str], last: str, ending: tuple[str, str] = ("tired", "slept"),
             verb: str = "praised") -> tuple[str, ...]:
    """A sentence by hand: "the SUBJECT which INSIDE praised the LAST _ tired and _ slept ." """
    return ("the", subject, "which", *inside, verb, "the", last, BLANK, ending[0], "and", BLANK, ending[1], ".")


def encode(*sentences: Sequence[str]) -> Agreement:
    """One text of sentences made by hand (`sentence`), with the answers that its subjects ask for."""
    return _encode([tuple(w for s in sentences for w in s)], [tuple(a for s in sentences for a in NOUNS[s[1]])])


def _sentence(rng: np.random.Generator, gap: int, attractor: str) -> Iterator[tuple[tuple[str, ...], tuple[str, str]]]:
    """The two sentences of a pair, with their answers: subject and last noun change places."""
    subject, last = _nouns(rng, attractor)
    inside: list[str] = []
    while (left := gap - SHORTEST - len(inside)) > 0:
        if left >= 3 and rng.random() < 0.3:
            inside += [_one(rng, _NEAR), "the", str(rng.choice(list(NOUNS)))]
        else:
            inside.append(_one(rng, _FILL))
    ending, verb = (_one(rng, _IS), _one(rng, _DID)), _one(rng, _SAW)
    for first, second in ((subject, last), (last, subject)):
        yield sentence(first, inside, second, ending, verb), NOUNS[first]


def _nouns(rng: np.random.Generator, attractor: str) -> tuple[str, str]:
    """The subject and the last noun of the gap, which is another one."""
    plural = rng.random() < 0.5
    if attractor == MIXED:
        attractor = str(rng.choice([NUMBER, GENDER, NONE], p=[0.3, 0.2, 0.5]))
        plural = rng.random() < {NUMBER: 0.5, GENDER: 0.0, NONE: 0.7}[attractor]
    he, she = [("was", "he"), ("was", "she")] if rng.random() < 0.5 else [("was", "she"), ("was", "he")]
    they = ("were", "they")
    own = they if plural and attractor != GENDER else he
    other = {NUMBER: he if own == they else they, GENDER: she, NONE: own}[attractor]
    subject = str(rng.choice(_BY_ANSWER[own]))
    return subject, str(rng.choice([noun for noun in _BY_ANSWER[other] if noun != subject]))


def _one(rng: np.random.Generator, words: str) -> str:
    return str(rng.choice(words.split()))


def _encode(texts: Sequence[tuple[str, ...]], answers: Sequence[Sequence[str]]) -> Agreement:
    x = np.full((len(texts), max(map(len, texts))), _INDEX["."])
    y = np.full(x.shape, IGNORE)
    for k, (words, forms) in enumerate(zip(texts, answers, strict=True)):
        x[k, :len(words)] = [_INDEX[w] for w in words]
        y[k, [t for t, w in enumerate(words) if w == BLANK]] = [ANSWERS.index(form) for form in forms]
    return Agreement(x, y, tuple(texts))
