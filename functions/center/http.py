"""The HTTP face of center. Order of checks: path, method, version, credential, service key, address, channel, size, content."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from functions.center import audit, history, registers, statistics
from functions.center.campaigns import PATH, campaigns
from functions.center.desk import Desk
from functions.center.upload import described, upload
from ims.errors import Rejected
from ims.runtime.clients.answers import WrongMethod, answered, success
from ims.runtime.clients.callers import asker_of

_READS = (
    (statistics.PATH, statistics.read),
    (history.PATH, history.read),
    (statistics.CODES, statistics.codes),
    (audit.PATH, audit.read),
)
_FILES = re.compile(r"/ims/([^/]+)/files(?:/([A-Za-z0-9_.:-]{1,64}))?")


async def answer(request: Request, desk: Desk) -> Response:
    """The answer to any request that is center's. Raises nothing."""
    return await answered(request, lambda _trace, _english: _answer(request, desk), "center_fault")


async def _answer(request: Request, desk: Desk) -> Response:
    if register := registers.PATH.fullmatch(request.scope["path"]):
        return await registers.registers(request, desk, register)
    if campaign := PATH.fullmatch(request.scope["path"]):
        return success(await campaigns(request, desk, campaign))
    for wanted, read in _READS:
        if asked := wanted.fullmatch(request.scope["path"]):
            if request.method != "GET":
                raise WrongMethod("GET")
            asker = await asker_of(request, desk, asked.group(1))
            return success(await read(desk, asker.key, asked.group(2), request.url.query))
    path = _FILES.fullmatch(request.scope["path"])
    if path is None:
        raise Rejected("1404")
    service_key, file_key = path.groups()
    allowed = ("DELETE", "GET") if file_key else ("POST",)
    if request.method not in allowed:
        raise WrongMethod(", ".join(allowed))
    asker = await asker_of(request, desk, service_key)
    customer = asker.customer.name
    if not file_key:
        return success(await upload(request, desk, customer))
    if request.method == "GET":
        found = await desk.files.look(customer, file_key)
        if found is None:
            raise Rejected("1404")
        return success(described(found))
    if not await desk.files.remove(customer, file_key):
        raise Rejected("1404")
    return success({"file_key": file_key})
