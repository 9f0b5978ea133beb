"""Traces gathered in the process and sent on as events: one record per event and stage, appended a few times a second.

What a process had gathered when it was killed is lost; nothing but `ims why` reads traces, and states do not depend on it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from ims import topics
from ims.errors import Later
from ims.lanes import Lane
from ims.ports.records import Change
from ims.protocol.envelope import Emit
from ims.protocol.events import StageTraced, Trace
from ims.protocol.ids import new_birth
from ims.runtime.context import Context
from ims.runtime.stage import Decision, new_trace
from ims.telemetry import TRACES_DROPPED, log

FLUSH_S = 0.25
_KEPT = 20_000  # gathered while the log is away; the oldest go first
_EVENT_TRACES = 200
LANES = frozenset(lane.value for lane in Lane)


class Tracer:
    """`note` is called by the runtime after every event; `run` sends on what was noted."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._traces: dict[Lane, deque[Trace]] = {lane: deque(maxlen=_KEPT) for lane in Lane}

    def note(self, stage: str, attributes: Mapping[str, str], took_s: float, outcome: str, decision: Decision) -> None:
        """Remember one event's way through one stage."""
        lane = attributes.get("imslane", "")
        if stage == "analyze" or lane not in LANES:
            return
        self._traces[Lane(lane)].append(
            Trace(
                stage=stage,
                event_id=attributes.get("id", "")[:80],
                event_type=attributes.get("type", "")[:40],
                birth=attributes.get("subject", "")[:26],
                trace_id=attributes.get("traceparent", "")[3:35],
                at=self._ctx.clock(),
                took_us=int(took_s * 1e6),
                rows=decision.rows,
                outcome=outcome,
                note=decision.note[:200],
            )
        )

    async def run(self) -> None:
        """Send on until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Append what was gathered."""
        now = self._ctx.clock()
        for lane, traces in self._traces.items():
            while traces:
                part = [traces.popleft() for _ in range(min(len(traces), _EVENT_TRACES))]
                id_ = new_birth(lane, now)
                emit = Emit(topics.ANALYZE, id_, StageTraced(traces=part), id_, lane)
                try:
                    await self._ctx.journal.commit(lane, Change(), [self._ctx.envelopes.seal(emit, new_trace(), now)])
                except Later as exc:
                    TRACES_DROPPED.labels(lane).inc(len(part))
                    log.warning("traces_dropped", lane=lane, count=len(part), error=type(exc).__name__)
                    return
