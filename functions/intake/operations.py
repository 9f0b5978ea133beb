"""How an operation, its answers and its body are written in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from ims.codes import CODES, SUCCESS

ID = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[A-Za-z0-9_.:-]+$"}
WITH_BODY = (413, 415)
_COMMON = (400, 401, 403, 404, 500, 503)  # what any call with headers may meet


def operation(
    operation_id: str, summary: str, answer: str, parameters: list[dict[str, Any]], failures: tuple[int, ...] = ()
) -> dict[str, Any]:
    """One call with headers; `failures` beside those that any such call may meet."""
    responses = {
        "200": response(
            CODES[SUCCESS].en, {"$ref": f"#/components/schemas/{answer}"}, replayed=answer == "Accepted", tagged=answer == "Thing"
        )
    }
    for status in sorted({*_COMMON, *failures}):
        about = " ".join(f"{c.code} {c.name}." for c in CODES.values() if c.status == status)
        responses[str(status)] = response(about, {"$ref": "#/components/schemas/Failure"}, later=status in {429, 503})
    shared = [{"$ref": f"#/components/parameters/{name}"} for name in ("serviceKey", "version", "language", "traceparent")]
    return {"operationId": operation_id, "summary": summary, "parameters": [*shared, *parameters], "responses": responses}


def response(about: str, schema: dict[str, Any], *, replayed: bool = False, tagged: bool = False, later: bool = False) -> dict[str, Any]:
    """One answer in JSON."""
    names = ["x-ims-trace", *(["x-ims-replayed"] if replayed else []), *(["ETag"] if tagged else []), *(["Retry-After"] if later else [])]
    return {
        "description": about,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {"application/json": {"schema": schema}},
    }


def body(schema: str, example: dict[str, Any], limit: int) -> dict[str, Any]:
    """A body in JSON, of a model."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": {"usual": {"value": example}}}
    return {"required": True, "description": f"At most {limit} bytes.", "content": {"application/json": content}}


def path_id(what: str) -> dict[str, Any]:
    """The last part of a path."""
    return {"name": "id", "in": "path", "required": True, "schema": ID, "description": what}


def success_of(data: dict[str, Any]) -> dict[str, Any]:
    """The schema of 0000 with data."""
    return {"type": "object", "required": ["code", "data"], "properties": {"code": {"const": SUCCESS}, "data": data}}
