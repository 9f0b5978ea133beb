"""Traces and the statistics of stages in the lane files: written by `analyze`, read by `ims why` and `ims stages`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Column, Connection, Index, Integer, MetaData, String, Table, func, insert, or_, select
from sqlalchemy.dialects.sqlite import insert as insert_or_change

from ims.adapters.embedded.files import LaneFile
from ims.adapters.sql.retention import Aging
from ims.adapters.sql.statements import Statement
from ims.lanes import Lane
from ims.ports.traces import BUCKETS_US, StageStatistics
from ims.protocol.events import Trace
from ims.rules.latency import by_hour

metadata = MetaData()
traces_table = Table(
    "traces",
    metadata,
    Column("event_id", String(80), primary_key=True),
    Column("stage", String(20), primary_key=True),
    Column("at", Integer, primary_key=True),
    Column("birth", String(26), nullable=False),
    Column("trace_id", String(32), nullable=False),
    Column("event_type", String(40), nullable=False),
    Column("took_us", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("note", String(200), nullable=False),
    Index("traces_by_birth", "birth"),
    Index("traces_by_time", "at"),
    sqlite_with_rowid=False,
)
_BUCKETS = [f"bucket{i}" for i in range(len(BUCKETS_US) + 1)]
_SUMS = ["events", "rows", "took_us", *_BUCKETS]
statistics_table = Table(
    "stage_hours",
    metadata,
    Column("hour", Integer, primary_key=True),  # its first millisecond
    Column("stage", String(20), primary_key=True),
    Column("outcome", String(12), primary_key=True),
    *(Column(name, Integer, nullable=False) for name in _SUMS),
    sqlite_with_rowid=False,
)

_COLUMNS = [c.name for c in traces_table.columns]
_keep = Statement(insert(traces_table).prefix_with("OR IGNORE"), _COLUMNS)
_more = insert_or_change(statistics_table)
_add = Statement(
    _more.on_conflict_do_update(
        index_elements=["hour", "stage", "outcome"], set_={n: statistics_table.c[n] + _more.excluded[n] for n in _SUMS}
    ),
    ["hour", "stage", "outcome", *_SUMS],
)


AGING = (
    Aging(traces_table, traces_table.c.at, 2 * 86_400_000),
    Aging(statistics_table, statistics_table.c.hour, 15 * 86_400_000),  # `ims stages` looks back two weeks
)


class EmbeddedTraces:
    """ims.ports.traces.Traces."""

    def __init__(self, files: Mapping[Lane, LaneFile]) -> None:
        self._files = files

    async def write(self, lane: Lane, traces: Sequence[Trace]) -> None:
        rows = [(t.event_id, t.stage, t.at, t.birth, t.trace_id, t.event_type, t.took_us, t.rows, t.outcome, t.note) for t in traces]
        sums = [(h, s.stage, s.outcome, s.events, s.rows, s.took_us, *s.buckets) for h, ss in by_hour(lane, traces).items() for s in ss]

        def job(conn: Connection) -> None:
            _keep.many(conn, rows)
            _add.many(conn, sums)

        await self._files[lane].write(job)

    async def about(self, lane: Lane, birth: str, event_ids: Collection[str]) -> list[Trace]:
        t = traces_table.c
        query = select(traces_table).where(or_(t.birth == birth, t.event_id.in_(event_ids))).order_by(t.at)
        return await self._files[lane].read(lambda conn: [Trace(**row._mapping) for row in conn.execute(query)])

    async def statistics(self, from_ms: int, to_ms: int) -> list[StageStatistics]:
        s = statistics_table.c
        query = (
            select(s.stage, s.outcome, *(func.sum(s[name]) for name in _SUMS))
            .where(s.hour >= from_ms, s.hour < to_ms)
            .group_by(s.stage, s.outcome)
            .order_by(s.stage, s.outcome)
        )
        found: list[StageStatistics] = []
        for lane, file in self._files.items():
            for stage, outcome, events, rows, took_us, *buckets in await file.read(lambda conn: conn.execute(query).all()):
                found.append(StageStatistics(stage, lane.value, outcome, events, rows, took_us, tuple(buckets)))
        return found

    async def close(self) -> None:
        """The files belong to the store of their lanes."""
