"""French-like sentences of any length, each with its one right translation into English-like.

Chemnitz, *seq2seq for language translation*; Télécom, *Sequence to Sequence*, *Machine Translation*. A sentence grows:
adjectives, prepositional phrases, relative clauses and further clauses are added at random until it has its length, so
that 4 words and 40 come from one grammar (`data.french_english`, which says why word by word fails).

    le chien lourd du garçon ne suit pas la fille .   ->   the heavy dog of the boy does not follow the girl .
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ._distinct import Pair, distinct_pairs
from .french_english import (
    ADVERBS,
    AFTER,
    ARTICLES,
    BEFORE,
    INTRANSITIVE,
    JOINS,
    NOUNS,
    OBJECTS,
    PLACES,
    SUBJECTS,
    TRANSITIVE,
    VOWELS,
    Phrase,
    Predicate,
    Pronoun,
    Sentence,
    Tail,
)

SHORTEST = 3                                   # il dort .
DEEPEST = 2                                    # le chat du roi du pont: no noun behind the third
_BARE = ("the", "my", "this")                  # behind "de": "some" would make it "de", not "de des"
_ANY = ("the", "the", "a", "my", "this")


def translation_pairs(rng: np.random.Generator, count: int, lengths: tuple[int, int] = (4, 40)) -> list[Pair]:
    """`count` pairs (French words, English words), no French sentence twice; each ends with ".".

    lengths: of the French, shortest and longest, drawn uniformly.
    Raises ValueError for lengths below 3 or upside down, or where the grammar has no more sentences of these lengths.
    """
    shortest, longest = lengths
    if not SHORTEST <= shortest <= longest:
        raise ValueError(f"translation_pairs takes (shortest, longest) from {SHORTEST} words up, not {lengths}")

    def draw() -> Pair:
        sentence = _sentence(rng, int(rng.integers(shortest, longest + 1)))
        return sentence.french(), sentence.english()
    return distinct_pairs(draw, count, f"French sentences of {shortest} to {longest} words")


def _sentence(rng: np.random.Generator, length: int) -> Sentence:
    """A sentence of exactly `length` French words: what makes it too long is taken back."""
    while True:
        sentence = Sentence([("", *_clause(rng))])
        for _ in range(30 + 4 * length):
            size = len(sentence.french())
            if size == length:
                return sentence
            slots = list(_slots(sentence))
            if size > length or not slots:     # the first clause was too long already, or has no room
                break
            if length - size >= SHORTEST and rng.random() < 0.25:
                sentence.clauses.append((_one(rng, list(JOINS)), *_clause(rng)))
                if len(sentence.french()) > length:
                    sentence.clauses.pop()
                continue
            node, slot = _one(rng, slots)
            setattr(node, slot, _grown(rng, node, slot))
            if len(sentence.french()) > length:
                setattr(node, slot, False if slot == "negated" else None)


def _slots(sentence: Sentence) -> Iterator[tuple[Any, str]]:
    """Where something may be added: (part of the tree, attribute)."""
    parts: list[Any] = [part for _, *clause in sentence.clauses for part in clause]
    while parts:
        part = parts.pop()
        if isinstance(part, Phrase):
            yield from ((part, slot) for slot in ("before", "after") if not getattr(part, slot))
            parts.append(part.tail)
            if not part.tail and part.depth < DEEPEST:
                yield part, "tail"
        elif isinstance(part, Tail):
            parts += [part.phrase, part.predicate]
        elif isinstance(part, Predicate):
            if not part.negated and not part.adverb:
                yield part, "adverb"
                if not (isinstance(part.object, Phrase) and part.object.article == "a"):       # ne voit pas DE chat
                    yield part, "negated"
            if not part.place:
                yield part, "place"
            parts += [part.object, part.place]


def _grown(rng: np.random.Generator, node: Any, slot: str) -> Any:
    """What is added there."""
    if slot == "negated":
        return True
    if slot == "tail":
        kind = rng.random()
        if kind < 0.3:
            return Tail(("de", "of"), _phrase(rng, node.depth + 1, _BARE))
        if kind < 0.5:
            return _place(rng, node.depth + 1)
        if kind < 0.8:
            return Tail(("qui", "who"), None, _predicate(rng, node.depth + 1))
        return Tail(("que", "that"), _phrase(rng, node.depth + 1), Predicate(_one(rng, TRANSITIVE)))
    if slot == "place":
        return _place(rng, 1)
    return _one(rng, list(ADVERBS) if slot == "adverb" else BEFORE if slot == "before" else AFTER)


def _clause(rng: np.random.Generator) -> tuple[Phrase | Pronoun, Predicate]:
    return _one(rng, SUBJECTS) if rng.random() < 0.2 else _phrase(rng, 0), _predicate(rng, 0)


def _predicate(rng: np.random.Generator, depth: int) -> Predicate:
    past = bool(rng.random() < 0.3)
    if rng.random() < 0.35:
        return Predicate(_one(rng, INTRANSITIVE), past)
    verb = _one(rng, TRANSITIVE)
    if rng.random() < 0.2 and verb.french[0][0] not in VOWELS:        # l' aime: him or her?  la a vue: agreement
        return Predicate(verb, False, _one(rng, OBJECTS))
    return Predicate(verb, past, _phrase(rng, depth))


def _phrase(rng: np.random.Generator, depth: int, articles: Sequence[str] = _ANY) -> Phrase:
    return Phrase(_one(rng, articles), _one(rng, NOUNS), bool(rng.random() < 0.35), depth)


def _place(rng: np.random.Generator, depth: int) -> Tail:
    place = _one(rng, list(PLACES))
    return Tail((place, PLACES[place]), _phrase(rng, depth, _BARE))


def _one(rng: np.random.Generator, items: Sequence[Any]) -> Any:
    return items[int(rng.integers(len(items)))]


def _glosses() -> dict[str, str]:
    """Each French word with its commonest English."""
    found = {"ne": "", "n'": "", "pas": "not", "a": "", "ont": "", "du": "of the", "de": "of", "d'": "of", "l'": "the",
             "qui": "who", "que": "that", "qu'": "that", "près": "near", "parce": "because", "cet": "this", ".": "."}
    for masculine, feminine, plural, *english in ARTICLES.values():
        found |= {masculine: english[0], feminine: english[0], plural: english[1]}
    for noun in NOUNS:
        found |= dict(zip(noun.french, noun.english, strict=True))
    for adjective in BEFORE + AFTER:
        found |= dict.fromkeys(adjective.french, adjective.english)
    for verb in TRANSITIVE + INTRANSITIVE:
        see, sees, saw = verb.english
        found |= dict(zip(verb.french, (sees, see, saw), strict=True))
    for pronoun in SUBJECTS:
        found |= {pronoun.word[0]: pronoun.word[1]}
    for words in (PLACES, ADVERBS, JOINS):
        found |= {fr: en for fr, en in words.items() if " " not in fr}
    return found


GLOSSES = _glosses()


def word_by_word(french: Sequence[str]) -> list[str]:
    """A translation by dictionary: the right words in the wrong order. Raises KeyError for a word of no sentence."""
    return [english for word in french for english in GLOSSES[word].split()]
