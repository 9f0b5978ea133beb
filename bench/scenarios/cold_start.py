"""Each function alone, as a container starts it: how long until it says it is ready, and until it has answered an event.

The events are genuine: a home sends a text and an AlimTalk first, and its log keeps what each stage was given. Delivered
again they are answered as any redelivery is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.children import Child, environment
from bench.histogram import Histogram
from bench.results import Figure, Outcome
from bench.rig import IMS, Rig
from bench.scenario import Bench, Scenario
from bench.wire import request
from ims import topics
from ims.adapters.providers.simulator.signed import DEVELOPMENT_SECRET, SIGNATURE, TIMESTAMP, signature
from ims.lanes import Lane
from ims.serve.app import NAMES
from ims.serve.up import free_port

_TRY_S = 0.002
_READ = (
    "SELECT l.attributes, COALESCE(l.data, p.data) FROM log l LEFT JOIN payloads p ON l.data IS NULL "
    "AND p.birth = json_extract(l.attributes, '$.id') WHERE l.topic = ? ORDER BY l.seq LIMIT 1"
)


async def run(bench: Bench) -> Outcome:
    async with bench.home() as home:
        await _send(home)
        await asyncio.sleep(1)  # traces are sent on a few times a second
        await home.up.stop()
        events = {name: _event(name, home) for name in NAMES}
        room = asyncio.Semaphore(bench["at_once"])
        ready = {name: Histogram() for name in NAMES}
        answered = {name: Histogram() for name in NAMES}
        outcome = Outcome()

        async def once(name: str, counted: bool) -> None:
            async with room:
                first, second, status = await _start(home, name, events[name], bench["limit_s"])
            outcome.checks[f"{name} answered its event"] = 200 <= status < 300
            if counted:
                ready[name].add(int(first * 1e6))
                answered[name].add(int(second * 1e6))

        for attempt in range(bench["starts"] + bench["unmeasured"]):
            await asyncio.gather(*(once(name, attempt >= bench["unmeasured"]) for name in NAMES))
    for name in NAMES:
        figure = f"{name}, start to ready"
        outcome.figures.append(Figure(figure, ready[name].percentile(0.5) / 1e6, "s", 1.3, 0.7, lower_is_better=True))
        outcome.distributions[figure] = ready[name].summary()
        outcome.figures.append(Figure(f"{name}, start to first event answered", answered[name].percentile(0.5) / 1e6, "s"))
    return outcome


async def _send(home: Rig) -> None:
    """One text and one AlimTalk, told."""
    marks = await home.marks()
    texts = home.job("realtime", "sendMessage", seed=1, count=1, connections=1)
    who = home.customer
    fields = {
        "message_type": "AT", "sender_key": who["sender_key"], "template_code": who["template_code"],
        "message_id": f"cold-{time.time_ns()}", "phone_number": "01023456789", "mapping": {"name": "김민수"},
        "callback_url": f"{home.callbacks_url}/realtime",
    }  # fmt: skip
    status = await _exchange(texts.port, request("POST", texts.path.replace("/mt/", "/at/"), texts.headers, json.dumps(fields).encode()))
    assert status == 200, f"the AlimTalk was answered {status}"
    generator = await home.generator(texts)
    await generator.go(30)
    await home.told("realtime", marks, 2, 30)
    await home.in_history(marks, 2, 30)


def _event(name: str, home: Rig) -> bytes:
    """A request that the function takes: what it was given before, or what the outside would send it."""
    if name == "intake":
        job = home.job("realtime", "sendMessage", seed=1, count=1)
        return request("GET", job.path.replace("/mt/sendMessage", "/report"), job.headers)
    if name == "receipt":
        body, at = b"[]", str(int(time.time() * 1000))
        return request("POST", "/receipt/simulator", {TIMESTAMP: at, SIGNATURE: signature(DEVELOPMENT_SECRET, at, body)}, body)
    stage = "route" if name == "deadletter" else name
    attributes, data = _logged(home.home / "realtime.db", topics.consumed_by(stage, Lane.REALTIME))
    if name == "deadletter":
        attributes |= {"knativeerrordest": "ims:route", "knativeerrorcode": "500"}
    headers = {f"ce-{key}": str(value) for key, value in attributes.items() if key != "datacontenttype"}
    raw = request("POST", "/", headers, data)
    return raw.replace(b"content-type: application/json", b"content-type: application/octet-stream", 1)


def _logged(path: Path, names: list[str]) -> tuple[dict[str, Any], bytes]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for name in names:
            if row := connection.execute(_READ, (name,)).fetchone():
                return json.loads(row[0]), row[1]
    raise LookupError(f"nothing of {', '.join(names)} in the log")


async def _start(home: Rig, name: str, event: bytes, limit_s: float) -> tuple[float, float, int]:
    """Seconds from the start of the process to its first 200 on /readyz, and to the answer to an event; that answer's status."""
    port = free_port()
    env: Mapping[str, str] = environment(home=home.home, simulator_url=home.facts["simulator"], callback_allow_loopback="true")
    begun = time.perf_counter()
    child = await Child.start([IMS, "serve", name, "--port", str(port)], home.folder / "serve.log", env=env)
    try:
        async with asyncio.timeout(limit_s):
            while await _exchange(port, request("GET", "/readyz", {})) != 200:
                await asyncio.sleep(_TRY_S)
            ready = time.perf_counter() - begun
            status = await _exchange(port, event)
            return ready, time.perf_counter() - begun, status
    finally:
        await child.stop()


async def _exchange(port: int, raw: bytes) -> int:
    """The status of the answer; 0 where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0
    try:
        writer.write(raw)
        return int((await reader.readline()).split(b" ")[1])
    except (OSError, IndexError, ValueError):
        return 0
    finally:
        writer.close()


SCENARIO = Scenario(
    "cold-start",
    "`ims serve NAME` on a home that has sent a message: from before the process is made until /readyz answers 200 (asked every 2 ms), and "
    "until an event taken from the home's log is answered; one after the other, medians; files are in the page cache, bytecode is compiled",
    {"starts": 7, "unmeasured": 1, "at_once": 1, "limit_s": 60},
    {"starts": 1, "unmeasured": 0, "at_once": 4, "limit_s": 60},
    1_800,
    run,
    shares=False,
)
