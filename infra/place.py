"""Where servers keep what is theirs, and on which ports they listen: read from the environment here and nowhere else in infra/."""

from __future__ import annotations

import fcntl
import os
import random
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"

# Second ports stand beside the first: Kafka's controllers, the bus of Redis cluster.
PORTS: Mapping[str, int] = {
    **{f"kafka-{n}": 8992 + 100 * n for n in (1, 2, 3)},  # 9092, 9192, 9292
    **{f"kafka-{n}-controller": 8999 + 100 * n for n in (1, 2, 3)},
    "mariadb": 3306,
    "redis": 6379,
    **{f"redis-cluster-{n}": 7000 + n for n in range(1, 7)},
    **{f"redis-cluster-{n}-bus": 17000 + n for n in range(1, 7)},
    "mongo": 27017,
    "aws": 4566,
    "smtp": 2525,
    "prometheus": 9090,
    "alertmanager": 9093,
    "metrics": 9464,  # of IMS itself, for Prometheus
}
# Not from the range that the kernel gives to clients: a server that was killed finds its port free again.
_FREE = range(20_000, 32_000)


class Unplaced(Exception):
    """A setting of infra/ is wrong."""


@dataclass(frozen=True)
class Place:
    """One set of servers. `lib` holds what is downloaded or built once and can be shared by many homes."""

    home: Path
    lib: Path
    ports: Mapping[str, int]

    def port(self, name: str) -> int:
        return self.ports[name]

    def data(self, name: str) -> Path:
        return self.home / "data" / name

    def log(self, name: str) -> Path:
        return self.home / "log" / f"{name}.log"

    def pid(self, name: str) -> Path:
        return self.home / "run" / f"{name}.json"

    def make(self) -> None:
        """The folders, for their owner only: data and secrets are in them."""
        for folder in (self.home, self.home / "data", self.home / "log", self.home / "run"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.lib.mkdir(parents=True, exist_ok=True, mode=0o700)

    def secret(self, name: str) -> str:
        """A password made at its first use, in a file that only its owner reads."""
        path = self.home / "run" / f"{name}.secret"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if text := path.read_text().strip():
                return text
            descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)  # died between the two lines below
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(16))
        return path.read_text()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One `up` or `down` at a time; the kernel lets go of it when we die."""
        self.make()
        with _locked(self.home / "lock"):
            yield

    @contextmanager
    def lib_locked(self) -> Iterator[None]:
        """One builder at a time of what is shared."""
        self.lib.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self.lib / "lock"):
            yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def place_of_environment() -> Place:
    """IMS_SERVICES_HOME: the folder (`.services` of the project). IMS_SERVICES_OFFSET: added to every port.

    IMS_SERVICES_PORTS: single ports by name, after the offset (`mariadb=13306,redis=16379`).
    """
    home = Path(os.environ.get("IMS_SERVICES_HOME") or ROOT / ".services").resolve()
    try:
        offset = int(os.environ.get("IMS_SERVICES_OFFSET") or 0)
        moved = {name: int(port) for name, _, port in (pair.partition("=") for pair in _list("IMS_SERVICES_PORTS"))}
    except ValueError as exc:
        raise Unplaced(f"IMS_SERVICES_OFFSET is a number, IMS_SERVICES_PORTS a list like mariadb=13306,redis=16379: {exc}") from exc
    if unknown := sorted(set(moved) - set(PORTS)):
        raise Unplaced(f"IMS_SERVICES_PORTS names no server of ours: {', '.join(unknown)} (there are {', '.join(PORTS)})")
    ports = {name: port + offset for name, port in PORTS.items()} | moved
    if wrong := [name for name, port in ports.items() if not 0 < port < 65536]:
        raise Unplaced(f"no port: {', '.join(wrong)}")
    if twice := sorted(name for name, port in ports.items() if list(ports.values()).count(port) > 1):
        raise Unplaced(f"IMS_SERVICES_PORTS gives one port to {', '.join(twice)}")
    return Place(home, home / "lib", ports)


def temporary_place(home: Path, lib: Path | None = None) -> Place:
    """Free ports and a folder of its own; what is downloaded is shared with `make services`."""
    return Place(home.resolve(), lib or place_of_environment().lib, dict(zip(PORTS, free_ports(len(PORTS)), strict=True)))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment, all different."""
    found: list[int] = []
    for port in random.sample(_FREE, len(_FREE)):
        with socket.socket() as s:
            try:
                s.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise Unplaced("no free ports")


def continuous_integration() -> bool:
    """On CI what cannot be had is a failure; on a laptop a test is skipped."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def _list(variable: str) -> list[str]:
    return [item.strip() for item in os.environ.get(variable, "").split(",") if item.strip()]
