"""Invariants 3 and 6 with several providers: a member changes providers only after "surely not sent", and is sent once over all."""

from __future__ import annotations

from collections import Counter

import pytest

from ims.errors import CallRefused, NotSent
from ims.lanes import Lane
from ims.results import CREDENTIAL, THROTTLED
from ims.runtime.pools import Weighed
from ims.runtime.release import release_due
from ims.testing.house import Died
from ims.testing.provider import ScriptedProvider

from .test_04_to_07_crashes import run_through

LAST = 0  # the weight of one that is only there for when no other is


class Two:
    """A street with the first provider, and a second that is asked only when the first cannot be."""

    def __init__(self, street, first: ScriptedProvider, second: ScriptedProvider) -> None:
        self.street = street
        self.first = first
        self.second = second

    @property
    def delivered(self) -> Counter[str]:
        return self.first.delivered + self.second.delivered

    async def later(self, ms: int = 10_000) -> None:
        self.street.house.now += ms
        await release_due(Lane.REALTIME, self.street.house.ctx, self.street.house.ctx.due)
        await self.street.house.pump()

    async def say(self, provider: str, **word: object) -> None:
        await self.street.house.registry.say_of_provider("mt", provider, **word)
        self.street.house.now += 6_000


@pytest.fixture
def make_two(make_street):
    async def make(keys: str = "call", weight: int = LAST) -> Two:
        first, second = ScriptedProvider(keys=keys), ScriptedProvider(name="second", keys=keys)
        return Two(await make_street(first, Weighed(second, weight)), first, second)

    return make


@pytest.fixture
async def two(make_two) -> Two:
    return await make_two()


@pytest.mark.parametrize("error", ["away", NotSent(THROTTLED, "429", 2.0), CallRefused(CREDENTIAL, "401")], ids=["away", "429", "401"])
async def test_what_was_surely_not_sent_goes_to_another_at_once(two, error):
    two.first.script.append(error)
    await two.street.send(3)
    await two.street.house.pump()
    assert not two.first.delivered
    assert list(two.second.delivered.values()) == [1, 1, 1]
    assert {c.key for c in two.first.calls}.isdisjoint(c.key for c in two.second.calls), "another call, another key"


async def test_what_nobody_knows_stays_where_it_was_asked(two):
    two.first.script.extend(["lost", "away", "away", "away"])
    await two.street.send(2)
    await two.street.house.pump()
    await two.later()
    assert not two.second.calls, "it may have gone out"
    assert list(two.first.delivered.values()) == [1, 1]


async def test_a_credential_that_is_refused_is_a_failure_where_there_is_no_other(street):
    street.provider.script.append(CallRefused(CREDENTIAL, "401"))
    await street.send(1)
    await street.house.pump()
    assert [r[:2] for r in (await street.results()).values()] == [("FAILED", CREDENTIAL)]


async def test_who_keeps_failing_is_asked_no_more_until_its_breaker_half_opens(two):
    two.first.script.extend(["away"] * 5)
    for _ in range(8):
        await two.street.send(1)
        await two.street.house.pump()
    assert len(two.first.calls) == 5
    assert sum(two.second.delivered.values()) == 8
    two.street.house.now += 60_000
    await two.street.send(1)
    await two.street.house.pump()
    assert len(two.first.calls) == 6


async def test_nothing_is_lost_when_all_are_away(two):
    two.first.script.extend(["away"] * 4)
    two.second.script.extend(["away"] * 4)
    await two.street.send(2)
    await two.street.house.pump()
    assert not two.delivered
    for _ in range(6):
        await two.later(40_000)
    assert list(two.delivered.values()) == [1, 1]


async def test_an_operators_stop_and_start_hold_without_a_restart(two):
    await two.say("scripted", stopped=True)
    await two.street.send(2)
    await two.street.house.pump()
    assert not two.first.calls
    assert len(two.second.delivered) == 2
    await two.say("second", stopped=True)
    await two.street.send(2)
    await two.street.house.pump()
    assert len(two.delivered) == 2, "all are stopped: it waits"
    await two.say("scripted", stopped=False)
    await two.later()
    assert len(two.first.delivered) == 2
    assert set(two.delivered.values()) == {1}


async def test_a_call_that_waits_for_a_stopped_provider_goes_to_the_other(two):
    await two.say("second", stopped=True)
    two.first.script.append("away")
    await two.street.send(2)
    await two.street.house.pump()
    await two.say("second", stopped=False)
    await two.say("scripted", stopped=True)
    await two.later()
    assert list(two.second.delivered.values()) == [1, 1]


async def test_an_operators_weight_counts_over_the_configured_one(make_two):
    two = await make_two(weight=1)
    await two.say("scripted", weight=0)
    for _ in range(5):
        await two.street.send(1)
        await two.street.house.pump()
    assert not two.first.calls
    assert len(two.second.delivered) == 5


@pytest.mark.parametrize("keys", ["call", "none"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("script", [["away"], ["hung", "away"]], ids="-".join)
async def test_death_at_every_commit_sends_once_over_both(make_two, keys, when, script):
    two = await make_two(keys)
    street = two.street
    for n in range(1 if when == "before" else 2, 60, 2):  # every step, before it or after it
        two.first.script.extend(script)
        await street.send(2)
        old = frozenset(two.delivered)
        street.house.die(**{when: n})
        try:
            await run_through(street, old)
        except Died:
            died = True
        else:
            died = False
        street.house.die()
        await street.house.reopen()
        await run_through(street, old)
        await street.house.keep_positions()
        two.first.script.clear()
        assert max(two.delivered.values(), default=1) == 1, f"doubled after death {when} commit {n}"
        if not died:
            break
    results = {r[0] for r in (await street.results()).values()}
    assert results <= {"DELIVERED", "UNKNOWN"}
