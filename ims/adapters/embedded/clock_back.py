"""When the clock was set back: what was to happen in some seconds must not wait until the old time comes again.

Seen when a lane is taken: the newest record of its log is of the future. Due times and leases that customers and workers
hold move back by as much. Deadlines of delivery reports stay: late is all that they can be. Leases of provider calls lie
within a row's document; ims.rules.calls knows one that cannot be true.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.sql.lane_tables import arrays, held, log
from ims.lanes import Lane
from ims.ports.clock import Clock

_LONGEST_REST_MS = 600_000  # twice what a provider that is away can make an event rest
_NOTICED_MS = 2_000  # less is a clock that is kept in step


async def after_clock_went_back(store: EmbeddedStore, lane: Lane, clock: Clock) -> int:
    """By how many milliseconds the clock went back, at least; 0: it did not."""
    now = clock()

    def job(conn: Connection) -> int:
        newest = conn.execute(select(log.c.at).order_by(log.c.seq.desc()).limit(1)).scalar() or 0
        back = int(newest) - now
        if back < _NOTICED_MS:
            return 0
        rest = held.c.due_at - held.c.since  # a longer one waits for an hour of the day, which the new clock tells as well
        conn.execute(update(held).where(held.c.due_at > now, rest <= _LONGEST_REST_MS).values(due_at=held.c.due_at - back))
        conn.execute(update(arrays).where(arrays.c.due_at > now).values(due_at=arrays.c.due_at - back))
        conn.execute(update(arrays).where(arrays.c.claimed_until > now).values(claimed_until=0))
        conn.execute(update(arrays).where(arrays.c.lease_until > now).values(lease_until=now))
        return back

    return await store.files[lane].write(job)
