"""Sentences with parts of speech: forms that are nouns or verbs, and words that no training sentence had.

Riveill, *Named Entity Recognition / Part of Speech Tagging*. Each sentence asks about one word, and what tells its
class is known, so a tagger's mistakes have an address:

    past     this morning the watch arrived .   /  this morning they watch the city .       the word before it
    future   the family answers the letter .    /  the family answers surprised us .        the word behind it
    far      the family answers , as we all hoped , the letter .       /  ... , surprised us .
    place    they gladly koralise the stimelful city .     new words, whose places tell their classes
    form     the last word was "koralise" .                new words, whose endings alone tell

past, future and far come in pairs in which the same form is once a noun and once a verb: whoever looks at the form
alone is right in one half. In a pair of future or far all words as far as the form are the same, so the same holds for
whoever reads from left to right; in far, the words that tell lie beyond a window of 2 to either side.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from .tagged_sentences import Sentence, distinct, sentence

PAST, FUTURE, FAR, PLACE, FORM = MARKS = ("past", "future", "far", "place", "form")
ENDINGS = {"NOUN": ("ness", "ment", "tion"), "ADJ": ("ful", "less", "ous"), "ADV": ("ly", "wise"),
           "VERB": ("ise", "ify", "ate")}
BOTH = "watch play dream report answer visit plan paint dance guard cook walk".split()           # nouns and verbs

_CLASSES = {"DET": "the this", "PRON": "they we us all", "PUNCT": ". , \"", "ADP": "on in", "SCONJ": "as",
            "NOUN": "morning summer spring monday friday family school company police city letter garden bridge song "
                    "story word", "VERB": "arrived mattered failed helped surprised pleased annoyed was said wrote "
            "hoped", "ADJ": "old famous quiet last first next", "ADV": "often gladly rarely again"}
TAG_OF = {word: tag for tag, words in _CLASSES.items() for word in words.split()}
TAGS = (*_CLASSES,)


_TIME = "this morning|this summer|this spring|on monday|on friday".split("|")
_WHO = "family school company police city".split()
_WHAT = "city letter garden bridge song story".split()
_ASIDE = "they said|as we all hoped|as they wrote|we hoped again|they often said|as we wrote on monday".split("|")
_KIND = ["", "old", "famous", "quiet"]


def ambiguous_sentences(rng: np.random.Generator, pairs: int, mark: str) -> list[Sentence]:
    """Pairs (2k, 2k + 1) in which one form is a noun and then a verb; mark: PAST, FUTURE or FAR. All differ.

    Raises ValueError for another mark, or more than can be made.
    """
    if mark not in (PAST, FUTURE, FAR):
        raise ValueError(f"mark is {PAST!r}, {FUTURE!r} or {FAR!r}, not {mark!r}")
    return distinct(partial(_before if mark == PAST else _behind, rng, mark), pairs)


def open_sentences(rng: np.random.Generator, count: int, mark: str, stems: Sequence[str]) -> list[Sentence]:
    """Sentences with words made of `stems` and an ending that tells the class; mark: PLACE or FORM. All differ.

    Raises ValueError for another mark, or more than can be made.
    """
    if mark not in (PLACE, FORM):
        raise ValueError(f"mark is {PLACE!r} or {FORM!r}, not {mark!r}")
    return distinct(partial(_place if mark == PLACE else _form, rng, stems), count)


def _before(rng: np.random.Generator, mark: str) -> list[Sentence]:
    """The word before the form tells: the watch arrived, they watch the city."""
    draw = partial(_draw, rng)
    form, time = draw(BOTH), draw(_TIME)
    noun = f"{time} the {draw(_KIND)} {form} {draw(['arrived', 'mattered', 'failed'])} ."
    verb = f"{time} {draw(['they', 'we'])} {draw(['', 'often', 'gladly', 'rarely'])} {form} the {draw(_WHAT)} ."
    return [_asking(text, form, tag, mark) for text, tag in ((noun, "NOUN"), (verb, "VERB"))]


def _behind(rng: np.random.Generator, mark: str) -> list[Sentence]:
    """What follows the form tells, at once or after an aside: the family answers the letter, or surprised us."""
    draw = partial(_draw, rng)
    form = _with_s(draw(BOTH))
    start = f"{draw(_TIME)} the {draw(_KIND)} {draw(_WHO)} {form}"
    start += f" , {draw(_ASIDE)} ," if mark == FAR else ""
    noun = f"{start} {draw(['surprised', 'pleased', 'annoyed'])} us ."
    return [_asking(text, form, tag, mark) for text, tag in ((noun, "NOUN"), (f"{start} the {draw(_WHAT)} .", "VERB"))]


def _place(rng: np.random.Generator, stems: Sequence[str]) -> list[Sentence]:
    """They ADV VERB the ADJ NOUN: known words and new ones mixed, and what is left out may be left out."""
    draw = partial(_draw, rng)
    new = {tag: draw(stems) + draw(endings) for tag, endings in ENDINGS.items()}
    adverb = draw(["", "often", "gladly", new["ADV"], new["ADV"]])
    adjective = draw(["", "old", "quiet", new["ADJ"], new["ADJ"]])
    text = f"{draw(['they', 'we'])} {adverb} {new['VERB']} the {adjective} {draw([new['NOUN'], *_WHAT[:2]])} ."
    words, classes = text.split(), {word: tag for tag, word in new.items()}
    tags = [classes.get(w) or TAG_OF[w] for w in words]
    return [sentence(words, tags, [PLACE if w in classes else "" for w in words])]


def _form(rng: np.random.Generator, stems: Sequence[str]) -> list[Sentence]:
    """The last word was "X": any class can stand there."""
    draw = partial(_draw, rng)
    tag = draw(list(ENDINGS))
    word = draw(stems) + draw(ENDINGS[tag])
    return [_asking(f'{draw(_TIME)} the {draw(["last", "first", "next"])} word was " {word} " .', word, tag, FORM)]


def _asking(text: str, form: str, tag: str, mark: str) -> Sentence:
    words = text.split()
    return sentence(words, [tag if w == form else TAG_OF[w] for w in words], [mark if w == form else "" for w in words])


def _with_s(form: str) -> str:
    return form + ("es" if form.endswith("ch") else "s")


def _draw(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]
