"""No tenant sees, changes or guesses another's: every path of center and intake with every identifier that there is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from functions.intake.openapi import document
from ims.rules.registers import REGISTERS
from ims.serve.gateway import CENTERS
from ims.testing.house import House

from .conftest import headers
from .pictures import picture

ACME, OTHER = headers(), headers("other:fedcba9876543210")
UNKNOWN = "nobodyskey"
NOWHERE = {"files": "20270101-" + "0" * 24, "numbers": "15889999", "optouts": "mt." + "0" * 24, "keys": "0" * 32}
BODIES: dict[str, Any] = {
    "keys": {"active": False, "rate_per_s": 0, "daily_cap": 0, "allowed_ips": []},
    "numbers": {"proof": "20270101-" + "0" * 24},
}


async def _file(client: httpx.AsyncClient) -> str:
    key: str = (await client.post("/ims/keymass/files?channel=proof", content=picture())).json()["data"]["file_key"]
    return key


async def _number(client: httpx.AsyncClient) -> str:
    body = {"number": "025550123", "proof": await _file(client)}
    number: str = (await client.post("/ims/keymass/numbers", json=body)).json()["data"]["number"]
    return number


async def _opt_out(client: httpx.AsyncClient) -> str:
    await client.post("/ims/keymass/optouts", json={"recipients": ["01055501234"], "channels": ["mt"]})
    id_: str = (await client.get("/ims/keymass/optouts")).json()["data"]["list"][0]["id"]
    return id_


async def _key(client: httpx.AsyncClient) -> str:
    key: str = (await client.post("/ims/keymass/keys", json={"kind": "mass"})).json()["data"]["key"]
    return key


# By the register: makes a thing of acme's, and says its id.
MADE: dict[str, Callable[[httpx.AsyncClient], Awaitable[str]]] = {"files": _file, "numbers": _number, "optouts": _opt_out, "keys": _key}


def test_every_register_is_walked() -> None:
    assert set(MADE) == {"files", *REGISTERS}


def bare(answered: httpx.Response) -> tuple[int, bytes, set[str]]:
    """All that an answer says, but for its trace."""
    return answered.status_code, answered.content, set(answered.headers)


def paths() -> list[tuple[str, str]]:
    """Every operation of the document, and of center beside it: (method, path)."""
    named = [
        (method.upper(), path)
        for path, operations in msgspec.json.decode(document())["paths"].items()
        for method in operations
        if "{serviceKey}" in path
    ]
    orders = [("POST", f"/ims/{{serviceKey}}/campaigns/{{id}}/{order}") for order in ("pause", "resume", "cancel", "approve", "pace")]
    reads = [("GET", f"/ims/{{serviceKey}}/{path}") for path in ("stat", "stat/mt", "hist/mt", "codes", "files/{id}", "campaigns/{id}")]
    return [*named, *orders, *reads, ("POST", "/ims/{serviceKey}/files"), ("DELETE", "/ims/{serviceKey}/files/{id}")]


def test_every_part_of_center_is_walked() -> None:
    assert {path.split("/")[3] for _, path in paths()} >= set(CENTERS)


@pytest.mark.parametrize(("method", "path"), paths())
async def test_a_foreign_service_key_is_answered_as_an_unknown_one(client: httpx.AsyncClient, method: str, path: str) -> None:
    there, nowhere = (path.format(serviceKey=key, id="15441234") for key in ("keymass", UNKNOWN))
    foreign = await client.request(method, there, json={}, headers=OTHER)
    assert bare(foreign) == bare(await client.request(method, nowhere, json={}, headers=OTHER))
    assert foreign.json()["code"] == "1100"


@pytest.mark.parametrize("name", sorted(MADE))
async def test_a_foreign_thing_is_answered_as_an_unknown_one_and_stays_as_it_is(client: httpx.AsyncClient, name: str) -> None:
    id_ = await MADE[name](client)
    mine = f"/ims/keymass/{name}/{id_}"
    before = await client.get(mine)
    assert before.status_code == 200
    tag = {"if-match": before.headers["etag"]} if "etag" in before.headers else {}
    for method in ("GET", "PUT", "DELETE"):
        asked = [
            await client.request(method, f"/ims/otherkey/{name}/{what}", json=BODIES.get(name, {}), headers={**OTHER, **tag})
            for what in (id_, NOWHERE[name])
        ]
        assert bare(asked[0]) == bare(asked[1])
        assert asked[0].status_code in (400, 404, 405)
    assert bare(await client.get(mine)) == bare(before)


@pytest.mark.parametrize("name", [*sorted(REGISTERS), "audit"])
async def test_lists_and_cursors_of_one_customer_are_nothing_to_another(house: House, client: httpx.AsyncClient, name: str) -> None:
    for make in MADE.values():
        await make(client)
    for campaign in ("c1", "c2"):
        await client.post(f"/ims/keymass/campaigns/{campaign}/pause")
    await client.post("/ims/keymass/optouts", json={"recipients": ["01055501235"]})
    page = (await client.get(f"/ims/keymass/{name}?size=1")).json()["data"]
    assert len(page["list"]) == 1
    others = (await client.get(f"/ims/otherkey/{name}", headers=OTHER)).json()["data"]
    assert [row.get("key") for row in others["list"]] == (["otherkey"] if name == "keys" else [])
    foreign = await client.get(f"/ims/otherkey/{name}?cursor={page['next_cursor']}", headers=OTHER)
    assert (foreign.status_code, foreign.json()["errors"][0]["field"]) == (400, "cursor")
    other_list = "optouts" if name != "optouts" else "numbers"
    assert (await client.get(f"/ims/keymass/{other_list}?cursor={page['next_cursor']}", headers=ACME)).status_code == 400
