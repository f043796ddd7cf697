"""For tests that press Ctrl-C in a child."""
from __future__ import annotations

import signal


def heeded() -> None:
    """As `preexec_fn`: where the tests run in the background of a script, Ctrl-C is ignored, and so it would be."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
