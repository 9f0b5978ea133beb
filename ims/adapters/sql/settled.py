"""The history row of a message and the counters of its day, written once for each result that is told (invariant 10).

Rows are locked while they are read: two that settle the same members at once must not both move the counters
from what neither wrote. A row that is not there yet can not be locked; two that write it at once are told apart by the
count of the insert, and the slower one runs again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, and_, bindparam, or_, select

from ims.adapters.sql import counters
from ims.adapters.sql.counters import count, count_campaigns, seoul_day
from ims.adapters.sql.database import Raced
from ims.adapters.sql.lane_tables import history
from ims.adapters.sql.statements import Statement, once, or_change, padded, sqlite
from ims.ports.records import HistoryRow

HISTORY_COLUMNS = [c.name for c in history.columns]
_LATER = ["number", "result", "report_type", "report_code", "provider", "provider_code", "attempts", "report_at"]

_new = once(history, HISTORY_COLUMNS)
_change = or_change(history, HISTORY_COLUMNS, lambda _, given: {name: given[name] for name in _LATER})


@cache
def _stored(size: int) -> Statement:
    """Row by row, not by birth: reports of 200 messages of mass may be of as many births, and would lock 40,000 rows."""
    names = [(f"birth_{n}", f"pos_{n}") for n in range(size)]
    c = history.c
    wanted = or_(*(and_(c.birth == bindparam(birth), c.pos == bindparam(pos)) for birth, pos in names))
    rows = select(c.birth, c.pos, c.number, c.report_type, c.result).where(wanted).order_by(c.birth, c.pos)
    return Statement(rows.with_for_update(), [name for pair in names for name in pair])


def _first_of_all(conn: Connection, rows: Sequence[HistoryRow]) -> bool:
    """Nearly every event tells first results: in a file, where nobody else writes meanwhile, they are not looked up before."""
    driver = sqlite(conn)
    if driver is None or any(r.number != 1 for r in rows):
        return False
    driver.execute("SAVEPOINT history")
    fresh = _new.many(conn, sorted(rows)) == len(rows)
    if not fresh:
        driver.execute("ROLLBACK TO history")
    driver.execute("RELEASE history")
    if fresh:
        moves = Counter((seoul_day(r.received_at), r.service_key, r.report_type, r.result) for r in rows)
        moves.subtract(_received(r) for r in rows)
        count(conn, moves)
        of_campaigns = Counter((r.service_key, r.campaign_id, r.result) for r in rows if r.campaign_id)
        count_campaigns(conn, of_campaigns, max(r.report_at for r in rows))
    return fresh


def _received(row: HistoryRow) -> counters.Counter:
    """The counter in which it stands until it has a result."""
    return seoul_day(row.received_at), row.service_key, row.channel, "RECEIVED"


def write(conn: Connection, rows: Sequence[HistoryRow]) -> None:
    """Insert first results, overwrite by later ones, and move the day's counters by exactly what changed."""
    if _first_of_all(conn, rows):
        return
    stored: dict[tuple[str, int], tuple[int, str, str]] = {}
    for size, wanted in padded(sorted({(r.birth, r.pos) for r in rows})):
        found = _stored(size).all(conn, *(value for pair in wanted for value in pair))
        stored |= {(birth, pos): (number, report_type, result) for birth, pos, number, report_type, result in found}
    fresh: list[HistoryRow] = []
    later: list[HistoryRow] = []
    moves: Counter[tuple[str, str, str, str]] = Counter()
    of_campaigns: Counter[tuple[str, str, str]] = Counter()
    for r in sorted(rows, key=lambda r: (r.birth, r.pos, r.number)):
        day = seoul_day(r.received_at)
        number, report_type, result = stored.get((r.birth, r.pos), (0, "", ""))
        if r.number <= number:
            continue
        if number:
            moves[day, r.service_key, report_type, result] -= 1
        else:
            moves[_received(r)] -= 1
        moves[day, r.service_key, r.report_type, r.result] += 1
        if r.campaign_id:
            of_campaigns[r.service_key, r.campaign_id, result] -= 1 if number else 0
            of_campaigns[r.service_key, r.campaign_id, r.result] += 1
        (later if number else fresh).append(r)
        stored[r.birth, r.pos] = (r.number, r.report_type, r.result)
    if _new.many(conn, fresh) < len(fresh):
        raise Raced("history was written meanwhile")
    _change.many(conn, later)
    count(conn, moves)
    count_campaigns(conn, of_campaigns, max(r.report_at for r in rows))
