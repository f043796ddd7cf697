"""A generated text whose words stand in known relations.   Chemnitz, *word2vec (3)*; Télécom, *Word embedding*.

A word has attributes: king is male, royal and grown up; Paris is French and a capital; walked is walking and past. Each
value of an attribute has context words of its own (crown, throne for royal), and a sentence about a word takes them for
some of its attributes and puts them into one of several frames. So what stands near queen differs from what stands near
king by gender alone, and queen - king is woman - man, up to chance.

For each word that is asked about there is an unrelated one in as many sentences, so counts tell nothing. Vehicles have
frames of their own, about trips, all but one: the plane never goes on a trip (Télécom, *Weaknesses*: knowing "on a
boat" does not help with "on a plane").
"""
from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .skipgram_pairs import Corpus, corpus_of
from .vocabulary import Vocabulary

# value of an attribute -> the words that go with it
CONTEXT = {
    "male": "he him his beard sir", "female": "she her hers dress madam",
    "common": "street job neighbour bills", "royal": "crown throne palace kingdom",
    "family": "cousins birthday relatives visit",
    "grown": "married office grey votes", "young": "school toys grows little",
    "nation": "border army farmers laws", "capital": "mayor metro suburbs boulevard",
    "france": "french seine baguette", "germany": "german spree rye", "italy": "italian tiber pasta",
    "spain": "spanish flamenco paella", "japan": "japanese sumida sushi", "egypt": "egyptian nile dates",
    "russia": "russian volga borscht", "norway": "norwegian fjord salmon",
    "present": "now today always usually", "past": "yesterday ago once formerly",
    "walk": "path boots park", "cook": "soup stove pan", "paint": "brush canvas wall", "swim": "pool lake towel",
    "sing": "choir tune song", "write": "letter pen page", "plant": "seeds garden soil", "bake": "bread oven flour",
    "moves": "passengers engine seats driver ticket late",
}
_PEOPLE: dict[tuple[str, ...], str] = {("male", "common", "grown"): "man", ("female", "common", "grown"): "woman",
           ("male", "common", "young"): "boy", ("female", "common", "young"): "girl",
           ("male", "royal", "grown"): "king", ("female", "royal", "grown"): "queen",
           ("male", "royal", "young"): "prince", ("female", "royal", "young"): "princess",
           ("male", "family", "grown"): "uncle", ("female", "family", "grown"): "aunt",
           ("male", "family", "young"): "nephew", ("female", "family", "young"): "niece"}
_CAPITALS = {"france": "paris", "germany": "berlin", "italy": "rome", "spain": "madrid", "japan": "tokyo",
             "egypt": "cairo", "russia": "moscow", "norway": "oslo"}
_PASTS = {"walk": "walked", "cook": "cooked", "paint": "painted", "swim": "swam", "sing": "sang", "write": "wrote",
          "plant": "planted", "bake": "baked"}
VEHICLES = ("boat", "plane", "train", "bus", "tram", "car", "ferry", "coach")
HELD_OUT = "plane"
TRIP = ("trip", "journey", "voyage", "holiday")
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    **{word: values for values, word in _PEOPLE.items()},
    **{country: (country, "nation") for country in _CAPITALS},
    **{city: (country, "capital") for country, city in _CAPITALS.items()},
    **{verb: (verb, "present") for verb in _PASTS}, **{past: (verb, "past") for verb, past in _PASTS.items()},
    **dict.fromkeys(VEHICLES, ("moves",)),
}
_UNRELATED = """stone window paper bottle ladder candle mirror pillow hammer basket button carpet drawer feather hinge
    jacket kettle lantern needle orchid pebble quilt ribbon saddle thimble umbrella velvet walnut yarn zipper anchor
    bucket cabinet dagger envelope fabric goblet helmet ink jar knob lamp marble napkin organ pearl rope scarf tile urn
    vase whistle""".split()
_SCENERY = """cloud forest river winter morning silver shadow corner hill bridge music colour market summer candlelight
    thunder meadow dust island harbour copper moss""".split()
_EVERY = [word for words in CONTEXT.values() for word in words.split()] + _SCENERY
KINDS = [list(_PEOPLE.values()), list(_CAPITALS), list(_CAPITALS.values()), list(_PASTS), list(_PASTS.values()),
         list(VEHICLES)]
# W: the word; 1, 2, 3: context words of one attribute each
_FRAMES = ("the W and the 1 with 2", "1 of the W near 2", "a 1 was there for the W in 2 and 3", "2 then 1 by the W",
           "W with 1 or 2 but not 3", "they saw 1 as the W had 2", "so the W is 3 and 1", "1 and 2 at a W")
# and T: one of TRIP
TRIP_FRAMES = ("we went on a T on a W", "on a W our T was long", "a T on the W")


class Relations(NamedTuple):
    """The text and what is known of it.

    questions: relation -> (N, 4) of ids: man king woman queen.  group (V,): words of one kind have one number, 0 for
    all others.  twins: word -> the unrelated one that occurs as often.
    """

    corpus: Corpus
    questions: dict[str, np.ndarray]
    group: np.ndarray
    twins: dict[str, str]

    def ids(self, words: list[str]) -> np.ndarray:
        """The ids of words."""
        where = {word: k for k, word in enumerate(self.corpus.words)}
        return np.array([where[word] for word in words])


def relations(rng: np.random.Generator, sentences: int = 300, stray: float = 0.25) -> Relations:
    """A text with `sentences` to twice as many sentences for each of 52 words and of their 52 twins.

    About 350,000 words for 300.  stray: the share of context words that are drawn from those of all attributes, as any
    text has them; with 0 a king never stands near "her", and a model of the counts that occur cannot see that.
    Raises ValueError for fewer than 10 sentences a word: some words would be missing.
    """
    if sentences < 10:
        raise ValueError(f"relations needs at least 10 sentences for each word, not {sentences}")
    twins = dict(zip(ATTRIBUTES, _UNRELATED, strict=True))
    text: list[list[str]] = []
    for word, values in ATTRIBUTES.items():
        count = int(rng.integers(sentences, 2 * sentences + 1))
        trips = count // 3 if word in VEHICLES and word != HELD_OUT else 0
        context = [CONTEXT[value].split() for value in values]
        text += [_sentence(rng, word, context, stray) for _ in range(count - trips)]
        text += [_filled(_one(rng, TRIP_FRAMES), {"W": word, "T": _one(rng, TRIP)}) for _ in range(trips)]
        text += [_sentence(rng, twins[word], [_SCENERY], stray) for _ in range(count)]
    text = [text[k] for k in rng.permutation(len(text))]
    corpus = corpus_of(text, Vocabulary.build((word for line in text for word in line), specials=()))
    group = np.array([next((k for k, kind in enumerate(KINDS, 1) if word in kind), 0) for word in corpus.words])
    return Relations(corpus, _questions(corpus.words), group, twins)


def _sentence(rng: np.random.Generator, word: str, context: list[list[str]], stray: float) -> list[str]:
    """One frame, with context words of the word's attributes in an order of their own each time."""
    order = rng.permutation(len(context))
    slots = {slot: _one(rng, _EVERY if rng.random() < stray else context[order[k % len(order)]])
             for k, slot in enumerate("123")}
    return _filled(_one(rng, _FRAMES), {"W": word, **slots})


def _filled(frame: str, slots: dict[str, str]) -> list[str]:
    return [slots.get(part, part) for part in frame.split()]


def _one(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.random() * len(items))]               # five times as fast as rng.choice


def _questions(words: list[str]) -> dict[str, np.ndarray]:
    """Each pair of a relation with each other one, both ways round."""
    swap = {"gender": [("male", "female")], "rank": [("common", "royal")], "age": [("grown", "young")]}
    related = {name: [(_PEOPLE[values], _PEOPLE[other]) for (a, b), in [ends] for values in _PEOPLE if a in values
                      for other in [tuple(b if v == a else v for v in values)]] for name, ends in swap.items()}
    related |= {"capital": list(_CAPITALS.items()), "tense": list(_PASTS.items())}
    ids = {word: k for k, word in enumerate(words)}
    return {name: np.array([[ids[w] for w in (*first[::way], *second[::way])] for first, second in
                            itertools.permutations(found, 2) for way in (1, -1)])
            for name, found in related.items()}
