"""Files with odd names and modes, which must be gone when the next submission comes."""

from tests.hostile.case import Case

CASE = Case(
    "channels",
    setup="""
import os
os.umask(0o777)
for name in (b"\\xff\\xfe", b"-rf", b"x" * 255, b"a\\nb", b".hidden"):
    with open(name, "wb") as file:
        file.write(b"left over")
print(len(os.listdir(".")))
""",
)
