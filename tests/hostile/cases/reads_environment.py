"""The environment is printed, and asked for by C."""

from tests.hostile.case import Case

CASE = Case(
    "reading files",
    setup="""
import ctypes
import os
print(dict(os.environ))
environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
i = 0
while environ[i]:
    print(environ[i])
    i += 1
""",
)
