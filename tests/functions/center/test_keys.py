"""Service keys over HTTP: issued, capped, stopped, fenced; in force where messages come in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ims.testing.house import House

from .test_registers import audited, said

KEYS = "/ims/keymass/keys"
OPEN = {"active": True, "rate_per_s": 0, "daily_cap": 0, "allowed_ips": []}


async def send(client: httpx.AsyncClient, key: str, id_: str) -> tuple[int, str]:
    body = {"message_id": id_, "message_type": "SMS", "callback": "15441234", "phone_number": "01055501234", "message": "안내"}
    return said(await client.post(f"/ims/{key}/mt/sendMessage", json=body))


async def issued(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    answered = await client.post(KEYS, json={"kind": "mass", **more})
    assert answered.status_code == 200, answered.text
    return answered


async def test_an_issued_key_sends_until_it_is_stopped_and_again_when_it_is_started(house: House, client: httpx.AsyncClient) -> None:
    made = await issued(client, rate_per_s=9)
    key, tag = made.json()["data"]["key"], made.headers["etag"]
    assert (made.json()["data"]["active"], made.json()["data"]["rate_per_s"]) == (True, 9)
    assert await send(client, key, "m1") == (200, "0000")
    stopped = await client.put(f"{KEYS}/{key}", json={**OPEN, "active": False}, headers={"if-match": tag})
    assert await send(client, key, "m2") == (403, "1101")
    assert (await client.get(f"{KEYS}/{key}")).json() == stopped.json()
    assert said(await client.put(f"{KEYS}/{key}", json=OPEN, headers={"if-match": tag})) == (409, "1409")
    await client.put(f"{KEYS}/{key}", json=OPEN, headers={"if-match": stopped.headers["etag"]})
    assert await send(client, key, "m3") == (200, "0000")
    assert [row["action"] for row in await audited(client)] == ["keys.change", "keys.change", "keys.create"]


async def test_a_fence_and_caps_hold_as_they_were_said(house: House, client: httpx.AsyncClient) -> None:
    made = await issued(client, daily_cap=1, allowed_ips=["127.0.0.1"])
    key = made.json()["data"]["key"]
    assert made.json()["data"]["allowed_ips"] == ["127.0.0.1/32"]
    assert [await send(client, key, f"m{n}") for n in range(2)] == [(200, "0000"), (429, "1429")]
    fenced = {**OPEN, "allowed_ips": ["203.0.113.0/24"]}
    await client.put(f"{KEYS}/{key}", json=fenced, headers={"if-match": made.headers["etag"]})
    assert await send(client, key, "m9") == (403, "1403")


async def test_no_more_keys_than_a_customer_may_have(client: httpx.AsyncClient) -> None:
    there = len((await client.get(KEYS)).json()["data"]["list"])
    for _ in range(100 - there):
        await issued(client)
    assert said(await client.post(KEYS, json={"kind": "mass"})) == (429, "1429")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "fields"),
    [
        ("POST", KEYS, {}, 400, {"kind"}),
        ("POST", KEYS, {"kind": "fast", "rate_per_s": -1, "allowed_ips": ["300.1.1.1"], "key": "mine"}, 400,
         {"kind", "rate_per_s", "allowed_ips.0", "key"}),
        ("PUT", f"{KEYS}/keymass", {}, 409, {"if-match"}),
        ("DELETE", f"{KEYS}/keymass", None, 405, set()),
    ],
)  # fmt: skip
async def test_bad_input(client: httpx.AsyncClient, method: str, path: str, body: Any, status: int, fields: set[str]) -> None:
    answered = await client.request(method, path, json=body)
    assert answered.status_code == status
    assert {error["field"] for error in answered.json().get("errors", [])} == fields
