"""Objects that would run code where they are unpickled, alone and in an array."""

from tests.hostile.case import Case

CASE = Case(
    "lying objects",
    double="""
class Bomb:
    def __reduce__(self):
        return eval, ("open('/tmp/hostile-pickle', 'w')",)

def double(x):
    return np.array([Bomb()], dtype=object)
""",
    firsts="""
class Boom:
    def __reduce__(self):
        return eval, ("open('/tmp/hostile-pickle', 'w')",)

def firsts(n):
    return [Boom()] * n
""",
    lost={"double": ("wrong", "objects"), "firsts": ("wrong", "object")},
)
