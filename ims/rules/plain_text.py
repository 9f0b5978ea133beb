"""The text part that goes beside an HTML mail: what a reader without HTML should see, by a small walk over the tags.

`#{variables}` pass through untouched, so it is made once per HTML and not once per recipient. The walk takes time in
proportion to the HTML, whatever is in it: a tag is looked for within TAG_CHARACTERS, and what does not close is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import unescape

TAG_CHARACTERS = 4_000  # of one tag: links with tracking are long, inline images are not worth waiting for
_KEPT = 64  # a campaign renders one HTML 50,000 times; at 100 KB each a few MB
_TAG = re.compile(r"""<(/?)([a-zA-Z][a-zA-Z0-9:-]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>""")
_ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_UNSEEN = frozenset({"head", "script", "style", "title", "template", "svg", "object", "noscript"})
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "section", "article"})
_LINES = frozenset({"div", "tr", "li", "br", "dt", "dd", "header", "footer", "center", "form", "address"})
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_LINE, _PARAGRAPH = "\n", "\n\n"


@lru_cache(maxsize=_KEPT)
def plain_text(html: str) -> str:
    """The words of an HTML, its paragraphs and lists, and where its links lead."""
    text = "".join(_words(html))
    lines = [line.strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _words(html: str) -> Iterator[str]:
    unseen = ""  # the element whose content is skipped until it closes
    links: list[str] = []
    for text, closing, tag, attributes in _pieces(html):
        if unseen:
            unseen = "" if closing and tag == unseen else unseen
            continue
        if text:
            yield _BLANKS.sub(" ", unescape(text)).replace("\u00a0", " ")
        elif tag in _UNSEEN:
            unseen = "" if closing or attributes.endswith("/") else tag
        elif tag in _PARAGRAPHS:
            yield _PARAGRAPH
        elif tag in _LINES:
            yield _LINE if tag != "li" else "" if closing else "\n- "
        elif tag in ("td", "th") and closing:
            yield " "
        elif tag == "hr":
            yield "\n\n--------\n\n"
        elif tag == "img":
            yield _attribute(attributes, "alt")
        elif tag == "a" and not closing:
            links.append(_attribute(attributes, "href"))
        elif tag == "a" and links and (href := links.pop()).startswith(("http://", "https://", "mailto:", "tel:", "#{")):
            yield f" <{href}>"


def _pieces(html: str) -> Iterator[tuple[str, bool, str, str]]:
    """(text, False, "", "") or ("", closing, tag, attributes), in order; comments and declarations are left out."""
    at = 0
    while at < len(html):
        start = html.find("<", at)
        if start != at:
            yield html[at:start] if start >= 0 else html[at:], False, "", ""
        if start < 0:
            return
        if html.startswith("<!", start) or html.startswith("<?", start):
            mark = "-->" if html.startswith("<!--", start) else ">"
            end = html.find(mark, start)
            if end < 0:
                return  # a comment that never closes hides the rest, in browsers too
            at = end + len(mark)
            continue
        match = _TAG.match(html, start, start + TAG_CHARACTERS)
        if match is None:
            yield "<", False, "", ""
            at = start + 1
            continue
        yield "", bool(match[1]), match[2].lower(), match[3]
        at = match.end()


def _attribute(attributes: str, name: str) -> str:
    for match in _ATTRIBUTE.finditer(attributes):
        if match[1].lower() == name:
            return _BLANKS.sub(" ", unescape(match[2] or match[3] or match[4] or "")).strip()
    return ""
