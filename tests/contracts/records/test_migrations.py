"""The steps of migrations/ make what the tables say, up and down, and again, on a file and on a server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import Connection, MetaData, Table, create_engine, event, inspect
from sqlalchemy.exc import OperationalError

from ims.adapters.sql import migrate, partitions
from ims.adapters.sql.address import REGISTRY, ServerAddress
from ims.adapters.sql.lane_tables import acceptance_slice
from ims.adapters.sql.lane_tables import metadata as lane_metadata
from ims.adapters.sql.registry_tables import metadata as registry_metadata
from ims.errors import Misconfigured, Unavailable
from ims.lanes import Lane
from ims.protocol.ids import day_of
from tests.contracts.records.conftest import NOW

METADATA = {"lane": lane_metadata, "registry": registry_metadata}
TODAY = day_of(NOW)


@pytest.fixture
def address(mariadb) -> ServerAddress:
    return ServerAddress.parse(f"{mariadb.url}_{secrets.token_hex(3)}")


@pytest.fixture(params=["sqlite", "mariadb"])
def empty(request, tmp_path) -> Iterator[Connection]:
    """A connection to a database without tables."""
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path / 'some.db'}", isolation_level="AUTOCOMMIT")
    else:
        address = request.getfixturevalue("address")
        name = f"{address.prefix}_empty"
        server = create_engine(address.url("pymysql"), isolation_level="AUTOCOMMIT")
        with server.connect() as conn:
            conn.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET latin1")  # what an operator's server may prefer
        server.dispose()
        engine = create_engine(address.url("pymysql", name), isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        yield conn
    engine.dispose()


def described(conn: Connection, leave_out: Collection[str] = ("alembic_version",)) -> dict[str, object]:
    """Tables, columns with types and collations, keys and indexes, as the database itself tells them."""
    look = inspect(conn)
    return {
        name: (
            [(c["name"], str(c["type"]), getattr(c["type"], "collation", None), c["nullable"]) for c in look.get_columns(name)],
            look.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"], i["column_names"], i["unique"]) for i in look.get_indexes(name)),
            look.get_table_options(name),
        )
        for name in look.get_table_names()
        if name not in leave_out
    }


def tables_of(metadata: MetaData, conn: Connection) -> list[Table]:
    embedded = conn.dialect.name == "sqlite"
    return [t for t in metadata.sorted_tables if embedded or not t.info.get("embedded")]


@pytest.mark.parametrize("kind", ["lane", "registry"])
def test_the_steps_make_what_the_tables_say(empty, kind):
    before, after = migrate.migrate(empty, kind)
    assert (before, after) == ("", migrate.head(kind))
    migrated = described(empty)
    assert migrate.migrate(empty, kind) == (after, after), "again is harmless"
    while migrate.current(empty):
        migrate.migrate(empty, kind, down=True)
    assert described(empty) == {}
    METADATA[kind].create_all(empty, tables=tables_of(METADATA[kind], empty))
    assert described(empty) == migrated


@pytest.mark.parametrize("kind", ["lane", "registry"])
def test_a_step_that_was_cut_off_is_finished_by_running_it_again(empty, kind):
    """A server commits every table by itself: a process that dies midway leaves some of them, and no version."""
    first = next(t for t in tables_of(METADATA[kind], empty) if t.indexes)
    first.create(empty)
    for index in list(first.indexes):
        index.drop(empty)
    migrate.migrate(empty, kind)
    assert {t.name for t in tables_of(METADATA[kind], empty)} == set(described(empty))
    made = {i["name"] for i in inspect(empty).get_indexes(first.name)}
    assert {i.name for i in first.indexes} <= made


class Died(Exception):
    """The process, between two statements."""


@contextmanager
def dying_after(conn: Connection, statements: int) -> Iterator[None]:
    """Let so many statements through that change something, then die as a connection does that is cut: what was begun is undone."""
    done = 0

    def counted(_c, _u, text: str, *_: object) -> None:
        nonlocal done
        if text.split(maxsplit=1)[0].upper() in ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE", "COMMIT"):
            if done == statements:
                raise Died
            done += 1

    event.listen(conn, "before_cursor_execute", counted)
    try:
        yield
    except Died:
        pass
    finally:
        event.remove(conn, "before_cursor_execute", counted)
        with suppress(OperationalError):  # a file has nothing to undo where nothing was begun, and says so
            conn.exec_driver_sql("ROLLBACK")


def insist(conn: Connection, kind: migrate.Kind, *, down: bool, seen: Callable[[str], None]) -> int:
    """Migrate as a process that dies after every single statement of every step and is begun again; how often it died."""
    statements = deaths = 0
    while True:
        at = migrate.current(conn)
        seen(at)
        with dying_after(conn, statements):
            migrate.migrate(conn, kind, down=down)
            if not down or not migrate.current(conn):
                return deaths
            statements = -1  # down goes step by step: the next one is begun anew
        deaths += statements >= 0
        statements = statements + 1 if migrate.current(conn) == at else 0


COUNTED = [("RECEIVED", "MT", 10), ("DELIVERED", "SMS", 4), ("FAILED", "LMS", 1), ("RECEIVED", "EM", 3)]


@pytest.mark.parametrize("kind", ["lane", "registry"])
def test_a_process_that_dies_after_every_statement_changes_what_one_does_that_lives(empty, kind):
    count = "SELECT count FROM daily WHERE result = 'RECEIVED' AND report_type = 'MT'"
    counted: list[int] = []

    def seen(step: str) -> None:
        """A day was counted before the step that counts otherwise."""
        if step == "0003_campaigns" and not empty.exec_driver_sql("SELECT 1 FROM daily").first():
            for result, report_type, n in COUNTED:
                empty.exec_driver_sql(f"INSERT INTO daily VALUES ('2026-09-21', 'k', '{report_type}', '{result}', {n})")

    assert insist(empty, kind, down=False, seen=seen) > 10
    assert migrate.current(empty) == migrate.head(kind)
    migrated = described(empty)
    if kind == "lane":
        counted += [empty.exec_driver_sql(count).scalar(), empty.exec_driver_sql("SELECT COUNT(*) FROM daily").scalar()]
        assert counted == [10 - 4 - 1, len(COUNTED)], "moved once, and no mark is left behind"

    def downward(step: str) -> None:
        if step == "0003_campaigns":
            assert empty.exec_driver_sql(count).scalar() == 10, "and back"

    assert insist(empty, kind, down=True, seen=downward) > 10
    assert described(empty) == {}
    migrate.migrate(empty, kind)
    assert described(empty) == migrated, "as one that lives does it"


def test_everything_that_is_compared_is_compared_byte_by_byte(empty):
    if empty.dialect.name == "sqlite":
        pytest.skip("a file always does")
    migrate.migrate(empty, "lane")
    lane_metadata.tables["audit"].drop(empty)
    registry_metadata.create_all(empty)
    acceptance_slice(TODAY).create(empty)
    columns = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND "
    other = "collation_name IS NOT NULL AND collation_name NOT IN ('ascii_bin', 'utf8mb4_bin') AND table_name <> 'alembic_version'"
    assert empty.exec_driver_sql(columns + other).fetchall() == []
    narrow = "data_type = 'int' AND (column_name LIKE '%%\\_at' OR column_name IN ('at', 'since', 'send_by', 'lease_until', 'seq'))"
    assert empty.exec_driver_sql(columns + narrow).fetchall() == [], "milliseconds do not fit into 32 bits"


def test_a_server_is_migrated_whole_and_again_and_down(address):
    done = migrate.migrate_server(address, TODAY)
    assert [m.database for m in done] == address.databases()
    assert {m.after for m in done} == {migrate.head("lane"), migrate.head("registry")}
    assert all(m.before == m.after for m in migrate.migrate_server(address, TODAY))
    lane = create_engine(address.url("pymysql", address.database(Lane.MASS)))
    with lane.connect() as conn:
        assert partitions.days(conn, "history") == list(range(TODAY - 1, TODAY + partitions.AHEAD_DAYS + 1))
    lane.dispose()
    registry = create_engine(address.url("pymysql", address.database(REGISTRY)))
    with registry.connect() as conn:
        assert [tuple(r) for r in conn.exec_driver_sql("SELECT id, version FROM registry_version")] == [(1, 1)]
    registry.dispose()
    while any(m.after for m in migrate.migrate_server(address, TODAY, down=True)):
        pass
    assert {m.before for m in migrate.migrate_server(address, TODAY)} == {""}


def test_a_database_that_may_not_be_made_is_named(address):
    other = ServerAddress(address.host, address.port, address.user, address.password, "elsewhere")
    with pytest.raises(Misconfigured, match="elsewhere_auth"):
        migrate.migrate_server(other, TODAY)


def test_a_server_that_is_not_there_is_unavailable(address):
    with pytest.raises(Unavailable):
        migrate.migrate_server(ServerAddress(address.host, 1, address.user, "", "ims"), TODAY)
