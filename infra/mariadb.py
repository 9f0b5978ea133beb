"""MariaDB as the records database: one server, one user with a password, rights on the databases of IMS only."""

from __future__ import annotations

import os
import pwd
import shutil
import ssl
import subprocess
from pathlib import Path

import pymysql

from infra.needs import Need
from infra.place import HOST, Place
from infra.process import Process
from infra.service import Node, Service
from infra.tls import certificates

USER = "ims"
DATABASE = "ims"
# 4 lanes and a registry, each with a pool in a dozen processes, and room for the tests that run beside them.
MAX_CONNECTIONS = 400
_SERVER = Need("mariadbd", "mariadb-server-core")
_INSTALL = Need("mariadb-install-db", "mariadb-server-core")

SETTINGS = {
    "transaction-isolation": "READ-COMMITTED",
    "character-set-server": "utf8mb4",
    "collation-server": "utf8mb4_bin",  # under others two emoji compare equal; trailing blanks are ignored here too
    "innodb-flush-log-at-trx-commit": "1",  # invariant 13: durable means synced
    "innodb-buffer-pool-size": "256M",
    "innodb-log-file-size": "256M",
    "max-connections": str(MAX_CONNECTIONS),
    "max-allowed-packet": "64M",
    "default-time-zone": "+00:00",
    "sql-mode": "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    "skip-name-resolve": "ON",
    "performance-schema": "OFF",
}


def service(place: Place, *, small: bool = False, secure: bool = False) -> Service:
    """`small`: a log file of 32 MB, which a test does not have to write first. `secure`: nobody gets in without TLS."""
    port, data = place.port("mariadb"), place.data("mariadb")
    init = place.home / "run" / "mariadb.sql"
    settings = SETTINGS | ({"innodb-log-file-size": "32M", "innodb-buffer-pool-size": "64M"} if small else {})
    query = ""
    if secure:
        files = certificates(place)
        settings |= {"ssl-ca": str(files.authority), "ssl-cert": str(files.certificate), "ssl-key": str(files.key)}
        settings |= {"require-secure-transport": "ON"}
        query = f"?tls=on&tls_ca={files.authority}"
    options = [f"--init-file={init}", *(f"--{key}={value}" for key, value in settings.items())]
    process = Process(place, "mariadb", lambda: [*_command(data / "db", port), *options])

    def answers() -> bool:
        context = ssl.create_default_context(cafile=certificates(place).authority) if secure else None
        try:
            pymysql.connect(host=HOST, port=port, user=USER, password=place.secret("mariadb"), connect_timeout=2, ssl=context).close()
        except pymysql.MySQLError:
            return False
        return True

    def prepare() -> None:
        init.touch(0o600)
        init.write_text(grants(place.secret("mariadb")))
        _make_database(data)

    return Service(
        name="mariadb",
        nodes=[Node(process, port, f"mysql://{USER}@{HOST}:{port}/{DATABASE}", answers, prepare)],
        settings=lambda: {"IMS_RECORDS": f"mysql://{USER}:{place.secret('mariadb')}@{HOST}:{port}/{DATABASE}{query}"},
        needs=(_SERVER, _INSTALL),
    )


def grants(password: str) -> str:
    """Run at every start; one statement a line, as the server reads it. `%`: it listens on loopback only."""
    lines = [
        f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{password}';",
        f"ALTER USER '{USER}'@'%' IDENTIFIED BY '{password}';",
        *(f"GRANT ALL PRIVILEGES ON `{name}`.* TO '{USER}'@'%';" for name in (DATABASE, DATABASE + r"\_%")),
        f"CREATE DATABASE IF NOT EXISTS `{DATABASE}`;",
    ]
    return "\n".join(lines) + "\n"


def _command(data: Path, port: int) -> list[str]:
    return [  # the socket is relative to the data: its path may have no more than 107 bytes
        *(_SERVER.path(), "--no-defaults", f"--datadir={data}", f"--port={port}", f"--bind-address={HOST}"),
        *("--socket=mariadb.sock", "--pid-file=mariadb.pid", f"--user={_user()}", f"--tmpdir={_own_tmp(data.parent)}"),
    ]


def _own_tmp(data: Path) -> Path:
    """A server that starts removes every temporary table in its tmpdir, those of others that run there too."""
    path = data / "tmp"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _make_database(data: Path) -> None:
    """The system tables; whole or not at all. root gets in by the socket only, as the user of the system who made it."""
    if (data / "db").exists():
        return
    draft = data / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [
        *(_INSTALL.path(), "--no-defaults", f"--datadir={draft}", f"--user={_user()}", "--skip-test-db"),
        *("--auth-root-authentication-method=socket", f"--auth-root-socket-user={_user()}", "--innodb-log-file-size=16M"),
        f"--tmpdir={_own_tmp(data)}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"mariadb-install-db: {(done.stdout + done.stderr)[-2000:]}")
    draft.rename(data / "db")


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
