"""MariaDB is lost and put back as it was some time ago, beside a Kafka that went on: nothing goes out twice, and nothing of it stays open.

The copy is what a snapshot of its disk is: the data folder at one moment, of a server that was not asked to stop.
"""

from __future__ import annotations

import dataclasses
import random
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from callbacks import CallbackServer
from faults import deleted
from harness import Home, eventually
from load import Load, Stream
from test_restore import DEADLINE_S, at_rest
from world import SETTINGS, ServerBooks, Servers

pytestmark = pytest.mark.system


def test_records_older_than_the_log(
    tmp_path: Path, servers: Servers, callbacks: CallbackServer, chance: random.Random, write_down: Callable[..., None]
) -> None:
    settings = SETTINGS | servers.settings() | {"report_deadline_sms_s": DEADLINE_S}
    data, copy = servers.mariadb.place.data("mariadb") / "db", tmp_path / "copy"
    home = Home(tmp_path / "home", **settings)
    with home:
        books = ServerBooks(home, callbacks, servers=servers)
        with Stream(books, rows=500) as load:
            load.wait_for(chance.randrange(500, 3_000), 60)
            eventually(lambda: books.sent_count() - books.after > 200, 120, "calls of the provider", every=0.5)
            kept = set(books.answered)
            servers.mariadb.pause()
            try:
                shutil.copytree(data, copy, ignore=shutil.ignore_patterns("*.sock", "*.pid"))
            finally:
                servers.mariadb.resume()
            then = len(books.answered)
            eventually(lambda: len(books.answered) > then + 600, 60, "messages that the copy does not have")
        time.sleep(chance.choice((0, 1, 3)))
        home.kill9("all")
    stopped = datetime.now(UTC).isoformat()
    servers.mariadb.kill()
    began = time.monotonic()
    shutil.rmtree(data)
    shutil.copytree(copy, data)
    servers.mariadb.start()
    restored_s = time.monotonic() - began
    with servers.kafka_admin() as admin:  # their offsets are of the life that is lost: what they call done is open again
        groups = [group["group_id"] for group in admin.list_groups()]
        eventually(lambda: deleted(admin, groups), 60, "groups without members", every=1)
    again = Home(tmp_path / "home", **settings, restored_until=stopped)
    with again:
        up_s = time.monotonic() - began
        books.home = again
        history = at_rest(books)
        sent = books.sent()
        assert max(sent.values()) == 1, "sent twice"
        assert {result for result, _ in history.values()} <= {"DELIVERED", "UNKNOWN"}
        assert kept, "the copy was made before anything was accepted"
        assert kept <= history.keys(), f"{len(kept - history.keys())} messages of the copy are open for ever"
        assert kept <= books.told().keys()
        fresh = ServerBooks(again, callbacks, servers=servers)
        with Load(fresh, campaigns=1, rows=200, singles=20):
            pass
        counts = fresh.check(90)
        results = [history[id_][0] for id_ in kept]
        write_down(
            answered=len(books.answered), in_the_backup=len(kept), sent=len(sent), restored_s=round(restored_s, 1), up_s=round(up_s, 1),
            delivered=results.count("DELIVERED"), unknown=results.count("UNKNOWN"), groups=len(groups), fresh=dataclasses.asdict(counts),
        )  # fmt: skip
