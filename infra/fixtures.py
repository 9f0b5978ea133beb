"""pytest plugin: real servers for tests, each started once in a run (by whichever process of pytest-xdist asks first) on free ports.

kafka, mariadb, redis_single, redis_cluster, mongo, aws, smtp: shared, so a test makes its own topics, databases, keys, and breaks nothing.
secure: makes those that speak TLS only and, where they know users, ask for a password (`secure("kafka")`); shared too.
kafka3, mariadb_own, mongo_own, redis_own, redis_cluster_own: for one test module, whose nodes it may kill, freeze and start again.
What cannot be had skips the test by name, and fails it on CI.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.hold import READY
from infra.maven import NotFetched
from infra.needs import Missing, missing
from infra.place import ROOT, Place, continuous_integration, place_of_environment, temporary_place
from infra.service import Service
from infra.services import FOR_TESTS

_START_S = 120.0
_STOP_S = 60.0
_WORKER = "PYTEST_XDIST_WORKER"


@dataclass(frozen=True)
class Shared:
    """A service that others use too."""

    name: str
    ports: Mapping[str, int]
    settings: Mapping[str, str]  # IMS_...
    home: Path  # its `data` and `log`

    @property
    def url(self) -> str:
        """What the application's setting says."""
        return next(iter(self.settings.values()))


class Own:
    """A service of one test module: to be broken."""

    def __init__(self, place: Place, service: Service) -> None:
        self.place, self.service = place, service

    @property
    def url(self) -> str:
        return next(iter(self.service.settings().values()))

    def port(self, name: str) -> int:
        return self.place.port(name)

    def kill(self, *names: str) -> None:
        """kill -9 of nodes (all, when none is named), at once."""
        for name in self._named(names):
            self.service.node(name).process.kill()

    def start(self, *names: str) -> None:
        """Start dead nodes again where they left off, and wait until they answer."""
        for name in self._named(names):
            self.service.start_node(self.service.node(name), bound=True, wait=False)
        for name in self._named(names):
            self.service.wait(self.service.node(name), time.monotonic() + self.service.start_s)

    def pause(self, *names: str) -> None:
        """Freeze nodes: their connections stay open, and nothing answers."""
        for name in self._named(names):
            self.service.node(name).process.pause()

    def resume(self, *names: str) -> None:
        for name in self._named(names):
            self.service.node(name).process.resume()

    def _named(self, names: tuple[str, ...]) -> list[str]:
        return list(names) or [node.name for node in self.service.nodes]


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Shared:
    return _shared(request, "kafka")


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> Shared:
    return _shared(request, "mariadb")


@pytest.fixture(scope="session")
def redis_single(request: pytest.FixtureRequest) -> Shared:
    return _shared(request, "redis")


@pytest.fixture(scope="session")
def redis_cluster(request: pytest.FixtureRequest) -> Shared:
    return _shared(request, "redis-cluster")


@pytest.fixture(scope="session")
def mongo(request: pytest.FixtureRequest) -> Shared:
    return _shared(request, "mongo")


@pytest.fixture(scope="session")
def aws(request: pytest.FixtureRequest) -> Shared:
    return _shared(request, "aws")


@pytest.fixture(scope="session")
def smtp(request: pytest.FixtureRequest) -> Shared:
    return _shared(request, "smtp")


@pytest.fixture(scope="session")
def secure(request: pytest.FixtureRequest) -> Callable[[str], Shared]:
    return lambda name: _shared(request, f"{name}-secure")


@pytest.fixture(scope="module")
def kafka3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    yield from _own(tmp_path_factory, "kafka3")


@pytest.fixture(scope="module")
def mariadb_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    yield from _own(tmp_path_factory, "mariadb")


@pytest.fixture(scope="module")
def mongo_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    yield from _own(tmp_path_factory, "mongo")


@pytest.fixture(scope="module")
def redis_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    yield from _own(tmp_path_factory, "redis")


@pytest.fixture(scope="module")
def redis_cluster_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    yield from _own(tmp_path_factory, "redis-cluster")


def _own(factory: pytest.TempPathFactory, name: str) -> Iterator[Own]:
    place = temporary_place(factory.mktemp(f"{name}-own"))
    service = FOR_TESTS[name](place)
    _have(service)
    try:
        service.start(place, bound=True)
        yield Own(place, service)
    finally:
        service.resume()
        service.stop()


def _shared(request: pytest.FixtureRequest, name: str) -> Shared:
    """The service of this run, started when nobody has started it yet."""
    home = _run_folder(request.config) / name
    home.mkdir(parents=True, exist_ok=True)
    with (home / "hold.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait until it is ready, or known not to be
        if not (home / READY).exists():
            _have(FOR_TESTS[name](temporary_place(home)))
            _hold(home, name)
    said = json.loads((home / READY).read_text())
    if "fault" in said:
        pytest.fail(said["fault"], pytrace=False)
    return Shared(name, said["ports"], said["settings"], home)


def _have(service: Service) -> None:
    """What it needs is installed, and built; else the test is skipped, or fails on CI."""
    try:
        if packages := missing(service.needs):
            raise Missing(f"{', '.join(packages)} not installed (make services)")
        service.build()
    except (Missing, NotFetched) as exc:
        if continuous_integration():
            pytest.fail(f"{service.name} cannot be had: {exc}", pytrace=False)
        pytest.skip(f"{service.name} cannot be had: {exc}")


def _hold(home: Path, name: str) -> None:
    """A process of its own: pytest-xdist may end the one that asked before the others are done."""
    run = os.getppid() if _WORKER in os.environ else os.getpid()
    command = [sys.executable, "-m", "infra.hold", name, str(home), str(place_of_environment().lib), str(run)]
    with (home / "hold.log").open("wb") as log:
        holder = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (home / "hold.pid").write_text(str(holder.pid))
    deadline = time.monotonic() + _START_S
    while not (home / READY).exists():
        if holder.poll() is not None or time.monotonic() > deadline:
            holder.kill()
            text = (home / "hold.log").read_text()
            (home / READY).write_text(json.dumps({"fault": f"{name} did not start: {text[-2000:]}"}))
        time.sleep(0.05)


def _run_folder(config: pytest.Config) -> Path:
    """One for all processes of a run."""
    base = Path(config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]  # the public fixture of it, in a hook
    return (base.parent if _WORKER in os.environ else base) / "services"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The end of the run ends what it held, before the run says that it is over."""
    if _WORKER in os.environ or not hasattr(session.config, "_tmp_path_factory"):
        return
    pids = [int(path.read_text()) for path in _run_folder(session.config).glob("*/hold.pid")]
    for pid in pids:
        _end(pid)


def _end(pid: int) -> None:
    """A holder, by its id: nobody reaps it but us or the worker that is gone, so the id is still its own."""
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    if b"infra.hold" in Path(f"/proc/{pid}/cmdline").read_bytes():
        signal.pidfd_send_signal(end, signal.SIGTERM)
        select.select([end], [], [], _STOP_S)
    os.close(end)
