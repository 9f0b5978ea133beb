"""The servers of the production profile for one run: started by infra/ on free ports, with nothing in them, gone with the run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.place import Place, temporary_place
from infra.service import Service
from infra.services import FOR_TESTS, SERVICES

NAMES = ("kafka", "mariadb", "redis-cluster", "mongo", "aws")
_CHOSEN = ("log", "records", "cache", "traces", "files")


@dataclass(frozen=True)
class Servers:
    """What runs."""

    services: Sequence[Service]

    @property
    def settings(self) -> dict[str, str]:
        """Of IMS, in the words of ims/config.py."""
        named = {name: value for service in self.services for name, value in service.settings().items()}
        return {"profile": "production"} | {name: named[f"IMS_{name.upper()}"] for name in _CHOSEN}

    def pids(self) -> dict[str, int]:
        """Every process of theirs."""
        found = {node.name: node.process.pid() for service in self.services for node in service.nodes}
        return {name: pid for name, pid in found.items() if pid is not None}


@contextlib.asynccontextmanager
async def started(folder: Path, *, small: bool) -> AsyncIterator[Servers]:
    """As `make services` starts them (three Kafka nodes); `small`: as tests have them (one)."""
    place = temporary_place(folder)
    services = [(FOR_TESTS if small else SERVICES)[name](place) for name in NAMES]
    try:
        await asyncio.to_thread(_start, place, services)
        yield Servers(services)
    finally:
        await asyncio.to_thread(_stop, services)


def _start(place: Place, services: Sequence[Service]) -> None:
    def start(service: Service) -> None:
        service.build()
        service.start(place, bound=True)

    with ThreadPoolExecutor(len(services)) as pool:
        list(pool.map(start, services))


def _stop(services: Sequence[Service]) -> None:
    with ThreadPoolExecutor(len(services)) as pool:
        list(pool.map(Service.stop, services))
