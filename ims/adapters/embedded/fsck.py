"""Whether the files of a home are whole, what is lost where they are not, and a fresh file from what can be read.

A repaired lane reads its log again from the beginning: that calls nobody twice (invariants 5 to 7) and brings every message
on that has no outcome. Where rows of `dispatches` could not be read, nobody knows who was sent to already: births without
such a row then rest until `resend`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from ims.adapters.embedded.salvage import Copied, copy_table, tables_of
from ims.adapters.embedded.shared import metadata as shared_metadata
from ims.adapters.embedded.store import create_lane
from ims.adapters.sql.acceptance import REMEMBER_MS
from ims.adapters.sql.lane_tables import acceptance_slice
from ims.adapters.sql.registry_tables import create as create_registry
from ims.lanes import Lane

_SHOWN = 5  # of what integrity_check says
_WHOLE = ".whole"  # a fresh file that is complete and synced, and has not taken its place yet
_NOT_COPIED = {"cursors"}  # groups begin again from the beginning

# A row that says 0000 while nothing is left of its message: its repeat would be answered 0000 and never be sent. Older ones
# answer nobody any more, and their payloads are forgotten before their slice is.
_EMPTY = (
    "at > ? AND birth NOT IN (SELECT birth FROM payloads) AND birth NOT IN (SELECT birth FROM dispatches) "
    "AND birth NOT IN (SELECT birth FROM history)"
)
_OURS = "json_extract(attributes, '$.imslane') = ?"
_UNFINISHED = f"SELECT birth FROM payloads p WHERE {_OURS} AND rows > (SELECT count(*) FROM history h WHERE h.birth = p.birth)"  # noqa: S608


@dataclass(slots=True)
class Finding:
    """One file."""

    file: str
    damage: list[str] = field(default_factory=list)
    unfinished: int = 0  # events with messages that have no outcome: work, not damage
    repaired: bool = False
    lost: list[str] = field(default_factory=list)  # what a repair could not bring back
    kept: str = ""  # where the damaged file is now


def check(home: Path, now: int) -> list[Finding]:
    """Every file of a home that exists."""
    return [_check(home / name, now) for name in _makers() if (home / name).exists()]


def repair(home: Path, now: int, *, resend: bool = False) -> list[Finding]:
    """Check, and replace what is damaged. Nothing may run in the home."""
    finish(home)
    findings = check(home, now)
    for finding in findings:
        if finding.damage:
            _repair(home / finding.file, finding, now, resend=resend)
        elif resend and _lane_of(home / finding.file):
            with closing(_connect(home / finding.file)) as conn, conn:
                _bring_on(conn, home / finding.file, now)
    return findings


def finish(home: Path) -> None:
    """Let fresh files take the places of damaged ones: what a repair ends with, and what is left of one that was cut off.

    Two files go (the damaged one and its write-ahead log, which SQLite would fold into any file of its name) and one comes:
    no single rename does that, so the fresh one's own name says that it is complete.
    """
    for name in _makers():
        if (whole := home / f"{name}{_WHOLE}").exists():
            for end in ("-wal", "-shm"):
                (home / f"{name}{end}").unlink(missing_ok=True)
            whole.rename(home / name)
            _sync(home)


def _makers() -> dict[str, Callable[[Connection], object]]:
    lanes: dict[str, Callable[[Connection], object]] = {f"{lane}.db": create_lane for lane in Lane}
    return {**lanes, "registry.db": create_registry, "shared.db": shared_metadata.create_all}


def _lane_of(path: Path) -> Lane | None:
    return Lane(path.stem) if path.stem in set(Lane) else None


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30)


def _check(path: Path, now: int) -> Finding:
    finding = Finding(path.name)
    try:
        with closing(_connect(path)) as conn:
            said = [str(row[0]) for row in conn.execute("PRAGMA integrity_check(100)")]
            if said != ["ok"]:
                finding.damage += [line.splitlines()[0][:120] for line in said[:_SHOWN]]
                finding.damage += [f"and {len(said) - _SHOWN} more"] if len(said) > _SHOWN else []
            elif lane := _lane_of(path):
                _check_lane(conn, lane, finding, now)
    except sqlite3.DatabaseError as exc:
        finding.damage.append(f"cannot be read: {exc}"[:120])
    return finding


def _slices(conn: sqlite3.Connection) -> list[str]:
    return [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'acceptance_%'")]


def _check_lane(conn: sqlite3.Connection, lane: Lane, finding: Finding, now: int) -> None:
    without = "SELECT count(*) FROM log l LEFT JOIN payloads p ON p.birth = json_extract(l.attributes, '$.id')"
    if (bare := conn.execute(f"{without} WHERE l.data IS NULL AND p.birth IS NULL").fetchone()[0]) > 0:
        finding.damage.append(f"{bare} events of the log have lost their data")
    for name in _slices(conn):
        if (empty := conn.execute(f"SELECT count(*) FROM {name} WHERE {_EMPTY}", (now - REMEMBER_MS,)).fetchone()[0]) > 0:  # noqa: S608
            finding.damage.append(f"{empty} accepted messages of {name} have lost their contents")
    finding.unfinished = conn.execute(f"SELECT count(*) FROM ({_UNFINISHED})", (lane.value,)).fetchone()[0]  # noqa: S608


def _repair(path: Path, finding: Finding, now: int, *, resend: bool) -> None:
    """A fresh file beside the damaged one, which then takes its place."""
    fresh = path.with_name(f"{path.name}.new")
    for old in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm"), Path(f"{fresh}-journal")):
        old.unlink(missing_ok=True)
    known = tables_of(path)
    _make(fresh, path.name, known)
    ours = tables_of(fresh)  # asked now: while a long copy is written, nobody else can read the file
    wanted = ours.keys() - _NOT_COPIED if path.stem != "shared" else set()
    with closing(_connect(fresh)) as conn:
        copied = {n: copy_table(path, conn, n, sql) for n, sql in known.items() if n in wanted}
        finding.lost += [f"{n}: a table that this version of IMS does not have" for n in sorted(known.keys() - ours.keys())]
        if not known:
            finding.lost.append("everything: not even its list of tables can be read")
        finding.lost += [f"rows of {c.table}: {c.rows} could be read" for c in copied.values() if not c.whole]
        if path.stem in set(Lane):
            _put_right(conn, path, copied, finding, now, resend=resend)
        conn.commit()
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _sync(fresh)
    aside = path.with_name(f"{path.name}.bad-{now // 1000}")
    for end in ("-wal", ""):
        if (part := Path(f"{path}{end}")).exists():
            os.link(part, f"{aside}{end}")
    fresh.rename(f"{path}{_WHOLE}")
    _sync(path.parent)
    finish(path.parent)
    finding.repaired, finding.kept = True, aside.name


def _make(fresh: Path, name: str, known: dict[str, str]) -> None:
    engine = create_engine(f"sqlite:///{fresh}", poolclass=NullPool)
    with engine.begin() as made:
        _makers()[name](made)
        for table in known:
            if table.startswith("acceptance_"):
                acceptance_slice(int(table.removeprefix("acceptance_"))).create(made)


def _put_right(conn: sqlite3.Connection, path: Path, copied: dict[str, Copied], finding: Finding, now: int, *, resend: bool) -> None:
    conn.execute(
        "DELETE FROM log WHERE data IS NULL AND json_extract(attributes, '$.id') NOT IN (SELECT birth FROM payloads)"
    )  # its data lay in a payload that is gone
    empty = (now - REMEMBER_MS,)
    gone = sum(conn.execute(f"DELETE FROM {name} WHERE {_EMPTY}", empty).rowcount for name in _slices(conn))  # noqa: S608
    if gone:
        finding.lost.append(f"{gone} accepted messages without contents: their ids are free again, clients may repeat them")
    lost_calls = "dispatches" not in copied or not copied["dispatches"].whole
    if lost_calls and not resend:
        lane = path.stem
        resting = f"SELECT birth FROM ({_UNFINISHED}) WHERE birth NOT IN (SELECT birth FROM dispatches)"  # noqa: S608
        count = conn.execute(f"SELECT count(*) FROM ({resting})", (lane,)).fetchone()[0]  # noqa: S608
        for table in ("log", "held"):
            conn.execute(f"DELETE FROM {table} WHERE json_extract(attributes, '$.subject') IN ({resting})", (lane,))  # noqa: S608
        if count:
            finding.lost.append(f"calls: {count} events rest, since they may have been sent (--resend sends them)")
        _bring_on(conn, path, now, "birth IN (SELECT birth FROM dispatches)")
    else:
        _bring_on(conn, path, now)


def _bring_on(conn: sqlite3.Connection, path: Path, now: int, which: str = "TRUE") -> None:
    """Births without an outcome go into the log once more; one that is there already is not put twice."""
    conn.execute(
        "INSERT INTO log (topic, attributes, data, at) SELECT topic, attributes, NULL, ? FROM payloads "  # noqa: S608
        f"WHERE {which} AND birth IN ({_UNFINISHED}) "
        "AND birth NOT IN (SELECT json_extract(attributes, '$.id') FROM log WHERE data IS NULL)",
        (now, path.stem),
    )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
