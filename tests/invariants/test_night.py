"""정보통신망법 제50조③ in a whole home: an ad never leaves at night; it waits for 08:00 or is refused, as its customer chose."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest

from functions.report.deadlines import emit_due
from ims.lanes import Lane
from ims.ports.consents import AD as AD_CONSENT
from ims.ports.consents import NIGHT as NIGHT_CONSENT
from ims.ports.consents import Statement
from ims.ports.dispatch import unpack
from ims.rules.registration import parse_registration
from ims.rules.send_by import send_by
from ims.runtime.release import release_due
from ims.testing.provider import ScriptedProvider
from ims.topics import Channel

HOUR_MS = 3_600_000


def at(moment: str) -> int:
    return round(datetime.fromisoformat(f"{moment}+09:00").timestamp() * 1000)


EVENING, NIGHT, MORNING = at("2028-02-28T20:59:59"), at("2028-02-28T21:00:00"), at("2028-02-29T08:00:00")


async def choose(street, choice: str) -> None:
    entry = {"name": "acme", "username": "acme", "night_ads": choice}
    await street.house.registry.register(parse_registration(json.dumps({"customers": [entry]})))


async def released(street, moment: int) -> int:
    """What the worker lets go at that time, and what becomes of it."""
    street.house.now = moment
    count = await release_due(Lane.AD, street.house.ctx, street.house.ctx.due)
    await street.house.pump()
    return count


async def held(street) -> list[tuple[str, int]]:
    return await street.house.rows(Lane.AD, "SELECT reason, due_at FROM held ORDER BY due_at")


@pytest.mark.parametrize("accepted", [NIGHT, at("2028-02-28T23:59:59"), at("2028-02-29T00:00:00"), MORNING - 1_000])
async def test_an_ad_of_the_night_waits_until_eight_and_goes_once(street, accepted):
    street.house.now = accepted
    await choose(street, "hold")
    await street.send(3, Lane.AD)
    await street.house.pump(twice=True)
    assert street.provider.calls == []
    assert await held(street) == [("night", MORNING)]
    for moment in (accepted, max(accepted, MORNING - 1)):
        assert await released(street, moment) == 0
    assert await released(street, MORNING) == 1
    await street.deliver_all(lane=Lane.AD)
    await street.house.pump()
    assert list(street.provider.delivered.values()) == [1] * 3
    assert {r[:2] for r in (await street.results(Lane.AD)).values()} == {("DELIVERED", "0000")}
    assert await held(street) == []


async def test_without_that_choice_it_is_refused(street):
    street.house.now = NIGHT
    await street.send(2, Lane.AD)
    await street.house.pump()
    assert {r[:2] for r in (await street.results(Lane.AD)).values()} == {("REJECTED", "7101")}
    assert (street.provider.calls, await held(street)) == ([], [])


@pytest.mark.parametrize(("choice", "ends"), [("hold", "DELIVERED"), ("refuse", "REJECTED")])
async def test_the_night_is_looked_at_again_after_the_queue_and_after_a_retry(street, choice, ends):
    """Accepted by day, its provider away until after nine: surely not sent, so it waits or is refused, in no call any more."""
    street.house.now = EVENING
    await choose(street, choice)
    street.provider.script.append("away")
    await street.send(2, Lane.AD)
    await street.house.pump()
    assert len(street.provider.calls) == 1
    await released(street, NIGHT + 60_000)
    assert len(street.provider.calls) == 1, "nothing left at night"
    await released(street, MORNING)
    if ends == "DELIVERED":
        await street.deliver_all(lane=Lane.AD)
        await street.house.pump()
        assert list(street.provider.delivered.values()) == [1, 1]
    assert {r[0] for r in (await street.results(Lane.AD)).values()} == {ends}


async def test_the_night_comes_between_two_tries_of_one_delivery(street):
    street.house.now = EVENING
    await choose(street, "hold")
    real = street.provider.send

    async def slow(call):
        street.house.now = NIGHT
        return await real(call)

    street.provider.send = slow
    street.house.ctx.timing = replace(street.house.ctx.timing, provider_tries=3)
    street.provider.script.extend(["away"] * 3)
    await street.send(1, Lane.AD)
    await street.house.pump()
    assert len(street.provider.calls) == 1
    street.provider.send = real
    street.provider.script.clear()
    await released(street, NIGHT + 10_000)
    await released(street, MORNING)
    assert len(street.provider.calls) == 2


@pytest.mark.parametrize("can_ask", [True, False])
async def test_a_call_nobody_knows_of_is_not_repeated_at_night(make_street, can_ask):
    """Its key would protect it, but it may never have left: so the provider is asked, or it ends as unknown."""
    street = await make_street(ScriptedProvider(can_ask=can_ask))
    street.house.now = EVENING
    await choose(street, "hold")
    street.provider.script.append("hung")
    await street.send(1, Lane.AD)
    await street.house.pump()
    await released(street, NIGHT + 60_000)
    assert (len(street.provider.calls), len(street.provider.asked)) == (1, int(can_ask))
    await emit_due(Lane.AD, street.house.ctx, street.house.ctx.due)
    await street.house.pump()
    await released(street, MORNING)
    assert {r[0] for r in (await street.results(Lane.AD)).values()} == {"FAILED" if can_ask else "UNKNOWN"}
    assert len(street.provider.calls) == 1


async def test_what_may_not_wait_that_long_expires(street):
    street.house.now = NIGHT
    await choose(street, "hold")
    await street.send(1, Lane.AD, expires_at=NIGHT + HOUR_MS)
    await street.house.pump()
    await released(street, NIGHT + HOUR_MS + 2_000)
    assert {r[:2] for r in (await street.results(Lane.AD)).values()} == {("EXPIRED", "7120")}
    assert street.provider.calls == []


async def test_a_night_s_backlog_does_not_burst_at_eight(street):
    """By the same pace as what waited for a provider: a window's worth, then as they get through."""
    street.house.now = NIGHT
    await choose(street, "hold")
    for n in range(60):
        await street.send(1, Lane.AD, campaign_id=f"c{n}")
    await street.house.pump()
    assert len(await held(street)) == 60
    assert await released(street, MORNING) == 50
    assert await released(street, MORNING + 1_000) == 10
    assert list(street.provider.delivered.values()) == [1] * 60


async def test_its_time_begins_in_the_morning(street):
    """Invariant 7: send_by is counted from the release."""
    street.house.now = NIGHT
    await choose(street, "hold")
    await street.send(1, Lane.AD)
    await street.house.pump()
    ((due,),) = await street.house.rows(Lane.AD, "SELECT send_by FROM held")
    assert due == MORNING + 24 * HOUR_MS
    await released(street, MORNING)
    ((doc, version),) = await street.house.rows(Lane.AD, "SELECT doc, version FROM dispatches")
    assert unpack(doc, version).send_by == MORNING + 24 * HOUR_MS


@pytest.mark.parametrize(
    ("channel", "lane", "begins"),
    [(Channel.MT, Lane.AD, MORNING), (Channel.EMAIL, Lane.AD, NIGHT), (Channel.PUSH, Lane.AD, NIGHT), (Channel.MT, Lane.MASS, NIGHT)],
)
def test_until_when_it_may_be_sent(channel, lane, begins):
    assert send_by(channel, lane, NIGHT, 0) == begins + 24 * HOUR_MS
    assert send_by(channel, lane, NIGHT, NIGHT + 5) == NIGHT + 5


async def test_an_opt_out_of_the_night_is_heard_in_the_morning(street):
    """제50조②: between accept and dispatch."""
    street.house.now = NIGHT
    await choose(street, "hold")
    first, second = await street.send(2, Lane.AD)
    await street.house.pump()
    await street.house.registry.add_opt_outs("acme", "mt", [street.house.registry.index(first.row.to)])
    await released(street, MORNING)
    await street.deliver_all(lane=Lane.AD)
    await street.house.pump()
    results = await street.results(Lane.AD)
    assert (results[first.row.message_id][:2], results[second.row.message_id][0]) == (("REJECTED", "7102"), "DELIVERED")


async def test_who_agreed_to_the_night_gets_an_ad_at_night_and_the_others_in_the_morning(street):
    street.house.now = NIGHT
    entry = {"name": "acme", "username": "acme", "night_ads": "hold", "consents": "required"}
    await street.house.registry.register(parse_registration(json.dumps({"customers": [entry]})))
    entries = await street.send(3, Lane.AD)
    by_day, always, never = (street.house.ctx.sealer.index(entry.row.to) for entry in entries)
    words = [(by_day, AD_CONSENT), (always, AD_CONSENT), (always, NIGHT_CONSENT), (never, NIGHT_CONSENT)]
    await street.house.registry.consents.record("acme", [Statement(who, "mt", purpose, True, 1) for who, purpose in words])
    await street.house.pump(twice=True)
    assert list(street.provider.delivered.values()) == [1]
    assert await held(street) == [("night", MORNING)]
    assert await released(street, MORNING) == 1
    await street.deliver_all(lane=Lane.AD)
    await street.house.pump()
    assert list(street.provider.delivered.values()) == [1, 1]
    results = await street.results(Lane.AD)
    assert [results[entry.row.message_id][:2] for entry in entries] == [("DELIVERED", "0000")] * 2 + [("REJECTED", "7103")]
