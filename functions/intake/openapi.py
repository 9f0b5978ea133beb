"""The OpenAPI 3.1 document, made from the models that validate, the table of codes and the paths."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from functions.intake import management
from functions.intake.body import MANY_BYTES, ONE_BYTES
from functions.intake.channels import FORMS
from functions.intake.form import Form
from functions.intake.operations import WITH_BODY, body, operation, path_id, response, success_of
from functions.intake.reports import MAX_RESULTS, Replay
from functions.intake.routes import DOCUMENT_PATH
from ims.codes import CODES, SUCCESS
from ims.topics import Channel

_REFERENCE = "#/components/schemas/{model}"


def _listed(form: Form) -> dict[str, Any]:
    """The example of sendMessages that goes with one of sendMessage."""
    own = ("message_id", *form.recipient_fields, "mapping")
    shared = {name: value for name, value in form.example.items() if name not in own}
    row = {name: form.example[name] for name in own if name in form.example}
    return {**shared, "campaign_id": "campaign-1", "receiver_list": [row]}


@cache
def document() -> bytes:
    """The document as JSON."""
    models: list[type[BaseModel]] = [*(model for form in FORMS.values() for model in (form.one, form.many)), Replay, *management.MODELS]
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
                "schemas": {**definitions["$defs"], **_answers(), **management.answers()},
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
        reports: {"get": operation("pollResults", "Results not yet acknowledged", "Results", [_query_limit()])},
        f"{reports}/{{id}}": {
            "get": operation("readMessage", "One message, by message_id", "OneResult", [path_id("message_id")]),
            "delete": operation("acknowledgeResults", "Acknowledge a batch", "Acknowledged", [path_id("batch_id")]),
        },
        f"{reports}/replay": {
            "post": {
                **operation("replayResults", "Send results again", "Queued", [], WITH_BODY),
                "requestBody": body("Replay", {"message_ids": ["order-20270101-0001"]}, ONE_BYTES),
            }
        },
        **management.paths(),
        DOCUMENT_PATH: {
            "get": {
                "operationId": "document",
                "summary": "This document",
                "security": [],
                "responses": {"200": response("This document.", {"type": "object"})},
            }
        },
    }


def _sends(channel: Channel, form: Form) -> Iterator[tuple[str, dict[str, Any]]]:
    name, what = form.name
    path = f"/ims/{{serviceKey}}/{channel}"
    yield f"{path}/sendMessage", _send(f"send{name}", f"Send {what}", form.one, "Accepted", dict(form.example))
    yield f"{path}/sendMessages", _send(f"send{name}s", f"Send {what} to many", form.many, "AcceptedMany", _listed(form))


def _send(operation_id: str, summary: str, model: type[Any], answer: str, example: dict[str, Any]) -> dict[str, Any]:
    limit = MANY_BYTES if answer == "AcceptedMany" else ONE_BYTES
    return {
        **operation(operation_id, summary, answer, [], (409, *WITH_BODY, 429)),
        "requestBody": body(model.__name__, example, limit),
    }


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
        "ETag": {"description": "Changes with the thing; a change names it in If-Match.", "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
    }


def _answers() -> dict[str, Any]:
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
        "Accepted": success_of({"type": "string", "description": "The message_id."}),
        "AcceptedMany": success_of({"type": "object", "required": list(many), "properties": many}),
        "Results": success_of({"type": "object", "required": list(results), "properties": results}),
        "OneResult": success_of({"type": "object"}),
        "Acknowledged": success_of({"type": "object", "required": ["batch_id"], "properties": {"batch_id": text}}),
        "Queued": success_of({"type": "object", "required": ["queued"], "properties": {"queued": count}}),
        "Failure": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": code, "message": text, "errors": {"type": "array", "items": fault}},
        },
    }
