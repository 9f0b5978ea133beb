"""What is written without BEGIN and COMMIT on a server is really one statement."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy.dialects import mysql

from ims.adapters.sql.changes import apply, one_statement
from ims.lanes import Lane
from ims.ports.dispatch import Dispatch
from ims.ports.records import Change, HeldEvent
from ims.protocol.envelope import Record
from ims.protocol.ids import new_birth


class Conn:
    """Takes down what is said."""

    dialect = mysql.dialect(paramstyle="format")
    connection = SimpleNamespace(dbapi_connection=None)

    def __init__(self) -> None:
        self.said: list[str] = []

    def exec_driver_sql(self, text, _values):
        self.said.append(text)
        return SimpleNamespace(rowcount=1)


def dispatch(version: int) -> Dispatch:
    return Dispatch(new_birth(Lane.MASS, 0), 1, 0, 1, version)


@pytest.mark.parametrize("version", [0, 3])
def test_the_row_of_one_call(version):
    conn, change = Conn(), Change(dispatches=[dispatch(version)])
    assert one_statement(change)
    apply(conn, change, 0)
    assert [text.split()[0] for text in conn.said] == ["INSERT" if version == 0 else "UPDATE"]


def test_two_rows_or_a_row_with_something_beside_it_are_a_transaction():
    held = HeldEvent(Record("SEND-SMS-mass", {"id": "x", "subject": "b"}, b""), 1, "away", 0, 1)
    assert not one_statement(Change())
    assert not one_statement(Change(dispatches=[dispatch(0), dispatch(3)]))
    assert not one_statement(Change(dispatches=[dispatch(3)], held=[held]))
