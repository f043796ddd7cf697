"""Script and HTML in added cells of every type, in attachments and in links."""

from tests.hostile.case import Case

ATTACK = """<img src=x onerror=hostile-xss> <script>hostile-xss</script> [a](javascript:hostile-xss)
<details open ontoggle=hostile-xss>x</details> $a<b$ ```mermaid
<script>hostile-xss</script>
``` <svg onload=hostile-xss> &#106;avascript:hostile-xss [b](&#106;avascript:hostile-xss)
$$\\href{javascript:hostile-xss}{x}$$
"""


def add(notebook, place):
    for kind in ("markdown", "raw", "code"):
        notebook["cells"].append({"cell_type": kind, "metadata": {"format": "text/html"}, "id": f"x-{kind}",
                                  "source": ATTACK, "attachments": {"a.png": {"image/png": '" onerror="hostile-xss'}}})
    return notebook


CASE = Case(
    "markup",
    edit=add,
)
