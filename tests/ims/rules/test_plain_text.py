"""The text part of an HTML mail: what a reader sees, variables untouched, and time in proportion whatever is in it."""

from __future__ import annotations

import pytest

from ims.rules.plain_text import plain_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>#{name}님</p><p>a &amp; b &lt;c&gt;</p>", "#{name}님\n\na & b <c>\n"),
        ("<style>p{}</style><script>x</script><title>t</title><p>a</p><!-- b -->", "a\n"),
        ("a<br>b<div>c</div>d", "a\nb\nc\nd\n"),
        ("<ul><li>하나</li><li>둘</li></ul>", "- 하나\n- 둘\n"),
        ("<a href='https://x.example/?a=1&amp;b=2'>보기</a>", "보기 <https://x.example/?a=1&b=2>\n"),
        ('<a href="#{unsubscribe_url}">수신거부</a>', "수신거부 <#{unsubscribe_url}>\n"),
        ("<a href='javascript:x'>a</a> <a name='b'>b</a>", "a b\n"),
        ("<img alt='로고' src=x><table><tr><td>a</td><td>b</td></tr></table>", "로고\n\na b\n"),
        ("<p title='a > b'>c</p> 1 < 2", "c\n\n1 < 2\n"),
        ("a<!-- never closed <p>b</p>", "a\n"),
        ("", "\n"),
    ],
)
def test_what_a_reader_sees(html: str, text: str) -> None:
    assert plain_text(html) == text


@pytest.mark.parametrize("piece", ["<", "<a ", '<a "', "<!--", "&", "&#x", "<div>", "<a '\"'\"", "<![", "</"])
def test_hostile_html_ends(piece: str) -> None:
    assert plain_text(piece * (100_000 // len(piece))).endswith("\n")
