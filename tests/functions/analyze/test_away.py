"""analyze while its store is away: it drops, says so, and holds nothing back."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from functions.analyze.main import handle
from ims.errors import Poison, Unavailable
from ims.lanes import Lane
from ims.protocol.envelope import Event
from ims.protocol.events import AuditRecorded, StageTraced, Trace
from ims.runtime.breaker import OPEN_AFTER, OPEN_MS, Breakers
from ims.telemetry import TRACES_DROPPED

TRACE = Trace(stage="route", event_id="e", event_type="t", birth="b", trace_id="", at=1, took_us=1, rows=1, outcome="done")


class Store:
    def __init__(self) -> None:
        self.away = True
        self.tries = 0
        self.kept: list[Trace] = []

    async def write(self, lane: Lane, traces: Sequence[Trace]) -> None:
        self.tries += 1
        if self.away:
            raise Unavailable("away")
        self.kept += traces


def event(data: Any) -> Event:
    return SimpleNamespace(data=data, lane=Lane.AUTH, type="t")  # type: ignore[return-value]


def dropped() -> float:
    return TRACES_DROPPED.labels(Lane.AUTH)._value.get()


async def test_what_cannot_be_kept_is_dropped_counted_and_soon_not_even_tried() -> None:
    store, now, before = Store(), [0], dropped()
    ctx: Any = SimpleNamespace(traces=store, breakers=Breakers(), clock=lambda: now[0])
    for _ in range(20):
        await handle(event(StageTraced(traces=[TRACE, TRACE])), ctx)
    assert (store.tries, dropped() - before) == (OPEN_AFTER, 40)
    store.away = False
    now[0] = OPEN_MS + 1
    for _ in range(3):
        decision = await handle(event(StageTraced(traces=[TRACE])), ctx)
    assert len(store.kept) == 3
    assert (decision.rows, dropped() - before) == (1, 40)


async def test_another_event_is_poison() -> None:
    with pytest.raises(Poison):
        await handle(event(AuditRecorded(who="", action="", target="", at=0)), SimpleNamespace())  # type: ignore[arg-type]
