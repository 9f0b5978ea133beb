"""Real servers as fixtures, for every suite."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # infra and bench are no installed packages

pytest_plugins = ["infra.fixtures"]

_SERVERS = {
    "kafka",
    "kafka3",
    "mariadb",
    "mariadb_own",
    "redis_single",
    "redis_cluster",
    "redis_own",
    "redis_cluster_own",
    "mongo",
    "mongo_own",
    "aws",
    "smtp",
    "secure",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a real server is marked so, also where a parameter says it (`[kafka]`, `[mariadb]`)."""
    for item in items:
        call = getattr(item, "callspec", None)
        said = {str(value) for value in call.params.values()} if call else set()
        if _SERVERS & {*getattr(item, "fixturenames", ()), *said}:
            item.add_marker("services")
