"""Right solutions as students write them: thousands of forms of one text, each with the same meaning.

    source, kinds = rewritten(text, "rnn_step", ("x", "h"), rng)

A rewriter takes a parsed cell, changes what it can in place and says whether it did. None of them may change a result
beyond rounding, write into an argument, or make the function slower than twice: then it would not be honest.
`kinds` names what was done, so that a form that loses points can be told by name.
"""

from __future__ import annotations

import ast
import copy

import numpy as np

from tests.autograder import honest_expressions, honest_statements, honest_surroundings
from tests.autograder.honest_cell import REWRITERS, Cell
from tests.autograder.honest_tables import TEXTS

__all__ = ["REWRITERS", "TEXTS", "rewritten"]

assert honest_expressions and honest_statements and honest_surroundings      # they register their rewriters


def rewritten(text: str, function: str, arrays: tuple[str, ...], rng: np.random.Generator,
              most: int = 6) -> tuple[str, str, tuple[str, ...]]:
    """(the cell, a cell above it or "", what was done): up to `most` rewriters in a random order, then the text."""
    cell = Cell(ast.parse(text), function, arrays, rng)
    wanted, done = int(rng.integers(2, most + 1)), []
    for name in rng.permutation(list(REWRITERS)):
        if len(done) == wanted:
            break
        before = copy.deepcopy(cell.tree)
        if REWRITERS[name](cell):
            ast.fix_missing_locations(cell.tree)
            compile(ast.unparse(cell.tree), f"<{function}: {', '.join([*done, name])}>", "exec")
            done.append(str(name))
        else:
            cell.tree = before
    source = ast.unparse(cell.tree)
    if rng.random() < 0.4:
        name = str(cell.one_of(list(TEXTS)))
        source = TEXTS[name](source)
        done.append(name)
    return source, cell.above, tuple(done)
