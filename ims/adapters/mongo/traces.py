"""Traces and the statistics of stages on MongoDB (4.2 or later), written in bulk by `analyze`.

Only what every server that speaks the protocol has: unordered inserts, upserts with $inc, $group, TTL indexes; percentiles
come from buckets. No transaction is needed: a trace is kept once by its `_id`, and counted at least once. Writes wait for
the majority of a replica set, so a failover undoes none that was acknowledged (a single server is its own majority).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, AsyncMongoClient, IndexModel, InsertOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from ims.adapters.trust import untrusted
from ims.errors import LoginRefused, Misconfigured, Unavailable, Untrusted
from ims.lanes import Lane
from ims.ports.traces import BUCKETS_US, StageStatistics
from ims.protocol.events import Trace
from ims.rules.latency import by_hour

TIME_LIMIT_S = 3.0  # of a call, choosing a server included
CONNECTIONS = 8
KEEP_TRACES_S = 2 * 86_400
KEEP_HOURS_S = 15 * 86_400
_MOST = 2_000  # traces of one message: more is a fault that nobody would read
_DUPLICATE = 11_000
_LOGIN = (13, 18)  # not authorised, authentication failed
_UPSERT_TRIES = 3  # two that insert the same hour at once: one of them has to come again
_DATABASE = "ims"
_SUMS = ("events", "rows", "took_us", *(f"bucket{i}" for i in range(len(BUCKETS_US) + 1)))

Document = dict[str, Any]


class MongoTraces:
    """ims.ports.traces.Traces. `mongodb://host[:port][,host...][/database][?options]`, `mongodb+srv://` too; tls=true for TLS."""

    def __init__(self, url: str, *, time_limit_s: float = TIME_LIMIT_S) -> None:
        try:
            srv = url.startswith("mongodb+srv://")  # read when it is used: its servers are in the DNS
            self._database = (None if srv else parse_uri(url)["database"]) or _DATABASE
        except (PyMongoError, ValueError) as exc:
            raise Misconfigured("the URL of MongoDB cannot be read: mongodb://host:port/database") from exc
        self._url = url
        self._limit_s = time_limit_s
        self._opened: AsyncMongoClient[Document] | None = None
        self._indexed = False

    def _client(self) -> AsyncMongoClient[Document]:
        if self._opened is None:
            limit_ms = int(self._limit_s * 1000)
            self._opened = AsyncMongoClient(
                self._url,
                w="majority",
                wTimeoutMS=limit_ms,
                serverSelectionTimeoutMS=limit_ms,
                connectTimeoutMS=limit_ms,
                socketTimeoutMS=limit_ms,
                waitQueueTimeoutMS=limit_ms,
                maxPoolSize=CONNECTIONS,
                retryWrites=False,  # needs sessions; what is written again is kept once anyway
                tz_aware=True,
                appname="ims",
            )
        return self._opened

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[tuple[AsyncCollection[Document], AsyncCollection[Document]]]:
        limit = asyncio.timeout(self._limit_s)
        try:
            async with limit:
                database = self._client()[self._database]
                traces, hours = database["traces"], database["stage_hours"]
                if not self._indexed:
                    await _index(traces, hours)
                    self._indexed = True
                yield traces, hours
        except (PyMongoError, OSError, TimeoutError) as exc:
            raise self._told(exc) from exc
        except RuntimeError as exc:
            if not limit.expired():
                raise
            # who is cut off while it waits for a connection may find pymongo's lock not held
            raise Unavailable("MongoDB does not answer in time") from exc

    def _told(self, exc: Exception) -> Unavailable:
        """The driver goes on looking for a server that it trusts until the time is over: what it met meanwhile, it keeps beside each."""
        if isinstance(exc, OperationFailure) and exc.code in _LOGIN:
            return LoginRefused("MongoDB does not let us in")
        servers = self._opened.topology_description.server_descriptions().values() if self._opened else ()
        if any(untrusted(server.error) for server in servers):
            return Untrusted("MongoDB shows a certificate that we do not trust")
        return Unavailable(f"MongoDB does not answer: {type(exc).__name__}")

    async def write(self, lane: Lane, traces: Sequence[Trace]) -> None:
        if not traces:
            return
        async with self._in_time() as (kept, hours):
            await _all_but_duplicates(kept, [InsertOne(_document(lane, t)) for t in traces])
            sums = [_addition(hour, s) for hour, statistics in by_hour(lane, traces).items() for s in statistics]
            for _ in range(_UPSERT_TRIES):
                sums = await _all_but_duplicates(hours, sums)
                if not sums:
                    return

    async def about(self, lane: Lane, birth: str, event_ids: Collection[str]) -> list[Trace]:
        wanted = {"lane": lane.value, "$or": [{"birth": birth}, {"event_id": {"$in": list(event_ids)}}]}
        async with self._in_time() as (traces, _):
            found = await traces.find(wanted).sort("at", ASCENDING).limit(_MOST).to_list()
        return [_trace(d) for d in found]

    async def statistics(self, from_ms: int, to_ms: int) -> list[StageStatistics]:
        pipeline: list[Document] = [
            {"$match": {"hour": {"$gte": _time(from_ms), "$lt": _time(to_ms)}}},
            {
                "$group": {
                    "_id": {"stage": "$stage", "lane": "$lane", "outcome": "$outcome"},
                    **{name: {"$sum": f"${name}"} for name in _SUMS},
                }
            },
        ]
        async with self._in_time() as (_, hours):
            found = await (await hours.aggregate(pipeline)).to_list()
        made = []
        for d in found:
            events, rows, took_us, *buckets = (int(d[name]) for name in _SUMS)
            made.append(StageStatistics(d["_id"]["stage"], d["_id"]["lane"], d["_id"]["outcome"], events, rows, took_us, tuple(buckets)))
        return sorted(made, key=lambda s: (s.stage, s.lane, s.outcome))

    async def close(self) -> None:
        """Let go of connections; the next call opens new ones."""
        client, self._opened = self._opened, None
        if client is not None:
            await client.close()


async def _index(traces: AsyncCollection[Document], hours: AsyncCollection[Document]) -> None:
    """What the queries need, and the end of everything. Nothing happens to what is there already."""
    await traces.create_indexes(
        [
            IndexModel([("birth", ASCENDING)], name="by_birth"),
            IndexModel([("event_id", ASCENDING)], name="by_event"),
            IndexModel([("at", ASCENDING)], name="until", expireAfterSeconds=KEEP_TRACES_S),
        ]
    )
    await hours.create_indexes([IndexModel([("hour", ASCENDING)], name="until", expireAfterSeconds=KEEP_HOURS_S)])


async def _all_but_duplicates(collection: AsyncCollection[Document], writes: Sequence[Any]) -> list[Any]:
    """Write in bulk, in no order; what was there already comes back."""
    try:
        await collection.bulk_write(writes, ordered=False)
    except BulkWriteError as exc:
        errors = (exc.details or {}).get("writeErrors", [])
        if not errors or (exc.details or {}).get("writeConcernErrors") or any(e["code"] != _DUPLICATE for e in errors):
            raise
        return [writes[e["index"]] for e in errors]
    return []


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC).replace(microsecond=at_ms % 1000 * 1000)


def _document(lane: Lane, t: Trace) -> Document:
    return {
        "_id": f"{t.event_id}|{t.stage}|{t.at}|{lane.value}",
        "lane": lane.value,
        "stage": t.stage,
        "event_id": t.event_id,
        "event_type": t.event_type,
        "birth": t.birth,
        "trace_id": t.trace_id,
        "at": _time(t.at),
        "took_us": t.took_us,
        "rows": t.rows,
        "outcome": t.outcome,
        "note": t.note,
    }


def _trace(d: Document) -> Trace:
    at = d["at"]
    ms = int(at.replace(microsecond=0).timestamp()) * 1000 + at.microsecond // 1000
    return Trace(**{name: ms if name == "at" else d[name] for name in Trace.__struct_fields__})


def _addition(hour: int, s: StageStatistics) -> UpdateOne:
    names = {"hour": _time(hour), "stage": s.stage, "lane": s.lane, "outcome": s.outcome}
    sums = dict(zip(_SUMS, (s.events, s.rows, s.took_us, *s.buckets), strict=True))
    return UpdateOne({"_id": f"{hour}|{s.stage}|{s.lane}|{s.outcome}"}, {"$inc": sums, "$setOnInsert": names}, upsert=True)
