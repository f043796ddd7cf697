"""Is "apple" a name?  The past tells, or only the future.   Télécom, *RNN (1)* and *RNN (2)*.

The deck: in "The new iPhone is sold in Apple stores" what comes before "Apple" decides, in "Apple stores sell the new
iPhone" what comes behind; a network that reads from left to right cannot know the second. Here, half and half:

    past      the new iphone , not the juice , has to do with apple         a name: 1
              the new juice , not the iphone , has to do with apple         a fruit: 0
    future    apple has to do with the new iphone , not the juice           1
              apple has to do with the new juice , not the iphone           0

The two of a pair hold the same words in another order, so a bag of words is right in one half. In a future pair they
are equal as far as "apple": whoever has only read that far is right in one half there, and in 3/4 of all. From right to
left it is 3/4 as well; both directions together know all.
"""
from __future__ import annotations

from functools import partial

import numpy as np

from .tagged_sentences import Sentence, distinct, sentence

NAME, OTHER = "1", "0"                         # Télécom, [NER example]: y = 1 for a word of a name
PAST, FUTURE = "past", "future"                # marks of the word in question
APPLE = "apple"

_COMPANY = "iphone laptop software phone tablet keyboard factory shareholder".split()
_FRUIT = "juice orchard cider cake harvest pie tree salad".split()
_CONTRAST = [", not the {} ,", ", much more than the {} ,", "rather than the {}", "and by no means the {}"]
_KIND = "new old famous cheap local".split()
_LINK = ["has to do with", "is all about", "makes us think of", "cannot be had without"]
_START = ["", "in this town", "as they say ,", "today", "i read that"]
_END = [".", "again .", "these days .", "in autumn .", "in the whole country ."]


def apple_sentences(rng: np.random.Generator, pairs: int) -> list[Sentence]:
    """Pairs, past and future in turn; sentence 2k and 2k + 1 are one, all sentences differ.

    Raises ValueError for an odd number of pairs, or more than can be made.
    """
    if pairs % 2:
        raise ValueError(f"past and future pairs come in equal numbers, which {pairs} pairs cannot")
    halves = [distinct(partial(_pair, rng, mark), pairs // 2) for mark in (PAST, FUTURE)]
    return [s for k in range(0, pairs, 2) for half in halves for s in half[k:k + 2]]


def _pair(rng: np.random.Generator, mark: str) -> list[Sentence]:
    company, fruit = rng.choice(_COMPANY), rng.choice(_FRUIT)
    contrast, kind, link, start, end = (str(rng.choice(words)) for words in (_CONTRAST, _KIND, _LINK, _START, _END))
    found = []
    for tag, cue, other in ((NAME, company, fruit), (OTHER, fruit, company)):
        cues = f"the {kind} {cue} {contrast.format(other)}"
        clause = f"{cues} {link} {APPLE}" if mark == PAST else f"{APPLE} {link} {cues.rstrip(' ,')}"
        words = f"{start} {clause} {end}".split()
        asked = [w == APPLE for w in words]
        found.append(sentence(words, [tag if a else OTHER for a in asked], [mark if a else "" for a in asked]))
    return found
