"""Melodies whose bars come again after 8 notes, as text: what a note is, was written 8 characters earlier.

Télécom, *One-to-Many* (music generation). A bar is four chords of a progression, two notes each, drawn from the chord:

    I IV V I    C F G C    ->    one of C E G, one of C E G, one of F A c, ...    ->    GEAcGBEC

A melody is a line of four bars, A A B B, 32 notes and a line end: the second of two equal bars holds nothing new, and
a network that remembers 8 notes knows it; an n-gram model of order 3 sees two notes and does not. By the counts of
20,000 melodies order 3 comes to 1.65 nats a character, order 5 to 1.31, and melody_entropy() is 0.58. Notes are named
as in ABC notation, one letter each: C to B, and the octave above, c to b.
"""
from __future__ import annotations

import numpy as np

from .grammar import Grammar

BAR = 8                                        # notes, and the distance of a note from its repeat
NOTES = "CDEFGABcdefgab"
CHORDS = {"I": "CEG", "II": "DFA", "IV": "FAc", "V": "GBd", "VI": "Ace"}


def _bars() -> Grammar:
    """The choice of a progression, then of the notes: the chord's first with 0.5, the others with 0.25 each."""
    rules: dict[str, list[tuple[float, str]]] = {"BAR": [
        (p, " ".join(f"{chord} {chord}" for chord in progression.split()))
        for p, progression in ((0.4, "I IV V I"), (0.3, "I VI II V"), (0.2, "VI IV I V"), (0.1, "I V VI IV"))]}
    for chord, notes in CHORDS.items():
        rules[chord] = [(0.5, notes[0]), (0.25, notes[1]), (0.25, notes[2])]
    return Grammar(rules, start="BAR")


BARS = _bars()                                 # sentences of 8 notes


def melodies(rng: np.random.Generator, count: int) -> str:
    """`count` melodies, one a line. Raises ValueError for a count below 1."""
    if count < 1:
        raise ValueError(f"melodies makes at least 1, not {count}")
    bars = iter(BARS.sample(rng, 2 * count))
    return "".join("".join(a + a + b + b) + "\n" for a, b in zip(bars, bars, strict=True))


def melody_entropy() -> float:
    """Nats a character that nobody can spare: two bars are new in a line of 4 * 8 + 1 characters."""
    return 2 * BARS.entropy * BARS.length / (4 * BAR + 1)
