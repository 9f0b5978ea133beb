"""Due times and result arrays over a database per lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from ims.adapters.sql import due, results
from ims.adapters.sql.database import Database
from ims.lanes import Lane
from ims.ports.records import Parked, StoredArray, Taken
from ims.ports.results import Endpoint


class SqlDue:
    """ims.ports.records.Due. Looks with a read first, so that an idle system writes nothing."""

    def __init__(self, lanes: Mapping[Lane, Database]) -> None:
        self._lanes = lanes

    async def take_deadlines(self, lane: Lane, now: int, again_at: int, limit: int) -> list[tuple[str, int, int]]:
        if not await self._lanes[lane].read(lambda conn: due.any_deadline(conn, now), few=True):
            return []
        return await self._lanes[lane].write(lambda conn: due.take_deadlines(conn, now, again_at, limit))

    async def is_held(self, lane: Lane, birth: str) -> bool:
        return await self._lanes[lane].read(lambda conn: due.is_held(conn, birth))

    async def take_held(self, lane: Lane, now: int, again_at: int, most: Mapping[str, int]) -> list[Taken]:
        if not await self._lanes[lane].read(lambda conn: due.any_held(conn, now, most), few=True):
            return []
        return await self._lanes[lane].write(lambda conn: due.take_held(conn, now, again_at, most))

    async def parked(self, lane: Lane, ids: Sequence[str]) -> dict[str, Parked]:
        return await self._lanes[lane].read(lambda conn: due.parked(conn, ids), few=True)

    async def waiting(self, lane: Lane, reason: str) -> list[str]:
        return await self._lanes[lane].read(lambda conn: due.waiting(conn, reason), few=True)

    async def wake(self, lane: Lane, campaign: str, reason: str, due_at: int, most: int) -> tuple[int, int]:
        return await self._lanes[lane].write(lambda conn: due.wake(conn, campaign, reason, due_at, most))


class SqlResults:
    """ims.ports.results.Results."""

    def __init__(self, lanes: Mapping[Lane, Database]) -> None:
        self._lanes = lanes

    async def known(self, lane: Lane, ids: Sequence[str]) -> set[str]:
        return await self._lanes[lane].read(lambda conn: results.known(conn, ids), few=True)

    async def endpoints_due(self, lane: Lane, now: int) -> list[Endpoint]:
        return await self._lanes[lane].read(lambda conn: results.endpoints_due(conn, now))

    async def claim(self, lane: Lane, endpoint: str, now: int, until: int, limit: int) -> list[StoredArray]:
        return await self._lanes[lane].write(lambda conn: results.claim(conn, endpoint, now, until, limit))

    async def called(self, lane: Lane, array: str, *, acknowledged: bool, calls: int, due_at: int) -> None:
        def job(conn: Connection) -> None:
            results.called(conn, array, acknowledged=acknowledged, calls=calls, due_at=due_at)

        await self._lanes[lane].write(job, single=True)

    async def lease(self, service_key: str, batch_id: str, now: int, until: int, limit: int) -> list[tuple[StoredArray, int]]:
        taken: list[tuple[StoredArray, int]] = []
        for database in self._lanes.values():
            left = limit - sum(n for _, n in taken)
            if left <= 0:
                break

            def job(conn: Connection, left: int = left) -> list[tuple[StoredArray, int]]:
                return results.lease(conn, service_key, batch_id, now, until, left)

            taken += await database.write(job)
        return taken

    async def acknowledge(self, service_key: str, batch_id: str) -> bool:
        changed = [await d.write(lambda conn: results.acknowledge(conn, service_key, batch_id)) for d in self._lanes.values()]
        return any(changed)

    async def replay(self, service_key: str, from_ms: int, to_ms: int, now: int) -> int:
        queued = [await d.write(lambda conn: results.replay(conn, service_key, from_ms, to_ms, now)) for d in self._lanes.values()]
        return sum(queued)

    async def release(self, lane: Lane, array: str, due_at: int) -> None:
        await self._lanes[lane].write(lambda conn: results.release(conn, array, due_at), single=True)
