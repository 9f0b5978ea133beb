"""`ims up`: starts every process of a home, watches them, tells where they are; ends them when it ends."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from ims.adapters.embedded.fsck import finish
from ims.config import Settings
from ims.errors import ImsError, Misconfigured
from ims.telemetry import log

START_S = 120.0  # seven interpreters, on two cores that others may be using; what cannot start ends, and is tried three times
STOP_S = 30.0
_RESTART_S = 0.5
_METRICS = "ims-metrics-"
_PORTS_FROM, _PORTS, _PORT_TRIES = 20_000, 12_000, 100  # Linux gives outgoing connections 32768 and up
_LEASE_S = 30.0  # of a batch of reports that the simulator handed out


class AlreadyUp(ImsError):
    """Another `ims up` has this home."""


@dataclass(slots=True)
class Child:
    """One process of ours."""

    name: str
    command: list[str]
    env: dict[str, str]
    ready_url: str = ""
    process: asyncio.subprocess.Process | None = None
    starts: int = field(default=0)


def free_port() -> int:
    """A port that nobody uses at this moment; see `hold_port`."""
    with hold_port() as held:
        return int(held.getsockname()[1])


def hold_port() -> socket.socket:
    """A port that nobody uses, below those from which outgoing connections take theirs (bind to 0 shares them).

    As long as the socket is open nobody who looks for a port finds this one; a server, which reuses addresses, can listen on it.
    """
    for _ in range(_PORT_TRIES):
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", _PORTS_FROM + secrets.randbelow(_PORTS)))
        except OSError:
            held.close()
            continue
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # only now: it had to be free of others who say so
        return held
    raise ImsError(f"no free port found between {_PORTS_FROM} and {_PORTS_FROM + _PORTS}")


def take_home(home: Path) -> IO[str]:
    """The lock of a home, held as long as the file is open; a kill -9 lets go of it."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open(home / "up.lock", "w")  # noqa: SIM115 - held until the process ends
    except OSError as exc:
        raise Misconfigured(f"IMS_HOME: {home.resolve()} cannot be written: {exc.strerror}") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise AlreadyUp(f"IMS is up already in {home}") from None
    finish(home)  # a repair that was cut off (ims fsck)
    return lock


def metrics_folder(home: Path) -> Path:
    """An empty folder for what the processes count, in memory; `metrics` in the home leads to it.

    Not in the home itself: the library maps its files, and touching a page of one on a full disk is a SIGBUS, which would
    end the very processes that tell clients 9998.
    """
    link = home / "metrics"
    if link.is_symlink():
        link.unlink()
    shutil.rmtree(link, ignore_errors=True)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108 - mkdtemp makes the folder in it
    for old in Path(memory).glob(f"{_METRICS}*"):  # what a kill -9 left: its home leads elsewhere now, or is gone
        if old.stat().st_uid == os.getuid() and (old / "home").exists() and Path((old / "home").read_text()).resolve() != old:
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_METRICS, dir=memory))
    link.symlink_to(folder)
    (folder / "home").write_text(str(link))  # after the link, or somebody who starts at this moment would sweep it away
    return folder


class Up:
    """The supervisor of one home."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = settings.home.resolve()
        wished = {"edge": settings.port, "simulator": settings.simulator_port, "metrics": settings.metrics_port}
        names = ("edge", "intake-bulk", "fast", "simulator", "metrics")
        self._held = {name: hold_port() for name in names if not wished.get(name)}
        self.ports = {name: self._held[name].getsockname()[1] if name in self._held else wished[name] for name in names}
        self._stop = asyncio.Event()
        self._children = self._plan()
        self._customers: list[dict[str, Any]] | None = None  # None: not announced yet

    def _plan(self) -> list[Child]:
        s, p = self.settings, self.ports
        metrics = metrics_folder(self.home)
        simulator_url = s.simulator_url or f"http://127.0.0.1:{p['simulator']}"
        env = {
            **os.environ,
            "IMS_HOME": str(self.home),
            "IMS_CHILD": "1",
            "IMS_SIMULATOR_URL": simulator_url,
            "IMS_INTAKE_BULK_URL": f"http://127.0.0.1:{p['intake-bulk']}",
            "IMS_PUBLIC_URL": s.public_url or f"http://127.0.0.1:{p['edge']}",
            "IMS_INTERNAL_TOKEN": secrets.token_hex(16),
            "IMS_CALLBACK_ALLOW_LOOPBACK": "true",  # what `make run` starts is for one machine
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        }
        children = []
        if not s.simulator_url:
            simulator = [
                *(sys.executable, "-m", "ims.adapters.providers.simulator.server", "--host", "127.0.0.1", "--port", str(p["simulator"])),
                *("--journal", str(self.home / "simulator.journal"), "--keys", s.simulator_keys),
                *("--latency-ms", str(s.simulator_latency_ms)),
                *("--receipt-url", f"http://127.0.0.1:{p['fast']}", "--reports-fast", s.simulator_reports_fast),
                *("--reports-bulk", s.simulator_reports_bulk, "--magic-scale", str(s.simulator_magic_scale)),
            ]
            secret = self.home / "simulator.secret"
            secret.touch(0o600)
            secret.write_text(s.simulator_secret)
            simulator += ["--secret-file", str(secret), "--lease-s", str(_LEASE_S * s.simulator_magic_scale), "--with-parent"]
            children.append(Child("simulator", simulator, env, f"{simulator_url}/v1/stats"))
        for name in ("fast", "slow-back", "slow-out", "intake-bulk", "edge"):
            port = p.get(name, 0)
            command = [sys.executable, "-m", "ims.serve.host", name, str(port)]
            children.append(Child(name, command, env, f"http://127.0.0.1:{port}/readyz" if port else ""))
        return children

    async def run(self, announce: Callable[[dict[str, Any]], None], customers: list[dict[str, Any]]) -> None:
        """Start everything, announce, watch until a signal comes, end everything."""
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self._stop.set)
        watchers = [asyncio.create_task(self._watch(child)) for child in self._children]
        try:
            if await self._ready():
                registry = CollectorRegistry()
                MultiProcessCollector(registry, path=str(self.home / "metrics"))  # type: ignore[no-untyped-call]
                start_http_server(self.ports["metrics"], "127.0.0.1", registry)
                self._customers = customers
                self._write()
                announce(self._facts(customers))
                await self._stop.wait()
        finally:
            self._stop.set()
            await asyncio.gather(*(self._end(child) for child in self._children))
            await asyncio.gather(*watchers, return_exceptions=True)
            (self.home / "up.json").unlink(missing_ok=True)
            for held in self._held.values():
                held.close()
            shutil.rmtree((self.home / "metrics").resolve(), ignore_errors=True)

    async def _watch(self, child: Child) -> None:
        """Keep one process alive."""
        while not self._stop.is_set():
            started = time.monotonic()
            child.process = await asyncio.create_subprocess_exec(*child.command, env=child.env, stdin=asyncio.subprocess.PIPE)
            child.starts += 1
            if self._customers is not None:
                self._write()  # up.json names living processes
            status = await child.process.wait()
            if self._stop.is_set():
                return
            log.error("process_ended", name=child.name, status=status)
            if time.monotonic() - started < 5:
                await asyncio.sleep(_RESTART_S)

    async def _ready(self) -> bool:
        """Wait until every process takes work."""
        deadline = time.monotonic() + START_S
        for child in self._children:
            while child.ready_url and not await asyncio.to_thread(_answers, child.ready_url):
                if self._stop.is_set():
                    return False
                if time.monotonic() > deadline or child.starts > 3:
                    raise ImsError(f"{child.name} did not start; its log lines say why")
                await asyncio.sleep(0.05)
        return True

    def _facts(self, customers: list[dict[str, Any]]) -> dict[str, Any]:
        p = self.ports
        return {
            "pid": os.getpid(),
            "intake": f"http://{self.settings.host}:{p['edge']}",
            "receipt": f"http://127.0.0.1:{p['fast']}",
            "simulator": self.settings.simulator_url or f"http://127.0.0.1:{p['simulator']}",
            "metrics": f"http://127.0.0.1:{p['metrics']}/metrics",
            "processes": {c.name: c.process.pid for c in self._children if c.process},
            "customers": customers,
        }

    def _write(self) -> None:
        facts = self._facts(self._customers or [])
        draft = self.home / "up.json.tmp"
        draft.touch(0o600)
        draft.write_text(json.dumps(facts, ensure_ascii=False, indent=2))
        draft.rename(self.home / "up.json")

    @staticmethod
    async def _end(child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - our own http URL
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
