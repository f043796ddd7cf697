"""Sentences with names, dates, times and amounts, tagged in BIO.   Télécom, *Many-to-Many : T_x = T_y*.

The deck's seven tags are LOCATION TIME PERSON ORGANIZATION MONEY PERCENT DATE. Riveill's slide shows a tagger's output
with its mistakes: a company is a PERSON, another is a place. Why that is hard is built in here:

- Any name can stand wherever a name stands: what is around it tells that it is one, and never its kind.
- A name's kind is in the ending of its last word (Korasson, Koraburg, Koratech); the words before it, as in "Stimel
  Koratech", are of the same stems for all kinds. So the first word is tagged by what follows.
- Test names made of unseen stems are <unk> to whoever looks words up: of their kind one third is right by guessing.
- "over 12" begins an amount of money, a percentage, or nothing ("over 12 people"): again the words behind it decide.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .tag_schemes import Span, tag_names, tags_of
from .tagged_sentences import Sentence, distinct, sentence

NAMES = {"PER": ("sson", "escu", "idis"), "LOC": ("burg", "ville", "stad"), "ORG": ("tech", "soft", "bank")}
KINDS = (*NAMES, "DATE", "TIME", "MONEY", "PERCENT")
TAGS = tag_names(KINDS)
ONE_NAME = "name"                              # the mark of a name's words

# Télécom, [NER example]: y = 1 1 0 0 0 0 1
MACRON = sentence("Emmanuel Macron is the president of France".split(),
                  ["B-PER", "I-PER", "O", "O", "O", "O", "B-LOC"])

# N a name, D a day, Y a month or a year, T a time, M an amount of money, P a percentage, C a count of something else
_FRAMES = [frame.split() for frame in (
    "N announced a profit of M .", "on D N asked N for M .", "the talks with N begin at T .", "N grew by P in Y .",
    "we wrote to N about N .", "N is the president of N .", "C people of N saw N at T .", "N paid M , or P , to N .",
    "in Y N and N met C times .", "at T N had lost P .", "nobody spoke of N before D .", "N is the friend of N .",
    "of C letters to N only P came in Y .", "on D at T the news of N cost M .")]
_MONTHS = ("January", "March", "April", "June", "July", "October")
_UNITS = {"M": ["euros", "dollars", "million euros"], "P": ["percent"], "T": ["o'clock", "in the evening"], "C": [""]}
_KIND_OF = {"D": "DATE", "Y": "DATE", "T": "TIME", "M": "MONEY", "P": "PERCENT"}


def entity_sentences(rng: np.random.Generator, count: int, stems: Sequence[str]) -> list[Sentence]:
    """`count` different sentences; their names are made of `stems` (as of `tagged_sentences.stems`).

    The words of names are marked "name". Raises ValueError for more than can be made.
    """
    return distinct(lambda: [_sentence(rng, stems)], count)


def binary(tags: Sequence[str]) -> list[int]:
    """1 for the words of names, 0 for others.   Télécom, *[NER example]*."""
    return [int(tag[2:] in NAMES) for tag in tags]


def _sentence(rng: np.random.Generator, stems: Sequence[str]) -> Sentence:
    words: list[str] = []
    spans = []
    for slot in _FRAMES[rng.integers(len(_FRAMES))]:
        start = len(words)
        if slot == "N":
            kind = str(rng.choice(list(NAMES)))
            words += _name(rng, kind, stems)
            spans.append(Span(start, len(words), kind))
        elif slot in "DYTMPC":
            words += _date(rng, slot) if slot in "DY" else _amount(rng, slot)
            spans += [Span(start, len(words), _KIND_OF[slot])] if slot in _KIND_OF else []
        else:
            words.append(slot)
    tags = tags_of(spans, len(words))
    return sentence(words, tags, [ONE_NAME if named else "" for named in binary(tags)])


def _name(rng: np.random.Generator, kind: str, stems: Sequence[str]) -> list[str]:
    *before, last = rng.choice(stems, rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    return [*(str(stem).capitalize() for stem in before), last.capitalize() + str(rng.choice(NAMES[kind]))]


def _date(rng: np.random.Generator, slot: str) -> list[str]:
    day, month, year = str(rng.integers(2, 13)), str(rng.choice(_MONTHS)), str(rng.integers(1990, 2030))
    return [day, month, *([year] if rng.random() < 0.5 else [])] if slot == "D" else \
        [year] if rng.random() < 0.5 else [month, year]


def _amount(rng: np.random.Generator, slot: str) -> list[str]:
    over = ["over"] if slot != "T" and rng.random() < 0.4 else []
    return [*over, str(rng.integers(2, 13)), *str(rng.choice(_UNITS[slot])).split()]
