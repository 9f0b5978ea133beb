"""The OpenAPI 3.1 document, made from the models that validate, the table of codes and the paths."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from functions.intake.body import MANY_BYTES, ONE_BYTES
from functions.intake.channels import FORMS
from functions.intake.form import Form
from functions.intake.reports import MAX_RESULTS, Replay
from functions.intake.routes import DOCUMENT_PATH
from ims.codes import CODES, SUCCESS
from ims.topics import Channel

_REFERENCE = "#/components/schemas/{model}"
_ID = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[A-Za-z0-9_.:-]+$"}
_COMMON = (400, 401, 403, 404, 500, 503)  # what any call with headers may meet
_WITH_BODY = (413, 415)


def _listed(form: Form) -> dict[str, Any]:
    """The example of sendMessages that goes with one of sendMessage."""
    own = ("message_id", *form.recipient_fields, "mapping")
    shared = {name: value for name, value in form.example.items() if name not in own}
    row = {name: form.example[name] for name in own if name in form.example}
    return {**shared, "campaign_id": "campaign-1", "receiver_list": [row]}


@cache
def document() -> bytes:
    """The document as JSON."""
    models: list[type[BaseModel]] = [*(model for form in FORMS.values() for model in (form.one, form.many)), Replay]
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "IMS (통합 메시지 발송 시스템)",
                "version": "1",
                "description": "0000 means durably accepted, never delivered. Results come by callback or by asking.\n\n" + _code_table(),
            },
            "paths": _paths(),
            "components": {
                "schemas": {**definitions["$defs"], **_answers()},
                "parameters": _parameters(),
                "headers": _headers(),
                "securitySchemes": {
                    "key": {"type": "apiKey", "in": "header", "name": "x-ims-key", "description": "Base64(username:secret_key)"}
                },
            },
            "security": [{"key": []}],
        }
    )


def _code_table() -> str:
    rows = "\n".join(f"| {c.code} | {c.status} | {c.en} | {c.ko} |" for c in CODES.values())
    return f"| code | HTTP | | |\n|---|---|---|---|\n{rows}"


def _paths() -> dict[str, Any]:
    reports = "/ims/{serviceKey}/report"
    return {
        **{path: {"post": post} for channel, form in FORMS.items() for path, post in _sends(channel, form)},
        reports: {"get": _operation("pollResults", "Results not yet acknowledged", "Results", [_query_limit()])},
        f"{reports}/{{id}}": {
            "get": _operation("readMessage", "One message, by message_id", "OneResult", [_path_id("message_id")]),
            "delete": _operation("acknowledgeResults", "Acknowledge a batch", "Acknowledged", [_path_id("batch_id")]),
        },
        f"{reports}/replay": {
            "post": {
                **_operation("replayResults", "Send results again", "Queued", [], _WITH_BODY),
                "requestBody": _body("Replay", {"message_ids": ["order-20270101-0001"]}, ONE_BYTES),
            }
        },
        DOCUMENT_PATH: {
            "get": {
                "operationId": "document",
                "summary": "This document",
                "security": [],
                "responses": {"200": _response("This document.", {"type": "object"})},
            }
        },
    }


def _sends(channel: Channel, form: Form) -> Iterator[tuple[str, dict[str, Any]]]:
    name, what = form.name
    path = f"/ims/{{serviceKey}}/{channel}"
    yield f"{path}/sendMessage", _send(f"send{name}", f"Send {what}", form.one, "Accepted", dict(form.example))
    yield f"{path}/sendMessages", _send(f"send{name}s", f"Send {what} to many", form.many, "AcceptedMany", _listed(form))


def _send(operation: str, summary: str, model: type[Any], answer: str, example: dict[str, Any]) -> dict[str, Any]:
    limit = MANY_BYTES if answer == "AcceptedMany" else ONE_BYTES
    return {
        **_operation(operation, summary, answer, [], (409, *_WITH_BODY, 429)),
        "requestBody": _body(model.__name__, example, limit),
    }


def _operation(
    operation: str, summary: str, answer: str, parameters: list[dict[str, Any]], failures: tuple[int, ...] = ()
) -> dict[str, Any]:
    responses = {"200": _response(CODES[SUCCESS].en, {"$ref": f"#/components/schemas/{answer}"}, replayed=answer == "Accepted")}
    for status in sorted({*_COMMON, *failures}):
        about = " ".join(f"{c.code} {c.name}." for c in CODES.values() if c.status == status)
        responses[str(status)] = _response(about, {"$ref": "#/components/schemas/Failure"}, later=status in {429, 503})
    shared = [{"$ref": f"#/components/parameters/{name}"} for name in ("serviceKey", "version", "language", "traceparent")]
    return {"operationId": operation, "summary": summary, "parameters": [*shared, *parameters], "responses": responses}


def _response(about: str, schema: dict[str, Any], *, replayed: bool = False, later: bool = False) -> dict[str, Any]:
    names = ["x-ims-trace", *(["x-ims-replayed"] if replayed else []), *(["Retry-After"] if later else [])]
    return {
        "description": about,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {"application/json": {"schema": schema}},
    }


def _body(schema: str, example: dict[str, Any], limit: int) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": {"usual": {"value": example}}}
    return {"required": True, "description": f"At most {limit} bytes.", "content": {"application/json": content}}


def _path_id(what: str) -> dict[str, Any]:
    return {"name": "id", "in": "path", "required": True, "schema": _ID, "description": what}


def _query_limit() -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": MAX_RESULTS}
    return {"name": "limit", "in": "query", "schema": schema}


def _parameters() -> dict[str, Any]:
    key = {"type": "string", "pattern": "^[A-Za-z0-9]{1,40}$"}
    return {
        "serviceKey": {"name": "serviceKey", "in": "path", "required": True, "schema": key},
        "version": {"name": "x-ims-version", "in": "header", "required": True, "schema": {"const": "version-1"}},
        "language": {"name": "accept-language", "in": "header", "schema": {"enum": ["ko", "en"], "default": "ko"}},
        "traceparent": {
            "name": "traceparent",
            "in": "header",
            "description": "W3C trace context; x-ims-trace is its trace id.",
            "schema": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
        },
    }


def _headers() -> dict[str, Any]:
    return {
        "x-ims-trace": {"description": "Id that follows the message through every stage.", "schema": {"type": "string"}},
        "x-ims-replayed": {"description": "The first answer again; nothing new was accepted.", "schema": {"const": "true"}},
        "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
    }


def _answers() -> dict[str, Any]:
    def success(data: dict[str, Any]) -> dict[str, Any]:
        return {"type": "object", "required": ["code", "data"], "properties": {"code": {"const": SUCCESS}, "data": data}}

    text, count = {"type": "string"}, {"type": "integer", "minimum": 0}
    code = {"enum": [c for c in CODES if c != SUCCESS]}
    fault = {"type": "object", "required": ["field", "code", "message"], "properties": {"field": text, "code": code, "message": text}}
    row = {
        "type": "object",
        "required": ["index", "message_id", "code", "message"],
        "properties": {"index": count, "message_id": text, "code": code, "message": text},
    }
    many = {"campaign_id": text, "accepted": count, "rejected": count, "errors": {"type": "array", "maxItems": 1_000, "items": row}}
    results = {"batch_id": {"type": ["string", "null"]}, "results": {"type": "array", "items": {"type": "object"}}}
    return {
        "Accepted": success({"type": "string", "description": "The message_id."}),
        "AcceptedMany": success({"type": "object", "required": list(many), "properties": many}),
        "Results": success({"type": "object", "required": list(results), "properties": results}),
        "OneResult": success({"type": "object"}),
        "Acknowledged": success({"type": "object", "required": ["batch_id"], "properties": {"batch_id": text}}),
        "Queued": success({"type": "object", "required": ["queued"], "properties": {"queued": count}}),
        "Failure": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": code, "message": text, "errors": {"type": "array", "items": fault}},
        },
    }
