"""A copy of a home and a home from a copy, as files; what becomes of its messages: tests/invariants/test_restored.py."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ims.adapters.embedded.backup import backup, restore, restored_until
from ims.errors import Misconfigured


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / "files" / "in").mkdir(parents=True)
    for name in ("registry.db", "auth.db", "mass.db"):
        with closing(sqlite3.connect(made / name)) as conn:
            conn.execute("PRAGMA journal_mode=WAL")
            conn.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            conn.execute("INSERT INTO t VALUES (1)")
            conn.commit()
    (made / "keys.json").write_text("{}")
    (made / "files" / "in" / "one").write_bytes(b"1")
    (made / "files" / "in" / "two.part").write_bytes(b"2")
    return made


def rows(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as conn:
        return [n for (n,) in conn.execute("SELECT n FROM t ORDER BY n")]


def test_there_and_back(home: Path, tmp_path: Path) -> None:
    copy, again = tmp_path / "copy", tmp_path / "again"
    assert backup(home, copy, lambda: 77) == ["registry.db", "auth.db", "mass.db", "keys.json", "files"]
    assert restored_until(home) == 0
    restore(copy, again)
    assert restored_until(again) == 77
    assert rows(again / "mass.db") == [1]
    assert (again / "keys.json").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in sorted((again / "files" / "in").iterdir())] == ["one"]
    assert not list(tmp_path.glob("again.*"))
    restore(copy, tmp_path / "as-new", resend=True)
    assert restored_until(tmp_path / "as-new") == 0


def test_a_home_that_was_restored_stays_so(home: Path, tmp_path: Path) -> None:
    (home / "restored.json").write_text(json.dumps({"until": 99}))
    backup(home, tmp_path / "copy", lambda: 77)
    restore(tmp_path / "copy", tmp_path / "again")
    assert restored_until(tmp_path / "again") == 99


def test_a_writer_goes_on_beside_it(home: Path, tmp_path: Path) -> None:
    """Each copy is of one moment: every row up to some number, and no hole."""
    done = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(home / "mass.db", timeout=10)) as conn:
            n = 1
            while not done.is_set():
                n += 1
                conn.execute("INSERT INTO t VALUES (?)", (n,))
                conn.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            backup(home, tmp_path / f"{number}", lambda: 1)
    finally:
        done.set()
        writer.join()
    found = [rows(tmp_path / f"{number}" / "mass.db") for number in range(5)]
    assert all(each == list(range(1, len(each) + 1)) for each in found)
    assert len(found[0]) <= len(found[4])


def test_what_is_there_is_not_overwritten(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "copy", lambda: 1)
    with pytest.raises(Misconfigured, match="not empty"):
        backup(home, tmp_path / "copy", lambda: 2)
    with pytest.raises(Misconfigured, match="not empty"):
        restore(tmp_path / "copy", home)


def test_half_a_backup_and_a_damaged_one_are_refused(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    backup(home, copy, lambda: 1)
    (copy / "mass.db").write_bytes(b"\0" * 8_192)
    with pytest.raises(Misconfigured, match="is damaged"):
        restore(copy, tmp_path / "again")
    (copy / "backup.json").unlink()
    with pytest.raises(Misconfigured, match="no complete backup"):
        restore(copy, tmp_path / "again")
    assert not (tmp_path / "again").exists()
