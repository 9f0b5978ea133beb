"""A bell per lane and leg: a datagram to the process that dispatches them, naming the topics that have something new.

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
from ims.topics import Leg, leg_of

_AGAIN_S = 0.002
_MAX_PATH = 100  # a unix socket's address holds 107 bytes


class Bells:
    """Rings for every lane, and listens for those legs that this process dispatches."""

    def __init__(self, home: Path) -> None:
        short = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
        directory = home / "run"
        if len(str(directory)) > _MAX_PATH - 20:
            directory = Path(tempfile.gettempdir()) / f"ims-{short}"
        self._directory = directory
        self._out: socket.socket | None = None
        self._in: list[socket.socket] = []
        self._unheard: dict[tuple[Lane, Leg], set[str]] = {}

    def _address(self, lane: Lane, leg: Leg) -> str:
        return str(self._directory / f"{lane}.{leg}.bell")

    def ring(self, lane: Lane, topics: Iterable[str]) -> None:
        """Tell the lane's dispatchers; nobody listening is fine. Rings that a full queue refuses are kept together."""
        by_leg: dict[Leg, set[str]] = {}
        for topic in topics:
            by_leg.setdefault(leg_of(topic), set()).add(topic)
        for leg, names in by_leg.items():
            self._ring(lane, leg, names)

    def _ring(self, lane: Lane, leg: Leg, topics: set[str]) -> None:
        if self._out is None:
            self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        topics |= self._unheard.pop((lane, leg), set())
        try:
            self._out.sendto(",".join(topics).encode(), self._address(lane, leg))
        except BlockingIOError:
            self._unheard[lane, leg] = topics
            asyncio.get_running_loop().call_later(_AGAIN_S, self._ring_again, lane, leg)
        except OSError:
            return  # nobody listens: who begins to dispatch looks at everything first

    def _ring_again(self, lane: Lane, leg: Leg) -> None:
        if (lane, leg) in self._unheard and self._out is not None:
            self._ring(lane, leg, set())

    def listen(self, lane: Lane, leg: Leg, heard: Callable[[set[str]], None]) -> None:
        """Call `heard` on the running loop with the topics of each ring. A stale socket file is taken over."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = Path(self._address(lane, leg))
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind(str(path))
        self._in.append(sock)

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
        for sock in self._in:
            sock.close()
        self._in.clear()
        if self._out is not None:
            self._out.close()
            self._out = None
