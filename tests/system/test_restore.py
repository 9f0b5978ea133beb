"""A backup made under load, a home that goes on and is lost, a new home from the backup: nothing goes out twice."""

from __future__ import annotations

import dataclasses
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from books import REST_S, Books
from callbacks import CallbackServer
from harness import Home, eventually
from load import Load, Stream

DEADLINE_S = 12  # reports that came after the backup do not come again: what they were about is UNKNOWN by then
FAST = {
    "provider_timeout_s": 1, "park_s": 0.5, "callback_retry_unit_s": 0.2, "poll_idle_s": 0.1, "simulator_magic_scale": 0.1,
    "simulator_latency_ms": 30, "report_deadline_sms_s": DEADLINE_S,
}  # fmt: skip
ASKED = 200  # messages without a history that are asked for


@pytest.mark.parametrize("keys", ["call", "recipient", "none"])
def test_restore(keys: str, tmp_path: Path, callbacks: CallbackServer, chance: random.Random, write_down: Callable[..., None]) -> None:
    copy = tmp_path / "copy"
    with Home(tmp_path / "home", **FAST, simulator_keys=keys) as home:
        books = Books(home, callbacks)
        with Stream(books, rows=500) as load:
            load.wait_for(chance.randrange(500, 3_000), 60)
            done = home.cli("backup", str(copy), timeout=120)
            assert done.returncode == 0, done.stderr
            then = len(books.answered)
            eventually(lambda: len(books.answered) > then + 600, 60, "messages that the copy does not have")
        time.sleep(chance.choice((0, 1, 3)))
        home.kill9("all")
    again = Home(tmp_path / "again", **FAST, simulator_keys=keys)
    done = again.cli("restore", str(copy), timeout=120)
    assert done.returncode == 0, done.stderr
    shutil.copy(home.path / "simulator.journal", again.path)  # the provider lost nothing
    with again:
        books.home = again
        history = at_rest(books)
        sent = books.sent()
        assert max(sent.values()) == 1, "sent twice"
        assert {result for result, _ in history.values()} <= {"DELIVERED", "UNKNOWN"}
        lost = sorted(books.offered.keys() - history.keys())
        assert history, "the copy was made before anything was accepted"
        assert lost, "the copy was made after everything was accepted"
        for id_ in chance.sample(lost, min(ASKED, len(lost))):
            key = "mass" if id_.startswith("b-") else "realtime"
            assert again.get(f"report/{id_}", key=key).status == 404, "known to the copy, and without an outcome"
        fresh = Books(again, callbacks)
        with Load(fresh, campaigns=1, rows=200, singles=20):
            pass
        counts = fresh.check(60)
        results = [result for result, _ in history.values()]
        write_down(
            keys=keys, answered=len(books.answered), in_the_backup=len(history), sent=len(sent),
            delivered=results.count("DELIVERED"), unknown=results.count("UNKNOWN"), fresh=dataclasses.asdict(counts),
        )  # fmt: skip


def at_rest(books: Books) -> dict[str, tuple[str, int]]:
    """The history, once nothing more is added to it for longer than any deadline."""
    seen, since, until = -1, time.monotonic(), time.monotonic() + 180
    while time.monotonic() - since < DEADLINE_S + REST_S:
        assert time.monotonic() < until, "it does not come to rest"
        history = books.history()
        if len(history) != seen:
            seen, since = len(history), time.monotonic()
        time.sleep(0.5)
    return history
