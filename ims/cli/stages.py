"""`ims stages`: how long events took in each stage and lane, and how they ended, from the statistics that `analyze` keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ims import topics
from ims.cli.home import existing_home
from ims.cli.show import show
from ims.lanes import Lane
from ims.ports.traces import BUCKETS_US, StageStatistics
from ims.rules.latency import HOUR_MS, percentile

_SHARES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(stages)


def stages(
    hours: Annotated[int, typer.Option(min=1, max=14 * 24, help="How many hours back, the running one included.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show events, times and outcomes of each stage and lane."""
    show(asyncio.run(_rows(hours)), as_json)


async def _rows(hours: int) -> list[dict[str, Any]]:
    from ims.wiring import build, close

    ctx = build(existing_home(), "stages", with_providers=False)
    try:
        now = ctx.clock()
        return rows(await ctx.traces.statistics(now - now % HOUR_MS - (hours - 1) * HOUR_MS, now + 1))
    finally:
        await close(ctx)


def rows(statistics: Sequence[StageStatistics]) -> list[dict[str, Any]]:
    """One row per stage and lane; `outcomes` says how its events ended. In the order in which a message meets them."""
    groups: dict[tuple[str, str], list[StageStatistics]] = {}
    for s in statistics:
        groups.setdefault((s.stage, s.lane), []).append(s)
    order = {stage: i for i, stage in enumerate(topics.STAGES)}
    lanes = {lane.value: i for i, lane in enumerate(Lane)}
    return [_row(*key, groups[key]) for key in sorted(groups, key=lambda k: (order.get(k[0], len(order)), k[0], lanes.get(k[1], 9)))]


def _row(stage: str, lane: str, group: list[StageStatistics]) -> dict[str, Any]:
    events = sum(s.events for s in group)
    buckets = [sum(s.buckets[i] for s in group) for i in range(len(BUCKETS_US) + 1)]
    return {
        "stage": stage,
        "lane": lane,
        "events": events,
        "messages": sum(s.rows for s in group),
        "mean_ms": round(sum(s.took_us for s in group) / 1000 / max(1, events), 1),
        **{name: round(percentile(buckets, share) / 1000, 1) for name, share in _SHARES.items()},
        "outcomes": {s.outcome: s.events for s in sorted(group, key=lambda s: -s.events)},
    }
