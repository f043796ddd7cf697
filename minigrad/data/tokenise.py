"""A text as tokens: words, characters, or sentences.   Télécom, *How to build a language model ?* ("tokenise").

    words("The cat's 1,000 egg-samples!")   the cat's 1,000 egg-samples !
"""
from __future__ import annotations

import re

_WORD = re.compile(r"""<(?:pad|unk|bos|eos)>              # special tokens that a corpus brings along
                     | \d+(?:[.,]\d+)*(?!\w)              # 35   1,000   3.14
                     | \w+(?:[-'’]\w+)*                   # cat's   egg-sample   __init__
                     | [^\w\s]                            # every other mark by itself""", re.VERBOSE)
_END = re.compile(r"""[.!?…]["'”’»)\]]*\s+""")
_BLANK_LINE = re.compile(r"\n\s*\n")
_SHORT = frozenset("mr mrs ms dr prof st vs cf fig eq e.g i.e jr sr vol pp approx".split())


def words(text: str, lower: bool = True) -> list[str]:
    """Words, numbers and punctuation marks apart; in small letters unless `lower` is False. Only white space is lost.

    A word keeps its inner apostrophes and hyphens, a number its inner points and commas.
    """
    return _WORD.findall(text.lower() if lower else text)


def characters(text: str) -> list[str]:
    """The characters of a text."""
    return list(text)


def sentences(text: str) -> list[str]:
    """The sentences of a text, each on one line: white space becomes a space, and nothing else is lost.

    A sentence ends at . ! ? or … with a space after it and no small letter next, and at a blank line; "Mr.", "e.g." and
    initials end none. A rule of thumb: an abbreviation that is not in the list ends one before a capital.
    """
    found = []
    for paragraph in _BLANK_LINE.split(text):
        start = 0
        for end in _END.finditer(paragraph):
            if paragraph[end.end():end.end() + 1].islower() or _abbreviated(paragraph[start:end.start() + 1]):
                continue
            found.append(paragraph[start:end.end()])
            start = end.end()
        found.append(paragraph[start:])
    return [" ".join(sentence.split()) for sentence in found if sentence.strip()]


def _abbreviated(sentence: str) -> bool:
    """Does it end in a word that is written with a point, or in an initial?"""
    if not sentence.endswith("."):
        return False
    last = sentence[:-1].split()[-1:] or [""]
    word = last[0].lstrip("([\"'“‘«")
    return word.lower() in _SHORT or (len(word) == 1 and word.isupper() and word != "I")
