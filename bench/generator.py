"""The load generator: `python -m bench.generator`, a process of its own that ends with its parent (end of its stdin).

A line in, lines out, all JSON: a Job is prepared (every request's bytes are made before the clock starts), "go" sends it.
Closed loop: each connection sends its next request when it has its answer. Open loop: at random moments of a given rate,
whatever becomes of the ones before; its latencies count from the moment that was due, not from when we got to it.
What is answered 429, 503 or not at all is sent again under the same ids, as a client would; the rest stays refused.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import time
from collections import Counter, deque
from typing import Any

import msgspec
import uvloop

from bench.histogram import Histogram
from bench.load import bulk_bodies, single_bodies
from bench.wire import Connection, request

PROGRESS_S = 0.5
_AGAIN_S = 0.05
_OPEN_CONNECTIONS = 16  # of an open loop, to begin with
_TRIED_AGAIN = {0, 429, 503}
_GOOD = b'"code":"0000"'
_decode = msgspec.json.Decoder().decode


class Job(msgspec.Struct, forbid_unknown_fields=True):
    """What to send."""

    port: int
    path: str
    headers: dict[str, str]
    fields: str  # what all messages share, as the inside of a JSON object
    seed: int
    slot: int
    count: int
    rows: int = 0  # recipients of a request; 0: sendMessage
    connections: int = 64
    rate_per_s: float = 0.0  # > 0: open loop
    rendered: bool = False
    magic: str = ""
    timed: bool = False  # report when each request was sent
    host: str = "127.0.0.1"


class Run:
    """One job on its way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        if job.rows:
            made = list(bulk_bodies(job.seed, job.slot, job.count, job.fields, job.rows, job.magic))
        else:
            made = [(body, 1) for body in single_bodies(job.seed, job.slot, job.count, job.fields, rendered=job.rendered)]
        self._requests = [request("POST", job.path, job.headers, body) for body, _ in made]
        self._sizes = [size for _, size in made]
        self._next = 0
        self._again: deque[int] = deque()
        self._left = len(made)
        self._stopped = False
        self._done = asyncio.Event()
        self._connections: set[Connection] = set()
        self.latency = Histogram()
        self.late = Histogram()  # open loop: how late we ourselves were
        self.codes: Counter[str] = Counter()
        self.refused: list[int] = []
        self.accepted = 0
        self._due = [0.0] * len(made)
        self._answered_at = [0.0] * len(made)

    async def go(self) -> dict[str, Any]:
        """Send everything; the result."""
        job = self.job
        wanted = _OPEN_CONNECTIONS if job.rate_per_s else min(job.connections, len(self._requests))
        await asyncio.gather(*(self._connect() for _ in range(wanted)))
        wall, cpu, begun = time.time(), time.process_time(), time.perf_counter()
        opening = asyncio.create_task(self._open_loop()) if job.rate_per_s else None
        if not opening:
            for connection in list(self._connections):
                self._feed(connection)
        if self._left:
            await self._done.wait()
        ended = time.perf_counter()
        cpu_s = time.process_time() - cpu
        if opening:
            opening.cancel()
        for connection in self._connections:
            connection.close()
        sent = len(self._requests) if not self._stopped else self._next
        return {
            "started_at": wall,
            "took_s": ended - begun,
            "requests": sent,
            "recipients": sum(self._sizes[:sent]),
            "accepted": self.accepted,
            "refused": self.refused,
            "codes": dict(self.codes),
            "latency": self.latency.summary(),
            "late": self.late.summary() if job.rate_per_s else None,
            "cpu_s": cpu_s,
            "due_ms": [round((wall + t - begun) * 1000, 2) for t in self._due[:sent]] if job.timed else [],
            "answered_ms": [round((wall + t - begun) * 1000, 2) for t in self._answered_at[:sent]] if job.timed else [],
        }

    def stop(self) -> None:
        """Send nothing new; `go` returns when what is under way is answered."""
        self._stopped = True
        self._left -= len(self._requests) - self._next
        if self._left <= 0:
            self._done.set()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self._answered), self.job.host, self.job.port)
        self._connections.add(connection)
        return connection

    def _feed(self, connection: Connection) -> None:
        if self._again:
            index = self._again.popleft()
        elif self._next < len(self._requests) and not self._stopped:
            index, self._next = self._next, self._next + 1
            self._due[index] = time.perf_counter()
        else:
            return
        connection.send(index, self._requests[index])

    async def _open_loop(self) -> None:
        rng = random.Random(self.job.seed + 2)
        due = time.perf_counter()
        while self._next < len(self._requests) and not self._stopped:
            due += rng.expovariate(self.job.rate_per_s)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if self._stopped:
                return
            index, self._next = self._next, self._next + 1
            self._due[index] = due
            connection = next((c for c in self._connections if c.usable), None) or await self._connect()
            self.late.add(int((time.perf_counter() - due) * 1e6))
            connection.send(index, self._requests[index])

    def _answered(self, connection: Connection, index: int, status: int, body: bytes) -> None:
        now = time.perf_counter()
        if status == 200 and _GOOD in body:
            self.latency.add(int((now - self._due[index]) * 1e6))
            self._answered_at[index] = now
            self.accepted += _decode(body)["data"]["accepted"] if self.job.rows else 1
            self._finished()
        elif status in _TRIED_AGAIN:
            self.codes[str(status)] += 1
            asyncio.get_running_loop().call_later(_AGAIN_S, self._repeat, index)
        else:
            self.codes[f"{status} {_code(body)}"] += 1
            self.refused.append(index)
            self._finished()
        if not connection.usable:
            self._connections.discard(connection)
        elif not self.job.rate_per_s:
            self._feed(connection)

    def _finished(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._done.set()

    def _repeat(self, index: int) -> None:
        """Send a request again on whatever connection is free."""
        self._again.append(index)
        connection = next((c for c in self._connections if c.usable), None)
        if connection is not None:
            self._feed(connection)
        else:
            asyncio.ensure_future(self._connect_and_feed())  # noqa: RUF006 - ends with the loop

    async def _connect_and_feed(self) -> None:
        try:
            self._feed(await self._connect())
        except OSError:  # a server that restarts
            asyncio.get_running_loop().call_later(_AGAIN_S, lambda: asyncio.ensure_future(self._connect_and_feed()))


def _code(body: bytes) -> str:
    try:
        return str(_decode(body)["code"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return "?"


def _say(**what: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


async def main() -> None:
    """Serve the parent until it closes our stdin."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    run: Run | None = None
    while line := await lines.readline():
        asked = _decode(line)
        if asked["do"] == "prepare":
            run = Run(msgspec.convert(asked["job"], Job))
            gc.collect()
            gc.disable()  # no pauses of ours in others' latencies
            _say(ready=True)
        elif run and asked["do"] == "go":
            asyncio.ensure_future(_go(run))  # noqa: RUF006 - the parent waits for its line
        elif run:
            run.stop()
    os._exit(0)


async def _go(run: Run) -> None:
    going = asyncio.ensure_future(run.go())
    while not going.done():
        await asyncio.wait([going], timeout=PROGRESS_S)
        _say(progress=run.accepted)
    _say(done=going.result())


if __name__ == "__main__":
    uvloop.run(main())
