"""What is refused right before a call, each rule at its edges: expiry, emergency stops, refusals of recipients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ims.lanes import Lane
from ims.rules.registration import parse_registration
from ims.runtime.composing import refusals
from ims.testing.house import House
from ims.testing.requests import send_requested
from ims.topics import Channel

WHO, OTHER = "01055500001", "01055500002"
DAY_MS = 86_400_000


def at(moment: str) -> int:
    return round(datetime.fromisoformat(f"{moment}+09:00").timestamp() * 1000)


NOON = at("2028-02-29T12:00:00")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = await House.open(tmp_path)
    house.now = NOON
    entries = [{"name": name, "username": name} for name in ("acme", "bolt")]
    await house.registry.register(parse_registration(json.dumps({"customers": entries})))
    yield house
    await house.close()


async def refused(house: House, lane: Lane = Lane.REALTIME, later_ms: int = 0, **how: Any) -> dict[str, tuple[str, str]]:
    """What is refused to whom, so long after it was accepted."""
    event, request = send_requested(house.now, (WHO, OTHER), lane=lane, **how)
    house.now += later_ms
    return {request.rows[pos].to: why for pos, why in (await refusals(event, request, request.rows, house.ctx)).items()}


@pytest.mark.parametrize(
    ("lane", "accepted", "lives_ms"),
    [
        (Lane.AUTH, "2028-02-29T12:00:00", 180_000),
        (Lane.AUTH, "2028-02-28T23:58:30", 180_000),  # over midnight
        (Lane.REALTIME, "2028-02-29T23:30:00", 3_600_000),
        (Lane.MASS, "2028-02-28T12:00:00", DAY_MS),
        (Lane.MASS, "2028-02-29T12:00:00", DAY_MS),
        (Lane.AD, "2028-02-28T12:00:00", DAY_MS),
    ],
)
async def test_expiry_nothing_is_sent_after_its_time(house: House, lane: Lane, accepted: str, lives_ms: int) -> None:
    """contract 4: auth 3 minutes, realtime 1 hour, mass and ads 24 hours; to the millisecond, over midnight and 29 February."""
    for later_ms, why in ((lives_ms - 1, None), (lives_ms, None), (lives_ms + 1, ("EXPIRED", "7120"))):
        house.now = at(accepted)
        assert await refused(house, lane, later_ms) == (dict.fromkeys((WHO, OTHER), why) if why else {})


async def test_expiry_of_a_later_step_is_a_failure(house: House) -> None:
    """Its messages stood in a call before: they did not only wait."""
    assert await refused(house, Lane.AUTH, 180_001, attempt=2) == dict.fromkeys((WHO, OTHER), ("FAILED", "7120"))


@pytest.mark.parametrize(
    ("kind", "value", "whose", "stops"),
    [
        ("customer", "acme", "", True),
        ("customer", "bolt", "", False),
        ("template", "T1", "", True),
        ("template", "T1", "acme", True),
        ("template", "T1", "bolt", False),
        ("template", "T2", "", False),
        ("sender", "15441234", "", True),
        ("sender", "15881234", "", False),
        ("campaign", "c1", "acme", True),
        ("campaign", "c2", "acme", False),
    ],
)
async def test_a_stop_reaches_what_it_names_until_it_is_lifted(house: House, kind: str, value: str, whose: str, stops: bool) -> None:
    """contract 3: customer, template, sender or campaign, of everybody or of one customer."""
    what = {"template_code": "T1", "campaign_id": "c1"}
    assert await refused(house, **what) == {}
    await house.registry.put_stop(kind, value, whose)
    assert await refused(house, **what) == (dict.fromkeys((WHO, OTHER), ("REJECTED", "7130")) if stops else {})
    assert await house.registry.lift_stop(kind, value, whose)
    assert await refused(house, **what) == {}


@pytest.mark.parametrize(
    ("customer", "channel", "reaches"),
    [("acme", Channel.MT, True), ("acme", Channel.BT, False), ("acme", Channel.EMAIL, False), ("bolt", Channel.MT, False)],
)
@pytest.mark.parametrize("lane", [Lane.REALTIME, Lane.AD])
async def test_act_50_2_nothing_after_a_refusal(house: House, lane: Lane, customer: str, channel: Channel, reaches: bool) -> None:
    """정보통신망법 제50조②: it counts from the next call on, for that customer and channel, and until it is taken back."""
    index = [house.ctx.sealer.index(WHO)]
    assert await refused(house, lane) == {}
    await house.registry.add_opt_outs(customer, channel, index)
    assert await refused(house, lane) == ({WHO: ("REJECTED", "7102")} if reaches else {})
    await house.registry.remove_opt_outs(customer, channel, index)
    assert await refused(house, lane) == {}
