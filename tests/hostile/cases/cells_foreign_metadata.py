"""Metadata of other tools, of the wrong types, and of names that are not the student's."""

from tests.hostile.case import Case


def foreign(notebook, place):
    notebook["metadata"] = {"kernelspec": 3, "widgets": {"x": ["<script>hostile-xss</script>"]}, "colab": None}
    for i, c in enumerate(notebook["cells"]):
        c["metadata"].update(slideshow=[[]], tags=i, jupyter={"source_hidden": "yes"}, editable="<b>")
        c["attachments"] = {"a.svg": {"image/svg+xml": "<svg onload=hostile-xss>"}}
    notebook["cells"].append({"cell_type": "code", "id": None, "source": ["x = 1\n", 7, None], "outputs": 0,
                              "metadata": {"nbgrader": {"grade_id": ["double-test"], "grade": "yes"}}})
    return notebook


CASE = Case(
    "changed cells",
    edit=foreign,
)
