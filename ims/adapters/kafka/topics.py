"""Makes the topics as `layout` has them, and says where a cluster differs. Never deletes; blocking, for commands."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from kafka import KafkaAdminClient, errors
from kafka.admin import ConfigResource, ConfigResourceType

from ims.adapters.kafka.connection import KafkaConnection
from ims.adapters.kafka.layout import Layout, layouts
from ims.adapters.kafka.producer import told
from ims.adapters.kafka.reasons import telling

T = TypeVar("T")

_REQUEST_MS = 15_000
_SPREADS_S = 5.0
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing about one topic that is not as it should be."""

    topic: str
    what: str  # topic, partitions, copies, or the name of a setting
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, should be {self.wanted}"


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    copies: int
    configs: Mapping[str, str]


def check_topics(connection: KafkaConnection, *, local: bool = False) -> list[Difference]:
    """What differs; empty when all is well. Unavailable when it does not answer or let us in, Misconfigured when it refuses a request."""
    return _with_admin(connection, lambda admin: _check(admin, _wanted(connection, admin, local)))


def apply_topics(connection: KafkaConnection, *, local: bool = False) -> tuple[list[Difference], list[Difference]]:
    """Make topics, add partitions, change settings: what was changed, and what still differs (copies cannot be changed from here)."""

    def run(admin: KafkaAdminClient) -> tuple[list[Difference], list[Difference]]:
        wanted = _wanted(connection, admin, local)
        layout_of = {layout.name: layout for layout in wanted}
        after = before = _check(admin, wanted)
        until = time.monotonic() + _SPREADS_S
        while (mendable := [d for d in after if d.what != "copies"]) and time.monotonic() < until:
            _mend(admin, layout_of, mendable)
            time.sleep(_PAUSE_S)  # brokers learn of a change a moment after it is accepted
            after = _check(admin, wanted)
        return [difference for difference in before if difference not in after], after

    return _with_admin(connection, run)


def _with_admin(connection: KafkaConnection, run: Callable[[KafkaAdminClient], T]) -> T:
    try:
        with telling(login=bool(connection.sasl_mechanism)):
            admin = KafkaAdminClient(**connection.client("ims-topics"), request_timeout_ms=_REQUEST_MS)
        try:
            return run(admin)
        finally:
            admin.close()
    except errors.KafkaError as exc:
        raise told(exc) from exc


def _wanted(connection: KafkaConnection, admin: KafkaAdminClient, local: bool) -> list[Layout]:
    return [replace(layout, name=connection.named(layout.name)) for layout in layouts(_brokers(admin), local=local)]


def _brokers(admin: KafkaAdminClient) -> int:
    return len(admin.describe_cluster()["brokers"])


def _check(admin: KafkaAdminClient, wanted: Sequence[Layout]) -> list[Difference]:
    found = _found(admin, [layout.name for layout in wanted])
    return [difference for layout in wanted for difference in _differences(layout, found.get(layout.name))]


def _found(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, _Found]:
    there = {topic["name"]: topic["partitions"] for topic in admin.describe_topics(list(names)) if topic["error_code"] == 0}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
    told_configs = admin.describe_configs(resources, config_filter="all")["topic"] if there else {}
    return {
        name: _Found(
            len(partitions),
            min((len(partition["replica_nodes"]) for partition in partitions), default=0),
            {key: entry["value"] for key, entry in told_configs.get(name, {}).items()},
        )
        for name, partitions in there.items()
    }


def _differences(layout: Layout, found: _Found | None) -> Iterator[Difference]:
    if found is None:
        yield Difference(layout.name, "topic", "missing", "there")
        return
    if found.partitions < layout.partitions:
        yield Difference(layout.name, "partitions", str(found.partitions), str(layout.partitions))
    if found.copies < layout.copies:
        yield Difference(layout.name, "copies", str(found.copies), str(layout.copies))
    for name, least in layout.at_least.items():
        value = found.configs.get(name, "unknown")
        if not _at_least(name, value, least):
            yield Difference(layout.name, name, value, f"at least {least}")
    for name, wanted in layout.exactly.items():
        value = found.configs.get(name, "unknown")
        if value != wanted:
            yield Difference(layout.name, name, value, wanted)


def _at_least(name: str, value: str, least: int) -> bool:
    if name == "retention.ms" and value == "-1":
        return True  # for ever
    return value.lstrip("-").isdigit() and int(value) >= least


def _mend(admin: KafkaAdminClient, wanted: Mapping[str, Layout], differences: Sequence[Difference]) -> None:
    missing = [wanted[difference.topic] for difference in differences if difference.what == "topic"]
    if missing:
        options = {t.name: {"num_partitions": t.partitions, "replication_factor": t.copies, "configs": t.configs()} for t in missing}
        with contextlib.suppress(errors.TopicAlreadyExistsError):  # what we asked was a moment old
            admin.create_topics(options, wait_for_metadata=True)
    if more := {d.topic: wanted[d.topic].partitions for d in differences if d.what == "partitions"}:
        with contextlib.suppress(errors.InvalidPartitionsError):
            admin.create_partitions(more)
    settings: dict[str, dict[str, str]] = {}
    for difference in differences:
        if difference.what in (configs := wanted[difference.topic].configs()):
            settings.setdefault(difference.topic, {})[difference.what] = configs[difference.what]
    if settings:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs) for topic, configs in settings.items()])
