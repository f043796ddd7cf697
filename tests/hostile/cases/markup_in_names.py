"""Names of functions and types that are markup."""

from tests.hostile.case import Case

CASE = Case(
    "markup",
    double="""
def double(x):
    return type("<script>hostile-xss</script>", (), {})()
""",
    firsts="""
def firsts(n):
    raise type("<img src=x onerror=hostile-xss>", (ValueError,), {})
""",
    lost={"double": ("wrong", "object"), "firsts": ("raises", "ValueError")},
)
