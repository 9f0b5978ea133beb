"""What became of a campaign's messages so far, read beside the running IMS: polling would take the customer's results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ims.adapters.sql.progress import End, births_of, ends_of
from ims.lanes import Lane
from ims.protocol.ids import acceptance_key, lane_of
from ims.results import family_of, look_up

if TYPE_CHECKING:
    from ims.adapters.sql.lane_store import LaneStore


class Settling:
    """Counts by how messages ended. `accepted` tells it whose; `look` refreshes `ends`."""

    def __init__(self, store: LaneStore, kind: Lane, service_key: str) -> None:
        self._store = store
        self._kind = kind
        self._service_key = service_key
        self._open: Counter[str] = Counter()  # birth -> how many of its messages are ours
        self._moving: dict[str, Counter[End]] = {}  # births that are not settled whole
        self._done: Counter[End] = Counter()

    async def accepted(self, message_ids: Iterable[str]) -> None:
        """These messages are ours to watch."""
        keys = [acceptance_key(self._service_key, message_id) for message_id in message_ids]
        slices = self._store.slices[self._kind]
        self._open += await self._store.lanes[self._kind].read(lambda conn: births_of(conn, slices, keys))

    async def look(self) -> Counter[End]:
        """How the messages ended that are settled by now."""
        by_lane: dict[Lane, list[str]] = {}
        for birth in self._open:
            by_lane.setdefault(lane_of(birth), []).append(birth)
        for lane, births in by_lane.items():
            self._moving |= await self._store.lanes[lane].read(lambda conn, births=births: ends_of(conn, births))  # type: ignore[misc]
        for birth, ends in list(self._moving.items()):
            if birth in self._open and ends.total() >= self._open[birth]:
                self._done += ends
                del self._open[birth], self._moving[birth]
        return sum(self._moving.values(), self._done)


def rows_of(ends: Counter[End]) -> list[dict[str, Any]]:
    """For a person and for --json, the most frequent first."""
    return [
        {"type": kind, "result": result, "code": code, "meaning": look_up(family_of(kind), code).en, "count": n}
        for (kind, result, code), n in ends.most_common()
    ]
