"""Ads of customers whose consents IMS keeps, at the edges of the night (정보통신망법 제50조①·③): looked at right before the call."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from ims.lanes import Lane
from ims.ports.consents import AD, NIGHT, Statement
from ims.rules.registration import parse_registration
from ims.runtime.composing import refusals
from ims.testing.house import House
from ims.testing.requests import send_requested
from ims.topics import Channel

NOBODY, BY_DAY, ALWAYS, AT_NIGHT_ALONE = (f"010555000{n:02d}" for n in range(4))
PEOPLE = (NOBODY, BY_DAY, ALWAYS, AT_NIGHT_ALONE)
NOT_AGREED, NIGHT_CODE = "7103", "7101"


def at(moment: str) -> int:
    return round(datetime.fromisoformat(f"{moment}+09:00").timestamp() * 1000)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = await House.open(tmp_path)
    await choose(house, "required")
    said = [(BY_DAY, AD), (ALWAYS, AD), (ALWAYS, NIGHT), (AT_NIGHT_ALONE, NIGHT)]
    for channel in ("mt", "bt"):
        words = [Statement(house.ctx.sealer.index(who), channel, purpose, True, 1) for who, purpose in said]
        await house.registry.consents.record("acme", words)
    yield house
    await house.close()


async def choose(house: House, consents: str, night_ads: str = "refuse") -> None:
    entry = {"name": "acme", "username": "acme", "consents": consents, "night_ads": night_ads}
    await house.registry.register(parse_registration(json.dumps({"customers": [entry]})))


async def asked(house: House, channel: Channel = Channel.MT, lane: Lane = Lane.AD) -> dict[str, tuple[str, str]]:
    """What is refused to whom, at the house's time."""
    event, request = send_requested(house.now, PEOPLE, lane=lane, channel=channel)
    found = await refusals(event, request, request.rows, house.ctx)
    return {PEOPLE[pos]: why for pos, why in found.items()}


@pytest.mark.parametrize(
    ("clock", "text_night", "kakao_night"),
    [
        ("2027-03-01T20:49:59.999", False, False),
        ("2027-03-01T20:50:00", False, True),
        ("2027-03-01T20:59:59.999", False, True),
        ("2027-03-01T21:00:00", True, True),
        ("2027-03-01T23:59:59.999", True, True),
        ("2027-03-02T00:00:00", True, True),
        ("2027-03-02T07:59:59.999", True, True),
        ("2027-03-02T08:00:00", False, False),
        ("2028-02-28T23:59:59.999", True, True),
        ("2028-02-29T00:00:00", True, True),
        ("2028-02-29T07:59:59.999", True, True),
        ("2028-02-29T08:00:00", False, False),
        ("2028-02-29T21:00:00", True, True),
        ("2028-03-01T00:00:00", True, True),
    ],
)
async def test_act_50_1_and_50_3_who_agreed_to_what_gets_an_ad_when(house: House, clock: str, text_night: bool, kakao_night: bool) -> None:
    """정보통신망법 제50조①·③: the night takes a consent of its own, which is none to ads by day. Kakao's window knows no consent."""
    house.now = at(clock)
    found = {who: code for who, (_, code) in (await asked(house)).items()}
    nobody = {NOBODY: NOT_AGREED, AT_NIGHT_ALONE: NOT_AGREED}
    assert found == nobody | ({BY_DAY: NIGHT_CODE} if text_night else {})
    found = {who: code for who, (_, code) in (await asked(house, Channel.BT)).items()}
    assert found == nobody | ({BY_DAY: NIGHT_CODE, ALWAYS: NIGHT_CODE} if kakao_night else {})


async def test_who_did_not_agree_to_the_night_waits_where_the_customer_has_ads_wait(house: House) -> None:
    await choose(house, "required", "hold")
    house.now = at("2028-02-28T21:00:00")
    assert (await asked(house))[BY_DAY] == ("HELD", NIGHT_CODE)
    assert (await asked(house))[NOBODY] == ("REJECTED", NOT_AGREED)


async def test_consents_are_asked_of_ads_and_of_customers_who_want_it_only(house: House) -> None:
    house.now = at("2028-02-29T12:00:00")
    assert await asked(house, lane=Lane.MASS) == {}
    await choose(house, "own")
    assert await asked(house) == {}
    house.now = at("2028-02-29T21:00:00")
    assert {code for _, code in (await asked(house)).values()} == {NIGHT_CODE}


async def test_an_opt_out_goes_before_a_consent(house: House) -> None:
    """정보통신망법 제50조②: whoever refused gets nothing, whatever they agreed to before."""
    house.now = at("2028-02-29T12:00:00")
    await house.registry.add_opt_outs("acme", "mt", [house.ctx.sealer.index(ALWAYS)])
    assert (await asked(house))[ALWAYS] == ("REJECTED", "7102")


async def test_a_withdrawal_counts_from_the_next_call_on(house: House) -> None:
    house.now = at("2028-02-29T12:00:00")
    assert BY_DAY not in await asked(house)
    await house.registry.consents.record("acme", [Statement(house.ctx.sealer.index(BY_DAY), "mt", AD, False, 2)])
    assert (await asked(house))[BY_DAY] == ("REJECTED", NOT_AGREED)
