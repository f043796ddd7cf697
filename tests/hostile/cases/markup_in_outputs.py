"""Script and HTML as printed text, as a shown value, as an error, as a picture that is none."""

from tests.hostile.case import Case

CASE = Case(
    "markup",
    setup="""
class Page:
    def _repr_html_(self): return "<script>hostile-xss</script>"
    def _repr_svg_(self): return "<svg onload=hostile-xss>"
    def _repr_javascript_(self): return "hostile-xss"
    def _repr_png_(self): return b'x" onerror="hostile-xss'
    def __repr__(self): return "<img src=x onerror=hostile-xss>"

display(Page())
print("</pre><script>hostile-xss</script><a href='javascript:hostile-xss'>x</a>\\x1b]0;owned\\x07\\x1b[2J")
Page()
""",
    firsts="""
def firsts(n):
    raise ValueError("<script>hostile-xss</script>")  # <img src=x onerror=hostile-xss>
""",
    lost={"firsts": ("raises", "ValueError")},
)
