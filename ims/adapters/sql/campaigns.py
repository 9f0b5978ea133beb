"""Orders of campaigns in the registry, and their progress in the lanes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from ims.adapters.sql import audit
from ims.adapters.sql.database import Database
from ims.adapters.sql.lane_tables import campaign_counts, held
from ims.adapters.sql.registry_tables import campaigns
from ims.errors import Rejected
from ims.lanes import Lane
from ims.ports.campaigns import Ordered, Progress, State
from ims.ports.clock import Clock
from ims.ports.registers import Author
from ims.rules.campaigns import held_name


class SqlCampaigns:
    """ims.ports.campaigns.Campaigns. `write` runs a job that raises the registry's change counter first: writers take turns."""

    def __init__(self, db: Database, write: Callable[[Callable[[Connection], Ordered]], Awaitable[Ordered]], now_ms: Clock) -> None:
        self._db = db
        self._write = write
        self._now_ms = now_ms

    async def find(self, service_key: str, campaign_id: str) -> Ordered | None:
        return await self._db.read(lambda conn: _find(conn, service_key, campaign_id), few=True)

    async def order(
        self,
        author: Author,
        service_key: str,
        campaign_id: str,
        *,
        state: State | None = None,
        pace_per_s: int | None = None,
        approved: bool = False,
    ) -> Ordered:
        now = self._now_ms()

        def job(conn: Connection) -> Ordered:
            found = _find(conn, service_key, campaign_id)
            kept = found or Ordered(State.RUNNING, 0, "", now)
            wanted = Ordered(
                kept.state if state is None else state,
                kept.pace_per_s if pace_per_s is None else pace_per_s,
                kept.approved_by or (author.user if approved else ""),
                now,
            )
            if kept.state is State.CANCELLED:
                if wanted.state is State.CANCELLED and wanted.pace_per_s == kept.pace_per_s:
                    return kept
                raise Rejected("1409", "campaign_id")
            values = {
                "state": wanted.state.value, "pace_per_s": wanted.pace_per_s, "approved_by": wanted.approved_by, "changed_at": now,
            }  # fmt: skip
            if found is None:
                key = {"service_key": service_key, "campaign_id": campaign_id, "customer": author.customer, "created_at": now}
                conn.execute(insert(campaigns), key | values)
            else:
                conn.execute(update(campaigns).where(_same(service_key, campaign_id)).values(values))
            was, is_ = _audited(found), _audited(wanted)
            if was != is_:
                audit.write(conn, now, author, "campaigns.order", f"{service_key}/{campaign_id}", was, is_)
            return wanted

        return await self._write(job)


class SqlProgresses:
    """ims.ports.campaigns.Progresses. A campaign may lie in several lanes: a key's own, and lower ones."""

    def __init__(self, lanes: Mapping[Lane, Database]) -> None:
        self._lanes = lanes

    async def of(self, service_key: str, campaign_id: str) -> Progress:
        counts: Counter[str] = Counter()
        waiting: Counter[str] = Counter()
        mine = and_(campaign_counts.c.service_key == service_key, campaign_counts.c.campaign_id == campaign_id)
        count = select(campaign_counts.c.result, campaign_counts.c.count).where(mine)
        name = held_name(service_key, campaign_id)
        wait = select(held.c.reason, func.sum(held.c.messages)).where(held.c.campaign == name).group_by(held.c.reason)
        for database in self._lanes.values():
            # What waits is read first: a message that settles between the two reads is counted once too seldom, never twice.
            for found, query in ((waiting, wait), (counts, count)):
                for what, number in await database.read(lambda conn, query=query: [tuple(r) for r in conn.execute(query)]):  # type: ignore[misc]
                    found[what] += int(number)
        return Progress(counts, waiting)


def _find(conn: Connection, service_key: str, campaign_id: str) -> Ordered | None:
    c = campaigns.c
    row = conn.execute(select(c.state, c.pace_per_s, c.approved_by, c.changed_at).where(_same(service_key, campaign_id))).first()
    return None if row is None else Ordered(State(row[0]), row[1], row[2], row[3])


def _audited(ordered: Ordered | None) -> dict[str, Any] | None:
    if ordered is None:
        return None
    return {"state": ordered.state.value, "pace_per_second": ordered.pace_per_s, "approved_by": ordered.approved_by}


def _same(service_key: str, campaign_id: str) -> ColumnElement[bool]:
    return and_(campaigns.c.service_key == service_key, campaigns.c.campaign_id == campaign_id)
