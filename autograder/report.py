"""The class report: one HTML page that stands alone, made from the results, and from the students' code if it is given.

    write_report(load_results("mycourse", "03_rnn"), "report.html", title="Recurrent networks, winter term")

No script, no picture or font from outside; it opens from a mail, prints, and reads in the dark. Names, error texts,
code and notebook notes were chosen by students: the template escapes everything, control and direction-changing
characters are dropped first, and a content policy in the page's head forbids what an escape might miss.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import summary
from autograder.summary import Summary, load_results, summarise

if TYPE_CHECKING:
    from autograder.work import Work

__all__ = ["load_results", "make", "render", "write_report"]

TEMPLATES = Path(__file__).parent / "templates"
NAMES = 12              # students named in a row of the misconceptions; the others are folded away
PAIRS = 40              # near-identical pairs, and students near the solution, that are shown
MAX_TEXT = 600          # characters of an incident's or a note's text


def make(folder: str | Path, assignment: str, *, out: str | Path | None = None, title: str = "", explain: bool = True,
         anonymous: bool = False) -> Path:
    """Write the report of a course's assignment to `out`, by default DIR/reports/ASSIGNMENT.html; its path.

    It counts whom `status` counts: a student whose folder is gone from `submitted` is left out, and `status` says so.
    Where no folder is left at all, as in an archive, everybody counts who was graded.
    anonymous: pseudonyms for students. Raises AutograderError where nothing is graded.
    """
    from autograder import anonymous as names
    from autograder import work
    from autograder.course import Course
    from autograder.errors import AutograderError

    found = Course.open(folder)
    found.require(assignment)
    if not any(found.results(assignment).glob("*.json")):
        raise AutograderError(f"nothing of '{assignment}' is graded yet: autograder grade {found.shown} {assignment}")
    results = load_results(found.root, assignment)
    left = set(summary.gone(found, assignment))
    results = [r for r in results if str(r["student"]) not in left] or results
    name = f"{assignment}-anonymous.html" if anonymous else f"{assignment}.html"
    return write_report(results, out or found.root / "reports" / name, title=title, explain=explain,
                        work=work.load(found, assignment, [str(r["student"]) for r in results]),
                        pseudonym=partial(names.pseudonym, found) if anonymous else None)


def write_report(results: Iterable[Mapping[str, Any]], path: str | Path, *, title: str = "", explain: bool = True,
                 work: Work | None = None, pseudonym: Callable[[str], str] | None = None) -> Path:
    """Write the page to `path` and return it; the file appears whole or not at all.

    title: the headline, the assignment's name by default. explain: a line below each heading that says how to read it.
    work: what the students wrote (work.load), for examples and near-identical submissions; without it the page has
    neither. pseudonym: the name to show for a student, for a report that a class sees: no student's own name or file
    name is in it then, and no comparison of submissions.
    """
    from autograder.course import write_atomically

    path = Path(path)
    write_atomically(path, render(results, title=title, explain=explain, work=work, pseudonym=pseudonym))
    return path


def render(results: Iterable[Mapping[str, Any]], *, title: str = "", explain: bool = True, work: Work | None = None,
           pseudonym: Callable[[str], str] | None = None) -> str:
    """The page as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from autograder import examples, nameless, similarity

    results = list(results)
    if pseudonym is not None:
        names = {str(r.get("student", "")): pseudonym(str(r.get("student", ""))) for r in results}
        results = nameless.without_names(results, names)
        work = work and examples.of_students(work, names)
    env = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
                      trim_blocks=True, lstrip_blocks=True)
    env.filters |= {"clean": clean, "num": number, "pct": percent, "time": duration, "prose": prose, "slug": slug,
                    "breakable": breakable, "words": summary.readable, "day": day}
    found = summarise(results)
    alike = None
    if work and pseudonym is None:      # a suspicion is nothing to show to a class, under whatever names
        alike = similarity.compare(work.students, work.released, work.published.values())
    return env.get_template("report.html").render(
        s=found, title=title or found.assignment or "Class report", explain=explain, chart=histogram(found),
        finding=summary.finding, function_of=summary.function_of, share_of=summary.share_of, kinds=summary.KINDS,
        reasons=summary.REASONS, statuses=summary.STATUSES, key_of=summary.key_of, NAMES=NAMES, PAIRS=PAIRS,
        anonymous=pseudonym is not None, alike=alike,
        examples=examples.examples(work, found.mutants) if work else {})


# text -----------------------------------------------------------------------------------------------------------------

def clean(text: Any, limit: int = MAX_TEXT) -> str:
    """Text from outside as one line that can be shown: no control, direction-changing or unassigned characters."""
    kept = "".join(" " if ch in "\r\n\t" else ch if _shown(ch) else "\N{REPLACEMENT CHARACTER}"
                   for ch in str(text)[:limit + 1])
    return kept if len(kept) <= limit else kept[:limit] + " ..."


def _shown(ch: str) -> bool:
    """Cc, Cf (bidirectional overrides are there), Cs, Co and Cn are not shown; joiners of many scripts are."""
    return ch in "\u200c\u200d" or not unicodedata.category(ch).startswith("C")


def prose(text: Any) -> Any:
    """A sentence of a Check: `code` and *stress* as HTML, all else escaped."""
    from markupsafe import Markup, escape

    safe = str(escape(clean(text)))
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    return Markup(re.sub(r"(?<![\w*])\*([^*<>\s][^*<>]*)\*(?!\w)", r"<em>\1</em>", safe))     # noqa: S704 (escaped above)


def breakable(name: Any) -> Any:
    """A function's name that may be broken behind an underscore."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in clean(name).split("_"))


def slug(*names: Any) -> str:
    """An id for an anchor; what is no letter or digit becomes its code, so that two names never share one."""
    return "-".join("".join(ch if ch.isalnum() and ch.isascii() or ch == "_" else f".{ord(ch):x}" for ch in str(n))
                    for n in names)


def number(value: Any, digits: int = 1) -> str:
    """At most `digits` decimals, none where they are zero."""
    text = f"{float(value):.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share as a whole number of per cent; only all is 100 % and only nothing is 0 %."""
    whole = round(100 * share)
    if whole == 100 and share < 1:
        whole = 99
    if whole == 0 and share > 0:
        whole = 1
    return f"{whole} %"


def duration(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 60:
        return f"{number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if rest else f"{minutes} min"


def day(iso: str) -> str:
    """The day of a time stamp, "21 November 2026"; the text itself where it is none."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return clean(iso, 40)
    months = ("January February March April May June July August September October November December").split()
    return f"{when.day} {months[when.month - 1]} {when.year}"      # not strftime: that follows the machine's language


# the histogram --------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 760, 250
LEFT, RIGHT, TOP, BASE = 34, 14, 34, 206


def histogram(s: Summary) -> dict[str, Any] | None:
    """The geometry of the histogram of scores: bars, ticks, the median. None for a class without scores."""
    if not s.scores or s.spread is None or s.max_score <= 0:
        return None
    bins = 20 if len(s.scores) >= 20 else 10
    counts = [0] * bins
    for score in s.scores:
        counts[min(bins - 1, max(0, int(score / s.max_score * bins)))] += 1
    step, top = _scale(max(counts))
    wide = (WIDTH - LEFT - RIGHT) / bins

    def x(score: float) -> float:
        return round(LEFT + min(1.0, max(0.0, score / s.max_score)) * (WIDTH - LEFT - RIGHT), 2)

    def y(count: float) -> float:
        return round(BASE - count / top * (BASE - TOP), 2)

    bars = []
    for i, n in enumerate(counts):
        low, high = s.max_score * i / bins, s.max_score * (i + 1) / bins
        bars.append({"x": round(LEFT + i * wide + 1.5, 2), "w": round(wide - 3, 2), "y": y(n),
                     "h": round(BASE - y(n), 2), "n": n, "low": number(low, 2), "high": number(high, 2)})
    median = x(s.spread.median)
    return {
        "bars": bars, "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "base": BASE,
        "y_ticks": [{"y": y(n), "n": n} for n in range(0, top + 1, step)],
        "x_ticks": [{"x": x(s.max_score * k / 4), "n": number(s.max_score * k / 4, 2)} for k in range(5)],
        "median": median, "anchor": "end" if median > WIDTH / 2 else "start",
        "label": median + (-5 if median > WIDTH / 2 else 5),
        "lower": x(s.spread.lower), "upper": x(s.spread.upper),
    }


def _scale(highest: int) -> tuple[int, int]:
    """The step between the marks of the count axis, and its end: three to five marks at round numbers."""
    step = next(s for k in range(9) for s in (1 * 10**k, 2 * 10**k, 5 * 10**k) if s * 4 >= highest)
    return step, -(-max(highest, 1) // step) * step
