"""Tasks from a sequence to a sequence of another length, all generated.   Télécom, *Many-to-Many*, T_x unlike T_y.

    dates           "3 May 1979", "May 3, 1979", "3.5.79" ... -> 1979-05-03         letter by letter
    number_words    two hundred and seven -> 2 0 7                                  words to digits
    reversal        a b c -> c b a                                                  the first letter is needed last
    copying_text    a b c -> a b c      a recurrent autoencoder (Chemnitz, *Many to Many: seq2seq*)
    held_letters    aaaaxaa_llll_lll -> a l l      as speech: T_x far above T_y, with noise

Each is task(rng, count) -> pairs of lists of tokens, (source, target), and no source occurs twice: any split of the
list is clean. A source tells its target without doubt, except under the noise of held letters.
"""
from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np

from ._distinct import Pair, distinct_pairs

LETTERS = "abcdefghijklmnop"
PAUSE = "_"
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FIRST_YEAR, LAST_YEAR = 1900, 2099
# {d} day, {m} month, {y} year; dd and mm with two digits; yy: two digits of 1969 to 2068, as in POSIX; M, Mon: name of
# the month, of three letters; th: 1st, 2nd; D: day of the week.  With dots the day comes first, with strokes the month.
FORMS = ("{d} {M} {y}", "{d} {Mon} {y}", "{M} {d}, {y}", "{Mon} {d}, {y}", "{dd}.{mm}.{y}", "{d}.{m}.{yy}",
         "{mm}/{dd}/{y}", "{m}/{d}/{yy}", "{th} of {M} {y}", "{D}, {d} {M} {y}", "{D}, {M} {th}, {y}")
ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen").split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def dates(rng: np.random.Generator, count: int) -> list[Pair]:
    """Dates of 1900 to 2099, each once, in one of the FORMS: "3", " ", "M", "a", "y" ... -> "1", "9", "7", "9", "-" ...

    Raises ValueError for more dates than there are.
    """
    first = datetime.date(FIRST_YEAR, 1, 1)
    there_are = (datetime.date(LAST_YEAR, 12, 31) - first).days + 1
    if not 0 <= count <= there_are:
        raise ValueError(f"there are {there_are} dates from {FIRST_YEAR} to {LAST_YEAR}, not {count}")
    days = [first + datetime.timedelta(int(k)) for k in rng.permutation(there_are)[:count]]
    pairs = []
    for day in days:
        forms = [f for f in FORMS if "yy" not in f or 1969 <= day.year <= 2068]
        pairs.append((list(written(day, _one(rng, forms))), list(day.isoformat())))
    return pairs


def written(day: datetime.date, form: str) -> str:
    """A date in a form such as "{th} of {M} {y}": 3rd of May 1979."""
    month = MONTHS[day.month - 1]
    th = "th" if 11 <= day.day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return form.format(d=day.day, dd=f"{day.day:02}", m=day.month, mm=f"{day.month:02}", y=day.year,
                       yy=f"{day.year % 100:02}", M=month, Mon=month[:3], th=f"{day.day}{th}", D=DAYS[day.weekday()])


def number_words(rng: np.random.Generator, count: int, digits: tuple[int, int] = (1, 6)) -> list[Pair]:
    """Numbers in words -> their digits: ["two", "hundred", "and", "seven"] -> ["2", "0", "7"].

    digits: how many, at least and at most; drawn uniformly, so that small numbers are not rare.
    Raises ValueError for digits outside of 1 to 6 or upside down, or for more numbers than there are.
    """
    low, high = _lengths("number_words", digits, 1, 6)

    def draw() -> Pair:
        n = int(rng.integers(low, high + 1))
        number = int(rng.integers(10 ** (n - 1) if n > 1 else 0, 10 ** n))
        return in_words(number), list(str(number))
    return distinct_pairs(draw, count, f"numbers of {low} to {high} digits")


def in_words(number: int) -> list[str]:
    """British words of a number from 0 to 999,999: "and" stands before the last two digits."""
    if number < 20:
        return [ONES[number]]
    if number < 100:
        return [TENS[number // 10], *(in_words(number % 10) if number % 10 else [])]
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    rest = number % size
    return [*in_words(number // size), name, *(["and"] if 0 < rest < 100 else []), *(in_words(rest) if rest else [])]


def reversal(rng: np.random.Generator, count: int, lengths: tuple[int, int] = (3, 12), letters: str = LETTERS
             ) -> list[Pair]:
    """Letters at random -> the same from the end.  lengths: at least and at most, drawn uniformly.

    Raises ValueError for lengths below 1 or upside down, or for more texts than there are.
    """
    return [(text, text[::-1]) for text, _ in copying_text(rng, count, lengths, letters)]


def copying_text(rng: np.random.Generator, count: int, lengths: tuple[int, int] = (3, 12), letters: str = LETTERS
                 ) -> list[Pair]:
    """Letters at random -> the same again. Arguments and errors as in `reversal`."""
    low, high = _lengths("copying_text", lengths, 1)

    def draw() -> Pair:
        text = [letters[k] for k in rng.integers(len(letters), size=rng.integers(low, high + 1))]
        return text, list(text)
    return distinct_pairs(draw, count, f"texts of {low} to {high} of the letters {letters!r}")


def held_letters(rng: np.random.Generator, count: int, lengths: tuple[int, int] = (2, 6), *, letters: str = LETTERS[:8],
                 held: tuple[int, int] = (3, 8), noise: float = 0.1) -> list[Pair]:
    """What a microphone hears -> what was said: each letter for a random time, pauses, and noise.

    lengths: letters said.  held: frames of each, drawn uniformly.  Between letters is a pause of 0 to 3 frames, of at
    least 2 between equal ones: "ll" is told from a long "l" by nothing else.  noise: share of frames that are replaced
    by any symbol, so that the rule "merge equal neighbours, leave out pauses" (`merged`) fails.
    Frames are symbols and not numbers, for all translators read ids. Raises ValueError for lengths or times below 1 or
    upside down, or noise outside of 0 to 1.
    """
    low, high = _lengths("held_letters", lengths, 1)
    short, long = _lengths("held_letters", held, 1)
    if not 0 <= noise < 1:
        raise ValueError(f"noise is a share of frames, from 0 to below 1, not {noise}")
    symbols = letters + PAUSE

    def draw() -> Pair:
        said = [letters[k] for k in rng.integers(len(letters), size=rng.integers(low, high + 1))]
        heard: list[str] = []
        for before, letter in zip([None, *said], said, strict=False):
            heard += [PAUSE] * int(rng.integers(2 if letter == before else 0, 4)) if before else []
            heard += [letter] * int(rng.integers(short, long + 1))
        return [symbols[rng.integers(len(symbols))] if rng.random() < noise else h for h in heard], said
    return distinct_pairs(draw, count, f"held letters of {low} to {high}")


def merged(heard: Sequence[str]) -> list[str]:
    """The rule without a model: of equal neighbours one is left, then pauses go. Right where there is no noise."""
    return [h for h, before in zip(heard, [PAUSE, *heard], strict=False) if h not in (before, PAUSE)]


def _lengths(name: str, lengths: tuple[int, int], least: int, most: int | None = None) -> tuple[int, int]:
    low, high = lengths
    if not least <= low <= high or most is not None and high > most:
        upper = "" if most is None else f" to {most}"
        raise ValueError(f"{name} takes (least, most) from {least}{upper or ' up'}, not {lengths}")
    return low, high


def _one(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]
