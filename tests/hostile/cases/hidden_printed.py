"""The drawn inputs are printed, warned of, and written to every descriptor."""

from tests.hostile.case import Case

CASE = Case(
    "hidden inputs",
    double="""
def double(x):
    import os
    import sys
    print("CANARY", x, repr(x), x.tolist(), file=sys.__stdout__)
    print("CANARY", x.tolist(), file=sys.stderr)
    display(x)
    for fd in (0, 1, 2):
        try:
            os.write(fd, repr(x.tolist()).encode())
        except OSError:
            pass
    return 2 * x
""",
)
