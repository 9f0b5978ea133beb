"""What is looked at while a scenario runs: memory and CPU of every process, lag per lane, and how far each end is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

SAMPLE_S = 1.0
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_SAMPLE = re.compile(r"(\w+)\{([^}]*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Pids = Callable[[], Mapping[str, int]]


def rss_mib(pid: int) -> float:
    """Resident memory; 0 for a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB / 1024
    except (OSError, IndexError):
        return 0.0


def pss_mib(pid: int) -> float:
    """Memory with shared pages in parts, so that a sum over processes is what they hold together; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def cpu_s(pid: int) -> float:
    """CPU seconds so far, all threads."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S
    except (OSError, IndexError):
        return 0.0


def parse(exposition: str, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric by their label values, in the order of the labels' names."""
    found = {}
    for line in exposition.splitlines():
        match = _SAMPLE.fullmatch(line)
        if match and match[1] == name:
            found[tuple(v for _, v in sorted(_LABEL.findall(match[2])))] = float(match[3])
    return found


class Sampler:
    """Series over time, one sample a second."""

    def __init__(self, pids: Pids, urls: Mapping[str, str], progress: Callable[[], int]) -> None:
        self._pids = pids
        self._urls = urls  # metrics, simulator, callbacks
        self._progress = progress
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._begun = time.monotonic()
        self.times: list[float] = []
        self.memory: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}  # CPU seconds since the process began
        self.lag: dict[str, list[float]] = {}
        self.counts: dict[str, list[int]] = {"accepted": [], "sent": [], "told": []}

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self._begun = time.monotonic()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def _run(self) -> None:
        due = time.monotonic()
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # a process under load may miss one
                await self._sample()
            due = max(due + SAMPLE_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    async def _sample(self) -> None:
        exposition = await self.text("metrics")
        sent = (await self.json("simulator", "/v1/sent/count"))["count"]
        told = (await self.json("callbacks", "/stats"))["results"]
        n = len(self.times)
        self.times.append(round(time.monotonic() - self._begun, 2))
        for name, value in (("accepted", self._progress()), ("sent", sent), ("told", told)):
            self.counts[name].append(value)
        for name, pid in self._pids().items():
            _put(self.memory, name, n, round(rss_mib(pid), 1))
            _put(self.cpu, name, n, round(cpu_s(pid), 2))
        for (lane, stage), value in parse(exposition, "ims_lag_events").items():
            _put(self.lag, f"{lane}/{stage}", n, value)

    async def text(self, which: str, path: str = "") -> str:
        assert self._session is not None
        async with self._session.get(self._urls[which] + path) as response:
            return await response.text()

    async def json(self, which: str, path: str) -> Any:
        assert self._session is not None
        async with self._session.get(self._urls[which] + path) as response:
            return await response.json()

    def series(self) -> dict[str, Any]:
        """All of it; lags that were never above 0 are left out."""
        lag = {name: values for name, values in self.lag.items() if any(values)}
        return {"t_s": self.times, **self.counts, "lag_events": lag, "rss_mib": self.memory, "cpu_s": self.cpu}


def _put(series: dict[str, list[float]], name: str, n: int, value: float) -> None:
    values = series.setdefault(name, [])
    values.extend([0.0] * (n - len(values)))
    values.append(value)


class Meter:
    """CPU by process and time by stage between two moments."""

    def __init__(self, pids: Mapping[str, int], exposition: str) -> None:
        self._pids = dict(pids)
        self._cpu = {name: cpu_s(pid) for name, pid in pids.items()}
        self._stages = _stages(exposition)

    def cpu(self) -> dict[str, float]:
        """CPU seconds by process since."""
        return {name: round(cpu_s(pid) - self._cpu[name], 2) for name, pid in self._pids.items()}

    def stages(self, exposition: str) -> dict[str, dict[str, float]]:
        """Events and wall seconds by lane and stage since. Wall time of events that ran side by side adds up."""
        out = {}
        for name, (events, seconds) in _stages(exposition).items():
            before = self._stages.get(name, (0.0, 0.0))
            if events > before[0]:
                out[name] = {"events": events - before[0], "seconds": round(seconds - before[1], 3)}
        return out


def _stages(exposition: str) -> dict[str, tuple[float, float]]:
    counts, sums = parse(exposition, "ims_stage_seconds_count"), parse(exposition, "ims_stage_seconds_sum")
    return {f"{lane}/{stage}": (counts[lane, stage], sums.get((lane, stage), 0.0)) for lane, stage in counts}
