"""Another kernel: the metadata says a shell, and the cells begin with its magic."""

from tests.hostile.case import Case


def shell(notebook, place):
    notebook["metadata"]["kernelspec"] = {"name": "bash", "language": "bash", "display_name": "$(touch /tmp/hostile)"}
    return notebook


CASE = Case(
    "kernels and formats",
    edit=shell,
    firsts="%%bash\ncat <COURSE>/.autograder/secret",
    lost={"firsts": ("missing", "no function")},
)
