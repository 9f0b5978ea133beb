"""Where and on what a figure was measured: without this a figure means nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.children import ROOT

_PACKAGES = ("uvloop", "uvicorn", "httptools", "aiohttp", "pydantic", "msgspec", "sqlalchemy", "cloudevents", "functions-framework")
_SYNCS = 100
_LOOPS = 1_000_000


def machine(folder: Path) -> dict[str, Any]:
    """Cores, memory, kernel, and small yardsticks: a sync of the disk that homes lie on, a loop of the interpreter, and the
    same loop on every core at once, which on a virtual machine says what its neighbours leave of it."""
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    models = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "cpu": models[0] if models else platform.machine(),
        "memory_gib": round(memory / 2**20, 1),
        "kernel": platform.release(),
        "file_system": _file_system(folder),
        "sync_4k_us": _sync_us(folder),
        "python_loop_ns": _loop_ns(),
        "python_loop_all_cores_ns": _loops_ns(),
    }


def versions() -> dict[str, str]:
    """What runs."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> dict[str, Any]:
    """The commit, and whether files differ from it."""

    def git(*arguments: str) -> str:
        try:
            return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True).stdout.rstrip()
        except (OSError, subprocess.SubprocessError):
            return ""

    changed = [line[3:] for line in git("status", "--porcelain", "--", "ims", "functions").splitlines()]
    return {"id": git("rev-parse", "--short=12", "HEAD"), "changed": changed}


class Noise:
    """What others did on the machine meanwhile: a figure measured beside other work is a lower bound."""

    def __init__(self) -> None:
        self._at, self._busy = time.monotonic(), _busy_s()

    def others(self, ours_s: float) -> float:
        """Cores that were busy with something else, given the CPU seconds of our processes."""
        return round(max(0.0, _busy_s() - self._busy - ours_s) / max(time.monotonic() - self._at, 0.001), 2)


def _busy_s() -> float:
    user, nice, system, _, _, irq, soft, steal = map(int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _file_system(folder: Path) -> str:
    best, kind = "", "?"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, found, *_ = line.split()
        if str(folder.resolve()).startswith(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def _sync_us(folder: Path) -> int:
    path = folder / "sync-probe"
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    path.unlink()
    return int(sorted(took)[_SYNCS // 2] * 1e6)


def _loop_ns() -> int:
    best = 1.0
    for _ in range(3):
        begun, x = time.perf_counter(), 0
        for i in range(_LOOPS):
            x += i & 3
        best = min(best, time.perf_counter() - begun)
    return int(best / _LOOPS * 1e9)


def _loops_ns() -> int:
    """The slowest of as many interpreters as there are cores."""
    code = "from bench.machine import _loop_ns; print(_loop_ns())"
    command = [sys.executable, "-c", code]
    loops = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(os.cpu_count() or 1)]
    return max(int(loop.communicate(timeout=60)[0]) for loop in loops)
