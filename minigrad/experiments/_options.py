"""Settings that one experiment alone has: `minigrad run charlm --corpus notes`."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Option:
    """A setting of one experiment: `Option("corpus", "what to learn", choices=("topics", "notes"))`.

    `minigrad run NAME --corpus notes` sets it, `ctx.options["corpus"]` is its value; the first choice if not given.
    choices: () for any text; then metavar is what the help shows for it, and None the value if not given.
    """

    name: str
    help: str
    choices: Sequence[str] = ()
    metavar: str = "TEXT"

    @property
    def default(self) -> str | None:
        """The value if not given."""
        return self.choices[0] if self.choices else None


def settings(options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """All options with their values. Raises ValueError for a name or a choice that is not among them."""
    known = {o.name: o for o in options}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"no option {name!r}; there are: {', '.join(known) or 'none'}")
        if known[name].choices and value not in known[name].choices:
            raise ValueError(f"option {name} is one of {', '.join(known[name].choices)}, not {value!r}")
    return {name: given.get(name, o.default) for name, o in known.items()}


def prefix(options: Sequence[Option], values: Mapping[str, Any]) -> str:
    """What a folder of a run with these values is called before "seed-0": "" for the defaults, "corpus-notes-".

    Of a path it is the last part without the ending.
    """
    return "".join(f"{o.name}-{re.sub(r'[^a-zA-Z0-9]+', '-', Path(str(values[o.name])).stem).strip('-') or 'other'}-"
                   for o in options if values[o.name] != o.default)
