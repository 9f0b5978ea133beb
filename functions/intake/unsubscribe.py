"""What the recipient of an ad meets behind its link: a page with one button, and the POST that refuses (RFC 8058).

Looking at the page refuses nothing: mail scanners and link previews look at every link. The page names nobody, loads nothing
and runs nothing.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from functions.intake.ports import IntakePorts
from ims.runtime.clients.bodies import drop

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
}
_PAGE = """<!doctype html>
<html lang="ko"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>수신거부 Unsubscribe</title>
<style>body{{font-family:sans-serif;max-width:30em;margin:4em auto;padding:0 1em}}
button{{font-size:1.1em;padding:.6em 1.2em}}</style></head>
<body>{}</body></html>
"""
_ASKED = (
    "<p>이 발신자의 이메일을 더 이상 받지 않습니다.<br>You will get no more e-mail from this sender.</p>"
    '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click"><button>수신거부 Unsubscribe</button></form>'
)
_DONE = "<p>수신거부가 처리되었습니다.<br>You have been unsubscribed.</p>"


async def unsubscribe(request: Request, ctx: IntakePorts, token: str) -> Response:
    """The page, or after a POST that it is done. Rejected 1404 for a link that is none of ours."""
    if request.method == "POST":
        await ctx.refuse(token)
        await drop(request)
        return _page(_DONE)
    ctx.may_refuse(token)
    return _page(_ASKED)


def _page(content: str) -> Response:
    return Response(_PAGE.format(content), media_type="text/html", headers=_HEADERS)
