"""Brings a database to the newest step of `migrations/`, or back by one. Alembic is imported here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError

from ims.adapters.sql import partitions
from ims.adapters.sql.address import REGISTRY, ServerAddress
from ims.adapters.sql.mysql_errors import number
from ims.errors import Misconfigured, Unavailable
from ims.lanes import Lane

Kind = Literal["lane", "registry"]

FOLDER = Path(__file__).parents[3] / "migrations"
_LOCK_S = 60  # several pods may be told to migrate at once: the first does it, the others find it done
_CONNECT_S = 5


@dataclass(frozen=True, slots=True)
class Migrated:
    """What became of one database."""

    database: str
    before: str  # the step it was at; empty: none
    after: str


def head(kind: Kind) -> str:
    """The newest step."""
    return ScriptDirectory.from_config(_config(kind)).get_current_head() or ""


def current(conn: Connection) -> str:
    """The step that a database is at; empty: none."""
    return MigrationContext.configure(conn).get_current_revision() or ""


def migrate(conn: Connection, kind: Kind, *, down: bool = False) -> tuple[str, str]:
    """Up to the newest step, or down by one: the step before and the step after."""
    before = current(conn)
    if down and not before:
        return before, before
    if down:
        command.downgrade(_config(kind, conn), "-1")
    else:
        command.upgrade(_config(kind, conn), "head")
    return before, current(conn)


def migrate_server(address: ServerAddress, today: int, *, down: bool = False) -> list[Migrated]:
    """Every database of an installation, made where it is missing and the user may. Harmless when repeated."""
    done = []
    with _connected(address) as conn:
        for name in address.databases():
            _make(conn, name)
    for part in (*Lane, REGISTRY):
        name = address.database(part)
        with _connected(address, name) as conn, _alone(conn, name):
            before, after = migrate(conn, "registry" if part == REGISTRY else "lane", down=down)
            if part != REGISTRY and after:
                partitions.cut_ahead(conn, Lane(part), today)
            done.append(Migrated(name, before, after))
    return done


def _config(kind: Kind, conn: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / kind))
    config.attributes["connection"] = conn
    return config


@contextmanager
def _connected(address: ServerAddress, database: str | None = None) -> Iterator[Connection]:
    arguments: dict[str, Any] = {"connect_timeout": _CONNECT_S, "init_command": "SET SESSION lock_wait_timeout = 10"}
    if (context := address.ssl_context()) is not None:
        arguments["ssl"] = context
    engine = create_engine(
        address.url("pymysql", database), isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args=arguments
    )
    try:
        with engine.connect() as conn:
            yield conn
    except DBAPIError as exc:
        if exc.connection_invalidated or number(exc) in (2003, 1040, 1045):
            raise Unavailable(f"the server at {address.host}:{address.port} lets us not in: error {number(exc)}") from None
        raise
    finally:
        engine.dispose()


def _make(conn: Connection, name: str) -> None:
    try:
        conn.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    except DBAPIError as exc:
        if number(exc) != 1044:
            raise
        there = conn.exec_driver_sql("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (name,)).scalar()
        if not there:
            raise Misconfigured(f"there is no database {name}, and the user of IMS_RECORDS may not make it") from None


@contextmanager
def _alone(conn: Connection, name: str) -> Iterator[None]:
    lock = f"'{name}.migrate'"
    if conn.exec_driver_sql(f"SELECT GET_LOCK({lock}, {_LOCK_S})").scalar() != 1:
        raise Unavailable(f"{name} is being migrated by another")
    try:
        yield
    finally:
        conn.exec_driver_sql(f"SELECT RELEASE_LOCK({lock})")
