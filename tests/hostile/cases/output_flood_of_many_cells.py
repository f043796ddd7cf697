"""Sixty cells that each print what one cell may; the graded notebook of a thousand would have a gigabyte."""

from tests.hostile.case import Case


def add(notebook, place):
    notebook["cells"][2:2] = [{"cell_type": "code", "metadata": {}, "id": f"flood-{i}", "outputs": [],
                               "execution_count": None, "source": "print('x' * (1 << 20))"} for i in range(60)]
    return notebook


CASE = Case(
    "output floods",
    edit=add,
)
