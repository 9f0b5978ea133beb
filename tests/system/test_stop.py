"""SIGTERM under load, and the log of the day read again from its beginning."""

from __future__ import annotations

import dataclasses
import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from books import LANES, Books
from callbacks import CallbackServer
from harness import Home, call, eventually, new_id, new_number
from load import Load

FAST = {"provider_timeout_s": 1, "park_s": 0.5, "callback_retry_unit_s": 0.2, "poll_idle_s": 0.1, "simulator_magic_scale": 0.1}
CONNECTIONS = 24


class Caller:
    """A connection that the server knows already, and one request on it that is begun before the signal."""

    def __init__(self, home: Home, books: Books, *, rows: int) -> None:
        url = urlsplit(home.intakes[0])
        who = home.customers[0]
        self._connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
        self._headers = {"x-ims-version": "version-1", "x-ims-key": who.x_ims_key, "content-type": "application/json"}
        self._books = books
        body = {"message_type": "SMS", "callback": who.callback, "callback_url": books.server.url(books.path)}
        self.part = [(new_id("t"), new_number()) for _ in range(rows)]
        if rows == 1:
            [(id_, number)] = self.part
            self._path = f"/ims/{who.service_keys['realtime']}/mt/sendMessage"
            self._body = {**body, "message": "확인", "message_id": id_, "phone_number": number}
        else:
            self._path = f"/ims/{who.service_keys['mass']}/mt/sendMessages"
            rows_ = [{"message_id": id_, "phone_number": number} for id_, number in self.part]
            self._body = {**body, "message": "안내", "campaign_id": new_id("c"), "receiver_list": rows_}
        self.status = 0
        self._connection.request("GET", "/ims/openapi.json")
        self._connection.getresponse().read()

    def begin(self) -> None:
        self._books.offered.update(self.part)
        self._connection.request("POST", self._path, json.dumps(self._body).encode(), self._headers)

    def end(self) -> None:
        response = self._connection.getresponse()
        code = json.loads(response.read())["code"]
        self.status = response.status
        if code == "0000":
            with self._books.lock:
                self._books.answered.update(self.part)
        else:
            assert (response.status, code) == (503, "9998"), "an answer that a client cannot act on"
            assert response.getheader("retry-after")
        self._connection.close()


def test_sigterm_drops_no_open_request(tmp_path: Path, callbacks: CallbackServer, write_down: Callable[..., None]) -> None:
    with Home(tmp_path / "home", **FAST) as home:
        books = Books(home, callbacks)
        callers = [Caller(home, books, rows=2_000 if n % 6 == 0 else 1) for n in range(CONNECTIONS)]
        with Load(books, campaigns=3, rows=500, singles=60, give_up_each=10_000) as load:
            load.wait_for(300)
            threads = [threading.Thread(target=c.end, daemon=True) for c in callers]
            for caller in callers:
                caller.begin()
            for thread in threads:
                thread.start()
            time.sleep(0.1)
            stopped = time.monotonic()
            home.stop()
            took = time.monotonic() - stopped
            for thread in threads:
                thread.join(30)
            unanswered = sum(c.status == 0 for c in callers)
            assert not unanswered, f"{unanswered} of {CONNECTIONS} requests that were begun got no answer"
            home.start()
        counts = books.check(60)
        refused = sum(c.status == 503 for c in callers)
        write_down(open=CONNECTIONS, refused_503=refused, stop_took_s=round(took, 1), **dataclasses.asdict(counts))


def test_a_log_read_again_from_its_beginning_calls_nobody(
    tmp_path: Path, callbacks: CallbackServer, write_down: Callable[..., None]
) -> None:
    with Home(tmp_path / "home", **FAST) as home:
        books = Books(home, callbacks)
        with Load(books, campaigns=4, rows=500, singles=100):
            pass
        before = books.check(60)
        history, told = books.history(), books.told()
        home.stop()
        events = 0
        for lane in LANES:
            with sqlite3.connect(home.path / f"{lane}.db") as connection:
                events += connection.execute("SELECT count(*) FROM log").fetchone()[0]
                connection.execute("DELETE FROM cursors")
            connection.close()
        assert events
        home.start()
        eventually(lambda: not any(row["events"] for row in home.ims("lag")), 60, "the end of the log", every=1)
        stats = call("GET", f"{home.simulator}/v1/stats").json()
        assert (stats["calls"], stats["duplicates_refused"]) == (0, 0), "the provider was called again"
        after = books.check(10)
        assert (books.history(), books.told()) == (history, told)
        assert after.sent == before.sent
        write_down(events_again=events, **dataclasses.asdict(after))
