"""The frames above the call are searched for what is expected, and printed."""

from tests.hostile.case import Case

CASE = Case(
    "frames and gc",
    firsts="""
def firsts(n):
    import sys
    frame, seen = sys._getframe(), []
    while frame:
        seen.append((frame.f_code.co_filename, dict(frame.f_locals)))
        for name in ("want", "expected", "reference", "solution"):
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    raise ValueError(str(seen))
""",
    lost={"firsts": ("raises", "ValueError")},
)
