"""One-time codes from the POST to the provider's door, alone and beside a campaign."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from bench.delivering import refused_rows, warm
from bench.far_end import Marks, sent_after
from bench.generator import Job
from bench.histogram import Histogram
from bench.load import rows
from bench.results import Figure, Outcome
from bench.rig import Rig
from bench.scenario import Bench, Scenario
from ims.lanes import Lane

AUTH_SLOT = 1
_METHOD = (
    "one-time codes, rendered by the client, at random moments (Poisson) of 20 a second, open loop; latency from the moment at which the "
    "POST was due until the stub took the call (`at` in its list, rounded up to the next millisecond; one clock)"
)


async def calls_at(home: Rig, after: int) -> dict[str, int]:
    """When the stub was called for each number, epoch ms."""
    found: dict[str, int] = {}
    async for page in sent_after(home.sampler, after):
        for entry in page:
            found.setdefault(entry["to"], entry["at"])
    return found


def to_call(job: Job, sent: Mapping[str, Any], called: Mapping[str, int], period: tuple[float, float] | None = None) -> Histogram:
    """From POST to provider call, of the messages that were due within a period (epoch ms)."""
    found = Histogram()
    for (_, number), due in zip(rows(job.seed, job.slot, job.count), sent["due_ms"], strict=False):
        if number in called and (period is None or period[0] <= due <= period[1]):
            found.add(int((called[number] + 1 - due) * 1000))
    return found


def auth_job(bench: Bench, home: Rig, seconds: float) -> Job:
    """One-time codes for so long."""
    count = int(bench["rate_per_s"] * seconds)
    return home.job(
        "auth",
        "sendMessage",
        seed=bench.next_seed(),
        slot=AUTH_SLOT,
        count=count,
        rate_per_s=bench["rate_per_s"],
        rendered=True,
        timed=True,
    )


def told_rows(job: Job, sent: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The messages that were posted: an open loop may have been stopped early."""
    return rows(job.seed, job.slot, job.count)[: sent["requests"]]


async def alone(bench: Bench) -> Outcome:
    async with bench.home(Lane.AUTH) as home:
        await warm(bench, home, "auth", "sendMessage", rendered=True)
        outcome = Outcome()
        latency = await auth_only(bench, home, outcome, "load")
    name = "auth alone, POST to provider call"
    outcome.figures = [Figure(f"{name}, p99", latency.percentile(0.99) / 1000, "ms", **bench.bounds((25, 10)), lower_is_better=True)]
    outcome.distributions[f"{name}, p99"] = latency.summary()
    return outcome


async def auth_only(bench: Bench, home: Rig, outcome: Outcome, name: str) -> Histogram:
    """Some time of nothing but one-time codes."""
    job = auth_job(bench, home, bench["seconds"])
    generator = await home.generator(job)
    marks = await home.marks()
    await home.begin()
    async with bench.profiling(home, name):
        sent = await generator.go(bench["limit_s"])
        await home.told("auth", marks, sent["accepted"], bench["limit_s"])
    await home.in_history(marks, sent["accepted"], bench["limit_s"])
    outcome.details[name] = {**await home.measured(), "generator_late": sent["late"], "answered": sent["latency"]}
    outcome.series[name] = home.sampler.series()
    await home.dismiss()
    outcome.checks[f"{name}: nothing was refused"] = sent["accepted"] == sent["recipients"]
    outcome.books[name] = await home.books(told_rows(job, sent), set(sent["refused"]), marks)
    return to_call(job, sent, await calls_at(home, marks.sent))


async def under_campaign(bench: Bench) -> Outcome:
    async with bench.home(Lane.AUTH, Lane.MASS) as home:
        await warm(bench, home, "auth", "sendMessage", rendered=True)
        await warm(bench, home, "mass", "sendMessages")
        quiet = auth_job(bench, home, bench["limit_s"])
        mass = home.job(
            "mass", "sendMessages", seed=bench.next_seed(), count=bench["recipients"], rows=bench["rows"], connections=bench["connections"]
        )
        codes, crowd = await home.generator(quiet), await home.generator(mass)
        marks = await home.marks()
        await home.begin()
        async with bench.profiling(home, "load"):
            coding = asyncio.create_task(codes.go(bench["limit_s"]))
            try:
                await asyncio.sleep(bench["ahead_s"])
                flooded = await crowd.go(bench["limit_s"])
                told_at = await home.told("mass", marks, flooded["accepted"], bench["limit_s"])
                await codes.stop()
                sent = await coding
            finally:
                coding.cancel()
            await home.told("auth", marks, sent["accepted"], bench["limit_s"])
        await home.in_history(marks, sent["accepted"] + flooded["accepted"], bench["limit_s"])
        measured = await home.measured()
        series = home.sampler.series()
        await home.dismiss()
        latency = to_call(quiet, sent, await calls_at(home, marks.sent), (flooded["started_at"] * 1000, told_at))
        books = await _books(home, marks, [(quiet, sent), (mass, flooded)])
    name = "auth under a campaign, POST to provider call"
    rate = flooded["accepted"] / (told_at / 1000 - flooded["started_at"])
    outcome = Outcome(
        [
            Figure(f"{name}, p99", latency.percentile(0.99) / 1000, "ms", **bench.bounds((200, 60)), lower_is_better=True),
            Figure("the campaign meanwhile, told", rate, "messages/s"),
        ]
    )
    outcome.distributions[f"{name}, p99"] = latency.summary()
    outcome.books["load"] = books
    outcome.checks["nothing was refused"] = all(load["accepted"] == load["recipients"] for load in (sent, flooded))
    outcome.series["load"] = series
    outcome.details["load"] = {**measured, "generator_late": sent["late"], "answered": sent["latency"], "codes": sent["codes"]}
    return outcome


async def _books(home: Rig, marks: Marks, loads: Sequence[tuple[Job, Mapping[str, Any]]]) -> Any:
    messages: list[tuple[str, str]] = []
    refused: set[int] = set()
    for job, sent in loads:
        refused |= {len(messages) + i for i in refused_rows(job, dict(sent))}
        messages += told_rows(job, sent) if not job.rows else rows(job.seed, job.slot, job.count)
    return await home.books(messages, refused, marks)


_FULL = {"preload": 1_000_000, "warm": 1_000, "rate_per_s": 20, "limit_s": 900, "profile_after_s": 10, "profile_for_s": 15}
_SHORT = {"preload": 0, "warm": 0, "limit_s": 40, "profile_after_s": 0.2, "profile_for_s": 3}

SCENARIOS = (
    Scenario("auth-alone", _METHOD, {**_FULL, "seconds": 120}, {**_SHORT, "rate_per_s": 40, "seconds": 2}, 1_800, alone, on_servers=True),
    Scenario(
        "auth-under-campaign",
        _METHOD + "; counted are those due between a campaign's first POST and its last result, the campaign being accepted (1,000 a "
        "request, closed loop) and sent, reported and told meanwhile",
        {**_FULL, "recipients": 200_000, "rows": 1_000, "connections": 4, "ahead_s": 3},
        {**_SHORT, "rate_per_s": 40, "recipients": 4_000, "rows": 1_000, "connections": 4, "ahead_s": 0.2},
        1_800,
        under_campaign,
        on_servers=True,
    ),
)
