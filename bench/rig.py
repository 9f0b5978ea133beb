"""One fresh home that is up, with its provider stub, a callback server, and somebody who watches them all.

The stub is the project's simulator: `ims up` starts it as a process of its own. It is a far end, not a part of IMS: its
memory and CPU are shown apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import far_end
from bench.children import Child, Generator, environment
from bench.far_end import Books, Marks
from bench.generator import Job
from bench.load import Row
from bench.machine import Noise
from bench.records import records_of, settled_count, waiting_count
from bench.sampling import Meter, Sampler
from bench.servers import Servers, started

START_S = 180.0  # a bound: two cores may be shared with others
IMS = str(Path(sys.executable).parent / "ims")
FAR_ENDS = ("simulator", "callbacks", "generator")  # everything else is IMS

PROFILES = ("embedded", "production")

Prepare = Callable[[Path, Mapping[str, str]], Awaitable[None]]  # puts something into a home, given its settings, before it is up


class Stuck(Exception):
    """What was waited for did not come; says how far it came."""


class Rig:
    """A running home. Made by `rig`."""

    def __init__(
        self, folder: Path, up: Child, callbacks: Child, callbacks_url: str, facts: dict[str, Any], servers: Servers | None, start_s: float
    ) -> None:
        self.home = folder / "home"
        self.folder = folder
        self.facts = facts
        self.servers = servers
        self.start_s = start_s
        self.records = records_of(self.home, servers.settings if servers else {})
        self.up = up
        self.callbacks = callbacks
        self.callbacks_url = callbacks_url
        self.generators: list[Generator] = []
        self.sampler = self._sampler()
        self._meter: Meter | None = None
        self._noise = Noise()

    def _sampler(self) -> Sampler:
        urls = {"metrics": self.facts["metrics"], "simulator": self.facts["simulator"], "callbacks": self.callbacks_url}
        return Sampler(self.pids, urls, lambda: sum(g.progress for g in self.generators))

    def pids(self) -> dict[str, int]:
        """Every process, servers too."""
        return {**self.programs(), **(self.servers.pids() if self.servers else {})}

    def programs(self) -> dict[str, int]:
        """Every process of this project, the far ends with their names in FAR_ENDS."""
        found = {"up": self.up.pid, **self.facts["processes"], "callbacks": self.callbacks.pid}
        for i, g in enumerate(self.generators):
            if g.child.alive:
                found["generator" if not i else f"generator{i}"] = g.child.pid
        return found

    # --- sending

    @property
    def customer(self) -> dict[str, Any]:
        found: dict[str, Any] = self.facts["customers"][0]
        return found

    def job(self, kind: str, path: str, *, seed: int, count: int, slot: int = 0, **more: Any) -> Job:
        """A job for this home: who sends, from which number, and where its results are told."""
        intake = urlsplit(self.facts["intake"])
        fields = f'"message_type":"SMS","callback":"{self.customer["callback"]}","callback_url":"{self.callbacks_url}/{kind}"'
        headers = {"x-ims-version": "version-1", "x-ims-key": self.customer["x_ims_key"]}
        path = f"/ims/{self.customer['service_keys'][kind]}/mt/{path}"
        return Job(intake.port or 80, path, headers, fields, seed, slot, count, host=intake.hostname or "", **more)

    async def generator(self, job: Job) -> Generator:
        """A generator that is ready to go."""
        generator = await Generator.start(self.folder / "generator.log")
        self.generators.append(generator)
        await generator.prepare(job)
        return generator

    async def dismiss(self) -> None:
        """End the generators."""
        for generator in self.generators:
            await generator.child.stop()
        self.generators.clear()

    async def close(self) -> None:
        """Stop looking and sending; the home stays up."""
        await self.dismiss()
        await self.sampler.stop()

    # --- looking

    async def marks(self) -> Marks:
        """Where the lists are now."""
        stats = await self.sampler.json("callbacks", "/stats")
        sent = (await self.sampler.json("simulator", "/v1/sent/count"))["count"]
        by_kind = {path[1:]: entry["results"] for path, entry in stats["paths"].items()}
        return Marks(sent, stats["results"], by_kind, stats["repeats"], self.settled(), int(time.time() * 1000))

    async def begin(self) -> None:
        """Start measuring: series, CPU and stages from now on."""
        await self.sampler.stop()
        self.sampler = self._sampler()
        await self.sampler.start()
        self._meter = Meter({"bench": os.getpid(), **self.pids()}, await self.sampler.text("metrics"))
        self._noise = Noise()

    async def measured(self) -> dict[str, Any]:
        """What was used since `begin`, by process and by stage."""
        assert self._meter is not None
        cpu = self._meter.cpu()
        others = self._noise.others(sum(cpu.values()))
        return {
            "cpu_s": cpu,
            "others_cores": others,
            "log": self.log_events(),
            "stages": self._meter.stages(await self.sampler.text("metrics")),
        }

    def settled(self) -> int:
        return settled_count(self.records)

    async def told(self, kind: str, since: Marks, count: int, limit_s: float) -> int:
        """Wait until so many results of a kind of service key came to the callback server; when the last did (epoch ms)."""
        deadline = time.monotonic() + limit_s
        while True:
            path = (await self.sampler.json("callbacks", "/stats"))["paths"].get(f"/{kind}", {"results": 0, "last_at": 0})
            told = path["results"] - since.told_by.get(kind, 0)
            if told >= count:
                return int(path["last_at"])
            await self._not_after(deadline, f"{told} of {count} results of {kind} told")

    async def in_history(self, since: Marks, count: int, limit_s: float) -> int:
        """Wait until so many more messages have a history row; when that was seen (epoch ms)."""
        deadline = time.monotonic() + limit_s
        while (settled := self.settled() - since.settled) < count:
            await self._not_after(deadline, f"{settled} of {count} history rows")
        return int(time.time() * 1000)

    async def _not_after(self, deadline: float, what: str) -> None:
        if time.monotonic() > deadline:
            sent = await self.sampler.json("simulator", "/v1/stats")
            raise Stuck(f"{what}; stub: {sent}; waiting: {waiting_count(self.records)}; log: {self.log_tail()}")
        if not self.up.alive:
            raise Stuck(f"ims up ended with {self.up.process.returncode}; log: {self.log_tail()}")
        await asyncio.sleep(0.05)

    async def books(self, messages: list[Row], refused: set[int], since: Marks) -> Books:
        """All four books about these messages."""
        books = await far_end.compare(self.sampler, self.records, messages, refused, since)
        books.process_ends = self.log_text().count('"process_ended"')
        return books

    def log_events(self) -> dict[str, int]:
        """What IMS wrote into its log, by level and name."""
        found: Counter[str] = Counter()
        for line in self.log_text().splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                said = json.loads(line)
                found[f"{said['level']} {said['event']}"] += 1
        return dict(found)

    def log_text(self) -> str:
        return (self.folder / "up.log").read_text(errors="replace")

    def log_tail(self) -> str:
        return self.log_text()[-1500:]


@contextlib.asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """A temporary folder on the disk that TMPDIR names."""
    path = Path(tempfile.mkdtemp(prefix="ims-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.asynccontextmanager
async def rig(
    *, profile: str = "embedded", small: bool = False, given: Path | None = None, prepare: Prepare | None = None, **settings: object
) -> AsyncIterator[Rig]:
    """A home of its own, up; all gone afterwards. `small`, `given`: its servers; `settings`: names of ims/config.py in lower case."""
    async with folder() as path, contextlib.AsyncExitStack() as stack:
        home = path / "home"
        servers = await stack.enter_async_context(started(path / "servers", small=small, given=given)) if profile == "production" else None
        where = servers.settings if servers else {}
        if prepare is not None:
            await prepare(home, where)
        callbacks = await Child.start([sys.executable, "-m", "bench.callbacks"], path / "callbacks.log")
        stack.push_async_callback(callbacks.stop)
        url = (await callbacks.line(START_S)).decode().strip()
        env = environment(home=home, **where, **settings)
        began = time.monotonic()
        # SIGTERM at our death, not SIGKILL: it ends its own children then, in their order
        up = await Child.start([IMS, "up", "--port", "0"], path / "up.log", env=env, death=signal.SIGTERM)
        stack.push_async_callback(up.stop)
        facts = await _facts(home, up, path / "up.log")
        made = Rig(path, up, callbacks, url, facts, servers, time.monotonic() - began)
        await made.begin()
        stack.push_async_callback(made.close)
        yield made


async def _facts(home: Path, up: Child, log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and up.alive:
        with contextlib.suppress(OSError, ValueError):
            facts: dict[str, Any] = json.loads((home / "up.json").read_text())
            return facts
        await asyncio.sleep(0.05)
    raise Stuck(f"ims up did not start: {log.read_text(errors='replace')[-1500:]}")
