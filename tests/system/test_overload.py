"""Ten times what can be accepted: refused at once and politely, one-time codes still served, nothing lost that was answered."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from books import Books
from callbacks import CallbackServer
from form import LONG
from harness import Home, Processes, environment

FAST = {"provider_timeout_s": 10, "park_s": 0.5, "callback_retry_unit_s": 0.2, "poll_idle_s": 0.1}
SECONDS = 60 if LONG else 8
CONNECTIONS = 2_000
PIPELINE = 4


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def test_overload(tmp_path: Path, callbacks: CallbackServer, write_down: Callable[..., None]) -> None:
    with Home(tmp_path / "home", **FAST) as home, Processes(environment(), tmp_path / "flood.log") as processes:
        books, codes = Books(home, callbacks), Books(home, callbacks)
        for n in range(5):
            codes.single("auth", time.monotonic() + 10 + n)
        url, who = urlsplit(home.intakes[0]), home.customers[0]
        wish: dict[str, Any] = {
            "host": url.hostname, "port": url.port, "path": f"/ims/{who.service_keys['realtime']}/mt/sendMessage",
            "x_ims_key": who.x_ims_key, "callback": who.callback, "callback_url": callbacks.url(books.path), "first_number": 70_000_000,
            "connections": CONNECTIONS, "pipeline": PIPELINE, "seconds": SECONDS, "out": str(tmp_path / "flood.json"),
        }  # fmt: skip
        (tmp_path / "wish.json").write_text(json.dumps(wish))
        flood = processes.start(sys.executable, str(Path(__file__).parent / "flood.py"), str(tmp_path / "wish.json"))
        time.sleep(2)
        before = resident_mb(home.pids()["edge"])
        slowest = 0.0
        while flood.poll() is None:
            began = time.monotonic()
            codes.single("auth", began + 30)
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.2)
        after = resident_mb(home.pids()["edge"])
        came = json.loads((tmp_path / "flood.json").read_text())
        books.answered = books.offered = dict(came.pop("answered"))
        print(came, before, after, slowest)
        assert not came["silent"], "refusals without Retry-After"
        assert set(came["codes"]) <= {"200 0000", "503 9998", "429 1429"}
        assert came["codes"].get("503 9998", 0) > 1_000, "nothing was refused: where does it all wait?"
        counts, of_codes = books.check(180), codes.check(30)
        assert of_codes.answered == of_codes.offered > 8, "one-time codes were not served"
        write_down(
            **came, codes_sent=of_codes.sent, codes_refused=sum(codes.refused.values()), slowest_code_s=round(slowest, 2),
            memory_mb=[round(before), round(after)], **dataclasses.asdict(counts),
        )  # fmt: skip
        assert after < before + 300, "memory grows"
