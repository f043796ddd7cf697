"""The garbage collector is asked for everything that lives: arrays, texts with the word canary, sockets."""

from tests.hostile.case import Case

CASE = Case(
    "frames and gc",
    setup="""
import gc
found = [repr(o)[:200] for o in gc.get_objects() if "CANARY" in repr(type(o)) or isinstance(o, dict) and any(
    isinstance(v, str) and ("CANARY" in v or "BEGIN HIDDEN" in v) for v in list(o.values()))]
print(found)
""",
)
