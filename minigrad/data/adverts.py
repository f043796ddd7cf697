"""House adverts and the seven fields of the template that they fill.   Riveill, *Extract information from text*.

The deck: an advert for a villa, and a template with Reference, Price, Surface, Year Built, Rooms, Owner and
Telephone. Here the seven stand in random order, some are missing, and each has a decoy that looks like it:

    house in Omal Kora . ref. 614 . last sold for 2 614 750 euros . 903 rooms . built in 231 . fax 06 12 87 33 41 ...

All numbers of one length are drawn alike, whatever they are: a house has 903 rooms. So neither a number's size nor its
place tells its field; the words beside it do, some before it ("built in") and some behind it ("903 rooms").
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .tag_schemes import Span, spans_of, tag_names, tags_of
from .tagged_sentences import Sentence, distinct, sentence

REFERENCE, PRICE, SURFACE, YEAR, ROOMS, OWNER, TELEPHONE = FIELDS = (
    "REF", "PRICE", "AREA", "YEAR", "ROOMS", "OWNER", "TEL")
TITLES = dict(zip(FIELDS, ("Reference", "Price", "Surface", "Year Built", "Rooms", "Owner", "Telephone"), strict=True))
TAGS = tag_names(FIELDS)
SINGLE = (REFERENCE, SURFACE, YEAR, ROOMS)     # one number each, drawn alike
VALUE = "value"                                # the mark of what fields and decoys hold

# n a number, m an amount (three numbers), p a telephone number (five), w a name (two words); first the field's, then
# its decoy's phrases.
_PHRASES: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    REFERENCE: (["ref. n", "n is our reference", "reference number n"],
                ["licence number n", "post code n", "n is our licence"]),
    PRICE: (["price m euros", "yours for m euros", "m euros is asked"],
            ["last sold for m euros", "m euros of debts", "taxes of m euros"]),
    SURFACE: (["surface of n m²", "n m² of living space", "it measures n m²"],
              ["garden of n m²", "n m² of garden", "terrace of n m²"]),
    YEAR: (["built in n", "the year of building is n", "n was the year of building"],
           ["renovated in n", "the year of sale is n", "n was the year of sale"]),
    ROOMS: (["n rooms", "rooms : n", "n rooms in all"], ["n bathrooms", "bathrooms : n", "n garages in all"]),
    OWNER: (["owner : w", "sold by the owner w", "w is the owner"],
            ["architect : w", "built by the architect w", "w is the architect"]),
    TELEPHONE: (["telephone p", "call p", "p is the telephone"], ["fax p", "bank account p", "p is the fax"])}
_LENGTHS = {"n": 1, "m": 3, "p": 5, "w": 2}
_OPENING = ["house in w", "villa near w", "flat in w", "for sale"]


def adverts(rng: np.random.Generator, count: int, stems: Sequence[str]) -> list[Sentence]:
    """`count` different adverts as tagged sentences of about 75 words. Names are made of `stems`.

    Nine of ten fields are there, and nine of ten decoys. The words of values are marked "value", in fields and decoys.
    """
    return distinct(lambda: [_advert(rng, stems)], count)


def template(words: Sequence[str], tags: Sequence[str]) -> dict[str, str | None]:
    """The filled template: field -> what stands in the first span of that kind, None where there is none."""
    filled: dict[str, str | None] = dict.fromkeys(FIELDS)
    for start, end, field in spans_of(tags):
        if filled[field] is None:
            filled[field] = " ".join(words[start:end])
    return filled


def exact(texts: Sequence[Sentence], predicted: Sequence[Sequence[str]]) -> dict[str, float]:
    """The share of adverts in which a field of the template is filled exactly right, or rightly left empty."""
    pairs = [(template(s.words, s.tags), template(s.words, tags)) for s, tags in zip(texts, predicted, strict=True)]
    return {field: float(np.mean([a[field] == b[field] for a, b in pairs])) for field in FIELDS}


def numbers(text: Sentence) -> list[tuple[int, int, str]]:
    """The single numbers of an advert: (place, value, field), and "" as the field of a decoy."""
    words = text.words
    alone = [t for t, w in enumerate(words) if w.isdigit() and not any(
        0 <= s < len(words) and words[s].isdigit() for s in (t - 1, t + 1))]
    return [(t, int(words[t]), text.tags[t][2:]) for t in alone]


def by_rule(train: Sequence[Sentence], tests: Sequence[Sentence], what: str) -> float:
    """How often a rule finds the number of a field that is there, among the single numbers of the advert.

    what: "size", the number nearest to the field's mean in `train`; or "place", that nearest to its mean place.
    Raises ValueError for another rule.
    """
    if what not in ("size", "place"):
        raise ValueError(f"a rule goes by 'size' or by 'place', not by {what!r}")
    at = int(what == "size")
    means = {field: np.mean([n[at] for s in train for n in numbers(s) if n[2] == field]) for field in SINGLE}
    right = [min(found, key=lambda n, mean=mean: abs(n[at] - mean))[2] == field             # type: ignore[misc]
             for found in map(numbers, tests) for field, mean in means.items() if any(n[2] == field for n in found)]
    return float(np.mean(right))


def _advert(rng: np.random.Generator, stems: Sequence[str]) -> Sentence:
    parts = [(field, phrases[decoy][int(rng.integers(len(phrases[decoy])))]) for field, phrases in _PHRASES.items()
             for decoy in (0, 1) if rng.random() < 0.9]
    words: list[str] = []
    spans, values = [], set[int]()
    opening = ("", _OPENING[rng.integers(len(_OPENING))])
    for field, phrase in [opening, *(parts[k] for k in rng.permutation(len(parts)))]:
        for w in phrase.split():
            start = len(words)
            words += _value(rng, w, stems) if w in _LENGTHS else [w]
            if w in _LENGTHS:
                values.update(range(start, len(words)))
                if phrase in _PHRASES.get(field, ((), ()))[0]:
                    spans.append(Span(start, len(words), field))
        words.append(".")
    return sentence(words, tags_of(spans, len(words)), [VALUE if t in values else "" for t in range(len(words))])


def _value(rng: np.random.Generator, letter: str, stems: Sequence[str]) -> list[str]:
    """Numbers from 100 to 999; a telephone number's from 10 to 99, an amount's first one from 1 to 9; a name."""
    if letter == "w":
        return [str(s).capitalize() for s in rng.choice(stems, 2)]
    if letter == "p":
        return ["06", *map(str, rng.integers(10, 100, 4))]
    return [*([str(rng.integers(1, 10))] if letter == "m" else []),
            *map(str, rng.integers(100, 1000, 2 if letter == "m" else 1))]
