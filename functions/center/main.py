"""center: what customers manage and ask for: files of their messages, campaigns under way, statistics, history,
registers (sender numbers, opt-outs, service keys) and what was changed in them.

HTTP in under /ims/{serviceKey}/{files,campaigns,stat,hist,codes,numbers,optouts,keys,audit}. Emits nothing; what it keeps is durable before
0000 is said. Never sends anything and never calls another function.
"""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.center.desk import Desk
from functions.center.http import answer
from ims.runtime.context import Context, current

_desks: dict[int, tuple[Context, Desk]] = {}


def desk() -> Desk:
    """The desk of this process's context."""
    ctx = current()
    found = _desks.get(id(ctx))
    if found is None or found[0] is not ctx:
        found = _desks[id(ctx)] = (ctx, Desk(ctx))
    return found[1]


@functions_framework.aio.http
async def main(request: Request) -> Response:
    """Entry point."""
    return await answer(request, desk())
