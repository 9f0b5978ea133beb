"""Campaigns held, released, paced, approved and cancelled, with their counts, from the POST to what the customer is told."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import httpx
import pytest

from ims.lanes import Lane
from ims.rules.registration import parse_registration
from ims.runtime.release import release_due
from ims.testing.house import House

from .conftest import headers

CAMPAIGN = "/ims/keymass/campaigns/c1"
KEPT_MS = 5_000  # how old a process's registry may be


async def send(client: httpx.AsyncClient, rows: int, campaign_id: str = "c1", first: int = 0, **more: object) -> None:
    receivers = [{"message_id": f"{campaign_id}-{n}", "phone_number": f"0105550{n:04d}"} for n in range(first, first + rows)]
    body = {"campaign_id": campaign_id, "message_type": "SMS", "callback": "15441234", "message": "안내", "receiver_list": receivers}
    answered = await client.post("/ims/keymass/mt/sendMessages", json=body | more)
    assert answered.json()["data"]["accepted"] == rows


async def order(client: httpx.AsyncClient, house: House, what: str, body: object = None, path: str = CAMPAIGN) -> dict[str, Any]:
    answered = await client.post(f"{path}/{what}", json=body)
    assert answered.status_code == 200, answered.text
    house.now += KEPT_MS
    return answered.json()["data"]


async def seen(client: httpx.AsyncClient, path: str = CAMPAIGN) -> dict[str, Any]:
    data: dict[str, Any] = (await client.get(path)).json()["data"]
    return data


async def released(house: House, rounds: int = 12) -> None:
    """What the loop of held events does, and what comes of it."""
    for _ in range(rounds):
        await release_due(Lane.MASS, house.ctx, house.ctx.due)
        await house.pump()
        house.now += 1_000


def sent(house: House) -> int:
    return len(house.provider.refs)


async def told(house: House) -> Counter[tuple[str, str]]:
    bodies = [json.loads(body) for _, body, _ in house.endpoint.calls]
    objects = [o for body in bodies for o in (body if isinstance(body, list) else [body])]
    assert len({o["message_id"] for o in objects}) == len(objects), "told twice"
    return Counter((o["result"], o["report_code"]) for o in objects)


async def test_a_paused_campaign_waits_and_a_resumed_one_is_sent_once(client: httpx.AsyncClient, house: House) -> None:
    await send(client, 450)
    assert (await order(client, house, "pause"))["state"] == "paused"
    await house.pump()
    await released(house, 3)
    found = await seen(client)
    assert (sent(house), found["accepted"], found["waiting"], found["underway"]) == (0, 450, 450, 0)
    await send(client, 50, first=450)  # what is added to it waits too
    await house.pump()
    assert (await seen(client))["waiting"] == 500
    assert (await client.get("/ims/keymass/report/c1-7")).json()["data"]["result"] == "HELD"
    assert (await order(client, house, "resume"))["state"] == "running"
    await released(house)
    found = await seen(client)
    assert (sent(house), found["waiting"], found["underway"]) == (500, 0, 500)
    assert len(set(house.provider.refs)) == 500


async def test_pause_holds_nothing_of_another_campaign(client: httpx.AsyncClient, house: House) -> None:
    await order(client, house, "pause")  # before its first message
    await send(client, 3)
    await send(client, 4, "c2")
    await house.pump()
    assert sent(house) == 4
    assert (await seen(client))["waiting"] == 3


async def test_cancel_settles_what_stands_in_no_call_once_and_counts_it(client: httpx.AsyncClient, house: House) -> None:
    await send(client, 200)
    await house.pump()
    await order(client, house, "pause")
    await send(client, 250, first=200)
    await house.pump()
    assert (await order(client, house, "cancel"))["state"] == "cancelled"
    await released(house)
    await house.pump(twice=True)
    found = await seen(client)
    assert (found["accepted"], found["waiting"], found["underway"], found["cancelled"]) == (450, 0, 200, 250)
    assert await told(house) == {("CANCELLED", "7130"): 250}
    assert sent(house) == 200
    again = await client.post(f"{CAMPAIGN}/resume")
    assert (again.status_code, again.json()["code"]) == (409, "1409")
    assert (await client.post(f"{CAMPAIGN}/cancel")).status_code == 200  # done again it changes nothing


async def test_a_pace_lets_no_more_go_than_it_says(client: httpx.AsyncClient, house: House) -> None:
    await order(client, house, "pace", {"per_second": 100})
    await send(client, 1_000)
    await house.pump()
    assert sent(house) == 200  # one event: a full bucket owes the rest
    begun = house.now
    while sent(house) < 1_000 and house.now < begun + 60_000:
        await release_due(Lane.MASS, house.ctx, house.ctx.due)
        await house.pump()
        assert sent(house) <= 200 + (house.now - begun) // 10 + 200
        house.now += 500
    assert sent(house) == 1_000
    assert house.now - begun >= 7_000
    await order(client, house, "pace", {"per_second": 0})
    await send(client, 400, first=1_000)
    await house.pump()
    assert sent(house) == 1_400


async def test_nothing_leaves_before_it_is_approved_where_the_customer_wants_it_so(client: httpx.AsyncClient, house: House) -> None:
    wish = {"name": "acme", "username": "acme", "approves_campaigns": True}
    await house.registry.register(parse_registration(json.dumps({"customers": [wish]})))
    await send(client, 5)
    await house.pump()
    assert (await seen(client))["state"] == "waiting"
    await order(client, house, "pause")
    await order(client, house, "resume")  # which is no approval
    await released(house, 2)
    assert sent(house) == 0
    found = await order(client, house, "approve")
    assert (found["state"], found["approved_by"]) == ("running", "acme")
    await released(house, 2)
    assert sent(house) == 5


async def test_what_waits_past_its_time_expires(client: httpx.AsyncClient, house: House) -> None:
    await order(client, house, "pause")
    await send(client, 2)
    await house.pump()
    house.now += 25 * 3_600_000
    await released(house, 2)
    assert await told(house) == {("EXPIRED", "7120"): 2}
    assert (await seen(client))["expired"] == 2


async def test_what_stands_in_a_call_that_was_begun_is_brought_to_its_end_in_a_pause(client: httpx.AsyncClient, house: House) -> None:
    house.provider.script.append("hung")
    await send(client, 2)
    await house.pump()
    assert (await seen(client))["waiting"] == 2
    await order(client, house, "pause")
    await released(house, 4)
    assert sent(house) == 2  # repeated under its key: nobody may say that it was not sent
    assert [call.key for call in house.provider.calls] == [house.provider.calls[0].key] * 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/ims/keymass/campaigns/never", None, 404),
        ("POST", "/ims/keymass/campaigns/never/cancel", None, 404),
        ("POST", "/ims/keymass/campaigns/never/approve", None, 404),
        ("DELETE", CAMPAIGN, None, 405),
        ("GET", f"{CAMPAIGN}/pause", None, 405),
        ("POST", f"{CAMPAIGN}/stop", None, 404),
        ("POST", "/ims/keymass/campaigns/%20/pause", None, 404),
        ("POST", f"{CAMPAIGN}/pace", {"per_second": -1}, 400),
        ("POST", f"{CAMPAIGN}/pace", {"per_second": "1"}, 400),
        ("POST", f"{CAMPAIGN}/pace", {}, 400),
        ("POST", f"{CAMPAIGN}/pace", {"per_second": 1, "x": 1}, 400),
    ],
)
async def test_bad_input(client: httpx.AsyncClient, method: str, path: str, body: object, status: int) -> None:
    answered = await client.request(method, path, json=body)
    assert answered.status_code == status
    assert answered.json()["code"] != "9999"


async def test_another_customers_campaign_is_unknown(client: httpx.AsyncClient, house: House) -> None:
    await send(client, 3)
    mine = await client.get(CAMPAIGN.replace("keymass", "otherkey"), headers=headers("other:fedcba9876543210"))
    assert mine.status_code == 404
    foreign = await client.get(CAMPAIGN, headers=headers("other:fedcba9876543210"))
    assert foreign.json()["code"] == "1100"
    assert (await client.post(f"{CAMPAIGN}/cancel", headers=headers("other:fedcba9876543210"))).json()["code"] == "1100"
