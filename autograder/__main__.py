"""`python -m autograder` and the command `autograder`. Without the grading extra it says how to install it."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. 2 for what the user can mend, with one line on stderr."""
    try:
        from autograder import cli

        return cli.run(arguments)
    except ModuleNotFoundError as e:
        missing = (e.name or "").partition(".")[0]
        if missing in ("autograder", "minigrad", ""):
            raise               # a broken checkout, not a missing extra
        from minigrad.install import install_line

        print(f"autograder: the package '{missing}' is missing. Install the grading extra: {install_line('grading')}",
              file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
