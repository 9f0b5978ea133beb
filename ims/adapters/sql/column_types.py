"""Column types that mean the same on SQLite and on MySQL or MariaDB.

SQLite stores whatever it is given and compares byte by byte. On a server a length cuts, an integer has a width, and a
text compares by the rules of a language unless it is told not to: `abc` would be `ABC`, two emoji one. So everything
that is compared or sorted is binary there; ids of ours are ASCII besides, a byte a character in every index.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, String
from sqlalchemy.dialects.mysql import MEDIUMBLOB, VARBINARY, VARCHAR
from sqlalchemy.types import TypeEngine

# Of every table: what the server or an operator's CREATE DATABASE prefers is no business of ours (latin1 on Debian's).
ON_A_SERVER: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def identifier(length: int) -> TypeEngine[str]:
    """Ids, topics, codes and other words of ours."""
    return String(length).with_variant(VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")


def name(length: int) -> TypeEngine[str]:
    """What customers, operators and providers call things."""
    return String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def number64() -> TypeEngine[int]:
    """Milliseconds, and what counts up without end. On SQLite an INTEGER has 64 bits anyway."""
    return BigInteger().with_variant(Integer(), "sqlite")


def digest(length: int) -> TypeEngine[bytes]:
    """A few bytes that are compared whole."""
    return LargeBinary(length).with_variant(VARBINARY(length), "mysql", "mariadb")


def sealed() -> TypeEngine[bytes]:
    """Ciphertext and packed rows: an event is at most about 48 KiB, its dispatch row may be more; a BLOB ends at 64 KiB."""
    return LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb")
