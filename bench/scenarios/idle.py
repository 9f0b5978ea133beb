"""An installation with nothing to do: how long its start takes, what it costs, what it holds."""

from __future__ import annotations

import asyncio

from bench.results import Figure, Outcome
from bench.rig import FAR_ENDS
from bench.sampling import cpu_s, pss_mib
from bench.scenario import Bench, Scenario


async def run(bench: Bench) -> Outcome:
    outcome = Outcome()
    async with bench.home() as home:
        await asyncio.sleep(bench["settle_s"])
        pids = home.pids()
        ours = [name for name in home.programs() if not name.startswith(FAR_ENDS)]
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        async with bench.profiling(home, "idle"):
            await asyncio.sleep(bench["seconds"])
        share = {name: round((cpu_s(pid) - before[name]) / bench["seconds"] * 100, 2) for name, pid in pids.items()}
        memory = {name: round(pss_mib(pid), 1) for name, pid in pids.items()}
        outcome.details["idle"] = {"cpu_percent_of_a_core": share, "memory_mib": memory, "log": home.log_events()}
        start_s = home.start_s
    limit = bench.bounds((30, 10), (40, 20))
    outcome.figures = [
        Figure("from `ims up` to at work", start_s, "s", **limit, lower_is_better=True),
        Figure("idle: CPU of IMS", sum(share[name] for name in ours), "% of a core", lower_is_better=True),
        Figure("idle: CPU of the servers", sum(v for name, v in share.items() if name not in home.programs()), "% of a core"),
        Figure("idle: memory of IMS", sum(memory[name] for name in ours), "MiB"),
        Figure("idle: memory of the servers", sum(v for name, v in memory.items() if name not in home.programs()), "MiB"),
    ]
    if not home.servers:
        outcome.figures = [f for f in outcome.figures if "servers" not in f.name]
    return outcome


SCENARIO = Scenario(
    "idle",
    "a fresh installation that nobody calls: from the start of `ims up` (with tables and topics) to up.json; then, after `settle_s`, CPU "
    "over `seconds` and memory (PSS) at their end, of every process of `ims up` but the far ends",
    {"settle_s": 10, "seconds": 60, "limit_s": 300, "profile_after_s": 0, "profile_for_s": 30},
    {"settle_s": 0.2, "seconds": 1, "limit_s": 60, "profile_after_s": 0, "profile_for_s": 1},
    300,
    run,
    on_servers=True,
)
