"""Servers that a module has for itself die and come back where they left off."""

from __future__ import annotations

import pymysql
import pytest

from infra.fixtures import Own

pytestmark = pytest.mark.services


def test_a_killed_server_keeps_what_was_committed(mariadb_own: Own) -> None:
    def connect() -> pymysql.Connection:  # type: ignore[type-arg]
        password = mariadb_own.place.secret("mariadb")
        return pymysql.connect(host="127.0.0.1", port=mariadb_own.port("mariadb"), user="ims", password=password, autocommit=True)

    with connect() as connection:
        connection.cursor().execute("CREATE TABLE ims.t (n INT)")
        connection.cursor().execute("INSERT INTO ims.t VALUES (7)")
    mariadb_own.kill("mariadb")
    with pytest.raises(pymysql.err.OperationalError):
        connect()
    mariadb_own.start("mariadb")
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT n FROM ims.t")
        assert cursor.fetchall() == ((7,),)
