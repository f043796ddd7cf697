"""The drawn inputs stand in an exception's message, its notes, its cause and its line."""

from tests.hostile.case import Case

CASE = Case(
    "hidden inputs",
    double="""
def double(x):
    error = ValueError("CANARY " + repr(x.tolist()))
    error.add_note(repr(x.tolist()))
    exec(compile("raise error", "<cell double>", "exec"), {"error": error})
""",
    lost={"double": ("raises", "ValueError")},
)
