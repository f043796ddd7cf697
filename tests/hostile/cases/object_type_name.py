"""A type whose name is the hidden input."""

from tests.hostile.case import Case

CASE = Case(
    "hidden inputs",
    double="""
def double(x):
    return type("CANARY " + repr(float(x[0])), (), {})()
""",
    firsts="""
def firsts(n):
    raise type("CANARY%d" % n, (Exception,), {})("n is %d" % n)
""",
    lost={"double": ("wrong", "object"), "firsts": ("raises", "Exception")},
)
