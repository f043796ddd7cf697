"""The worker's function that answers is replaced by one that answers for every function."""

from tests.hostile.case import Case

CASE = Case(
    "patching",
    setup="""
import cells
def call(self, name, args, **more):
    return {"value": args[0], "args": args}
cells.Notebook.call = call
""",
    double="def double(x): return -x",
    lost={"double": ("wrong", ""), "layer": ("wrong", ""), "layer_backward": ("wrong", ""), "sums": ("wrong", ""),
          "firsts": ("wrong", "")},
)
