"""One load from its first POST to its last result, with all books: what most scenarios are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.far_end import Books
from bench.generator import Job
from bench.load import rows
from bench.results import Outcome
from bench.rig import Rig
from bench.scenario import Bench

WARM_SLOT = 7  # numbers that no measured load draws


@dataclass
class Delivered:
    """What one load came to."""

    sent: dict[str, Any]  # as the generator says
    told_at: int  # epoch ms, of the last result
    history_at: int
    measured: dict[str, Any]
    books: Books
    series: dict[str, Any]

    @property
    def accept_per_s(self) -> float:
        return float(self.sent["accepted"] / self.sent["took_s"])

    @property
    def took_s(self) -> float:
        """From the first POST until everything is told and in the history."""
        return max(self.told_at, self.history_at) / 1000 - float(self.sent["started_at"])

    @property
    def per_s(self) -> float:
        """Delivered messages a second over all of it."""
        return self.books.told_delivered / self.took_s

    def put(self, outcome: Outcome, name: str) -> None:
        """Into a results file."""
        outcome.books[name] = self.books
        outcome.checks[f"{name}: nothing was refused"] = self.sent["accepted"] == self.sent["recipients"]
        outcome.series[name] = self.series
        n = max(self.books.accepted, 1)
        ours = {k: round(v / n * 1e6, 1) for k, v in self.measured["cpu_s"].items() if v}
        generator = self.sent["cpu_s"] / max(self.sent["requests"], 1) * 1e6
        outcome.details[name] = {
            "accepted": self.sent["accepted"],
            "accept_s": round(self.sent["took_s"], 3),
            "all_s": round(self.took_s, 3),
            "sent_again_or_refused": self.sent["codes"],
            "generator_us_a_request": round(generator, 1),
            "cpu_us_a_message": ours,
            "others_cores": self.measured["others_cores"],
            "log": self.measured["log"],
            "stages": self.measured["stages"],
        }


def refused_rows(job: Job, sent: dict[str, Any]) -> set[int]:
    """Indices of the messages in refused requests."""
    if not job.rows:
        return set(sent["refused"])
    return {i for request in sent["refused"] for i in range(request * job.rows, min((request + 1) * job.rows, job.count))}


async def deliver(bench: Bench, home: Rig, kind: str, job: Job, name: str) -> Delivered:
    """Send a load, wait until it is told and in the history, compare the books. The home is quiet before and after."""
    generator = await home.generator(job)
    marks = await home.marks()
    await home.begin()
    async with bench.profiling(home, name):
        sent = await generator.go(bench["limit_s"])
        told_at = await home.told(kind, marks, sent["accepted"], bench["limit_s"])
        history_at = await home.in_history(marks, sent["accepted"], bench["limit_s"])
        measured = await home.measured()
    series = home.sampler.series()
    await home.dismiss()
    books = await home.books(rows(job.seed, job.slot, job.count), refused_rows(job, sent), marks)
    return Delivered(sent, told_at, history_at, measured, books, series)


async def warm(bench: Bench, home: Rig, kind: str, path: str, *, rendered: bool = False) -> None:
    """Let every stage do each thing once: the first request of a process compiles, connects and opens files."""
    count = bench["warm"]
    if count:
        size = 1_000 if path == "sendMessages" else 0
        job = home.job(kind, path, seed=bench.next_seed(), slot=WARM_SLOT, count=count, rows=size, rendered=rendered, connections=4)
        generator = await home.generator(job)
        marks = await home.marks()
        sent = await generator.go(bench["limit_s"])
        await home.told(kind, marks, sent["accepted"], bench["limit_s"])
        await home.in_history(marks, sent["accepted"], bench["limit_s"])
        await home.dismiss()
