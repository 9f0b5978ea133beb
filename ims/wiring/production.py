"""The production profile: Kafka, a MySQL or MariaDB server, Redis, MongoDB. Imported only where it is chosen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ims.adapters.kafka.appender import KafkaAppender
from ims.adapters.kafka.connection import MAX_RECORD_BYTES, KafkaConnection, connect_to
from ims.adapters.kafka.reader import KafkaReader
from ims.adapters.kafka.topics import apply_topics
from ims.adapters.mongo.traces import MongoTraces
from ims.adapters.redis.shared import RedisShared
from ims.adapters.s3.files import S3Files
from ims.adapters.sql.address import REGISTRY, ServerAddress
from ims.adapters.sql.migrate import migrate_server
from ims.adapters.sql.server import ServerDatabase, ServerLimits
from ims.adapters.sql.split_store import SplitStore
from ims.config import Settings
from ims.lanes import Lane
from ims.ports.clock import Clock, system_clock
from ims.protocol.envelope import Envelopes
from ims.protocol.ids import day_of
from ims.runtime.claim_check import PuttingAside
from ims.telemetry import log
from ims.wiring.stores import Stores


def kafka(settings: Settings) -> KafkaConnection:
    """Where the log is."""
    return connect_to(
        settings.log,
        ca_file=settings.log_ca_file,
        sasl_mechanism=settings.log_sasl_mechanism,
        username=settings.log_username,
        password=settings.log_password,
    )


def registry_database(settings: Settings) -> ServerDatabase:
    """The registry on the records' server."""
    address = ServerAddress.parse(settings.records)
    return ServerDatabase(address, address.database(REGISTRY), ServerLimits(connections=settings.records_connections))


def stores(settings: Settings, name: str, envelopes: Envelopes, clock: Clock) -> Stores:
    """Connected at first use."""
    address = ServerAddress.parse(settings.records)
    limits = ServerLimits(connections=settings.records_connections)
    databases = {lane: ServerDatabase(address, address.database(lane), limits) for lane in Lane}
    registry = registry_database(settings)
    connection = kafka(settings)
    appender = KafkaAppender(connection, client_id=f"ims-{name}", deadline_s=settings.log_deadline_s)
    shared = RedisShared(settings.cache, clock, ca_file=settings.cache_ca_file)
    traces = MongoTraces(settings.traces)
    files = S3Files(settings.files)
    store = SplitStore(databases, PuttingAside(appender, files, clock, MAX_RECORD_BYTES), envelopes, clock)

    async def close() -> None:
        await appender.close()
        await traces.close()
        await files.close()
        await shared.close()
        for database in (*databases.values(), registry):
            await database.close()

    return Stores(
        lanes=store,
        journal=store,
        acceptance=store,
        registry=registry,
        shared=shared,
        traces=traces,
        files=files,
        reader=KafkaReader(connection, name),
        outbox=store,
        aging=(),
        restored_until=int(settings.restored_until.timestamp() * 1000) if settings.restored_until else 0,
        close=close,
    )


def prepare(settings: Settings) -> None:
    """Tables and topics for one machine, as `ims up` needs them, side by side. Harmless when repeated; blocking."""
    with ThreadPoolExecutor(1) as pool:
        topics = pool.submit(apply_topics, kafka(settings), local=True)
        migrate_server(ServerAddress.parse(settings.records), day_of(system_clock(settings.clock_offset_s)()))
        _, left = topics.result()
    for difference in left:
        log.warning("topic_differs", topic=difference.topic, what=difference.what, found=difference.found, wanted=difference.wanted)
