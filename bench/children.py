"""Processes that we start and that never outlive us: killed by the kernel when we die, ended by us before we end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.generator import Job

STOP_S = 40.0  # IMS drains for up to 30
PREPARE_S = 300.0
_LINE_BYTES = 1 << 27
_PR_SET_PDEATHSIG = 1
ROOT = Path(__file__).resolve().parents[1]
_libc = ctypes.CDLL(None, use_errno=True)


def bound(sig: int) -> Callable[[], None]:
    """Run in the child before its program: our death, by whatever signal, sends it this one."""
    parent = os.getpid()

    def ask() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, sig, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def environment(**settings: object) -> dict[str, str]:
    """Ours without anything of IMS, with these settings of it. Bytecode is kept, or every start compiles everything."""
    dropped = ("IMS_", "PROMETHEUS_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(dropped) and k != "PYTHONDONTWRITEBYTECODE"}
    return env | {f"IMS_{name.upper()}": str(value) for name, value in settings.items()}


class Child:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    @classmethod
    async def start(cls, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, death: int = signal.SIGKILL) -> Child:
        """`death`: what our own end sends it. Its stdin is a pipe that we hold, its stderr goes to the log."""
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                cwd=ROOT,
                env=dict(env or environment()),
                preexec_fn=bound(death),
                start_new_session=True,
                limit=_LINE_BYTES,
            )
        return cls(process)

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def line(self, timeout_s: float) -> bytes:
        """Its next line of output; empty when it ended."""
        assert self.process.stdout is not None
        return await asyncio.wait_for(self.process.stdout.readline(), timeout_s)

    async def stop(self) -> int:
        """SIGTERM, then SIGKILL to what is left of its group."""
        if self.alive:
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_S)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            await self.process.wait()
        return self.process.returncode or 0


class Generator:
    """A generator process and its one job."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.progress = 0  # recipients answered 0000 so far

    @classmethod
    async def start(cls, log: Path) -> Generator:
        return cls(await Child.start([sys.executable, "-m", "bench.generator"], log))

    async def _ask(self, **what: Any) -> None:
        assert self.child.process.stdin is not None
        self.child.process.stdin.write(msgspec.json.encode(what) + b"\n")
        await self.child.process.stdin.drain()

    async def prepare(self, job: Job) -> None:
        """Make every request's bytes."""
        await self._ask(do="prepare", job=job)
        if not await self.child.line(PREPARE_S):
            raise RuntimeError("the generator died while it prepared")

    async def go(self, limit_s: float) -> dict[str, Any]:
        """Send; what came of it."""
        await self._ask(do="go")
        async with asyncio.timeout(limit_s):
            while line := await self.child.line(limit_s):
                said = msgspec.json.decode(line)
                if "done" in said:
                    result: dict[str, Any] = said["done"]
                    self.progress = result["accepted"]
                    return result
                self.progress = said["progress"]
        raise RuntimeError("the generator died")

    async def stop(self) -> None:
        """Let an open loop end: nothing new is sent."""
        await self._ask(do="stop")
