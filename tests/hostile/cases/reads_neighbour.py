"""A classmate's work is read and handed in."""

from tests.hostile.case import Case

CASE = Case(
    "reading files",
    firsts="""
def firsts(n):
    import json
    cells = json.load(open("<NEIGHBOUR>"))["cells"]
    space = {"np": np}
    for cell in cells:
        if "def firsts" in "".join(cell["source"]):
            exec("".join(cell["source"]), space)
    return space["firsts"](n)
""",
    setup="""
try:
    print(open("<NEIGHBOUR>").read())
except OSError as e:
    print(type(e).__name__)
""",
    lost={"firsts": ("raises", "Error")},
)
