"""Links in the scratch folder, which the grader empties: the folder behind a link must stay."""

from tests.hostile.case import Case

CASE = Case(
    "links",
    setup="""
import os
for make in (os.symlink, os.link):
    for target in ("<COURSE>", "<COURSE>/gradebook.db", "/etc"):
        try:
            make(target, "x" + str(len(os.listdir("."))))
        except OSError:
            pass
for make in (lambda: os.mkdir("d"), lambda: os.mkfifo("p"), lambda: os.rename(".", "../moved")):
    try:
        make()
    except OSError:
        pass
print(os.listdir("."))
""",
)
