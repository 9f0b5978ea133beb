"""The profile that a run's homes are of: IMS_E2E_PROFILE=production puts each on names of its own on real servers that all share."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Mapping

import pytest
from kafka import KafkaAdminClient

PRODUCTION = os.environ.get("IMS_E2E_PROFILE", "embedded") == "production"
SERVERS = ("kafka", "mariadb", "redis_single", "mongo", "aws")  # fixtures of infra/
# Redis has 16 databases. Homes take those of their worker in turns: what is left in one are leases and rates of a home that is gone.
_REDIS_DATABASES, _WORKERS = 16, 2
_CONNECTIONS = 4  # of a process to a database: many homes are up at once


def only_on_files(why: str) -> pytest.MarkDecorator:
    """What has no meaning on servers, and why."""
    return pytest.mark.skipif(PRODUCTION, reason=why)


def on_servers(named: Mapping[str, str]) -> Callable[[], dict[str, object]]:
    """Settings of a home, given IMS_... settings that name the servers; other ones at each call."""
    run, numbers = f"e{secrets.token_hex(3)}", itertools.count(1)
    each = _REDIS_DATABASES // _WORKERS
    first = each * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS)

    def own() -> dict[str, object]:
        n = next(numbers)
        name = f"{run}x{n}"
        return {
            "profile": "production",
            "log": f"{named['IMS_LOG']}/{name}",
            "records": f"{named['IMS_RECORDS']}_{name}",
            "records_connections": _CONNECTIONS,
            "cache": f"{named['IMS_CACHE'].rpartition('/')[0]}/{first + n % each}",
            "traces": f"{named['IMS_TRACES']}_{name}",
            "files": named["IMS_FILES"],
        }

    return own


def forget_groups(log: str) -> int:
    """Delete every consumer group of a home that is down, so that its next start reads the log from the earliest; how many there were."""
    servers, _, prefix = log.removeprefix("kafka://").partition("/")
    admin = KafkaAdminClient(bootstrap_servers=servers.split(","))
    try:
        groups = [group["group_id"] for group in admin.list_groups() if group["group_id"].startswith(f"{prefix}-")]
        admin.delete_groups(groups)
        return len(groups)
    finally:
        admin.close()
