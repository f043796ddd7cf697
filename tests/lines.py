"""Lines of code per file, so that growth is seen: `python -m tests.lines`. Docstrings and comments do not count."""
from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = ["__init__", "tensor", "backward", "ops", "backend", "errors", "check"]
CORE_LIMIT = 1200


def code_lines(path: Path) -> int:
    """How many lines hold code."""
    text = path.read_text()
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    skip = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skip:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def core_lines() -> int:
    """The part that is to be read in one sitting."""
    return sum(code_lines(ROOT / "minigrad" / f"{name}.py") for name in CORE)


def main() -> None:
    """Print every file with its count, packages summed up, and the core against its limit."""
    for package in ("minigrad", "autograder"):
        counts = {p.relative_to(ROOT): code_lines(p) for p in sorted((ROOT / package).rglob("*.py"))}
        for path, n in counts.items():
            print(f"{n:6d}  {path}")
        print(f"{sum(counts.values()):6d}  {package} in all")
    print(f"{core_lines():6d}  core ({', '.join(CORE)}), limit {CORE_LIMIT}")


if __name__ == "__main__":
    main()
