"""A byte order mark, carriage returns, tabs and letters of many scripts."""

import json

from tests.hostile.case import Case, cell


def odd(notebook, place):
    c = cell(notebook, "double")
    c["source"] = c["source"].replace("\n", "\r\n") + "\r\n# größer \u202e\u4f60\u597d \U0001f600"
    return b"\xef\xbb\xbf" + json.dumps(notebook, ensure_ascii=False).encode()


CASE = Case(
    "encodings",
    edit=odd,
)
