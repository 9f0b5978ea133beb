"""A home restored from a backup that is older than what was sent: nothing goes out again, everything the backup knew comes to an end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from ims.adapters.embedded.backup import backup, restore
from ims.lanes import Lane
from ims.testing.house import Died, House
from ims.testing.provider import ScriptedProvider

from .conftest import Street, step
from .test_04_to_07_crashes import run_through

SIZE = 4


async def opened(home: Path, store: str = "embedded", provider: ScriptedProvider | None = None) -> Street:
    home.mkdir(parents=True)
    return Street(await House.open(home, provider, split=store == "split"))


async def restored(street: Street, copy: Path, home: Path) -> Street:
    """The old home is gone; provider and customer are the same as ever, and it is a minute later."""
    await street.house.close()
    restore(copy, home)
    house = House(home, street.provider, street.house.ring, split=street.house.split)
    house.endpoint = house.ctx.caller = street.house.endpoint
    house.now = street.house.now + 60_000
    return Street(house)


@pytest.mark.parametrize(("keys", "script"), [("call", []), ("recipient", ["away"]), ("none", []), ("none", ["lost"])])
async def test_a_backup_of_every_moment(tmp_path, store, keys, script):
    """Copied before commit 1, 3, 5 ... of a batch's life, which then goes on to its end before the home is lost."""
    unknown = known = 0
    for n in range(1, 80, 2):
        folder = tmp_path / f"{n}"
        street = await opened(folder / "home", store, ScriptedProvider(keys=keys))
        street.provider.script.extend(script)
        ids = {e.row.message_id for e in await street.send(SIZE)}
        street.house.die(before=n)
        died = True
        with suppress(Died):
            await run_through(street)
            died = False
        street.house.die()
        backup(street.house.home, folder / "copy", street.house.ctx.clock)
        await street.house.reopen()
        await run_through(street)
        sent = sum(street.provider.delivered.values())
        street = await restored(street, folder / "copy", folder / "again")
        await run_through(street)
        assert max(street.provider.delivered.values(), default=1) == 1, f"sent twice, copied before commit {n}"
        results = {k: v[0] for k, v in (await street.results()).items()}
        assert set(results) == ids, f"lost, copied before commit {n}"
        assert set(results.values()) <= {"DELIVERED", "UNKNOWN"}, f"copied before commit {n}"
        assert sum(street.provider.delivered.values()) == sent or keys != "none"
        told = await street.told()
        assert {str(t["message_id"]) for t in told} == ids
        unknown += any(t["result"] == "UNKNOWN" for t in told)
        known += not any(t["result"] == "UNKNOWN" for t in told)
        await street.house.close()
        if not died:
            break
    assert n > 5
    assert unknown, "no backup was older than a call"
    assert known or keys == "none", "what the backup knew, or its key protected, needs no telling twice"


async def test_new_messages_are_sent_and_known_ones_replayed(tmp_path, store):
    street = await opened(tmp_path / "home", store)
    old = await street.send(SIZE)
    backup(street.house.home, tmp_path / "copy", street.house.ctx.clock)
    street.house.now += 1_000
    lost = await street.send(1)
    await run_through(street)
    assert sum(street.provider.delivered.values()) == SIZE + 1
    street = await restored(street, tmp_path / "copy", tmp_path / "again")
    assert await street.accept(*old) == ["replayed"] * SIZE
    new = await street.send(2)
    await run_through(street, frozenset(street.provider.refs))
    await street.report(*map(street.about, list(street.provider.refs)[-2:]))
    await street.house.pump()
    results = {k: v[:2] for k, v in (await street.results()).items()}
    assert {results[e.row.message_id] for e in old} == {("UNKNOWN", "8002")}
    assert {results[e.row.message_id] for e in new} == {("DELIVERED", "0000")}
    assert lost[0].row.message_id not in results, "accepted after the backup: nobody here knows it"
    assert sum(street.provider.delivered.values()) == SIZE + 3
    await street.house.close()


async def test_a_report_still_makes_them_known(tmp_path, store):
    street = await opened(tmp_path / "home", store)
    await street.send(SIZE)
    backup(street.house.home, tmp_path / "copy", street.house.ctx.clock)
    await street.house.pump()
    street = await restored(street, tmp_path / "copy", tmp_path / "again")
    await street.house.pump()
    assert {r[:2] for r in (await street.results()).values()} == {("UNKNOWN", "8002")}
    await street.deliver_all()
    await street.house.pump()
    assert set((await street.results()).values()) == {("DELIVERED", "0000", 2)}
    await street.house.close()


async def test_a_next_step_is_not_taken_twice_either(tmp_path, store):
    """It was taken after the backup; the report that starts it comes again."""
    street = await opened(tmp_path / "home", store)
    await street.send(SIZE, fallback=[step()])
    await street.house.pump()
    backup(street.house.home, tmp_path / "copy", street.house.ctx.clock)
    first = list(street.provider.refs)
    await street.deliver_all("failed", "3018")
    await street.house.pump()
    assert sum(street.provider.delivered.values()) == 2 * SIZE
    street = await restored(street, tmp_path / "copy", tmp_path / "again")
    await street.report(*(street.about(ref, "failed", "3018") for ref in first))
    await run_through(street, frozenset(street.provider.refs))
    assert sum(street.provider.delivered.values()) == 2 * SIZE
    assert max(street.provider.delivered.values()) == 1
    assert {r[0] for r in (await street.results()).values()} == {"UNKNOWN"}
    await street.house.close()


async def test_every_lane_is_in_it(tmp_path):
    street = await opened(tmp_path / "home")
    for lane in Lane:
        await street.send(2, lane)
    names = backup(street.house.home, tmp_path / "copy", street.house.ctx.clock)
    assert {f"{lane}.db" for lane in Lane} < set(names)
    street = await restored(street, tmp_path / "copy", tmp_path / "again")
    await street.house.pump()
    for lane in Lane:
        assert len(await street.results(lane)) == 2
    await street.house.close()
