"""The servers of the production profile for one run: started by infra/ on free ports, with nothing in them, gone with the run.

Or servers that are there already, in a file as `make services` writes it: a home takes names of its own on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
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

    settings: dict[str, str]  # of IMS, in the words of ims/config.py
    services: Sequence[Service] = ()  # those that are ours

    def pids(self) -> dict[str, int]:
        """Every process of theirs."""
        found = {node.name: node.process.pid() for service in self.services for node in service.nodes}
        return {name: pid for name, pid in found.items() if pid is not None}


@contextlib.asynccontextmanager
async def started(folder: Path, *, small: bool, given: Path | None = None) -> AsyncIterator[Servers]:
    """As `make services` starts them (three Kafka nodes); `small`: as tests have them (one); `given`: these, and none is started."""
    if given is not None:
        yield Servers(_own(dict(line.split("=", 1) for line in given.read_text().splitlines() if "=" in line)))
        return
    place = temporary_place(folder)
    services = [(FOR_TESTS if small else SERVICES)[name](place) for name in NAMES]
    try:
        await asyncio.to_thread(_start, place, services)
        yield Servers(_settings({name: value for service in services for name, value in service.settings().items()}), services)
    finally:
        await asyncio.to_thread(_stop, services)


def _settings(named: Mapping[str, str]) -> dict[str, str]:
    return {"profile": "production"} | {name: named[f"IMS_{name.upper()}"] for name in _CHOSEN}


def _own(named: Mapping[str, str]) -> dict[str, str]:
    """Redis keeps leases, rates and breakers, which end by themselves: others may be in it, and it is not cut up."""
    name, found = f"bench{secrets.token_hex(3)}", _settings(named)
    more = {"log": f"{found['log']}/{name}", "records": f"{found['records']}_{name}", "traces": f"{found['traces']}_{name}"}
    return found | more


def _start(place: Place, services: Sequence[Service]) -> None:
    def start(service: Service) -> None:
        service.build()
        service.start(place, bound=True)

    with ThreadPoolExecutor(len(services)) as pool:
        list(pool.map(start, services))


def _stop(services: Sequence[Service]) -> None:
    with ThreadPoolExecutor(len(services)) as pool:
        list(pool.map(Service.stop, services))
