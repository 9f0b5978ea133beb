"""Whether memory follows the size of a campaign: it should not."""

from __future__ import annotations

from typing import Any

from bench.results import Figure, Outcome
from bench.rig import FAR_ENDS
from bench.scenario import Bench, Scenario
from bench.scenarios.sending import campaign


def peak_mib(series: dict[str, Any]) -> float:
    """The largest sum of the resident memory of IMS's processes; the provider stub, callback server and generators apart."""
    ours = [values for name, values in series["rss_mib"].items() if not name.startswith(FAR_ENDS)]
    return max(sum(at) for at in zip(*ours, strict=True))


async def run(bench: Bench) -> Outcome:
    outcome = Outcome()
    peaks = []
    for recipients in bench["sizes"]:
        async with bench.home() as home:
            got = await campaign(bench, home, recipients, f"{recipients:,}")
        got.put(outcome, f"{recipients:,}")
        peaks.append(peak_mib(got.series))
        outcome.figures.append(Figure(f"memory at its peak, {recipients:,} recipients", peaks[-1], "MiB", lower_is_better=True))
    grown = (peaks[-1] / peaks[0] - 1) * 100
    outcome.figures.append(
        Figure(f"memory: {bench['sizes'][-1]:,} beside {bench['sizes'][0]:,}", grown, "% more", 10, lower_is_better=True)
    )
    return outcome


SCENARIO = Scenario(
    "memory",
    "a campaign of each size in a fresh home, all of it told; the largest sum of the resident memory (RSS) of up, edge, intake-bulk, fast, "
    "slow-out and slow-back, sampled once a second",
    {"sizes": [200_000, 1_000_000], "rows": 1_000, "connections": 4, "limit_s": 1_500, "profile_after_s": 5, "profile_for_s": 15},
    {"sizes": [1_000, 3_000], "rows": 1_000, "connections": 2, "limit_s": 40, "profile_after_s": 0.2, "profile_for_s": 3},
    3_600,
    run,
)
