"""What this grader adds to nbgrader's feedback pages, as preprocessors and a filter of nbgrader's own converter.

    c.GenerateFeedback.preprocessors = [..., "autograder.feedback_plugin.SinceLastAttempt",
                                        "autograder.feedback_plugin.SanitizeOutputs", ...,
                                        "autograder.feedback_plugin.Style"]
    c.HTMLExporter.filters = {"markdown2html": "autograder.feedback_plugin.markdown2html"}

nbconvert's SanitizeHTML cleans Markdown before it is rendered, so that every `<` in code is escaped there and once more
by the renderer. Here Markdown is rendered first, and what came out is cleaned: nothing is escaped twice, and what is
cleaned is what the browser gets. The two settings belong together.
"""

from __future__ import annotations

import re
from typing import Any

from jinja2 import pass_context
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder import feedback
from autograder.course import Course
from autograder.errors import AutograderError

TAGS = frozenset("""a b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img li ol p pre s span
    strong sub summary sup table tbody td th thead tr ul""".split())
ATTRIBUTES = {"*": {"class", "id"}, "a": {"href", "title"}, "img": {"src", "alt", "title"}, "th": {"align"},
              "td": {"align"}}
CSS = """
summary { display: list-item; cursor: pointer; color: #23527c; }
summary:focus-visible, a:focus-visible { outline: 2px solid #23527c; outline-offset: 2px; }
details { margin: 0 0 .3em; }
details > :not(summary) { margin-left: 1.2em; }
.rendered_html td, .rendered_html th { padding: .2em .9em .2em 0; text-align: left; }
.output_stream pre, .output_error pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.rendered_html .anchor-link { visibility: hidden; font-size: .6em; }
.rendered_html :hover > .anchor-link, .anchor-link:focus { visibility: visible; }
"""
PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]+")


class SinceLastAttempt(NbGraderPreprocessor):
    """Adds to each test cell what has changed since the attempt before: mistakes resolved, and a hint for the others.

    A submission without an attempt before it, and a notebook outside of a course, stay as they are.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Append the texts behind the verdict of their cells."""
        about = resources["nbgrader"]
        try:
            course = Course.find(resources["metadata"]["path"])
        except AutograderError:
            return nb, resources
        texts = feedback.texts(course, about["assignment"], about["student"], about["notebook"])
        for cell in nb.cells if texts else ():
            meta = cell.metadata.get("nbgrader", {})
            text = texts.get(meta.get("grade_id", "")) if meta.get("grade") else None
            if text and cell.cell_type == "code":
                from nbformat.v4 import new_output

                cell.outputs.insert(2, new_output("stream", name="stdout", text=text))      # verdict, message, this
        return nb, resources


class Style(NbGraderPreprocessor):
    """A few rules for what nbgrader's page leaves out; behind CSSHTMLHeaderPreprocessor, which makes the list."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        resources.setdefault("inlining", {}).setdefault("css", []).append(CSS)
        return nb, resources


class SanitizeOutputs(SanitizeHTML):
    """nbconvert's cleaning of outputs and raw cells; Markdown is cleaned by `markdown2html` below."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        if cell.cell_type == "markdown":
            return cell, resources
        cleaned: tuple[Any, Any] = super().preprocess_cell(cell, resources, cell_index)
        return cleaned


@pass_context
def markdown2html(context: Any, source: str) -> str:
    """Markdown as HTML with nothing in it that a page would run or fetch. `context` is the template's."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    cell = context.get("cell", {})
    renderer = IPythonRenderer(escape=False, attachments=cell.get("attachments", {}), embed_images=False, path="",
                               anchor_link_text="¶", exclude_anchor_links=False)
    return cleaned(MarkdownWithMath(renderer=renderer).render(source))


def cleaned(html: str) -> str:
    """The HTML with known tags and attributes only. Pictures are those that the page holds itself."""
    import nh3

    def allowed(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return value if PICTURE.fullmatch(value) else None
        return None if name == "href" and value.lstrip().lower().startswith("data:") else value

    return nh3.clean(html, tags=set(TAGS), attributes={k: set(v) for k, v in ATTRIBUTES.items()},
                     attribute_filter=allowed, url_schemes={"http", "https", "mailto", "data"})
