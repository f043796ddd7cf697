"""Make what a student wrote or printed harmless in a page that shows it.

The formgrader shows the autograded notebook on the instructor's own Jupyter server, where a script would act as the
instructor. nbconvert lets raw HTML and `javascript:` links of Markdown through, renders Mermaid blocks unescaped, and
puts the text of a PNG output into an attribute as it stands. So nothing of that may be left in the notebook itself.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct

MAX_MARKDOWN = 64 << 10     # characters; nbconvert's own patterns are quadratic in the length
MAX_PIXELS = 16 << 20
PNG = b"\x89PNG\r\n\x1a\n"

_OPEN = re.compile(r"```|~~~|`|\$\$|(?<!\\)\$|\\\\?[(\[]|\\begin\{")
_CLOSE = {"\\(": "\\)", "\\[": "\\]", "\\\\(": "\\\\)", "\\\\[": "\\\\]", "\\begin{": "\\end{"}
_SCHEMES = re.compile(r"(?i)\b(javascript|vbscript|data|attachment|file|blob)(\s*:)")
_MATH_COMMANDS = re.compile(r"\\(href|require|style|class|cssId|unicode|includegraphics)\b")
_ENTITY = re.compile(r"&(?=#|\w+;)")
# Control characters, and those that turn round the direction of what stands behind them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def markdown(source: str, most: int = MAX_MARKDOWN) -> str:
    """Student-written Markdown with every HTML tag, entity and script link made plain text; LaTeX stays LaTeX.

    Safe wherever the renderer's idea of code and mathematics differs from ours: text gets `&lt;`, mathematics gets
    LaTeX's own `\\lt`, code gets an invisible character behind the `<` (an entity would show as such there). The
    difference is in what it looks like alone. `most`: characters that are kept.
    """
    text = source[:min(most, MAX_MARKDOWN)]
    if len(source) > len(text):
        text += "\n\n(cut here: longer than a page can show)"
    text = re.sub(r"([`~]{3}[ \t]*)(?i:mermaid)", r"\1text", text)      # {3,} would be quadratic in a run of them
    out: list[str] = []
    dead: set[str] = set()      # delimiters with no closing one further on: look for each once, so that this is linear
    last = at = 0
    while m := _OPEN.search(text, at):
        opener, close = m[0], _CLOSE.get(m[0], m[0])
        stop = text.find("\n", m.end()) if opener in "`$" else len(text)
        end = -1 if opener in dead else text.find(close, m.end(), stop if stop >= 0 else len(text))
        if end < 0:
            if opener not in ("`", "$"):
                dead.add(opener)
            at = m.end()
            continue
        end += len(close)
        out += [_text(text[last:m.start()]), (_code if opener[0] in "`~" else _math)(text[m.start():end])]
        last = at = end
    out.append(_text(text[last:]))
    return _SCHEMES.sub(r"\1 -\2", "".join(out))


def _text(text: str) -> str:
    # not `&amp;`: mistune unescapes a link's target twice, so `&amp;#106;avascript:` would be a script again
    return _ENTITY.sub("&\u200b", text).replace("<", "&lt;")


def _math(text: str) -> str:
    # `&` separates columns in LaTeX; with a blank behind it the browser reads no entity
    return _MATH_COMMANDS.sub(r"\\text{\1}", _ENTITY.sub("& ", text).replace("<", r"\lt "))


def _code(text: str) -> str:
    return _ENTITY.sub("&\u200b", text).replace("<", "<\u200b")


def output_text(text: object, *, lines: int = 1000) -> str:
    """Printed text without control characters and colours, at most `lines` lines (nbgrader's own limit)."""
    clean = _CONTROL.sub("", _COLOUR.sub("", str(text))).encode("utf-8", "replace").decode("utf-8")
    rows = clean.split("\n")
    if len(rows) > lines:
        rows = [*rows[:lines - 1], "... output cut here ...", ""]
    return "\n".join(rows)


def png(data: object) -> str | None:
    """The picture in canonical base64, or None when it is not a PNG of a size that a browser can open."""
    try:
        raw = base64.b64decode("".join(str(data).split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) < 24 or not raw.startswith(PNG):
        return None
    width, height = struct.unpack(">II", raw[16:24])
    if not 0 < width * height <= MAX_PIXELS:
        return None
    return base64.b64encode(raw).decode("ascii")
