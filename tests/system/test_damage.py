"""Files that were damaged, and a clock that went back: said clearly, nothing twice, and a way back (docs/operate.md)."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from books import Books
from callbacks import CallbackServer
from harness import Home, eventually
from load import Load

PAGE = 4096
FAST = {
    "provider_timeout_s": 1,
    "park_s": 0.5,
    "callback_retry_unit_s": 0.2,
    "poll_idle_s": 0.1,
    "simulator_magic_scale": 0.1,
    "simulator_reports_fast": "polling",  # the simulator's clock is not moved, and its webhooks are signed with the time
}


@pytest.fixture
def strangers() -> Iterator[CallbackServer]:
    """A server that does not look at signatures: those of a clock that is an hour off are an hour off."""
    server = CallbackServer()
    yield server
    server.close()


def damaged(path: Path, chance: random.Random, share: float) -> None:
    """Holes in so many of a file's pages, where nothing is left that could fill them."""
    fold(path)
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        for page in chance.sample(range(1, pages), max(2, int(pages * share))):
            file.seek(page * PAGE)
            file.write(chance.randbytes(PAGE))


def fold(path: Path) -> None:
    """The write-ahead log into its file: the newest copy of a page may stand in it, and SQLite reads that one.

    A clean stop did it, unless a process had to be killed; this one is for sure.
    """
    with contextlib.closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


@pytest.fixture
def half_done(tmp_path: Path, strangers: CallbackServer) -> Iterator[tuple[Home, Books]]:
    """A home that is stopped, with 1,600 messages behind it and 1,600 that a provider has not had yet."""
    home = Home(tmp_path / "home", **FAST)
    with home:
        books = Books(home, strangers)
        with Load(books, campaigns=3, rows=500, singles=100):
            pass
        books.check(60)
        home.fault("away")
        with Load(books, campaigns=3, rows=500, singles=100):
            pass
    yield home, books
    if home.process:
        home.kill9("all")  # events whose rows are lost are tried again and again: a drain would wait for them


def fsck(home: Home, *options: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    done = home.cli("fsck", "--json", *options, timeout=60)
    return done.returncode, {f["file"]: f for f in json.loads(done.stdout or "[]")}, done.stderr


def settle(home: Home, books: Books, timeout: float = 60) -> None:
    """Until nothing moves any more."""
    seen, since, until = -1, time.monotonic(), time.monotonic() + timeout
    while time.monotonic() - since < 5 and time.monotonic() < until:
        now = len(books.history())
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.3)


def lost_after(home: Home, books: Books) -> dict[str, int]:
    """What became of what was answered; nothing was sent twice, and new messages of every lane work."""
    settle(home, books)
    sent, history = books.sent(), books.history()
    assert max(sent.values()) == 1, "sent twice"
    done = [id_ for id_, (result, _) in history.items() if result == "DELIVERED"]
    assert all(books.offered[id_] in sent for id_ in done)
    fresh = Books(home, books.server)
    with Load(fresh, campaigns=1, rows=200, singles=20):
        pass
    fresh.check(60)
    return {
        "answered": len(books.answered),
        "sent": len(sent),
        "delivered": len(done),
        "without_outcome": len(books.answered) - len(history),
    }


def test_a_whole_home_is_whole(half_done: tuple[Home, Books]) -> None:
    home, books = half_done
    code, files, _ = fsck(home)
    assert code == 0
    assert {"auth.db", "realtime.db", "mass.db", "registry.db", "shared.db"} <= files.keys()
    assert not any(f["damage"] for f in files.values())
    assert files["mass.db"]["unfinished"]
    assert fsck(home, "--repair")[0] == 0
    home.start()
    assert fsck(home, "--repair")[0] == 1, "files are not replaced under a running IMS"
    assert fsck(home)[0] == 0
    books.check(60)


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_overwritten_pages(half_done: tuple[Home, Books], chance: random.Random, share: float, write_down: Callable[..., None]) -> None:
    """A lane's file with holes: one line says so, the other lanes go on, a repair brings back what can be read."""
    home, books = half_done
    damaged(home.path / "mass.db", chance, share)
    code, files, _ = fsck(home)
    assert code == 1
    assert [name for name, f in files.items() if f["damage"]] == ["mass.db"]
    code, files, _ = fsck(home, "--repair")
    assert code in (0, 2)
    assert files["mass.db"]["repaired"]
    assert (home.path / files["mass.db"]["kept"]).stat().st_size > 0
    assert fsck(home)[0] == 0
    home.start()
    counts = lost_after(home, books)
    lost = files["mass.db"]["lost"]
    write_down(damaged_pages=share, exit_code=code, lost=lost, **counts)
    assert not any("this version" in line for line in lost), "it is this version's file"
    if code == 0:
        assert counts["without_outcome"] == 0
    singles = {id_ for id_ in books.answered if id_.startswith("s-")}
    assert singles <= books.history().keys(), "messages of lanes whose files are whole"


def test_a_file_that_is_no_database_any_more(half_done: tuple[Home, Books], write_down: Callable[..., None]) -> None:
    """Its lane answers 9998, the others work; repaired, it is empty, and clients may repeat."""
    home, books = half_done
    fold(home.path / "mass.db")
    (home.path / "mass.db").write_bytes(b"\0" * 100_000)
    home.start()
    answer = Books(home, books.server).bulk(10, 0, insist=False)
    assert (answer.status, answer.code) == (503, "9998")
    assert answer.headers["retry-after"]
    Books(home, books.server).single("realtime", time.monotonic() + 10)
    eventually(lambda: "SQLITE_NOTADB" in home.log.read_text(), 20, "a line that says what is wrong")
    home.stop()
    code, files, _ = fsck(home, "--repair")
    assert code == 2
    assert "everything" in files["mass.db"]["lost"][0]
    home.start()
    write_down(lost=files["mass.db"]["lost"], **lost_after(home, books))


def test_a_truncated_write_ahead_log(
    tmp_path: Path, strangers: CallbackServer, chance: random.Random, write_down: Callable[..., None]
) -> None:
    """What stood behind the cut is gone as if it had never been committed; what stood before it goes on."""
    home = Home(tmp_path / "home", **FAST)
    with home:
        books = Books(home, strangers)
        home.fault("away")
        with Load(books, campaigns=4, rows=300, singles=100):
            pass
        home.kill9("all")
        wal = home.path / "mass.db-wal"
        size = wal.stat().st_size
        with wal.open("r+b") as file:
            file.truncate(chance.randrange(size // 3, size))
        assert fsck(home)[0] in (0, 1)
        assert fsck(home, "--repair")[0] in (0, 2)
        home.start()
        write_down(cut_of=size, **lost_after(home, books))


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_the_clock_goes_back_an_hour(tmp_path: Path, strangers: CallbackServer, how: str, write_down: Callable[..., None]) -> None:
    """Nothing waits an hour for a lease, a parked event or a retry of the time that has not come yet."""
    home = Home(tmp_path / "home", **FAST)
    with home:
        books = Books(home, strangers)
        with Load(books, campaigns=2, rows=500, singles=100):
            pass
        home.fault("away")
        refused = False
        strangers.script(books.path, lambda _: 500 if refused else 200)
        refused = True
        with Load(books, campaigns=2, rows=500, singles=100):
            pass
        home.fault("slow")
        time.sleep(1)
        if how == "killed":
            home.kill9("all")
        else:
            home.stop()
        refused = False
        home.env["IMS_CLOCK_OFFSET_S"] = "-3600"
        home.start()
        counts = books.check(60)
        fresh = Books(home, strangers)
        with Load(fresh, campaigns=1, rows=200, singles=20):
            pass
        fresh.check(60)
        write_down(how=how, **dataclasses.asdict(counts))
