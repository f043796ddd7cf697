"""All memory of the process is searched for names of other folders and for canaries, which are printed by a cell."""

from tests.hostile.case import Case

CASE = Case(
    "frames and gc",
    setup="""
import ctypes
import gc
import os
import re
libc = ctypes.CDLL(None, use_errno=True)
libc.pwrite.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]
fd = os.open("dump", os.O_CREAT | os.O_RDWR)
found = set()
for block in sorted({id(o) >> 22 for o in gc.get_objects()}):
    for at in range(block << 22, (block + 1) << 22, 1 << 16):
        if (k := libc.pwrite(fd, at, 1 << 16, 0)) > 0:      # an address that is not there is an error, no crash
            found |= set(re.findall(rb"CANARY-[A-RT-Z]\\w+-\\w+|autograder-\\w{8}/[0-9a-f]{32}", os.pread(fd, k, 0)))
mine = os.getcwd().encode()[-32:]
print("others:", sorted(f for f in found if not f.endswith(mine)))
""",
)
