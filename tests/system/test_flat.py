"""Mixed load for a while: memory, descriptors, disk and lag stay where they are; what is over is forgotten again."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from books import LANES, Books
from callbacks import CallbackServer
from form import LONG
from harness import Home, eventually

SECONDS = 1_800 if LONG else 45
WARM_S = 300 if LONG else 15
FAST = {
    "provider_timeout_s": 2,
    "park_s": 0.5,
    "callback_retry_unit_s": 0.2,
    "poll_idle_s": 0.2,
    "simulator_magic_scale": 0.1,
    "log_retention_s": 5,
    "history_days": 3,
}
WAL_MB = 3 * 80  # of three lanes: each is folded back past 64 MB
LOG_ROWS = 15_000  # what can come in the 5 s that are kept, the 30 s between two trims, and a trim that is behind
MEMORY_MB = 40  # of a process, over the whole time: coarse, a leak of a thousandth of the messages would pass it


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """The state of a home at one moment."""

    memory_mb: dict[str, int]
    files: dict[str, int]
    wal_mb: float
    log_rows: int
    lag: int

    @classmethod
    def of(cls, home: Home) -> Sample:
        memory, files = {}, {}
        for name, pid in home.pids().items():
            status = Path(f"/proc/{pid}/status").read_text()
            memory[name] = int(status.partition("VmRSS:")[2].split()[0]) // 1024
            files[name] = len(os.listdir(f"/proc/{pid}/fd"))
        wal = sum(f.stat().st_size for f in home.path.glob("*.db-wal"))
        rows = count(home, "SELECT count(*) FROM log")
        return cls(memory, files, round(wal / 2**20, 1), rows, sum(row["events"] for row in home.ims("lag")))


def count(home: Home, sql: str) -> int:
    """A count over all lane files."""
    found = 0
    for lane in LANES:
        connection = sqlite3.connect(f"file:{home.path / f'{lane}.db'}?mode=ro", uri=True, timeout=10)
        found += connection.execute(sql).fetchone()[0]
        connection.close()
    return found


def test_flat(tmp_path: Path, callbacks: CallbackServer, write_down: Callable[..., None]) -> None:
    with Home(tmp_path / "home", **FAST) as home:
        books = Books(home, callbacks)
        until = time.monotonic() + SECONDS
        failed: list[BaseException] = []

        def bulk() -> None:
            while time.monotonic() < until:
                books.bulk(300, until + 30)
                time.sleep(1)

        def singles(key: str) -> None:
            while time.monotonic() < until:
                books.single(key, until + 30)
                time.sleep(0.05)

        def watched(job: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:
                try:
                    job()
                except BaseException as exc:
                    failed.append(exc)

            return run

        jobs = [bulk, lambda: singles("auth"), lambda: singles("realtime")]
        threads = [threading.Thread(target=watched(job), daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        time.sleep(WARM_S)
        early = Sample.of(home)
        late = early
        while time.monotonic() < until:
            time.sleep(min(20, max(0.0, until - time.monotonic())))
            late = Sample.of(home)
        for thread in threads:
            thread.join(60)
        assert not failed, failed[0]
        counts = books.check(60)
        for name in early.memory_mb:
            assert late.memory_mb[name] < early.memory_mb[name] + MEMORY_MB, f"{name} grows"
            assert late.files[name] < early.files[name] + 50, f"{name} opens more and more"
        assert late.lag < 200, "it falls behind"
        assert late.wal_mb < WAL_MB, "a write-ahead log is not folded back"
        assert late.log_rows < LOG_ROWS, "handled events are kept"
        kept = eventually(lambda: (n := count(home, "SELECT count(*) FROM log")) < 60 and (n + 1), 90, "the log to shrink", every=1) - 1
        write_down(
            seconds=SECONDS,
            early=dataclasses.asdict(early),
            late=dataclasses.asdict(late),
            log_rows_left=kept,
            **dataclasses.asdict(counts),
        )
        assert count(home, "SELECT count(*) FROM payloads")
        home.stop()
        home.env["IMS_CLOCK_OFFSET_S"] = str(5 * 86_400)
        done = home.cli("batch", "retention", timeout=120)
        assert done.returncode == 0, done.stderr
        for table in ("payloads", "dispatches", "history", "arrays"):
            assert count(home, f"SELECT count(*) FROM {table}") == 0, f"{table} does not shrink"
        slices = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name LIKE 'acceptance_%'"
        assert count(home, slices) == 0, "acceptance does not shrink"
