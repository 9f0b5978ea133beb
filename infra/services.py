"""All servers by name, and which of them are started when none is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from infra import aws, kafka, mariadb, mongo, monitoring, redis, smtp
from infra.place import Place, Unplaced
from infra.service import Service

SERVICES: dict[str, Callable[[Place], Service]] = {
    "kafka": kafka.service,
    "mariadb": mariadb.service,
    "redis": redis.single,
    "redis-cluster": redis.cluster,
    "mongo": mongo.service,
    "aws": aws.service,
    "smtp": smtp.service,
    "prometheus": monitoring.prometheus,
    "alertmanager": monitoring.alertmanager,
}
# Small, and started again for each run. One broker costs a third of three; a module that breaks brokers takes three of its own.
FOR_TESTS: dict[str, Callable[[Place], Service]] = SERVICES | {
    "kafka": lambda place: kafka.service(place, nodes=1),
    "kafka3": lambda place: kafka.service(place, nodes=3),
    "mariadb": lambda place: mariadb.service(place, small=True),
    "kafka-secure": lambda place: kafka.service(place, nodes=1, secure=True),
    "mariadb-secure": lambda place: mariadb.service(place, small=True, secure=True),
    "redis-secure": lambda place: redis.single(place, secure=True),
    "redis-cluster-secure": lambda place: redis.cluster(place, secure=True),
    "mongo-secure": lambda place: mongo.service(place, secure=True),
    "aws-secure": lambda place: aws.service(place, secure=True),
}
ON_REQUEST = frozenset({"prometheus", "alertmanager"})


def services(place: Place, names: Sequence[str], *, all_of_them: bool = False) -> list[Service]:
    """Those that are named; with no name those that IMS needs, or really all."""
    if unknown := sorted(set(names) - set(SERVICES)):
        raise Unplaced(f"no such server: {', '.join(unknown)} (there are {', '.join(SERVICES)})")
    return [make(place) for name, make in SERVICES.items() if name in names or (not names and (all_of_them or name not in ON_REQUEST))]
