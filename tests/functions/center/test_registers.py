"""Registers over HTTP: what is kept and told, whose it is, which of two changes wins, and what the audit log says of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from functions.batch.jobs import retention
from ims.errors import Rejected
from ims.rules.masking import masked
from ims.testing.house import House

from .conftest import headers
from .pictures import picture

JPG = picture()
NUMBERS, OPT_OUTS, AUDIT = "/ims/keymass/numbers", "/ims/keymass/optouts", "/ims/keymass/audit"
NUMBER, PERSON = "025550123", "01055501234"
OTHER = headers("other:fedcba9876543210")
DAY_MS = 86_400_000


async def proof(client: httpx.AsyncClient, path: str = "/ims/keymass/files", **how: Any) -> str:
    answered = await client.post(f"{path}?channel=proof", content=JPG, **how)
    key: str = answered.json()["data"]["file_key"]
    return key


async def claim(client: httpx.AsyncClient, number: str = "02-555-0123") -> httpx.Response:
    answered = await client.post(NUMBERS, json={"number": number, "proof": await proof(client)})
    assert answered.status_code == 200, answered.text
    return answered


async def audited(client: httpx.AsyncClient, path: str = AUDIT, **how: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await client.get(path, **how)).json()["data"]["list"]
    return rows


def said(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def send(client: httpx.AsyncClient, callback: str, id_: str) -> tuple[int, str]:
    body = {"message_id": id_, "message_type": "SMS", "callback": callback, "phone_number": PERSON, "message": "안내"}
    return said(await client.post("/ims/keymass/mt/sendMessage", json=body))


async def test_a_number_is_sent_from_once_it_is_approved_and_no_more_when_it_is_deleted(house: House, client: httpx.AsyncClient) -> None:
    claimed = (await claim(client)).json()["data"]
    assert (claimed["number"], claimed["state"], claimed["decided_at"]) == (NUMBER, "claimed", None)
    assert await send(client, NUMBER, "m1") == (400, "2051")
    assert [c.number for c in await house.registry.number_claims.open()] == [NUMBER]
    await house.registry.number_claims.decide("acme", NUMBER, approved=True, reason="", proof=claimed["proof"], user="operator")
    assert await house.registry.number_claims.open() == []
    assert (await client.get(f"{NUMBERS}/{NUMBER}")).json()["data"]["state"] == "approved"
    assert await send(client, NUMBER, "m2") == (200, "0000")
    assert said(await client.delete(f"{NUMBERS}/{NUMBER}")) == (200, "0000")
    assert await send(client, NUMBER, "m3") == (400, "2051")
    assert said(await client.get(f"{NUMBERS}/{NUMBER}")) == (404, "1404")


async def test_a_refused_number_says_why_and_is_claimed_anew_with_another_proof(house: House, client: httpx.AsyncClient) -> None:
    await claim(client)
    await house.registry.number_claims.decide("acme", NUMBER, approved=False, reason="3개월이 지났습니다", proof="", user="operator")
    seen = await client.get(f"{NUMBERS}/{NUMBER}")
    assert (seen.json()["data"]["state"], seen.json()["data"]["reason"]) == ("refused", "3개월이 지났습니다")
    again = await client.put(f"{NUMBERS}/{NUMBER}", json={"proof": await proof(client)}, headers={"if-match": seen.headers["etag"]})
    assert (again.json()["data"]["state"], again.json()["data"]["reason"]) == ("claimed", "")


async def test_refusing_an_approved_number_ends_sending_from_it_also_one_that_came_by_file(house: House, client: httpx.AsyncClient) -> None:
    assert await send(client, "15441234", "m1") == (200, "0000")
    await house.registry.number_claims.decide("acme", "15441234", approved=False, reason="해지된 번호", proof="", user="operator")
    assert await send(client, "15441234", "m2") == (400, "2051")
    assert (await client.get(f"{NUMBERS}/15441234")).json()["data"]["reason"] == "해지된 번호"


async def test_the_same_claim_again_changes_nothing_and_another_one_for_the_number_is_refused(client: httpx.AsyncClient) -> None:
    first = await claim(client)
    body = {"number": NUMBER, "proof": first.json()["data"]["proof"]}
    again = await client.post(NUMBERS, json=body)
    assert (again.json(), again.headers["etag"]) == (first.json(), first.headers["etag"])
    assert said(await client.post(NUMBERS, json={**body, "proof": await proof(client)})) == (409, "1409")
    assert [row["action"] for row in await audited(client)] == ["numbers.create"]


async def test_of_two_changes_at_once_one_wins(client: httpx.AsyncClient) -> None:
    tag = (await claim(client)).headers["etag"]
    files = [await proof(client) for _ in range(4)]
    answers = await asyncio.gather(
        *(client.put(f"{NUMBERS}/{NUMBER}", json={"proof": key}, headers={"if-match": tag}) for key in files),
        client.delete(f"{NUMBERS}/{NUMBER}", headers={"if-match": tag}),
    )
    assert sorted(a.status_code for a in answers)[0] == 200
    assert {a.json()["code"] for a in answers if a.status_code != 200} <= {"1404", "1409"}
    assert sum(a.status_code == 200 for a in answers) == 1


@pytest.mark.parametrize("tag", [None, "", "*", '"0"', f'"{"0" * 32}"', f'W/"{"0" * 32}"'])
async def test_a_change_needs_the_tag_that_was_read(client: httpx.AsyncClient, tag: str | None) -> None:
    await claim(client)
    given = {} if tag is None else {"if-match": tag}
    assert said(await client.put(f"{NUMBERS}/{NUMBER}", json={"proof": await proof(client)}, headers=given)) == (409, "1409")
    if tag is not None:
        assert said(await client.delete(f"{NUMBERS}/{NUMBER}", headers=given)) == (409, "1409")


async def test_lists_come_by_page_and_each_thing_once(client: httpx.AsyncClient) -> None:
    numbers = [f"02555{n:04d}" for n in range(5)]
    for number in numbers:
        await claim(client, number)
    seen, cursor = [], ""
    while cursor is not None:
        page = (await client.get(f"{NUMBERS}?size=2{'&cursor=' + cursor if cursor else ''}")).json()["data"]
        assert len(page["list"]) <= 2
        seen += [row["number"] for row in page["list"]]
        cursor = page["next_cursor"]
    assert seen == [*numbers, "15441234"]


async def test_opt_outs_hold_on_every_channel_that_reaches_the_person_until_one_is_deleted(client: httpx.AsyncClient) -> None:
    body = {"recipients": ["010-5550-1234", "somebody@example.com"]}
    added = (await client.post(OPT_OUTS, json=body)).json()["data"]["added"]
    assert added == {"at": 1, "ft": 1, "bt": 1, "mt": 1, "rcs": 1, "email": 1}
    assert set((await client.post(OPT_OUTS, json=body)).json()["data"]["added"].values()) == {0}
    found = (await client.get(f"{OPT_OUTS}?recipient={PERSON}&channel=mt")).json()["data"]["list"]
    assert [row["channel"] for row in found] == ["mt"]
    assert len((await client.get(f"{OPT_OUTS}?recipient={PERSON}")).json()["data"]["list"]) == 5
    assert len((await client.get(OPT_OUTS)).json()["data"]["list"]) == 6
    assert said(await client.delete(f"{OPT_OUTS}/{found[0]['id']}")) == (200, "0000")
    assert said(await client.get(f"{OPT_OUTS}/{found[0]['id']}")) == (404, "1404")


async def test_an_opt_out_reaches_what_was_accepted_before(house: House, client: httpx.AsyncClient) -> None:
    assert await send(client, "15441234", "m1") == (200, "0000")
    await client.post(OPT_OUTS, json={"recipients": [PERSON], "channels": ["mt"]})
    await house.pump()
    assert house.provider.refs == []
    assert (await client.get("/ims/keymass/report/m1")).json()["data"]["report_code"] == "7102"


async def test_the_audit_log_says_who_did_what_from_where_and_masks_numbers(house: House, client: httpx.AsyncClient) -> None:
    await claim(client, "010-5550-9999")
    await house.registry.number_claims.decide("acme", "01055509999", approved=True, reason="", proof="", user="operator")
    await client.post("/ims/keymass/campaigns/c1/pause")
    await client.post(OPT_OUTS, json={"recipients": [PERSON]})
    await client.delete(f"{NUMBERS}/01055509999")
    rows = await audited(client)
    assert [row["action"] for row in rows] == ["numbers.remove", "optouts.create", "campaigns.order", "numbers.approve", "numbers.create"]
    gone, _, paused, approved, made = rows
    assert (made["user"], made["address"], made["target"], made["before"]) == ("acme", "127.0.0.1", masked("01055509999"), None)
    assert (approved["user"], approved["before"]["state"], approved["after"]["state"]) == ("operator", "claimed", "approved")
    assert (paused["target"], paused["after"]["state"]) == ("keymass/c1", "paused")
    assert gone["after"] is None
    assert made["at"].endswith("+09:00")
    text = json.dumps(rows)
    assert "01055509999" not in text
    assert PERSON not in text


async def test_the_audit_log_comes_by_page_and_is_forgotten_in_time(house: House, client: httpx.AsyncClient) -> None:
    for n in range(5):
        await client.post(f"/ims/keymass/campaigns/c{n}/pause")
    first = (await client.get(f"{AUDIT}?size=3")).json()["data"]
    rest = (await client.get(f"{AUDIT}?size=3&cursor={first['next_cursor']}")).json()["data"]
    assert [row["target"] for row in first["list"] + rest["list"]] == [f"keymass/c{n}" for n in (4, 3, 2, 1, 0)]
    assert rest["next_cursor"] is None
    house.now += 10 * DAY_MS
    await client.post("/ims/keymass/campaigns/c9/pause")
    await retention(house.ctx, [], 90, 9)
    assert [row["target"] for row in await audited(client)] == ["keymass/c9"]


async def test_what_is_done_again_is_no_change(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.post("/ims/keymass/campaigns/c1/pause")
    assert len(await audited(client)) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "codes"),
    [
        ("POST", NUMBERS, {}, 400, {"number": "2020", "proof": "2020"}),
        ("POST", NUMBERS, {"number": "050-1234-5678", "proof": "x", "state": "approved"}, 400,
         {"number": "2051", "proof": "2070", "state": "1400"}),
        ("POST", NUMBERS, {"number": 1, "proof": None}, 400, {"number": "1400", "proof": "1400"}),
        ("POST", NUMBERS, {"number": NUMBER, "proof": "20270101-" + "0" * 24}, 400, {"proof": "2070"}),
        ("POST", NUMBERS, [], 400, {"": "1400"}),
        ("POST", f"{NUMBERS}?x=1", {}, 400, {"x": "1400"}),
        ("POST", OPT_OUTS, {"recipients": []}, 400, {"recipients": "1400"}),
        ("POST", OPT_OUTS, {"recipients": ["1", PERSON, "a@b"]}, 400, {"recipients.0": "2050", "recipients.2": "2050"}),
        ("POST", OPT_OUTS, {"recipients": [PERSON], "channels": ["push"]}, 400, {"channels": "1400"}),
        ("POST", OPT_OUTS, {"recipients": [PERSON], "channels": ["email"]}, 400, {"channels": "1400"}),
        ("POST", OPT_OUTS, {"recipients": [PERSON] * 1_001}, 400, {"recipients": "1400"}),
        ("GET", f"{OPT_OUTS}?recipient=1&channel=fax&size=0&cursor=x", None, 400,
         {"recipient": "2050", "channel": "1400", "size": "1400", "cursor": "1400"}),
        ("GET", f"{NUMBERS}?channel=mt", None, 400, {"channel": "1400"}),
        ("GET", f"{AUDIT}?from=2026-01-01", None, 400, {"from": "1400"}),
        ("GET", f"{OPT_OUTS}/mt.zz", None, 404, {}),
        ("DELETE", f"{OPT_OUTS}/mt.{'0' * 24}", None, 404, {}),
        ("PUT", f"{OPT_OUTS}/mt.{'0' * 24}", {}, 405, {}),
        ("PATCH", NUMBERS, {}, 405, {}),
        ("POST", AUDIT, {}, 405, {}),
        ("GET", f"{NUMBERS}/%20", None, 404, {}),
        ("GET", f"{NUMBERS}/{NUMBER}/proof", None, 404, {}),
    ],
)  # fmt: skip
async def test_bad_input(client: httpx.AsyncClient, method: str, path: str, body: Any, status: int, codes: dict[str, str]) -> None:
    answered = await client.request(method, path, json=body)
    assert answered.status_code == status
    assert {error["field"]: error["code"] for error in answered.json().get("errors", [])} == codes


async def test_a_body_that_is_no_json_is_refused(client: httpx.AsyncClient) -> None:
    assert said(await client.post(NUMBERS, content=b"number=1")) == (415, "1415")
    assert said(await client.post(NUMBERS, content=b"{", headers={"content-type": "application/json"})) == (400, "1400")
    assert said(await client.post(NUMBERS, content=b" " * 600_000, headers={"content-type": "application/json"})) == (413, "1413")


async def test_a_proof_of_another_customer_or_another_use_is_none(client: httpx.AsyncClient) -> None:
    foreign = await proof(client, "/ims/otherkey/files", headers=OTHER)
    mms = (await client.post("/ims/keymass/files?channel=mms", content=JPG)).json()["data"]["file_key"]
    for key in (foreign, mms):
        assert said(await client.post(NUMBERS, json={"number": NUMBER, "proof": key})) == (400, "2070")


async def test_a_decision_about_another_proof_than_the_one_that_was_looked_at_is_none(house: House, client: httpx.AsyncClient) -> None:
    claimed = await claim(client)
    old = claimed.json()["data"]["proof"]
    await client.put(f"{NUMBERS}/{NUMBER}", json={"proof": await proof(client)}, headers={"if-match": claimed.headers["etag"]})
    with pytest.raises(Rejected, match="1409"):
        await house.registry.number_claims.decide("acme", NUMBER, approved=True, reason="", proof=old, user="operator")
    assert await send(client, NUMBER, "m1") == (400, "2051")
