"""Registers over HTTP (ims.rules.registers): list, read, create, change and delete, the same way for each.

A thing's ETag follows from what it says. A change names it in If-Match: missing or old is 1409, so of two changes at once one wins.
What is another customer's is answered as what nobody has.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from functions.center import paging
from functions.center.desk import Desk
from ims.errors import Rejected
from ims.ports.registers import Record
from ims.rules import optouts
from ims.rules.faults import Fault, Rejections
from ims.rules.registers import BODY_BYTES, MOST_ROWS, NUMBERS, OPT_OUTS, PAGE_ROWS, REGISTERS, Entry, Register
from ims.rules.result import iso
from ims.rules.validation import faults_of
from ims.runtime.clients.answers import WrongMethod, success
from ims.runtime.clients.bodies import json_body
from ims.runtime.clients.callers import Asker, asker_of
from ims.runtime.clients.query import Query

PATH = re.compile(rf"/ims/([^/]+)/({'|'.join(REGISTERS)})(?:/([A-Za-z0-9_.:-]{{1,64}}))?")
PROOF = "proof"  # as what a certificate is uploaded (ims.rules.files)
_TAG = re.compile(r'"([0-9a-f]{32})"')


async def registers(request: Request, desk: Desk, found: re.Match[str]) -> Response:
    """The answer to a request for a register or one thing of it."""
    service_key, name, id_ = found.groups()
    register = REGISTERS[name]
    of_one = [*(["DELETE"] if register.removable else []), "GET", *(["PUT"] if register.change else [])]
    allowed = of_one if id_ else ["GET", "POST"]
    if request.method not in allowed:
        raise WrongMethod(", ".join(allowed))
    asker = await asker_of(request, desk, service_key)
    match request.method, id_:
        case "GET", None:
            return success(await _list(request, desk, asker, register))
        case "POST", _:
            return await _create(request, desk, asker, register)
        case "GET", _:
            return await _read(request, desk, asker, register, id_)
        case "PUT", _:
            return await _change(request, desk, asker, register, id_)
        case _:
            Query(request.url.query, ()).done()
            given = "if-match" in request.headers
            await desk.registry.registers.remove(name, asker.author, id_, _seen(request) if given else None)
            return success({"id": id_})


async def _list(request: Request, desk: Desk, asker: Asker, register: Register) -> dict[str, Any]:
    asked = Query(request.url.query, ("cursor", "size", *register.narrowed_by))
    what = f"{register.name}/{asker.customer.name}"
    after, size = paging.place(desk, asked, what), asked.number("size", MOST_ROWS, PAGE_ROWS)
    narrowed = _NARROWED[register.name](asked) if register.narrowed_by else {}
    asked.done()
    found = await desk.registry.registers.page(register.name, asker.customer.name, after, size + 1, narrowed)
    more = found[size - 1].id if len(found) > size else None
    return paging.told(desk, [_fields(record) for record in found[:size]], more, what)


async def _read(request: Request, desk: Desk, asker: Asker, register: Register, id_: str) -> Response:
    Query(request.url.query, ()).done()
    record = await desk.registry.registers.find(register.name, asker.customer.name, id_)
    if record is None:
        raise Rejected("1404")
    return _told(record)


async def _create(request: Request, desk: Desk, asker: Asker, register: Register) -> Response:
    entry = await _body(request, desk, asker, register, register.entry)
    return _told(await desk.registry.registers.create(register.name, asker.author, entry))


async def _change(request: Request, desk: Desk, asker: Asker, register: Register, id_: str) -> Response:
    tag = _seen(request)
    entry = await _body(request, desk, asker, register, register.change or register.entry)
    return _told(await desk.registry.registers.change(register.name, asker.author, id_, tag, entry))


async def _body(request: Request, desk: Desk, asker: Asker, register: Register, model: type[Entry]) -> Mapping[str, Any]:
    Query(request.url.query, ()).done()
    try:
        entry = model.model_validate_json(await json_body(request, BODY_BYTES)).model_dump()
    except ValidationError as exc:
        raise Rejections(faults_of(exc)) from None
    if (check := _CHECKS.get(register.name)) and (faults := await check(desk, asker, entry)):
        raise Rejections(faults)
    return entry


def _seen(request: Request) -> str:
    """The tag that the caller saw; 1409 when it is none of ours, or missing."""
    tag = _TAG.fullmatch(request.headers.get("if-match", "").strip())
    if tag is None:
        ko, en = "ETag 값을 If-Match 헤더로 보내야 합니다.", "The ETag that was read must come as If-Match."
        raise Rejections([Fault("if-match", "1409", ko, en)])
    return tag[1]


def _told(record: Record) -> Response:
    response = success(_fields(record))
    if record.id:
        response.headers["etag"] = f'"{record.tag}"'
    return response


def _fields(record: Record) -> dict[str, Any]:
    return {name: (iso(value) or None) if name.endswith("_at") else value for name, value in record.fields.items()}


# --- what single registers add


async def _proof(desk: Desk, asker: Asker, entry: Mapping[str, Any]) -> list[Fault]:
    file = await desk.files.look(asker.customer.name, entry["proof"])
    if file is not None and file.channel == PROOF:
        return []
    ko, en = f"channel={PROOF}로 올린 파일이어야 합니다.", f"It must be a file that was uploaded with channel={PROOF}."
    return [Fault("proof", "2070", ko, en)]


def _opted_out(asked: Query) -> dict[str, Any]:
    channel = asked.one_of("channel", [str(c) for c in optouts.CHANNELS])
    given = asked.word("recipient", 254)
    recipient = optouts.recipient(given) if given else ""
    if recipient is None:
        asked.wrong("recipient", "전화번호 또는 메일 주소여야 합니다.", "It must be a telephone number or an e-mail address.", "2050")
    return {"channel": channel, "recipient": recipient}


_CHECKS: Mapping[str, Callable[[Desk, Asker, Mapping[str, Any]], Awaitable[list[Fault]]]] = {NUMBERS.name: _proof}
_NARROWED: Mapping[str, Callable[[Query], dict[str, Any]]] = {OPT_OUTS.name: _opted_out}
