"""Four books of one home, kept at the far ends, and what it means that they agree.

answered: message ids that were told 0000. sent: the simulator's listing, by number. told: the callback server, by event id.
history: the lane files, read with sqlite3. A message has one number and one id, both used once, so books can be compared.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from callbacks import CallbackServer
from harness import Answer, Api, Home, call, eventually, new_id, new_number

REST_S = 9.0  # provider_timeout_s of 1, the lease's margin of 5, a park, and some
LANES = ("auth", "realtime", "mass", "ad")
_paths = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a round excuses. Nothing, unless the simulator made it impossible to know."""

    unknown: bool = False  # no keys, or the connection closed after accepting: UNKNOWN, sent once or not at all
    results: frozenset[str] = frozenset({"DELIVERED"})


@dataclass(slots=True)
class Counts:
    """One round in numbers."""

    offered: int = 0
    answered: int = 0
    sent: int = 0
    told: int = 0  # messages
    calls: int = 0  # callback requests
    history: int = 0
    unknown: int = 0
    expired: int = 0  # told that it was not sent in its time
    repeated: int = 0  # requests that had to be made again


@dataclass(slots=True)
class Books:
    """The books of what is sent from now on; a path of its own at the callback server."""

    home: Api
    server: CallbackServer
    path: str = ""
    offered: dict[str, str] = field(default_factory=dict)  # message_id: number
    answered: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)  # "status code" of requests that were not answered 0000
    after: int = 0  # the simulator's listing before us
    lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.path = self.path or f"/books/{next(_paths):06d}"  # none is the beginning of another
        self.server.secrets |= {c.callback_secret for c in self.home.customers}
        self.after = self.sent_count()

    def sent_count(self) -> int:
        answer = eventually(lambda: (a := call("GET", f"{self.home.simulator}/v1/sent/count")).status == 200 and a, 30, "the simulator")
        return int(answer.json()["count"])

    # --- writing

    def single(self, key: str, until: float, *, insist: bool = True, customer: int = 0, url: str | None = None) -> Answer:
        """One message; asked again under its id until 0000, as clients do, unless they give up."""
        id_, number = new_id("s"), new_number()
        body = {"message_id": id_, "message_type": "SMS", "callback": self.home.customers[customer].callback}
        body |= {"phone_number": number, "message": "확인", "callback_url": url or self.server.url(self.path)}
        return self._ask([(id_, number)], lambda: self.home.post("mt/sendMessage", body, key=key, customer=customer), until, insist=insist)

    def bulk(self, rows: int, until: float, *, key: str = "mass", insist: bool = True, customer: int = 0, url: str | None = None) -> Answer:
        """A campaign of so many rows."""
        part = [(new_id("b"), new_number()) for _ in range(rows)]
        body = {
            "campaign_id": new_id("c"),
            "message_type": "SMS",
            "callback": self.home.customers[customer].callback,
            "message": "안내 #{n}",
        }
        body["receiver_list"] = [{"message_id": id_, "phone_number": number, "mapping": {"n": number[-4:]}} for id_, number in part]
        body["callback_url"] = url or self.server.url(self.path)
        return self._ask(part, lambda: self.home.post("mt/sendMessages", body, key=key, customer=customer), until, insist=insist)

    def alimtalk(self, key: str, until: float) -> Answer:
        """One AlimTalk."""
        id_, number, who = new_id("a"), new_number(), self.home.customers[0]
        body = {"message_id": id_, "message_type": "AT", "sender_key": who.sender_key, "template_code": who.template_code}
        body |= {"mapping": {"name": "고객"}, "phone_number": number, "callback_url": self.server.url(self.path)}
        return self._ask([(id_, number)], lambda: self.home.post("at/sendMessage", body, key=key), until, insist=True)

    def _ask(self, part: Sequence[tuple[str, str]], post: Callable[[], Answer], until: float, *, insist: bool) -> Answer:
        with self.lock:
            self.offered.update(part)
        while True:
            answer = post()
            if answer.code == "0000":
                data = answer.json()["data"]
                assert not isinstance(data, dict) or data["accepted"] == len(part), data
                with self.lock:
                    self.answered.update(part)
                return answer
            with self.lock:
                self.refused[f"{answer.status} {answer.code}"] += 1
            if not insist or time.monotonic() > until:
                return answer
            time.sleep(0.1)

    # --- reading

    def sent(self) -> dict[str, int]:
        """How often the simulator was asked to send to each number of ours."""
        ours, found, after = set(self.offered.values()), Counter[str](), self.after
        while True:
            page = call("GET", f"{self.home.simulator}/v1/sent?after={after}&limit=10000", timeout=30)
            assert page.status == 200, page
            found.update(entry["to"] for entry in page.json()["sent"] if entry["to"] in ours)
            after = page.json()["next"]
            if after is None:
                return dict(found)

    def told(self) -> dict[str, list[dict[str, Any]]]:
        """The results of each message, each event id once; the same event id with another content is an error."""
        events: dict[str, dict[str, Any]] = {}
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for heard in self.server.under(self.path):
            for result in heard.results:
                known = events.setdefault(result["event_id"], result)
                assert known == result, f"event {result['event_id']} was told with two contents"
                if known is result:
                    found[result["message_id"]].append(result)
        return dict(found)

    def history(self) -> dict[str, tuple[str, int]]:
        """(result, number) by message id."""
        found: dict[str, tuple[str, int]] = {}
        for lane in LANES:
            for id_, result, number in self.history_of(lane):
                if id_ in self.offered:
                    assert id_ not in found, f"two history rows of one message in {lane}"
                    found[id_] = (result, number)
        return found

    def history_of(self, lane: str) -> list[tuple[str, str, int]]:
        """(message id, result, number) of a lane, from its file."""
        assert isinstance(self.home, Home)
        if not (path := self.home.path / f"{lane}.db").exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute("SELECT message_id, result, number FROM history").fetchall()

    # --- comparing

    def settled(self) -> bool:
        """Whether everything that was answered has a history row and was told."""
        history = self.history()
        return self.answered.keys() <= history.keys() and history.keys() <= self.told().keys()

    def check(self, timeout: float = 60, allowed: Allowed | None = None) -> Counts:
        """Wait until all is settled, then compare; the counts of the round."""
        allowed = allowed or Allowed()
        deadline = time.monotonic() + timeout
        while not self.settled():
            assert time.monotonic() < deadline, f"not settled within {timeout} s: {self._gaps()}"
            time.sleep(0.3)
        sent, told, history = self.sent(), self.told(), self.history()
        twice = [n for n, count in sent.items() if count > 1]
        assert not twice, f"{len(twice)} messages were sent twice"
        unknown = {id_ for id_, (result, _) in history.items() if result == "UNKNOWN"}
        assert allowed.unknown or not unknown, f"{len(unknown)} messages are UNKNOWN"
        wrong = Counter(r for id_, (r, _) in history.items() if id_ not in unknown and r not in allowed.results)
        assert not wrong, f"results that nothing explains: {dict(wrong)}"
        lost = [id_ for id_, n in self.answered.items() if n not in sent and history[id_][0] == "DELIVERED"]
        assert not lost, f"{len(lost)} messages are DELIVERED and were never sent"
        unsaid = [id_ for id_, number in self.offered.items() if number in sent and id_ not in history]
        assert not unsaid, f"{len(unsaid)} messages were sent and have no history"
        for id_, (result, number) in history.items():
            assert number == len(told[id_]), f"result number {number} of a message that was told {len(told[id_])} times"
            assert told[id_][-1]["result"] == result or number > 1, "the customer was told another result than history holds"
        return Counts(
            offered=len(self.offered),
            answered=len(self.answered),
            sent=len(sent),
            told=len(told),
            calls=len(self.server.under(self.path)),
            history=len(history),
            unknown=len(unknown),
            expired=sum(result == "EXPIRED" for result, _ in history.values()),
            repeated=sum(self.refused.values()),
        )

    def still_once(self) -> None:
        """Once more when leases are over and parked events came back: a result may be told by a report while its call is tried yet."""
        sent, history = self.sent(), self.history()
        assert max(sent.values(), default=0) <= 1, "sent twice, after its result was told"
        late = [id_ for id_, number in self.offered.items() if number in sent and id_ not in history]
        assert not late, f"{len(late)} messages went out late and have no history"

    def _gaps(self) -> dict[str, Any]:
        history, told, sent = self.history(), self.told(), self.sent()
        missing = [id_ for id_ in self.answered if id_ not in history]
        return {
            "answered": len(self.answered),
            "sent": len(sent),
            "no history": len(missing),
            "of these sent": sum(self.answered[id_] in sent for id_ in missing),
            "not told": sum(id_ not in told for id_ in history),
            "examples": missing[:3],
        }
