"""Sentences whose probabilities are known: what a language model estimates can be compared with the truth.

A grammar here is a table of choices with probabilities, and no choice leads back to itself: its sentences can be
listed, each with its probability. So the entropy is exact, and no model of any kind has a lower expected perplexity
than its exp.

    PHRASES      KTH, *n-gram Language Models - Example*: after "students opened their" 0.4 books and 0.1 exams. It is
                 0.46 exams where a proctor started the clock, which no 4-gram sees.
    HOMOPHONES   Télécom, *Language model*: words that sound alike; the words around them tell which is meant.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from ..errors import describe
from .vocabulary import BOS, EOS

Rules = Mapping[str, Sequence[tuple[float, str]]]
Sentence = tuple[str, ...]


class Grammar:
    """A table symbol -> choices (probability, text); words of a text that are symbols of the table are chosen in turn.

    Sentences begin with the symbol `start`. Two ways to one sentence are fine: its probability is their sum.
    Raises ValueError where the probabilities of a symbol do not add up to 1, or a symbol leads back to itself.
    """

    def __init__(self, rules: Rules, start: str = "SENTENCE") -> None:
        for symbol, choices in rules.items():
            total = math.fsum(p for p, _ in choices)
            if abs(total - 1) > 1e-9 or min(p for p, _ in choices) <= 0:
                raise ValueError(f"{symbol} needs positive probabilities that add up to 1, not to {total}")
        self.rules, self.start = rules, start
        self._spelled: dict[str, dict[Sentence, float]] = {}

    @cached_property
    def sentences(self) -> dict[Sentence, float]:
        """Every sentence with its probability."""
        return self._spell(self.start, ())

    @cached_property
    def words(self) -> list[str]:
        """All words, in the order of the alphabet."""
        return sorted({word for sentence in self.sentences for word in sentence})

    def sample(self, rng: np.random.Generator, n: int) -> list[list[str]]:
        """`n` sentences, independent of each other, as lists of words."""
        sentences, p = list(self.sentences), np.fromiter(self.sentences.values(), float)
        return [list(sentences[k]) for k in rng.choice(len(sentences), n, p=p / p.sum())]

    def probability(self, sentence: Sequence[str]) -> float:
        """P(sentence), its end included; 0 for one that the grammar does not make."""
        return self.sentences.get(tuple(sentence), 0.0)

    def after(self, context: Sequence[str]) -> dict[str, float]:
        """P(word | these words just before it), falling: what an n-gram model with this context estimates.

        The context may begin with <bos>; the end of a sentence is <eos>. Raises ValueError for words that never stand
        so.
        """
        sought, found = tuple(context), dict[str, float]()
        for gram, p in self.expected(len(sought) + 1).items():
            if gram[:-1] == sought:
                found[gram[-1]] = found.get(gram[-1], 0.0) + p
        if not found:
            raise ValueError(describe(f"{' '.join(sought)!r} stands in no sentence of this grammar.",
                                      fix="words from grammar.words, in an order of grammar.sentences."))
        total = math.fsum(found.values())
        return {word: p / total for word, p in sorted(found.items(), key=lambda item: (-item[1], item[0]))}

    def expected(self, n: int) -> dict[Sentence, float]:
        """How often each n-gram stands in a sentence on average, n - 1 times <bos> before it and <eos> behind it."""
        counts: dict[Sentence, float] = {}
        for sentence, p in self.sentences.items():
            whole = (BOS,) * (n - 1) + sentence + (EOS,)
            for k in range(len(whole) - n + 1):
                counts[whole[k:k + n]] = counts.get(whole[k:k + n], 0.0) + p
        return counts

    @cached_property
    def length(self) -> float:
        """Tokens of a sentence on average, its end counted as one."""
        return math.fsum(p * (len(sentence) + 1) for sentence, p in self.sentences.items())

    @cached_property
    def entropy(self) -> float:
        """Nats a token: -sum P ln P over sentences, by their average length. No model's expected loss lies below it.

        The end of a sentence is a token to be predicted, its beginning is given; sentences are independent.
        """
        return -math.fsum(p * math.log(p) for p in self.sentences.values()) / self.length

    @property
    def perplexity(self) -> float:
        """exp(entropy): the bound that a language model's perplexity meets."""
        return math.exp(self.entropy)

    def limit(self, order: int) -> float:
        """Nats a token of the best n-gram model of this order: of one that knows every probability given n - 1 words.

        Raises ValueError for an order below 1.
        """
        if order < 1:
            raise ValueError(f"an n-gram has at least 1 word, not {order}")
        grams, contexts = self.expected(order), dict[Sentence, float]()
        for gram, p in grams.items():
            contexts[gram[:-1]] = contexts.get(gram[:-1], 0.0) + p
        return -math.fsum(p * math.log(p / contexts[gram[:-1]]) for gram, p in grams.items()) / self.length

    def _spell(self, symbol: str, above: Sentence) -> dict[Sentence, float]:
        """Everything that a symbol can become."""
        if symbol in above:
            raise ValueError(f"{symbol} leads back to itself: {' -> '.join((*above, symbol))}")
        if symbol not in self._spelled:
            found: dict[Sentence, float] = {}
            for p, text in self.rules[symbol]:
                for words, q in self._texts(text.split(), (*above, symbol)):
                    found[words] = found.get(words, 0.0) + p * q
            self._spelled[symbol] = found
        return self._spelled[symbol]

    def _texts(self, text: list[str], above: Sentence) -> Iterator[tuple[Sentence, float]]:
        if not text:
            yield (), 1.0
            return
        firsts = self._spell(text[0], above).items() if text[0] in self.rules else [((text[0],), 1.0)]
        rests = list(self._texts(text[1:], above))
        for first, p in firsts:
            for rest, q in rests:
                yield first + rest, p * q


def _even(texts: str) -> list[tuple[float, str]]:
    """Texts between bars, each as probable as the others."""
    parts = [text.strip() for text in texts.split("|")]
    return [(1 / len(parts), text) for text in parts]


# The deck counts 400 books and 100 exams after 1000 "students opened their". Here 1 sentence in 5 is of an exam:
# 0.8 * 0.49 + 0.2 * 0.04 = 0.4 books, 0.8 * 0.01 + 0.2 * 0.46 = 0.1 exams, and one half is something else in both.
PHRASES = Grammar({
    "SENTENCE": [(0.2, "as the proctor started the clock , the WHO EXAM"),
                 (0.3, "as the teacher STARTED , the WHO LESSON"), (0.5, "the WHO LESSON")],
    "STARTED": [(0.4, "closed the door"), (0.3, "started the lesson"), (0.2, "started the film"),
                (0.1, "read the list")],
    "WHO": [(0.6, "students"), (0.25, "pupils"), (0.15, "children")],
    "LESSON": [(0.6, "opened their ON_THE_DESK"), (0.2, "asked the teacher ABOUT"), (0.2, "looked AT")],
    "EXAM": [(0.6, "opened their IN_THE_HALL"), (0.2, "asked the proctor ABOUT"), (0.2, "looked AT")],
    "ON_THE_DESK": [(0.49, "books IN_CLASS"), (0.01, "exams IN_CLASS"), (0.5, "OTHER IN_CLASS")],
    "IN_THE_HALL": [(0.04, "books IN_EXAM"), (0.46, "exams IN_EXAM"), (0.5, "OTHER IN_EXAM")],
    "OTHER": [(0.4, "laptops"), (0.3, "notebooks"), (0.2, "minds"), (0.1, "windows")],
    "IN_CLASS": [(0.4, ""), (0.4, "and read the first page"), (0.15, "and listened"), (0.05, "and wrote their names")],
    "IN_EXAM": [(0.4, ""), (0.1, "and read the first page"), (0.5, "and wrote their names")],
    "ABOUT": [(0.5, "a question"), (0.3, "for more time"), (0.2, "for help")],
    "AT": [(0.5, "at the clock"), (0.3, "at each other"), (0.2, "out of the window")],
})

SOUND_ALIKE = (("example", "egg-sample"), ("flour", "flower"), ("mail", "male"), ("night", "knight"), ("son", "sun"),
               ("meat", "meet"), ("tail", "tale"), ("weak", "week"))
LIKELIER = 1781                                # 5.7e-10 / 3.2e-13, the deck's two probabilities


def _frames() -> Rules:
    """For each word, sentences that mean it; once in LIKELIER + 1 times its twin stands there, as if misspelled."""
    frames = {
        "example": "this is an _ of a homophone | the teacher gave another _ of the rule",
        "egg-sample": "the cook broke an _ from the basket | the hens laid another _ for the laboratory",
        "flour": "the baker put the white _ into the bread", "flower": "the bee found the white _ in the garden",
        "mail": "the postman brought the _ in a bag", "male": "the keeper fed the _ in a cage",
        "night": "the owl hunts in the dark _ of winter", "knight": "the king rode behind the dark _ of the castle",
        "son": "the mother called the young _ to dinner", "sun": "the earth moves around the young _ for ever",
        "meat": "the dog will eat _ at noon", "meet": "the friends will soon _ at noon",
        "tail": "the cat has a long _ with a white end", "tale": "the poet told a long _ with a sad end",
        "weak": "after the illness the man felt _ again", "week": "after the holiday came a busy _ again",
    }
    rules: dict[str, Sequence[tuple[float, str]]] = {}
    heads = []
    for pair in SOUND_ALIKE:
        for meant, other in (pair, pair[::-1]):
            hole = meant.upper()
            rules[hole] = [(LIKELIER / (LIKELIER + 1), meant), (1 / (LIKELIER + 1), other)]
            rules[f"ABOUT_{hole}"] = _even(frames[meant].replace("_", hole))
            heads.append(f"ABOUT_{hole}")
    rules["SENTENCE"] = _even(" | ".join(heads))
    return rules


HOMOPHONES = Grammar(_frames())
_TWIN = {a: b for pair in SOUND_ALIKE for a, b in (pair, pair[::-1])}


def homophone_pairs() -> list[tuple[list[str], list[str]]]:
    """The sentences of HOMOPHONES as they are meant, each beside what sounds the same, LIKELIER times less probable."""
    pairs = []
    for meant, p in HOMOPHONES.sentences.items():
        heard = [_TWIN.get(word, word) for word in meant]
        if p > HOMOPHONES.probability(heard):
            pairs.append((list(meant), heard))
    return pairs
