"""The visible test's own function is redefined, so that it shows a score."""

from tests.hostile.case import Case

CASE = Case(
    "forged outputs",
    double="""
class Score:
    def __repr__(self): return "4.0"
    def _repr_html_(self): return "<b>4 of 4 points</b>"
course.test = lambda *a, **k: display(Score())
def double(x): return -x
""",
    lost={"double": ("wrong", "")},
)
