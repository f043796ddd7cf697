"""Text cells of nothing but fences: a pattern that looked for a word behind them took a minute for each."""

from tests.hostile.case import Case


def add(notebook, place):
    notebook["cells"] += [{"cell_type": "markdown", "metadata": {}, "id": f"fences-{i}", "source": mark * (64 << 10)}
                          for i, mark in enumerate("`~`~")]
    return notebook


CASE = Case(
    "markup",
    edit=add,
)
