"""Disks that are full or read-only: said clearly, refused politely, nothing half done, and no restart when there is room again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from books import Books
from callbacks import CallbackServer
from harness import Home

FAST = {
    "provider_timeout_s": 1, "park_s": 0.5, "callback_retry_unit_s": 0.2, "poll_idle_s": 0.1, "simulator_magic_scale": 0.1,
}  # fmt: skip
BALLAST_BYTES = 44 * 1024 * 1024


@contextlib.contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own, unmounted in any case."""
    path.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "ims-test", str(path)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        why = f"no tmpfs can be mounted here ({made.stderr.strip()}): run as root"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    try:
        yield path
    finally:
        gone = subprocess.run(["umount", str(path)], capture_output=True, check=False)
        if gone.returncode:
            subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_and_room_again(tmp_path: Path, callbacks: CallbackServer, write_down: Callable[..., None]) -> None:
    with small_disk(tmp_path / "home", 64) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(BALLAST_BYTES))
        with Home(disk, **FAST, delivery_retry=2) as home:  # so few that a full disk would soon make dead letters
            books = Books(home, callbacks)
            books.single("realtime", time.monotonic() + 10)
            books.bulk(100, time.monotonic() + 10)
            books.check(30)
            until, full = time.monotonic() + 60, 0
            while full < 5 and time.monotonic() < until:
                answer = books.bulk(500, 0, insist=False)
                if answer.code != "0000":
                    assert (answer.status, answer.code) == (503, "9998"), answer
                    assert answer.headers["retry-after"]
                    full += 1
            assert full == 5, "the disk does not get full"
            free = os.statvfs(disk).f_bavail * 4096
            single = books.single("realtime", 0, insist=False)
            assert (single.status, single.code) in ((503, "9998"), (200, "0000")), single
            time.sleep(3)
            assert "SQLITE_FULL" in home.log.read_text(), home.tail()
            accepted = len(books.answered)
            ballast.unlink()
            books.single("realtime", time.monotonic() + 30)
            books.bulk(200, time.monotonic() + 30)
            counts = books.check(90)
            write_down(
                full_after=accepted, free_when_full=free, restarts=home.log.read_text().count("process_ended"), **dataclasses.asdict(counts)
            )


def test_a_read_only_home_is_refused_in_one_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "home", 16) as disk:
        home = Home(disk, **FAST)
        with home:
            home.sms()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = home.cli("up", "--port", "0", timeout=60)
        assert done.returncode == 1
        assert "read-only" in done.stderr.lower(), done.stderr
        assert "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with home:
            home.sms()
