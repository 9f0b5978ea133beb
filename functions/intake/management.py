"""The part of the OpenAPI document that center answers: registers and the audit log, made from ims.rules.registers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from functions.intake.operations import WITH_BODY, body, operation, path_id, success_of
from ims.rules import optouts
from ims.rules.registers import BODY_BYTES, MOST_ROWS, PAGE_ROWS, REGISTERS, Entry, Register

MODELS: list[type[BaseModel]] = [m for r in REGISTERS.values() for m in (r.entry, r.change) if m is not None]
_PAGED = [
    {"name": "cursor", "in": "query", "schema": {"type": "string", "minLength": 1, "maxLength": 400}, "description": "A next_cursor."},
    {"name": "size", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": PAGE_ROWS}},
]
_NARROWED = {
    "channel": {"enum": [str(channel) for channel in optouts.CHANNELS]},
    "recipient": {"type": "string", "minLength": 1, "maxLength": 254},
}


def paths() -> dict[str, Any]:
    """Every path of a register, and the audit log's."""
    found: dict[str, Any] = {}
    for register in REGISTERS.values():
        path = f"/ims/{{serviceKey}}/{register.name}"
        found[path] = dict(_all(register))
        found[f"{path}/{{id}}"] = dict(_one(register))
    audit = operation("listAudit", "What was changed, the newest first", "Page", _PAGED)
    return {**found, "/ims/{serviceKey}/audit": {"get": audit}}


def answers() -> dict[str, Any]:
    """Schemas of what these answer."""
    thing = {"type": "object"}
    page = {"next_cursor": {"type": ["string", "null"]}, "list": {"type": "array", "maxItems": MOST_ROWS, "items": thing}}
    return {
        "Thing": success_of(thing),
        "Page": success_of({"type": "object", "required": list(page), "properties": page}),
        "Removed": success_of({"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}),
    }


def _all(register: Register) -> Iterator[tuple[str, dict[str, Any]]]:
    name, what = register.name.capitalize(), register.what
    narrowed = [{"name": n, "in": "query", "schema": _NARROWED[n]} for n in register.narrowed_by]
    yield "get", operation(f"list{name}", f"List {what}", "Page", [*_PAGED, *narrowed])
    yield (
        "post",
        {**operation(f"create{name}", f"Register {what}", "Thing", [], (409, *WITH_BODY, 429)), **_with(register.entry, register.example)},
    )


def _one(register: Register) -> Iterator[tuple[str, dict[str, Any]]]:
    name, what, id_ = register.name.capitalize(), register.what, path_id(register.what)
    yield "get", operation(f"read{name}", f"Read {what}", "Thing", [id_])
    if register.change is not None:
        change = operation(f"change{name}", f"Change {what}", "Thing", [id_, _if_match(required=True)], (409, *WITH_BODY))
        yield "put", {**change, **_with(register.change, register.change_example)}
    if register.removable:
        yield "delete", operation(f"delete{name}", f"Delete {what}", "Removed", [id_, _if_match(required=False)], (409,))


def _with(model: type[Entry], example: Any) -> dict[str, Any]:
    return {"requestBody": body(model.__name__, dict(example), BODY_BYTES)}


def _if_match(*, required: bool) -> dict[str, Any]:
    tag = {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}
    return {"name": "if-match", "in": "header", "required": required, "schema": tag, "description": "The ETag that was read."}
