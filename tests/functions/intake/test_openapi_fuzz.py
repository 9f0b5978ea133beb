"""Schemathesis over intake's part of the document (tests/functions/fuzzing.py)."""

from __future__ import annotations

import asyncio
from typing import Any

import jsonschema

from tests.functions.fuzzing import SEED, Fuzz, schema

# Cases by operation. Schemathesis takes 35 ms to make up a list.
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


def test_the_document_is_valid_openapi_and_its_examples_fit_their_schemas() -> None:
    read = schema()
    read.validate()
    raw = read.raw_schema
    for path, operations in raw["paths"].items():
        for operation in operations.values():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                whole = {**body["schema"], "components": raw["components"]}
                jsonschema.Draft202012Validator(whole).validate(body["examples"]["usual"]["value"])
                assert path


def test_nothing_made_up_from_the_document_gets_anything_undocumented(app: Any, headers: Any, capsys: Any) -> None:
    with capsys.disabled():
        print(f"\nschemathesis seed {SEED} (IMS_FUZZ_SEED repeats it)")
    with asyncio.Runner() as runner:
        fuzz = Fuzz(app, headers("acme-user:acme-secret"), "acmemass", _KNOWN, runner)
        fuzz.all(CASES)
    with capsys.disabled():
        print(f"{fuzz.cases} cases, by status: {dict(sorted(fuzz.seen.items()))}")
    if fuzz.in_time:
        assert fuzz.cases >= 2_000
        assert {200, 400} <= fuzz.seen.keys()
