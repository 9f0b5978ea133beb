"""Servers that are broken, one installation on them at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # not before those of tests/system, whose conftest is another

from callbacks import CallbackServer
from world import Servers, World

from infra.fixtures import Own, Shared


@pytest.fixture(scope="module")
def servers(kafka3: Own, mariadb_own: Own, redis_cluster_own: Own, mongo_own: Own, aws: Shared) -> Servers:
    return Servers(kafka3, mariadb_own, redis_cluster_own, mongo_own, aws)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, servers: Servers, callbacks: CallbackServer) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("production"), servers, callbacks)
    yield made
    made.close()
