"""What a scenario is, and what it is given: sizes, a seed, homes, a profile when one is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import profiles
from bench.preload import Plan, load, service_keys
from bench.preload_server import load_server
from bench.results import Outcome
from bench.rig import Prepare, Rig, rig
from ims.lanes import Lane

STUB = {"simulator_latency_ms": 50, "simulator_reports_fast": "polling"}  # every scenario's provider
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Scenario:
    """`full` and `short`: its settings in the two forms; any of them can be set on the command line."""

    name: str
    method: str
    full: Mapping[str, Any]
    short: Mapping[str, Any]
    limit_s: float  # of the full form, all of it
    run: Callable[[Bench], Awaitable[Outcome]]
    shares: bool = True  # the short form leaves a home as quiet as it was
    on_servers: bool = False  # it means something on the production profile too


@dataclass
class Bench:
    """One run of one scenario."""

    settings: dict[str, Any]
    seed: int | str
    profile: bool = False
    shared: Rig | None = None  # the short form: one home for all that can share it
    on: str = "embedded"  # the profile
    small: bool = False  # its servers
    given: Path | None = None  # those that are there already
    profiled: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    def next_seed(self) -> int:
        """A seed for a generator; follows from the run's."""
        return self.rng.randrange(2**48)

    def bounds(self, embedded: tuple[float, float], production: tuple[float, float] | None = None) -> dict[str, float | None]:
        """What a figure should reach for now, and the goal, on the profile of this run."""
        reach, goal = embedded if self.on == "embedded" else production or (None, None)
        return {"reach": reach, "goal": goal}

    @contextlib.asynccontextmanager
    async def home(self, *lanes: Lane, **settings: Any) -> AsyncIterator[Rig]:
        """A home that is up, with `preload` settled messages in each of these lanes."""
        if self.shared is not None:
            await self.shared.begin()
            try:
                yield self.shared
            finally:
                await self.shared.close()
            return
        how = {"profile": self.on, "small": self.small, "given": self.given, "prepare": self._preload(lanes)}
        async with rig(**how, **{**STUB, **settings}) as made:
            yield made

    def _preload(self, lanes: tuple[Lane, ...]) -> Prepare | None:
        count = self.settings.get("preload", 0)
        if not count or not lanes:
            return None

        async def prepare(home: Path, where: Mapping[str, str]) -> None:
            home.mkdir(mode=0o700)
            keys = await service_keys(home, where)
            now = int(time.time() * 1000)
            today = now // _DAY_MS * _DAY_MS
            for lane in lanes:
                plan = Plan(lane, count, [(max(today, now - 6 * 3_600_000), now - 60_000 if now - today > 120_000 else now)])
                if where:
                    await asyncio.to_thread(load_server, where["records"], plan, keys[lane])
                else:
                    load(home, plan, keys[lane], self.rng)

        return prepare

    @contextlib.asynccontextmanager
    async def profiling(self, home: Rig, name: str) -> AsyncIterator[None]:
        """Watch every process of a home for a while, when a profile is wanted."""
        if not self.profile:
            yield
            return
        watching = asyncio.create_task(profiles.record(home.programs(), home.folder, self["profile_after_s"], self["profile_for_s"]))
        try:
            yield
            self.profiled[name] = await watching
        finally:
            watching.cancel()
