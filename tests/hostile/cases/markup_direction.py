"""Characters that turn round what stands behind them: in a line that raises, in what is printed, in a cell's id."""

from tests.hostile.case import Case


def add(notebook, place):
    double = "d\u043euble"                  # with a Cyrillic o
    notebook["cells"].append({"cell_type": "code", "id": double, "source": "print('\u202e001 fo 001')", "metadata": {
        "nbgrader": {"grade_id": double, "grade": True, "solution": True, "points": 99}}})
    return notebook


CASE = Case(
    "markup",
    double="def double(x): raise ValueError('\u202e 4 fo 4 \u2066')",
    edit=add,
    lost={"double": ("raises", "raises ValueError")},
)
