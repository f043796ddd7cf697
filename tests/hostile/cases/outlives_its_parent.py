"""The signal that ends a child with its parent is taken back."""

from tests.hostile.case import Case

CASE = Case(
    "stopped and daemonised processes",
    setup="""
import ctypes
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
""",
)
