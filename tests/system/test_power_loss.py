"""Power loss at any write or sync: nothing that was answered 0000 is missing, nothing goes out twice.

A whole home in one process (ims.testing.house) over the VFS of power.py; then a new home from what the disk was left with.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from form import LONG
from power import Power

from functions.callback.call import retry_due
from functions.report.deadlines import emit_due
from ims.adapters.embedded.files import LaneFile
from ims.errors import Rejected
from ims.lanes import Lane
from ims.protocol.ids import lane_of
from ims.runtime.release import release_due
from ims.testing.house import Died, House
from ims.testing.provider import ScriptedProvider

WORLDS = 400 if LONG else 24
KINDS = ((Lane.AUTH, Lane.AUTH), (Lane.REALTIME, Lane.REALTIME), (Lane.MASS, Lane.MASS), (Lane.AD, Lane.MASS))  # lane, kind of its key


def _streets() -> ModuleType:
    spec = importlib.util.spec_from_file_location("streets", Path(__file__).parents[1] / "invariants" / "conftest.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


streets = _streets()


class World:
    """One home, the clients in front of it and the provider behind it, until the power goes and after."""

    def __init__(self, folder: Path, keys: str, chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        self.provider = ScriptedProvider(keys=keys)
        self.offered: list[tuple[Lane, Any]] = []
        self.answered: set[str] = set()
        self.reported: set[str] = set()
        self.power: Power | None = None
        self._take, self._post = self.provider.send, None

    async def open(self) -> None:
        house = await House.open(self.folder / "home", self.provider)
        self.ring, self.endpoint = house.ring, house.endpoint
        self._post = self.endpoint.post
        await house.close()

    def enter(self, home: Path) -> None:
        """A process on a home's files. Provider and customer are the same as ever: they lost nothing."""
        self.street = streets.Street(House(home, self.provider, self.ring))
        self.street.house.endpoint = self.street.house.ctx.caller = self.endpoint

    def guard(self) -> None:
        """Where there is no power there is no call either."""

        async def send(call: Any) -> Any:
            self.alive()
            return await self._take(call)

        async def post(*given: Any) -> int:
            self.alive()
            return await self._post(*given)

        self.provider.send, self.endpoint.post = send, post  # type: ignore[method-assign]

    def alive(self) -> None:
        if self.power is not None and self.power.gone:
            raise Died

    async def live(self) -> None:
        """Acceptance, sending, reports and upkeep, mixed; Died when the power goes."""
        for n in range(8):
            await together(*(self._post_some(lane, kind) for lane, kind in KINDS))
            await self.street.house.pump(stages=self.chance.choice((("route",), ("route", "send_mt"), ("route", "send_mt", "report"))))
            await together(*(self._post_some(lane, kind) for lane, kind in self.chance.sample(KINDS, 2)))
            await self._report()
            if n % 2:
                await self.street.house.pump()
                await self.street.house.keep_positions()
            self._fold(self.chance.choice(("PASSIVE", "PASSIVE", "RESTART", "TRUNCATE")))
            self.alive()

    async def _post_some(self, lane: Lane, kind: Lane) -> None:
        entries = [self.street.entry(lane, kind=kind) for _ in range(self.chance.randrange(1, 6))]
        self.offered += [(kind, e) for e in entries]
        outcomes = await self.street.accept(*entries, kind=kind)
        self.alive()  # an answer that nobody could hear is none
        self.answered |= {e.row.message_id for e, o in zip(entries, outcomes, strict=True) if o in ("fresh", "replayed")}

    async def _report(self) -> None:
        for lane in Lane:
            about = [r for r in self.provider.refs if r not in self.reported and lane_of(r) is lane]
            if about:
                await self.street.report(*map(self.street.about, about), lane=lane)

    def _fold(self, how: str) -> None:
        for lane in Lane:
            if (path := self.street.house.home / f"{lane}.db").exists():
                connection = sqlite3.connect(path, timeout=0, isolation_level=None)
                connection.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
                connection.close()

    async def finish(self) -> None:
        """Clients repeat what they sent; everything comes to its end."""
        for kind, entry in self.offered:
            [outcome] = await self.street.accept(entry, kind=kind)
            assert not isinstance(outcome, Rejected | BaseException), outcome
            if entry.row.message_id in self.answered:
                assert outcome == "replayed", "a message that was answered 0000 is unknown"
        house = self.street.house
        await house.pump()
        for _ in range(3):
            house.now += 10_000
            for lane in Lane:
                await release_due(lane, house.ctx, house.ctx.due)
            await house.pump()
        await self._report()
        await house.pump()
        house.now += 120_000
        for lane in Lane:
            await emit_due(lane, house.ctx, house.ctx.due)
        await house.pump()
        house.now += 20_000
        for lane in Lane:
            while await retry_due(lane, house.ctx):
                pass

    async def close(self) -> None:
        await self.street.house.close()

    async def check(self) -> int:
        """How many ended as UNKNOWN."""
        ids = {e.row.message_id for _, e in self.offered}
        results: dict[str, str] = {}
        for lane in Lane:
            results |= {k: v[0] for k, v in (await self.street.results(lane)).items()}
        assert max(self.provider.delivered.values()) == 1, "sent twice"
        assert set(results) == ids, "lost, or a message that nobody sent"
        unknown = sum(r == "UNKNOWN" for r in results.values())
        if self.provider.abilities.keys == "none":
            assert set(results.values()) <= {"DELIVERED", "UNKNOWN"}
        else:
            assert set(results.values()) == {"DELIVERED"}
            assert len(self.provider.delivered) == len(ids)
        told: dict[str, set[str]] = {}
        for result in await self.street.told():
            told.setdefault(str(result["message_id"]), set()).add(str(result["event_id"]))
        assert set(told) == ids, "a result was not told"
        assert all(len(events) == 1 for events in told.values()), "a result was told under two event ids"
        return unknown


async def together(*jobs: Awaitable[None]) -> None:
    """All of them to their ends: what the power loss left undone must not go on in the next life."""
    for ended in await asyncio.gather(*jobs, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended


async def through(folder: Path, keys: str, seed: str, cut_at: int | None) -> dict[str, int]:
    """One world: until the cut, and on with what the disk was left with."""
    world = World(folder, keys, random.Random(seed))
    folder.mkdir()
    (folder / "home").mkdir()
    await world.open()
    with Power(folder / "home", cut_at) as power:
        world.power = power
        world.guard()
        world.enter(folder / "home")
        try:
            await world.live()
        except Died:
            assert power.gone
        power.gone = True
        await world.close()
    power.leave(folder / "left", random.Random(seed))
    world.power = None
    now = world.street.house.now
    world.enter(folder / "left")
    world.street.house.now = now
    await world.finish()
    unknown = await world.check()
    await world.close()
    return {"events": power.events, "offered": len(world.offered), "answered": len(world.answered), "unknown": unknown}


def test_the_vfs_is_under_pythons_sqlite(tmp_path: Path) -> None:
    """A write that was not synced is gone, one that was is there: or nothing below would mean anything."""
    (tmp_path / "home").mkdir()
    with Power(tmp_path / "home") as power:
        connection = sqlite3.connect(tmp_path / "home" / "x.db", isolation_level=None)
        for statement in ("PRAGMA journal_mode=WAL", "CREATE TABLE t (n)", "PRAGMA synchronous=FULL", "INSERT INTO t VALUES (1)"):
            connection.execute(statement)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("INSERT INTO t VALUES (2)")
        power.gone = True
        connection.close()
    if not power.events and not os.environ.get("CI"):
        pytest.skip("this Python's sqlite3 has a SQLite of its own inside, which ctypes cannot reach")
    found = set()
    for seed in range(20):
        power.leave(tmp_path / str(seed), random.Random(seed))
        connection = sqlite3.connect(tmp_path / str(seed) / "x.db")
        found.add(tuple(n for (n,) in connection.execute("SELECT n FROM t")))
        connection.close()
    assert found == {(1,), (1, 2)}


@pytest.mark.parametrize("keys", ["call", "recipient", "none"])
async def test_power_loss(tmp_path: Path, keys: str, chance: random.Random, write_down: Callable[..., None]) -> None:
    whole = await through(tmp_path / "whole", keys, "whole", None)
    total: dict[str, int] = {"worlds": 0, "offered": 0, "answered": 0, "unknown": 0}
    for n in range(WORLDS // 3 + 1):
        cut_at, seed = chance.randrange(1, whole["events"]), f"{chance.random()}"
        try:
            counts = await through(tmp_path / f"{n}", keys, seed, cut_at)
        except BaseException:
            print(f"world {keys=} {seed=} {cut_at=}")
            raise
        total = {k: total[k] + counts.get(k, 1) for k in total}
    write_down(keys=keys, cut_in=whole["events"], **total)
    assert 0 < total["answered"] < total["offered"]


async def test_an_acceptance_that_does_not_wait_for_the_disk_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: with `durable` left out, worlds are found that lose what was answered."""
    real = LaneFile.write

    async def hasty(file: LaneFile, job: Any, *, durable: bool = False) -> Any:
        del durable
        return await real(file, job)

    monkeypatch.setattr(LaneFile, "write", hasty)
    for n in range(20):
        try:
            await through(tmp_path / f"{n}", "call", f"{n}", 500 + 40 * n)
        except AssertionError:
            return
    pytest.fail("twenty worlds in which nobody waited for the disk, and nothing was missing in any")
