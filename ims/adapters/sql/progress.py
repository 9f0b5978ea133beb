"""How far a campaign is, without an index of its own: the acceptance keys of its messages lead to their birth events, and
the history of a birth event is one range of its primary key.

A look at 50,000 settled messages reads 250 such ranges; those that are settled whole need not be looked at again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, bindparam, func, select

from ims.adapters.sql.acceptance import Slices, find_ever
from ims.adapters.sql.lane_tables import history
from ims.adapters.sql.statements import Statement

End = tuple[str, str, str]  # report type, result, report code

_ends = Statement(
    select(history.c.report_type, history.c.result, history.c.report_code, func.count())
    .where(history.c.birth == bindparam("birth_is"))
    .group_by(history.c.report_type, history.c.result, history.c.report_code),
    ["birth_is"],
)


def births_of(conn: Connection, slices: Slices, keys: Sequence[bytes]) -> Counter[str]:
    """The birth events in which the messages with these acceptance keys live, with how many of them."""
    found = find_ever(conn, keys, slices.existing(conn))
    return Counter(e.birth for e in found.values() if e.accepted)


def ends_of(conn: Connection, births: Iterable[str]) -> dict[str, Counter[End]]:
    """How the messages of each birth event ended; one that is not settled yet is not counted."""
    return {birth: Counter({(kind, result, code): n for kind, result, code, n in _ends.all(conn, birth)}) for birth in births}
