"""Outputs that say full marks lie in the file, of every kind that nbgrader reads, and the tag that skips a cell."""

from tests.hostile.case import Case


def forge(notebook, place):
    for c in notebook["cells"]:
        meta = c["metadata"].get("nbgrader", {})
        if meta.get("grade"):
            c["metadata"]["tags"] = ["skip-execution"]
            c["outputs"] = [{"output_type": "execute_result", "execution_count": 1, "metadata": {},
                             "data": {"text/plain": str(float(meta["points"]))}}]
    return notebook


CASE = Case(
    "forged outputs",
    double="def double(x): return -x",
    edit=forge,
    lost={"double": ("wrong", "")},
    incident="changed",
)
