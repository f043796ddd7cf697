"""The processes around it: their environment, command lines, memory and open files."""

from tests.hostile.case import Case

CASE = Case(
    "reading processes",
    setup="""
import os
for pid in ("self", "1", str(os.getppid()), "<PID>"):
    for part in ("environ", "cmdline", "maps", "mem", "status"):
        try:
            print(open(f"/proc/{pid}/{part}", "rb").read(2000))
        except OSError:
            pass
    try:
        print([os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")], os.listdir("/proc"))
    except OSError:
        pass
""",
)
