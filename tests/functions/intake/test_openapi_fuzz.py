"""Schemathesis over the document: always a documented status and a JSON body with a code, never a 5xx.

IMS_FUZZ_SEED repeats a run; the seed is printed with a failure. IMS_FUZZ_TIMES asks for more.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from typing import Any

import httpx
import hypothesis
import jsonschema
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from functions.intake.openapi import document

SEED = int(os.environ.get("IMS_FUZZ_SEED", secrets.randbits(32)))
TIMES = int(os.environ.get("IMS_FUZZ_TIMES", "1"))
BOUND_S = 55.0 * TIMES
# Cases by operation, half of them valid by the schema and half not. Schemathesis takes 35 ms to make up a list.
CASES = {
    "sendText": 440,
    "sendAlimTalk": 400,
    "sendTexts": 100,
    "sendAlimTalks": 100,
    "sendPushMessage": 160,
    "sendPushMessages": 40,
    "sendBrandMessage": 120,
    "sendBrandMessages": 20,
    "sendFriendTalk": 60,
    "sendFriendTalks": 20,
    "pollResults": 100,  # few different ones exist
    "readMessage": 360,
    "acknowledgeResults": 360,
    "replayResults": 360,
}


# What the registry of the test knows; without these hardly a made-up body would come as far as being accepted.
_KNOWN = {
    "callback": "15441234",
    "sender_key": "p" * 40,
    "template_code": "HELLO",
    "phone_number": "01023456789",
    "message": "#{name}",
    "mapping": {"name": "a", "code": 1},
    "expires_at": "",
    "callback_url": "",
    "app_id": "shop-app",
    "target": {"app_user_id": "user-1"},
    "data": {"order": "#{name}"},
}


def _schema() -> Any:
    return schemathesis.openapi.from_file(document().decode())


def test_the_document_is_valid_openapi_and_its_examples_fit_their_schemas() -> None:
    schema = _schema()
    schema.validate()
    raw = schema.raw_schema
    for path, operations in raw["paths"].items():
        for operation in operations.values():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                whole = {**body["schema"], "components": raw["components"]}
                jsonschema.Draft202012Validator(whole).validate(body["examples"]["usual"]["value"])
                assert path


async def _ask(app: Any, request: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ims") as client:
        return await client.request(**request)


def _request(case: Any, headers: dict[str, str]) -> dict[str, Any]:
    """The case as a request with good credentials; everything else is as it was made up."""
    made = case.as_transport_kwargs(base_url="http://ims")
    own = {k: v for k, v in dict(made.get("headers") or {}).items() if k.lower() not in {"user-agent", "x-schemathesis-testcaseid"}}
    request: dict[str, Any] = {"method": made["method"], "url": made["url"], "headers": {**own, **headers}}
    if made.get("params"):
        request["params"] = made["params"]
    if made.get("json") is not None or "json" in made:
        request["json"] = made["json"]
    elif made.get("data") is not None:
        request["content"] = made["data"]
    return request


def test_nothing_made_up_from_the_document_gets_anything_undocumented(app: Any, headers: Any, capsys: Any) -> None:
    with capsys.disabled():
        print(f"\nschemathesis seed {SEED} (IMS_FUZZ_SEED repeats it)")
    operations = [result.ok() for result in _schema().get_all_operations()]
    seen: dict[int, int] = {}
    started = time.monotonic()
    for operation in operations:
        cases = CASES.get(operation.definition.raw["operationId"], 0) * TIMES
        for mode in GenerationMode if cases else ():
            _fuzz(operation, mode, cases // 2, app, headers("acme-user:acme-secret"), seen, started)
    with capsys.disabled():
        print(f"{sum(seen.values())} cases, by status: {dict(sorted(seen.items()))}, {time.monotonic() - started:.0f} s")
    if time.monotonic() - started < BOUND_S:
        assert sum(seen.values()) >= 2_000
        assert {200, 400} <= seen.keys()


def _fuzz(
    operation: Any, mode: GenerationMode, cases: int, app: Any, headers: dict[str, str], seen: dict[int, int], started: float
) -> None:
    documented = {int(status) for status in operation.definition.raw["responses"]} | {405}

    @hypothesis.seed(SEED)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        if time.monotonic() - started > BOUND_S:
            return
        number = sum(seen.values())
        request = _request(case, headers)
        if number % 8:
            request["url"] = re.sub(r"^http://ims/ims/[^/]*/", "http://ims/ims/acmemass/", request["url"])
        if number % 2 and isinstance(request.get("json"), dict):
            request["json"] = {name: _KNOWN.get(name, value) for name, value in request["json"].items()}
        response = asyncio.run(_ask(app, request))
        seen[response.status_code] = seen.get(response.status_code, 0) + 1
        assert response.status_code in documented, (SEED, response.status_code)
        assert response.status_code < 500, SEED
        body = response.json()
        assert "code" in body or "openapi" in body
        assert len(response.headers["x-ims-trace"]) == 32

    run()
