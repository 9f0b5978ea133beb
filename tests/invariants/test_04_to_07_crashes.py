"""Invariants 4 to 7: whatever dies, wherever: nothing is lost, nothing is sent twice, outcomes are told again unchanged."""

from __future__ import annotations

import random

import pytest

from functions.callback.call import retry_due
from functions.report.deadlines import emit_due
from ims.lanes import Lane
from ims.ports.dispatch import CallStatus
from ims.runtime.release import release_due
from ims.testing.house import Died
from ims.testing.provider import ScriptedProvider

from .test_03_calls_are_fixed import calls_of

SIZE = 4


async def run_through(street, old: frozenset[str] = frozenset()) -> None:
    """Everything that happens to a batch, until nothing is left to do. `old`: refs whose reports came before."""
    await street.house.pump()
    for _ in range(3):
        street.house.now += 10_000  # leases of the dead end, parked events come back
        await release_due(Lane.REALTIME, street.house.ctx, street.house.ctx.due)
        await street.house.pump()
    await street.report(*(street.about(r) for r in street.provider.refs if r not in old))
    await street.house.pump()
    street.house.now += 120_000  # what nobody knows is settled by its deadline
    await emit_due(Lane.REALTIME, street.house.ctx, street.house.ctx.due)
    await street.house.pump()
    street.house.now += 20_000  # arrays whose caller died are called by the retries
    await retry_due(Lane.REALTIME, street.house.ctx)


@pytest.mark.parametrize("keys", ["call", "recipient", "none"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_death_at_every_commit(make_street, keys, when):
    """The process dies at commit (or append) 1, 2, 3 ...: before it or right after it. A new one goes on with the same files."""
    street = await make_street(ScriptedProvider(keys=keys))
    deaths = 0
    for n in range(1, 80):
        entries = await street.send(SIZE)
        ids = {e.row.message_id for e in entries}
        old = frozenset(street.provider.refs)
        before = sum(street.provider.delivered.values())
        street.house.die(**{when: n})
        try:
            await run_through(street, old)
        except Died:
            deaths += 1
            died = True
        else:
            died = False
        street.house.die()
        await street.house.reopen()
        await run_through(street, old)
        await street.house.keep_positions()
        assert max(street.provider.delivered.values()) == 1, f"doubled after death {when} commit {n}"
        results = {k: v for k, v in (await street.results()).items() if k in ids}
        assert set(results) == ids, f"lost after death {when} commit {n}"
        sent = sum(street.provider.delivered.values()) - before
        if keys == "none":
            assert sent in (0, SIZE)
            assert {r[0] for r in results.values()} <= {"DELIVERED", "UNKNOWN"}
        else:
            assert sent == SIZE
            assert {r[0] for r in results.values()} == {"DELIVERED"}
        told: dict[str, set[str]] = {}
        for t in await street.told():
            told.setdefault(str(t["message_id"]), set()).add(str(t["event_id"]))
        assert all(len(told[i]) == 1 for i in ids), "every result is told, under one event id"
        if not died:
            break  # a run has no more steps than that
    assert deaths > 5


async def test_a_live_lease_is_answered_503(street):
    """Invariant 4: a redelivery that meets somebody at work comes again."""
    await street.send(1)
    statuses = []
    real = street.provider.send

    async def slow(call):
        subscription = street.house.subscription("send_mt", Lane.REALTIME)
        del subscription
        rows = await street.house.rows(Lane.REALTIME, "SELECT attributes, data FROM log WHERE topic='SEND-SMS-REALTIME'")
        import msgspec

        if not statuses:
            statuses.append(0)
            answer = await street.house.deliver("send_mt", msgspec.json.decode(rows[0][0]), rows[0][1])
            statuses.append(answer.status)
        return await real(call)

    street.provider.send = slow
    await street.house.pump()
    assert statuses == [0, 503]
    assert len(street.provider.calls) == 1


async def test_done_is_remembered_with_its_outcome(street):
    """Invariant 5: finished work, delivered again from the beginning, says the same again and calls nobody."""
    await street.send(SIZE)
    await street.house.pump()
    await street.deliver_all()
    await street.house.pump()
    results, told, calls = await street.results(), await street.told(), len(street.provider.calls)
    emitted = await street.house.rows(Lane.REALTIME, "SELECT DISTINCT json_extract(attributes,'$.id') FROM log")
    await street.house.forget_positions()
    await street.house.pump(shuffle=random.Random(7))
    assert len(street.provider.calls) == calls
    assert await street.results() == results
    assert {t["event_id"] for t in await street.told()} == {t["event_id"] for t in told}
    again = await street.house.rows(Lane.REALTIME, "SELECT DISTINCT json_extract(attributes,'$.id') FROM log")
    assert set(again) == set(emitted), "the same causes emit the same events"


@pytest.mark.parametrize(("keys", "repeats"), [("call", True), ("recipient", True), ("none", False)])
async def test_unknown_is_repeated_only_under_its_key(make_street, keys, repeats):
    """Invariant 6: the answer was lost after the provider took the call."""
    street = await make_street(ScriptedProvider(keys=keys))
    street.provider.script.append("lost")
    await street.send(SIZE)
    await run_through(street)
    assert set(street.provider.delivered.values()) == {1}
    assert len(street.provider.calls) == (2 if repeats else 1)
    assert {c.key for c in street.provider.calls} == {street.provider.calls[0].key}
    assert {r[0] for r in (await street.results()).values()} == {"DELIVERED"}


async def test_unknown_without_keys_is_settled_by_its_deadline(make_street):
    street = await make_street(ScriptedProvider(keys="none"))
    street.provider.script.append("hung")
    await street.send(2)
    await run_through(street)
    assert len(street.provider.calls) == 1
    assert {r[:2] for r in (await street.results()).values()} == {("UNKNOWN", "8100")}


async def test_no_repeat_after_the_keys_lifetime(street):
    """The provider has forgotten the key: a repeat would be a new message."""
    street.provider.script.extend(["hung"] * 20)
    await street.send(1, lane=Lane.MASS)
    await street.house.pump()
    street.house.now += 86_400_000 + 60_000
    calls = len(street.provider.calls)
    street.provider.script.clear()
    await release_due(Lane.MASS, street.house.ctx, street.house.ctx.due)
    await street.house.pump()
    assert len(street.provider.calls) == calls
    (call,) = await calls_of(street, Lane.MASS)
    assert call.status == CallStatus.DONE
    assert [o.status for o in call.outcomes] == ["unknown"]


async def test_the_provider_is_asked_where_a_repeat_is_not_protected(make_street):
    street = await make_street(ScriptedProvider(keys="none", can_ask=True))
    street.provider.script.append("lost")
    await street.send(1)
    await run_through(street)
    assert len(street.provider.asked) == 1
    assert len(street.provider.calls) == 1
    assert {r[0] for r in (await street.results()).values()} == {"DELIVERED"}


async def test_no_call_after_send_by(street):
    """Invariant 7: a log read again from its beginning, or a queue that stood still, sends nothing old."""
    await street.send(2, lane=Lane.AUTH)
    street.house.now += 180_001
    await street.house.pump()
    assert not street.provider.calls
    assert {r[:2] for r in (await street.results(Lane.AUTH)).values()} == {("EXPIRED", "7120")}


async def test_expired_is_only_for_members_that_were_in_no_call(street):
    street.provider.script.extend(["away"] * 5)
    await street.send(1, lane=Lane.AUTH)
    await street.house.pump()
    street.house.now += 200_000
    await release_due(Lane.AUTH, street.house.ctx, street.house.ctx.due)
    await street.house.pump()
    assert {r[:2] for r in (await street.results(Lane.AUTH)).values()} == {("FAILED", "8001")}
    assert not street.provider.delivered
