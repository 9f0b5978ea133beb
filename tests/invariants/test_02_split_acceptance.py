"""Invariant 2 where the log is a system of its own: whatever dies between a reservation and its acceptance, repeating finishes it."""

from __future__ import annotations

import pytest

from ims.lanes import Lane
from ims.testing.house import Died

pytestmark = pytest.mark.parametrize("store", ["split"], indirect=True)


def entries(street, n, *, kind):
    ids = [f"d{n}-{i}" for i in range(3)]
    own = [street.entry(kind, message_id=ids[0]), street.entry(kind, message_id=ids[1])]
    return [*own, street.entry(Lane.AD, kind=kind, message_id=ids[2])]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_death_at_every_step_of_an_acceptance(street, when):
    """Nobody was told 0000, so the client repeats: then every message is accepted, counted and sent, each once."""
    deaths = 0
    for n in range(1, 20):
        first = entries(street, n, kind=Lane.MASS)
        street.house.die(**{when: n})
        try:
            await street.accept(*first, kind=Lane.MASS)
        except Died:
            deaths += 1
        died = street.house.steps == n
        street.house.die()
        await street.house.reopen()
        again = entries(street, n, kind=Lane.MASS)
        for _ in range(2):
            outcomes = await street.accept(*again, kind=Lane.MASS)
            assert set(outcomes) <= {"fresh", "replayed"}
        await street.house.pump()
        numbers = [to for to, count in street.provider.delivered.items() for _ in range(count)]
        assert len(numbers) == len(set(numbers)) == 3 * n, f"after death {when} step {n}"
        (pending,) = await street.house.rows(Lane.MASS, "SELECT sum(count) FROM daily WHERE result = 'RECEIVED'")
        assert pending == (3 * n,)
        if not died:
            break
    assert deaths >= 3


async def test_what_the_log_does_not_take_follows_when_it_is_back(street):
    """0000 is true while the log is away: the event lies in the outbox, and goes out once when the log is back."""
    street.house.log.away = True
    sent = await street.send(2, lane=Lane.REALTIME)
    assert await street.accept(street.entry(message_id=sent[0].row.message_id)) == ["replayed"]
    street.house.log.away = False
    await street.house.pump()
    assert not street.provider.delivered
    assert await street.house.store.relay(Lane.REALTIME) == 1
    assert await street.house.store.relay(Lane.REALTIME) == 0
    await street.house.pump()
    assert list(street.provider.delivered.values()) == [1, 1]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_relay_that_dies_relays_again(street, when):
    street.house.log.away = True
    await street.send(1)
    street.house.log.away = False
    for step in (1, 2):
        street.house.die(**{when: step})
        with pytest.raises(Died):
            if not await street.house.store.relay(Lane.REALTIME):
                raise Died  # relayed before: nothing is left to die at
        street.house.die()
    await street.house.store.relay(Lane.REALTIME)
    await street.house.pump()
    assert list(street.provider.delivered.values()) == [1]


async def test_an_event_parked_anew_while_it_is_released_keeps_its_rest(street):
    """Released: appended first, and before the old rest is ended the event was delivered and parked again."""
    from ims.runtime.release import release_due

    street.provider.script.extend(["away"] * 2)
    await street.send(1)
    await street.house.pump()
    street.house.now += 5_000
    real = street.house.log.append

    async def delivered_at_once(records):
        await real(records)
        street.house.log.append = real
        await street.house.pump()

    street.house.log.append = delivered_at_once
    await release_due(Lane.REALTIME, street.house.ctx, street.house.ctx.due)
    assert len(await street.house.rows(Lane.REALTIME, "SELECT id FROM held")) == 1
    street.house.now += 60_000
    await release_due(Lane.REALTIME, street.house.ctx, street.house.ctx.due)
    await street.house.pump()
    assert list(street.provider.delivered.values()) == [1]
