"""One process of a server: started with a log and a pid file, signalled only when it is surely ours."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.place import Place

_PAUSE_S = 0.05
_FREEZE_S, _FREEZE_PAUSE_S = 5.0, 0.002
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
# The kernel sends the death signal when the *thread* ends that forked. This one ends with the interpreter and not before.
_forker = ThreadPoolExecutor(1, thread_name_prefix="forker")


class Process:
    """A command under a name. The same name in the same place is the same process, whoever started it.

    The command is asked for when it is needed: what it names may not be installed yet.
    """

    def __init__(self, place: Place, name: str, command: Callable[[], Sequence[str]], *, stop_s: float = 20.0) -> None:
        self.name = name
        self._command = command
        self.log = place.log(name)
        self._folder = place.data(name)
        self._pid_file = place.pid(name)
        self._stop_s = stop_s
        self._child: subprocess.Popen[bytes] | None = None

    def spawn(self, *, bound: bool) -> None:
        """Start it. `bound`: it is killed when we die, however we die; else it outlives us."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        self._child = _forker.submit(self._fork, bound).result()

    def _fork(self, bound: bool) -> subprocess.Popen[bytes]:
        parent, command = os.getpid(), list(self._command())

        def first() -> None:
            """In the child before its program. It writes its own pid: who started it may be killed at any moment."""
            if bound:
                die_with(parent)
            pid = os.getpid()
            self._pid_file.write_text(json.dumps({"pid": pid, "since": _since(pid), "command": command}))

        with self.log.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
                preexec_fn=first,  # noqa: PLW1509 - the forking thread holds no lock
            )

    def pid(self) -> int | None:
        """Its process, if it lives and is the one that we started: a pid alone may be somebody else's by now."""
        if self._child is not None:  # until `poll` has reaped it its id is its own; /proc shows no command while it becomes its program
            return self._child.pid if self._child.poll() is None else None
        try:
            known = json.loads(self._pid_file.read_text())
            pid = int(known["pid"])
            alive = _since(pid) == known["since"] and _command_of(pid) == known["command"]
        except (OSError, ValueError, KeyError):
            return None
        return pid if alive else None

    def as_wanted(self) -> bool:
        """It was started with the command that it would get now: ports may have been moved since."""
        return bool(json.loads(self._pid_file.read_text())["command"] == list(self._command()))

    def memory_mb(self) -> float:
        """What it holds of the machine's memory, shared pages in parts; 0 when it does not run."""
        pid = self.pid()
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text() if pid else ""
        except OSError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)

    def stop(self) -> None:
        """Ask it to end; kill it when it does not."""
        if not self._ended_by(signal.SIGTERM):
            self.kill()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if not self._ended_by(signal.SIGKILL):
            raise TimeoutError(f"{self.name} does not end")
        self._pid_file.unlink(missing_ok=True)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers. On a busy machine its threads stop a moment after the signal."""
        if self._send(signal.SIGSTOP):
            deadline = time.monotonic() + _FREEZE_S
            while (pid := self.pid()) and not _stopped(pid) and time.monotonic() < deadline:
                time.sleep(_FREEZE_PAUSE_S)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return ""

    def _send(self, sig: int) -> bool:
        pid = self.pid()
        if pid is None:
            return False
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            return False
        return True

    def _ended_by(self, sig: signal.Signals) -> bool:
        """Signal it, and wait until it is gone: its command line goes first, before its files and ports are free."""
        pid = self.pid()
        if pid is None:
            return True
        try:
            since = _since(pid)
        except OSError:
            return True
        deadline = time.monotonic() + self._stop_s
        self._send(sig)
        while _lives(pid, since):
            if self._child is not None:
                self._child.poll()
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_S)
        return True


def die_with(parent: int) -> None:
    """Called in a child: the kernel kills it when its parent dies, by whatever signal."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _since(pid: int) -> str:
    """When a process began, in ticks; with its pid it names a process for good."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    if fields[0] == "Z":
        raise ProcessLookupError(pid)
    return fields[19]


def _stopped(pid: int) -> bool:
    """Whether every thread of a process is frozen."""
    try:
        states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return False  # a thread that ended meanwhile: look again
    return all(state in "TtZ" for state in states)


def _lives(pid: int, since: str) -> bool:
    try:
        return _since(pid) == since
    except OSError:
        return False


def _command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
