"""Delivery reports on their way into the log: refs verified, split by lane, batched under pressure, appended durably."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ims import topics
from ims.lanes import Lane
from ims.ports.records import Change
from ims.protocol.envelope import Emit
from ims.protocol.events import DeliveryReport, DeliveryReported
from ims.protocol.ids import lane_of, new_birth
from ims.runtime.context import Context
from ims.runtime.gather import Gatherer
from ims.runtime.stage import new_trace
from ims.telemetry import FORGED

EVENT_REPORTS = 200  # reports in one event
_FLUSH = 2_000
_WAITING = 20_000

Item = tuple[str, DeliveryReport]


class Taker:
    """One gatherer per lane of one process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lanes = {lane: self._gatherer(lane) for lane in Lane}

    def _gatherer(self, lane: Lane) -> Gatherer[list[Item], None]:
        async def flush(batches: Sequence[list[Item]]) -> list[None]:
            await self._append(lane, [item for batch in batches for item in batch])
            return [None] * len(batches)

        return Gatherer(flush, most=_FLUSH, waiting=_WAITING)

    async def take(self, provider: str, reports: Sequence[DeliveryReport]) -> None:
        """Return when every report with a ref of ours is durably appended; a forged one is counted and dropped."""
        by_lane: dict[Lane, list[Item]] = {}
        for report in reports:
            try:
                self._ctx.tracker.parse(report.ref)
            except ValueError:
                FORGED.labels(provider).inc()
                continue
            by_lane.setdefault(lane_of(report.ref), []).append((provider, report))
        await asyncio.gather(*(self._lanes[lane].put(items) for lane, items in by_lane.items()))

    async def _append(self, lane: Lane, items: Sequence[Item]) -> None:
        now = self._ctx.clock()
        by_provider: dict[str, list[DeliveryReport]] = {}
        for provider, report in items:
            by_provider.setdefault(provider, []).append(report)
        records = []
        for provider, reports in by_provider.items():
            # reports of one birth event side by side: its row is then changed once, not once per event
            reports.sort(key=lambda r: r.ref)
            for start in range(0, len(reports), EVENT_REPORTS):
                id_ = new_birth(lane, now)
                data = DeliveryReported(provider=provider, reports=reports[start : start + EVENT_REPORTS])
                records.append(self._ctx.envelopes.seal(Emit(topics.report(lane), id_, data, id_, lane), new_trace(), now))
        await self._ctx.journal.commit(lane, Change(), records, durable=True)
