"""The records of an installation on every adapter: files of a home, and the databases of a real server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.store import create_lane
from ims.adapters.sql import migrate
from ims.adapters.sql.address import REGISTRY, ServerAddress
from ims.adapters.sql.database import Database
from ims.adapters.sql.registry_tables import create as create_registry
from ims.adapters.sql.server import ServerDatabase, ServerLimits
from ims.lanes import Lane
from ims.protocol.ids import day_of

NOW = 1_790_000_000_000  # 2026-09-21T14:13:20Z
LIMITS = ServerLimits(connections=4, lock_wait_s=5, job_s=20)


class Records:
    """Databases that several processes share; each call of `lane` or `registry` is another process."""

    def __init__(self, open_: Callable[[str], Database], server: bool) -> None:
        self._open = open_
        self._opened: list[Database] = []
        self.server = server

    def lane(self, lane: Lane = Lane.REALTIME) -> Database:
        return self._another(lane)

    def lanes(self) -> dict[Lane, Database]:
        return {lane: self.lane(lane) for lane in Lane}

    def registry(self) -> Database:
        return self._another(REGISTRY)

    def _another(self, part: str) -> Database:
        self._opened.append(self._open(part))
        return self._opened[-1]

    async def close(self) -> None:
        for database in self._opened:
            if isinstance(database, ServerDatabase):
                await database.close()
            elif isinstance(database, LaneFile):
                database.close()


def home_of(folder: Path) -> Callable[[str], Database]:
    return lambda part: LaneFile(folder / f"{part}.db", create_registry if part == REGISTRY else create_lane)


@pytest.fixture(scope="session")
def migrated(request: pytest.FixtureRequest) -> ServerAddress:
    """Databases of this worker's own on the shared server, migrated once."""
    address = ServerAddress.parse(request.getfixturevalue("mariadb").url + f"_{secrets.token_hex(3)}")
    migrate.migrate_server(address, day_of(NOW))
    return address


def emptied(address: ServerAddress) -> None:
    """What the test before wrote is gone; DELETE, since TRUNCATE makes every partition anew."""
    for name in address.databases():
        engine = create_engine(address.url("pymysql", name))
        with engine.begin() as conn:
            for table in inspect(conn).get_table_names():
                if table.startswith("acceptance_"):
                    conn.exec_driver_sql(f"DROP TABLE {table}")
                elif table not in ("alembic_version", "registry_version"):
                    conn.exec_driver_sql(f"DELETE FROM {table}")
        engine.dispose()


@pytest.fixture(params=["sqlite", "mariadb"])
async def records(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Records]:
    if request.param == "sqlite":
        made = Records(home_of(tmp_path), server=False)
    else:
        address = request.getfixturevalue("migrated")
        emptied(address)
        made = Records(lambda part: ServerDatabase(address, address.database(part), LIMITS), server=True)
    yield made
    await made.close()


@pytest.fixture
def server_address(migrated: ServerAddress) -> ServerAddress:
    emptied(migrated)
    return migrated
