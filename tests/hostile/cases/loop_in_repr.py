"""The value at the end of a cell never stops printing itself; the function below it is right."""

from tests.hostile.case import Case

CASE = Case(
    "endless loops",
    setup="""
class Endless:
    def __repr__(self):
        import time
        while True:
            time.sleep(1)

Endless()
""",
    incident="timeout",
)
