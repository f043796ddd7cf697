"""IPython's shell: its hooks, transformers, display and magics."""

from tests.hostile.case import Case

CASE = Case(
    "patching",
    setup="""
%load_ext autoreload
from IPython import get_ipython
shell = get_ipython()
if shell is not None:
    shell.input_transformers_cleanup.append(lambda lines: ["pass\\n"])
    shell.events.register("post_run_cell", lambda *a: None)
""",
    firsts="def firsts(n): return [7] * n",
    lost={"firsts": ("wrong", "")},
)
