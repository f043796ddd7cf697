"""A set and a dict whose entries collide: reading them must stay cheap."""

from tests.hostile.case import Case

CASE = Case(
    "memory floods",
    double="""
def double(x):
    return {i << 40 for i in range(19_000)}
""",
    firsts="""
def firsts(n):
    return {(i << 20) * 1.0: i for i in range(19_000)}
""",
    lost={"double": ("wrong", ""), "firsts": ("wrong|timeout", "")},
)
