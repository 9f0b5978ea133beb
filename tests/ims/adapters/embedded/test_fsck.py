"""What fsck finds and what a repair brings back, on files of a house without processes."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ims.adapters.embedded import fsck
from ims.adapters.embedded.salvage import copy_table

PAGE = 4096
NOW = 1_795_402_800_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A mass lane with 300 events of one message each; the first 200 have an outcome."""
    fsck._make(tmp_path / "mass.db", "mass.db", {"acceptance_20000": ""})
    with closing(sqlite3.connect(tmp_path / "mass.db")) as conn, conn:
        for n in range(300):
            birth = f"m{n:015d}"
            attributes = f'{{"id":"{birth}","subject":"{birth}","imslane":"mass"}}'
            conn.execute("INSERT INTO payloads VALUES (?, 'RECV-MT-MASS', ?, ?, 1, 1)", (birth, attributes, random.randbytes(300)))
            conn.execute("INSERT INTO acceptance_20000 VALUES (?, x'00', ?, 0, ?, 1)", (n.to_bytes(16, "big"), birth, NOW - 1))
            if n < 200:
                conn.execute("INSERT INTO history VALUES (" + ",".join("?" * 22) + ")", (birth, 0, 1, *("x",) * 19))
                conn.execute("INSERT INTO dispatches VALUES (?, 1, 1, 1, 0, x'00')", (birth,))
    return tmp_path


def log_of(home: Path) -> list[str]:
    with closing(sqlite3.connect(home / "mass.db")) as conn:
        return [row[0] for row in conn.execute("SELECT json_extract(attributes, '$.id') FROM log ORDER BY 1")]


def root_of(home: Path, table: str) -> int:
    with closing(sqlite3.connect(home / "mass.db")) as conn:
        return int(conn.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0])


def overwrite(home: Path, page: int) -> None:
    with (home / "mass.db").open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)


def test_a_whole_file_is_left_alone(home: Path) -> None:
    before = (home / "mass.db").read_bytes()
    [finding] = fsck.repair(home, NOW)
    assert (finding.damage, finding.repaired, finding.unfinished) == ([], False, 100)
    assert (home / "mass.db").read_bytes() == before


def test_a_damaged_history_is_copied_as_far_as_it_can_be_read_and_work_goes_on(home: Path) -> None:
    overwrite(home, root_of(home, "history"))
    [finding] = fsck.check(home, NOW)
    assert finding.damage
    [finding] = fsck.repair(home, NOW)
    assert finding.repaired
    assert finding.lost == ["rows of history: 0 could be read"]
    assert (home / finding.kept).exists()
    assert fsck.check(home, NOW)[0].damage == []
    assert len(log_of(home)) == 300, "without history nobody knows that it is done: read again, which calls nobody twice"


def test_a_copy_that_is_too_large_for_memory_is_no_other_tables_loss(home: Path) -> None:
    """SQLite writes what does not fit into its cache to the fresh file, and locks it meanwhile."""
    with closing(sqlite3.connect(home / "mass.db")) as conn, conn:
        more = ((f"m{n:015d}", "{}", random.randbytes(40_000)) for n in range(1_000, 1_200))
        conn.executemany("INSERT INTO payloads VALUES (?, 'RECV-MT-MASS', ?, ?, 0, 1)", more)
    overwrite(home, root_of(home, "history"))
    [finding] = fsck.repair(home, NOW)
    assert finding.lost == ["rows of history: 0 could be read"]
    with closing(sqlite3.connect(home / "mass.db")) as conn:
        assert conn.execute("SELECT count(*) FROM payloads").fetchone() == (500,)


def test_where_calls_were_lost_nothing_is_sent_before_somebody_says_so(home: Path) -> None:
    overwrite(home, root_of(home, "dispatches"))
    [finding] = fsck.repair(home, NOW)
    assert any("100 events rest" in line for line in finding.lost)
    assert log_of(home) == []
    fsck.repair(home, NOW, resend=True)
    assert len(log_of(home)) == 100
    fsck.repair(home, NOW, resend=True)
    assert len(log_of(home)) == 100, "not put twice"


def test_accepted_rows_without_contents_are_damage_and_are_let_go_of(home: Path) -> None:
    with closing(sqlite3.connect(home / "mass.db")) as conn, conn:
        conn.execute("DELETE FROM payloads WHERE birth >= 'm000000000000290'")
    [finding] = fsck.check(home, NOW)
    assert finding.damage == ["10 accepted messages of acceptance_20000 have lost their contents"]
    [finding] = fsck.repair(home, NOW)
    assert finding.lost == ["10 accepted messages without contents: their ids are free again, clients may repeat them"]
    assert fsck.check(home, NOW)[0].damage == []


@pytest.mark.parametrize("after", range(1, 6))
def test_a_repair_that_is_cut_off_is_finished_by_the_next(home: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """At any of its last steps: the write-ahead log of the damaged file is never folded into the fresh one."""
    conn = sqlite3.connect(home / "mass.db")
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("CREATE TABLE of_the_damaged_file (x)")
    conn.commit()
    wal = (home / "mass.db-wal").read_bytes()
    conn.close()
    overwrite(home, root_of(home, "history"))
    steps = 0

    def step(real: Callable[..., None]) -> Callable[..., None]:
        def taken(*args: object, **more: object) -> None:
            nonlocal steps
            steps += 1
            if steps == after:
                raise KeyboardInterrupt
            real(*args, **more)

        return taken

    with monkeypatch.context() as cut:
        cut.setattr(os, "link", step(os.link))
        cut.setattr(Path, "rename", step(Path.rename))
        cut.setattr(fsck, "_sync", step(fsck._sync))
        with pytest.raises(KeyboardInterrupt):
            fsck.repair(home, NOW)
    if (home / "mass.db.whole").exists():
        (home / "mass.db-wal").write_bytes(wal)  # as a kill before the two were gone would leave it
    fsck.repair(home, NOW + 1_000)
    assert fsck.check(home, NOW)[0].damage == []
    assert len(log_of(home)) == 300
    assert not list(home.glob("*.whole"))
    with closing(sqlite3.connect(home / "mass.db")) as conn:
        assert conn.execute("SELECT count(*) FROM payloads").fetchone() == (300,)


def test_what_was_forgotten_in_its_time_is_no_damage(home: Path) -> None:
    """Payloads go two days after their acceptance, its slice when the whole day is so old."""
    with closing(sqlite3.connect(home / "mass.db")) as conn, conn:
        conn.execute("DELETE FROM payloads")
        conn.execute("DELETE FROM history")
        conn.execute("DELETE FROM dispatches")
    [finding] = fsck.check(home, NOW + 86_400_000)
    assert finding.damage == []


def test_what_is_no_database_becomes_an_empty_one(home: Path) -> None:
    (home / "mass.db").write_bytes(b"\0" * 10_000)
    [finding] = fsck.repair(home, NOW)
    assert finding.lost[0].startswith("everything")
    assert fsck.check(home, NOW)[0].damage == []


def test_rows_on_both_sides_of_a_damaged_page_are_read(home: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home / "mass.db")) as conn:
        conn.execute("CREATE TABLE wide (id INTEGER PRIMARY KEY, text TEXT)")
        conn.executemany("INSERT INTO wide VALUES (?, ?)", [(n, "x" * 400) for n in range(1, 1_001)])
        conn.commit()
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = (home / "mass.db").read_bytes()
    leaves = [at for at in range(0, len(raw), PAGE) if raw[at : at + 1] == b"\x0d" and raw[at : at + PAGE].count(b"x" * 400) > 5]
    with (home / "mass.db").open("r+b") as file:
        file.seek(leaves[len(leaves) // 2])
        file.write(b"\xff" * PAGE)
    with closing(sqlite3.connect(tmp_path / "fresh.db")) as fresh:
        sql = "CREATE TABLE wide (id INTEGER PRIMARY KEY, text TEXT)"
        fresh.execute(sql)
        copied = copy_table(home / "mass.db", fresh, "wide", sql)
        assert not copied.whole
        assert 950 <= copied.rows < 1_000
        assert fresh.execute("SELECT min(id), max(id) FROM wide").fetchone() == (1, 1_000)
