"""Whether new work feels a million messages that wait for their provider.

The stub refuses every call of the bulk account (429: the magic number stands in each batch), so a standing backlog grows
while the account of one-time codes works: a fault of the whole stub would stop those too, and a slow one would drain it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bench.delivering import deliver, warm
from bench.records import waiting_count
from bench.results import Figure, Outcome
from bench.rig import Rig
from bench.scenario import Bench, Scenario
from bench.scenarios.auth import auth_only
from ims.lanes import Lane

REFUSED = "01099990430"  # 429, always, for the whole call
_SINGLE_SLOT, _BULK_SLOT = 2, 3


async def run(bench: Bench) -> Outcome:
    outcome = Outcome()
    total, part = bench["waiting"], bench["part"]
    async with bench.home(Lane.MASS) as home:
        await warm(bench, home, "auth", "sendMessage", rendered=True)
        await warm(bench, home, "realtime", "sendMessage")
        await warm(bench, home, "mass", "sendMessages")
        quiet, singles = await _new_work(bench, home, outcome, "nothing waiting")
        before = (await home.marks()).sent
        first = await _wait_behind(bench, home, part)
        middle = await _wait_behind(bench, home, total - 2 * part) if total > 2 * part else None
        last = await _wait_behind(bench, home, part)
        accepted = sum(sent["accepted"] for sent in (first, middle, last) if sent)
        outcome.details["parked"] = await _parked(bench, home)
        outcome.checks["all that waits was accepted, and nothing of it was sent"] = (
            accepted == total and (await home.marks()).sent == before
        )
        beside, singles_beside = await _new_work(bench, home, outcome, f"{total:,} waiting")
        outcome.details["waiting at the end"] = waiting_count(home.records)
    rates = [sent["accepted"] / sent["took_s"] for sent in (first, last)]
    outcome.distributions = {"auth p99, nothing waiting": quiet.summary(), f"auth p99, {total:,} waiting": beside.summary()}
    outcome.figures = [
        _slower("bulk accepted: the last beside the first", rates[1], rates[0], "recipients/s", outcome),
        _slower("singles accepted", singles_beside, singles, "messages/s", outcome),
        _slower(
            "auth p99, POST to provider call", 1e6 / max(beside.percentile(0.99), 1), 1e6 / max(quiet.percentile(0.99), 1), "", outcome
        ),
    ]
    return outcome


def _slower(name: str, now: float, before: float, unit: str, outcome: Outcome) -> Figure:
    if unit:
        outcome.details[name] = f"{before:,.0f} {unit} before, {now:,.0f} with the backlog"
    return Figure(f"{name}, with the backlog", (before / now - 1) * 100, "% slower", 20, lower_is_better=True)


async def _new_work(bench: Bench, home: Rig, outcome: Outcome, name: str) -> tuple[Any, float]:
    latency = await auth_only(bench, home, outcome, f"auth, {name}")
    job = home.job(
        "realtime", "sendMessage", seed=bench.next_seed(), slot=_SINGLE_SLOT, count=bench["messages"], connections=bench["connections"]
    )
    got = await deliver(bench, home, "realtime", job, f"singles, {name}")
    got.put(outcome, f"singles, {name}")
    return latency, got.accept_per_s


async def _wait_behind(bench: Bench, home: Rig, recipients: int) -> dict[str, Any]:
    """More of the campaign that cannot go out."""
    job = home.job(
        "mass", "sendMessages", seed=bench.next_seed(), slot=_BULK_SLOT, count=recipients, rows=1_000, connections=4, magic=REFUSED
    )
    generator = await home.generator(job)
    sent = await generator.go(bench["limit_s"])
    await home.dismiss()
    return sent


async def _parked(bench: Bench, home: Rig) -> dict[str, Any]:
    """Give the lane some time to find out that its provider is away."""
    begun = time.monotonic()
    events = bench["waiting"] // 200
    while (waiting := waiting_count(home.records)).get("mass held", 0) < events * 0.95 and time.monotonic() - begun < bench["park_limit_s"]:
        await asyncio.sleep(1)
    return {"after_s": round(time.monotonic() - begun, 1), "events": events, "rows of the store": waiting}


SCENARIO = Scenario(
    "backlog",
    "a lane that holds `preload` settled messages, so that its tables' growth is not taken for the backlog's doing; "
    "one-time codes (20/s, open loop, POST to provider call) and singles (64 connections, closed loop), before and after so many "
    "recipients of a campaign were accepted that the provider refuses (429 on the bulk account alone); bulk acceptance of the first part "
    "of it beside the last",
    {
        "preload": 1_000_000,
        "waiting": 1_000_000, "part": 100_000, "messages": 20_000, "connections": 64, "seconds": 60, "rate_per_s": 20, "warm": 1_000,
        "park_limit_s": 300, "limit_s": 900, "profile_after_s": 5, "profile_for_s": 15,
    },
    {
        "preload": 0, "waiting": 3_000, "part": 1_000, "messages": 500, "connections": 64, "seconds": 1, "rate_per_s": 40, "warm": 0,
        "park_limit_s": 2, "limit_s": 40, "profile_after_s": 0.2, "profile_for_s": 3,
    },
    3_600,
    run,
    shares=False,
)  # fmt: skip
