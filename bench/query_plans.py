"""Every statement of the records against a full database: its plan, its time, and whether it walks through a table.

    python -m bench.query_plans sqlite:/where/there/is/room --rows 10000000
    python -m bench.query_plans mysql://ims:...@127.0.0.1:3306/ims --rows 10000000      (makes ims_plans_realtime and ims_plans_registry)

Both are filled by the database itself from generated birth events; a database that is full already is used as it is.
What changes rows runs in a transaction that is undone. The calls are those of the application, with its own functions.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, event

from bench.full_records import BATCH, DAY_MS, KEY, LANE, NOW, TOPIC, URL, held, opened, record
from ims.adapters.sql import acceptance, changes, dead_letters, due, explain, opted_out, outbox, progress, push_tokens, results
from ims.adapters.sql.acceptance import Slices
from ims.adapters.sql.registry_tables import version
from ims.adapters.sql.retention import drop_page
from ims.ports.dispatch import Dispatch
from ims.ports.records import Birth, Change, DeadLetter, HistoryRow, Reservation, ResultArray, Taken
from ims.protocol.ids import day_of, derived, new_birth

# These read a table whole, and are meant to.
MAY_SCAN = {
    "dead letters of a birth",  # no index: letters are few, and nobody waits
    "outbox: how many",  # empty but for an outage of the log
    "outbox: a page",  # as is this; it ends with its page
    "retention: nothing is old",  # arrays from the oldest on, and no further than a page
    "registry: version",  # one row
}


@dataclass
class Look:
    """One call of the application, and what it asked of the database."""

    name: str
    statements: list[tuple[str, Any]] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)
    scans: bool = False


# --- looking


class Sample:
    """Things that are there, drawn anew for every call, so that no call finds what the one before it warmed."""

    def __init__(self, conn: Connection, rng: random.Random) -> None:
        self._rng = rng
        days = [day for day in Slices().existing(conn) if day <= day_of(NOW)]
        self.keys: dict[int, list[bytes]] = {}
        for day in (days[0], days[len(days) // 2]):
            self.keys[day] = [bytes(k) for (k,) in conn.exec_driver_sql(f"SELECT `key` FROM acceptance_{day} LIMIT 5000")]
        self.days = days
        self._births = [b for (b,) in conn.exec_driver_sql("SELECT birth FROM payloads")]
        self._arrays = [a for (a,) in conn.exec_driver_sql("SELECT id FROM arrays LIMIT 5000")]
        self._fresh = 0

    def key(self, day: int | None = None) -> bytes:
        return self._rng.choice(self.keys[self.days[0] if day is None else day])

    def births(self, n: int) -> list[str]:
        return self._rng.sample(self._births, min(n, len(self._births)))

    def birth(self) -> str:
        return self._rng.choice(self._births)

    def arrays(self, n: int) -> list[str]:
        return self._rng.sample(self._arrays, n)

    def new(self) -> str:
        self._fresh += 1
        return new_birth(LANE, NOW)


def calls(s: Sample) -> dict[str, Callable[[Connection], Any]]:
    """Every call that the application makes, by what it is for."""
    slices = Slices()

    def reservations(n: int) -> list[Reservation]:
        birth = s.new()
        return [Reservation(random.randbytes(16), b"12345678", birth, pos, NOW) for pos in range(n)]

    def born(n: int) -> list[Birth]:
        return [Birth(b, LANE, KEY, "mt", BATCH, NOW, record("x", b)) for b in (s.new() for _ in range(n))]

    def row(birth: str, pos: int, number: int) -> HistoryRow:
        told = ("SMS", "FAILED", "3000", "simulator", "", 1, "010****0000", b"\x00" * 12, "", "", NOW, NOW, NOW, NOW, NOW, "MT")
        return HistoryRow(birth, pos, number, KEY, "m", "", *told)

    def later(birth: str) -> list[HistoryRow]:
        return [row(birth, n, 2) for n in range(BATCH)]

    def moved(n: int) -> Change:
        return Change(dispatches=[Dispatch(b, 0, NOW, NOW, 3) for b in s.births(n)])

    def taken(conn: Connection) -> None:
        changes.release(conn, due.take_held(conn, NOW, NOW + 5_000, {TOPIC: 20}))

    middle = s.days[len(s.days) // 2]
    return {
        "acceptance: find 1 key": lambda c: acceptance.find(c, [s.key()], NOW),
        "acceptance: find 200 keys": lambda c: acceptance.find(c, [s.key() for _ in range(200)], NOW),
        "acceptance: reserve 1 row": lambda c: acceptance.reserve(c, reservations(1), NOW, accepted=False),
        "acceptance: reserve 200 rows": lambda c: acceptance.reserve(c, reservations(200), NOW, accepted=False),
        "acceptance: store 25 births": lambda c: acceptance.store_births(c, born(25), ["{}"] * 25),
        "acceptance: approve 200 rows": lambda c: acceptance.approve(
            c, [(born(1)[0], [s.key() for _ in range(200)])], acceptance.written_days(NOW)
        ),
        "message: by its id, of this hour": lambda c: acceptance.find_ever(c, [s.key()], slices.existing(c)),
        "message: by its id, half-way back": lambda c: acceptance.find_ever(c, [s.key(middle)], slices.existing(c)),
        "campaign: where 1,000 messages live": lambda c: progress.births_of(c, slices, [s.key() for _ in range(1_000)]),
        "campaign: how 25 births ended": lambda c: progress.ends_of(c, s.births(25)),
        "stage: read 1 dispatch row": lambda c: changes.read_dispatches(c, [(s.birth(), 0)]),
        "stage: read 200 dispatch rows": lambda c: changes.read_dispatches(c, [(b, 0) for b in s.births(200)]),
        "stage: read 20 payloads": lambda c: changes.read_payloads(c, s.births(20)),
        "stage: make 1 dispatch row": lambda c: changes.apply(c, Change(dispatches=[Dispatch(s.new(), 0, NOW, NOW)]), NOW),
        "stage: move 1 dispatch row": lambda c: changes.apply(c, moved(1), NOW),
        "stage: move 200 dispatch rows": lambda c: changes.apply(c, moved(200), NOW),
        "store: 200 first results": lambda c: changes.apply(c, Change(history=[row(b, n, 1) for b in [s.new()] for n in range(200)]), NOW),
        "store: 200 later results": lambda c: changes.apply(c, Change(history=later(s.birth())), NOW),
        "store: later results of 200 births": lambda c: changes.apply(c, Change(history=[row(b, 7, 2) for b in s.births(200)]), NOW),
        "callback: form 2 arrays": lambda c: changes.apply(
            c, Change(arrays=[ResultArray(derived(s.new(), "a"), KEY, URL, 100, NOW, b"x" * 9_000, "k1", NOW) for _ in range(2)]), NOW
        ),
        "park an event": lambda c: changes.apply(c, Change(held=[held(s.new(), s.birth())]), NOW),
        "release: is anything due": lambda c: due.any_held(c, NOW, [TOPIC]),
        "release: take 20 and let them go": taken,
        "release: are 20 parked": lambda c: due.parked(c, [f"held{n}" for n in range(20)]),
        "a birth is parked": lambda c: due.is_held(c, s.birth()),
        "deadlines: is anything due": lambda c: due.any_deadline(c, NOW),
        "deadlines: take 200": lambda c: due.take_deadlines(c, NOW, NOW + 60_000, 200),
        "bury a letter": lambda c: changes.apply(c, Change(dead=[DeadLetter(record(s.new(), s.birth()), "send", "9999", "", NOW)]), NOW),
        "results: endpoints due": lambda c: results.endpoints_due(c, NOW),
        "results: known": lambda c: results.known(c, s.arrays(2)),
        "results: claim 20": lambda c: results.claim(c, derived(URL, "endpoint"), NOW, NOW + 60_000, 20),
        "results: mark a call": lambda c: results.called(c, s.arrays(1)[0], acknowledged=True, calls=1, due_at=0),
        "results: give back": lambda c: results.release(c, s.arrays(1)[0], NOW),
        "results: poll 1,000 and acknowledge": lambda c: (
            results.lease(c, KEY, "batch", NOW, NOW + 60_000, 1_000),
            results.acknowledge(c, KEY, "batch"),
        ),
        "results: replay a minute": lambda c: results.replay(c, KEY, NOW - DAY_MS, NOW - DAY_MS + 60_000, NOW),
        "ims dead: a page": lambda c: dead_letters.page(c, 500, 50, replayed=False),
        "ims dead: one": lambda c: dead_letters.one(c, 700),
        "dead letters of a birth": lambda c: dead_letters.of_birth(c, s.birth()),
        "ims why: history row": lambda c: explain.history_row(c, s.birth(), 3),
        "ims why: parked": lambda c: explain.held_of(c, s.birth()),
        "ims why: arrays": lambda c: explain.arrays_of(c, KEY, s.arrays(2), NOW - DAY_MS),
        "outbox: put 20": lambda c: outbox.put(c, s.births(20), NOW),
        "outbox: a page": lambda c: outbox.page(c, 200),
        "outbox: gone": lambda c: outbox.gone(c, s.births(20)),
        "outbox: how many": outbox.waiting,
        "retention: nothing is old": lambda c: drop_page(c, slices, LANE, NOW, NOW - 400 * DAY_MS),
        "replay of letters is marked": lambda c: dead_letters.replayed(c, dead_letters.page(c, 0, 5, replayed=False), NOW),
        "a rest that ended elsewhere": lambda c: changes.release(c, [Taken(record("none", s.birth()), NOW)]),
    }


def registry_calls(rng: random.Random) -> dict[str, Callable[[Connection], Any]]:
    """The registry's hot ones; its snapshot reads its small tables whole, and is meant to."""

    def among(n: int) -> Callable[[Connection], Any]:
        return lambda c: opted_out.among(c, "acme", "mt", [rng.randbytes(12) for _ in range(n)])

    def tokens(statement: Callable[[int], Any], n: int) -> Callable[[Connection], Any]:
        return lambda c: push_tokens.found(c, statement, "acme", "shop-app", [rng.randbytes(12) for _ in range(n)])

    return {
        "registry: version": version,
        "registry: 1 opt-out": among(1),
        "registry: 200 opt-outs": among(200),
        "push: tokens of 1 user": tokens(push_tokens.by_owner, 1),
        "push: tokens of 200 users": tokens(push_tokens.by_owner, 200),
        "push: 200 tokens": tokens(push_tokens.by_token, 200),
    }


@contextmanager
def listened(conn: Connection, into: list[tuple[str, Any]]) -> Iterator[None]:
    """Every statement that goes to the database, with its values."""
    driver = conn.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection):
        driver.set_trace_callback(lambda text: into.append((text, None)))
        try:
            yield
        finally:
            driver.set_trace_callback(None)
        return

    def heard(_c: Any, _u: Any, text: str, values: Any, _x: Any, many: bool) -> None:
        into.append((text, values[0] if many else values))

    event.listen(conn, "before_cursor_execute", heard)
    try:
        yield
    finally:
        event.remove(conn, "before_cursor_execute", heard)


_PLANNED = ("SELECT", "UPDATE", "DELETE", "WITH")
_OURS = ("information_schema", "GET_LOCK", "RELEASE_LOCK", "@@", "sqlite_master", "pragma_", "SHOW ")


def look(conn: Connection, name: str, call: Callable[[Connection], Any], times: int) -> Look:
    """Run a call so often, each undone, and ask for the plans of what it said."""
    found = Look(name)
    for n in range(times):
        conn.exec_driver_sql("BEGIN")
        began = time.perf_counter()
        if n == 0:
            with listened(conn, found.statements):
                call(conn)
        else:
            call(conn)
        found.times_ms.append((time.perf_counter() - began) * 1e3)
        if conn.dialect.name == "mysql" or conn.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
            conn.exec_driver_sql("ROLLBACK")
    for text in dict.fromkeys(t for t, _ in found.statements):
        values = next(v for t, v in found.statements if t == text)
        if text.lstrip().upper().startswith(_PLANNED) and not any(word in text for word in _OURS):
            plan, scans = explained(conn, text, values)
            found.plans.append(plan)
            found.scans = found.scans or scans
    return found


def explained(conn: Connection, text: str, values: Any) -> tuple[str, bool]:
    """The plan in a line, and whether a whole table is walked through."""
    if conn.dialect.name == "mysql":
        steps = conn.exec_driver_sql(f"EXPLAIN {text}", values).mappings().all()
        line = "; ".join(f"{r['table']} {r['type']} {r['key'] or '-'} ~{r['rows']}" for r in steps if r["table"])
        return line, any(r["type"] == "ALL" and not str(r["table"]).startswith("<") for r in steps)
    details = [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text.replace('%', '%%') if '%' in text else text}")]
    return "; ".join(details), any(d.startswith("SCAN ") and "CONSTANT ROW" not in d and "USING" not in d for d in details)


def looks(lane: Connection, registry: Connection, times: int, rng: random.Random) -> list[Look]:
    """All of them."""
    sample = Sample(lane, rng)
    found = [look(lane, name, call, times) for name, call in calls(sample).items()]
    return found + [look(registry, name, call, times) for name, call in registry_calls(rng).items()]


# --- the command


def table(found: Sequence[Look]) -> str:
    """For a document."""
    lines = ["| Call | Statements | ms, median | ms, worst | Plan |", "|---|---|---|---|---|"]
    for f in found:
        plans = "<br>".join(p[:140].replace("|", "/") for p in dict.fromkeys(f.plans)) or "insert"
        lines.append(f"| {f.name} | {len(f.statements)} | {statistics.median(f.times_ms):.1f} | {max(f.times_ms):.1f} | {plans} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("where", help="sqlite:FOLDER or mysql://user:password@host:port/prefix")
    parser.add_argument("--rows", type=int, default=10_000_000, help="messages")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--times", type=int, default=7, help="of each call")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    began = time.monotonic()
    with opened(given.where, given.rows, given.days, rng) as (lane, registry):
        print(f"{given.rows:,} messages over {given.days} days; filled in {time.monotonic() - began:.0f} s\n")
        found = looks(lane, registry, given.times, rng)
    print(table(found))
    wrong = [f.name for f in found if f.scans and f.name not in MAY_SCAN]
    print(f"\nWalk through a table: {', '.join(wrong) or 'none but those that may'}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
