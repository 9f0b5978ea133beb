"""The day's counters (Asia/Seoul): moved in the transaction that writes what they count, as the last thing it does.

Every transaction of a service key moves the same few rows, and on a server each holds their locks until it is committed.
Moved last, and in one order, they are held for the commit alone, and never in a ring.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ims.adapters.sql.lane_tables import campaign_counts, daily
from ims.adapters.sql.statements import or_change

Counter = tuple[str, str, str, str]  # day, service key, report type, result

CampaignCounter = tuple[str, str, str]  # service key, campaign_id, result

_SEOUL = ZoneInfo("Asia/Seoul")
_move = or_change(
    daily, ["day", "service_key", "report_type", "result", "count"], lambda stored, given: {"count": stored.count + given.count}
)

_move_campaign = or_change(
    campaign_counts,
    ["service_key", "campaign_id", "result", "count", "at"],
    lambda stored, given: {"count": stored.count + given.count, "at": given.at},
)


@lru_cache(maxsize=1_024)  # messages of one birth share their moment
def seoul_day(at_ms: int) -> str:
    """The calendar day in Asia/Seoul, as statistics count it."""
    return datetime.fromtimestamp(at_ms / 1000, _SEOUL).date().isoformat()


def count(conn: Connection, moves: Mapping[Counter, int]) -> None:
    """Move counters by the given amounts."""
    _move.many(conn, [(*counter, by) for counter, by in sorted(moves.items()) if by])


def count_campaigns(conn: Connection, moves: Mapping[CampaignCounter, int], at: int) -> None:
    """Move how far campaigns are, in the same transaction, after the day's counters."""
    _move_campaign.many(conn, [(*counter, by, at) for counter, by in sorted(moves.items()) if by])
