"""Singles and campaigns, accepted and end to end. The whole system is up and works on what is accepted in all four."""

from __future__ import annotations

from bench.delivering import Delivered, deliver, warm
from bench.far_end import told_after
from bench.histogram import Histogram
from bench.load import rows
from bench.results import Figure, Outcome
from bench.rig import Rig
from bench.scenario import Bench, Scenario
from ims.lanes import Lane

_COMMON = "UUID-like ids, random numbers, a mapping of its own in every row; fresh home with `preload` settled messages in its lane; "
_END = (
    "from the first POST until the last result was told to the callback server and stands in the history; provider stub at 50 ms, "
    "delivery reports polled; delivered messages by that time, as the far ends count them"
)


async def singles(bench: Bench) -> Outcome:
    async with bench.home(Lane.REALTIME) as home:
        await warm(bench, home, "realtime", "sendMessage")
        got = await _singles(bench, home)
    outcome = Outcome([Figure("single POSTs accepted", got.accept_per_s, "messages/s", **bench.bounds((1_500, 3_000)))])
    outcome.distributions["single POSTs accepted"] = got.sent["latency"]
    got.put(outcome, "load")
    return outcome


async def singles_e2e(bench: Bench) -> Outcome:
    async with bench.home(Lane.REALTIME) as home:
        await warm(bench, home, "realtime", "sendMessage")
        before = (await home.marks()).told
        seed = bench.next_seed()
        got = await _singles(bench, home, seed)
        index = {message_id: i for i, (message_id, _) in enumerate(rows(seed, 0, bench["messages"]))}
        latency, due = Histogram(), got.sent["due_ms"]
        async for page in told_after(home.sampler, before):
            for _, message_id, _, at in page:
                if message_id in index:
                    latency.add(int((at + 1 - due[index[message_id]]) * 1000))
    outcome = Outcome(
        [
            Figure("singles end to end", got.per_s, "messages/s", **bench.bounds((500, 1_500), (250, 800))),
            Figure("accepted meanwhile", got.accept_per_s, "messages/s"),
        ]
    )
    outcome.distributions = {"singles end to end": latency.summary(), "accepted meanwhile": got.sent["latency"]}
    got.put(outcome, "load")
    return outcome


async def _singles(bench: Bench, home: Rig, seed: int = 0) -> Delivered:
    count = bench["messages"]
    job = home.job(
        "realtime", "sendMessage", seed=seed or bench.next_seed(), count=count, connections=bench["connections"], timed=bool(seed)
    )
    return await deliver(bench, home, "realtime", job, "load")


async def bulk_accept(bench: Bench) -> Outcome:
    async with bench.home(Lane.MASS) as home:
        await warm(bench, home, "mass", "sendMessages")
        got = await campaign(bench, home, bench["recipients"], "load")
    outcome = Outcome([Figure("bulk recipients accepted", got.accept_per_s, "recipients/s", **bench.bounds((8_000, 20_000)))])
    outcome.distributions["bulk recipients accepted"] = got.sent["latency"]
    got.put(outcome, "load")
    return outcome


async def bulk_e2e(bench: Bench) -> Outcome:
    async with bench.home(Lane.MASS) as home:
        await warm(bench, home, "mass", "sendMessages")
        got = await campaign(bench, home, bench["recipients"], "load")
    outcome = Outcome(
        [
            Figure("bulk end to end", got.per_s, "messages/s", **bench.bounds((5_000, 10_000), (1_500, 4_000))),
            Figure("accepted meanwhile", got.accept_per_s, "recipients/s"),
        ]
    )
    outcome.distributions["accepted meanwhile"] = got.sent["latency"]
    got.put(outcome, "load")
    return outcome


async def campaign(bench: Bench, home: Rig, recipients: int, name: str) -> Delivered:
    """A mass campaign, told and in the history."""
    job = home.job("mass", "sendMessages", seed=bench.next_seed(), count=recipients, rows=bench["rows"], connections=bench["connections"])
    return await deliver(bench, home, "mass", job, name)


_FULL = {"preload": 1_000_000, "profile_after_s": 5, "profile_for_s": 15, "limit_s": 900}
_SHORT = {"preload": 0, "warm": 0, "profile_after_s": 0.2, "profile_for_s": 3, "limit_s": 40}
_SINGLE = {"connections": 64, "warm": 1_000}
_BULK = {"rows": 1_000, "connections": 4, "warm": 4_000}

SCENARIOS = (
    Scenario(
        "singles",
        _COMMON + "sendMessage in a closed loop; accepted messages by the time from the first POST to the last 0000. What was accepted is "
        "sent, reported and told at the same time, by the same two cores.",
        {**_FULL, **_SINGLE, "messages": 40_000},
        {**_SHORT, **_SINGLE, **_SHORT, "messages": 1_500},
        1_800,
        singles,
        on_servers=True,
    ),
    Scenario(
        "bulk-accept",
        _COMMON
        + "sendMessages in a closed loop; accepted recipients by the time from the first POST to the last 0000, with sending beside.",
        {**_FULL, **_BULK, "recipients": 200_000},
        {**_SHORT, **_BULK, **_SHORT, "recipients": 4_000},
        1_800,
        bulk_accept,
        on_servers=True,
    ),
    Scenario(
        "bulk-e2e",
        _COMMON + "sendMessages in a closed loop; " + _END,
        {**_FULL, **_BULK, "recipients": 200_000},
        {**_SHORT, **_BULK, **_SHORT, "recipients": 5_000},
        1_800,
        bulk_e2e,
        on_servers=True,
    ),
    Scenario(
        "singles-e2e",
        _COMMON + "sendMessage in a closed loop; " + _END + ". Latency: from the POST to the result told.",
        {**_FULL, **_SINGLE, "messages": 20_000},
        {**_SHORT, **_SINGLE, **_SHORT, "messages": 1_000},
        1_800,
        singles_e2e,
        on_servers=True,
    ),
)
