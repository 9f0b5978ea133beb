"""A bell per lane: a datagram to the process that dispatches the lane, naming the topics that have something new.

Losing one is harmless (the dispatcher also looks by itself every second); ringing costs 5 us and never blocks.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from ims.lanes import Lane

_AGAIN_S = 0.002
_MAX_PATH = 100  # a unix socket's address holds 107 bytes


class Bells:
    """Rings for every lane, and listens for those that this process dispatches."""

    def __init__(self, home: Path) -> None:
        short = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
        directory = home / "run"
        if len(str(directory)) > _MAX_PATH - 20:
            directory = Path(tempfile.gettempdir()) / f"ims-{short}"
        self._directory = directory
        self._out: socket.socket | None = None
        self._in: dict[Lane, socket.socket] = {}
        self._unheard: dict[Lane, set[str]] = {}

    def _address(self, lane: Lane) -> str:
        return str(self._directory / f"{lane}.bell")

    def ring(self, lane: Lane, topics: Iterable[str]) -> None:
        """Tell the dispatcher of the lane; nobody listening is fine. Rings that its full queue refuses are kept together."""
        if self._out is None:
            self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        waiting = self._unheard.pop(lane, set())
        waiting.update(topics)
        try:
            self._out.sendto(",".join(waiting).encode(), self._address(lane))
        except BlockingIOError:
            self._unheard[lane] = waiting
            asyncio.get_running_loop().call_later(_AGAIN_S, self._ring_again, lane)
        except OSError:
            return  # nobody listens: who begins to dispatch looks at everything first

    def _ring_again(self, lane: Lane) -> None:
        if lane in self._unheard and self._out is not None:
            self.ring(lane, ())

    def listen(self, lane: Lane, heard: Callable[[set[str]], None]) -> None:
        """Call `heard` on the running loop with the topics of each ring. A stale socket file is taken over."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = Path(self._address(lane))
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind(str(path))
        self._in[lane] = sock

        def readable() -> None:
            topics: set[str] = set()
            while True:
                try:
                    topics.update(sock.recv(65_536).decode().split(","))
                except BlockingIOError:
                    break
            heard(topics)

        asyncio.get_running_loop().add_reader(sock.fileno(), readable)

    def close(self) -> None:
        for sock in self._in.values():
            sock.close()
        self._in.clear()
        if self._out is not None:
            self._out.close()
            self._out = None
