"""Everything killed with -9 in the middle of a campaign, twice, and started again: nothing lost, nothing sent twice.

The moments are drawn from a seed that is printed; IMS_E2E_SEED repeats a run. The client does what a client should: it
repeats a request until it is answered.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from callbacks import CallbackServer
from conftest import FAST
from harness import Answer, Home, eventually, in_threads, new_id, new_number, text

pytestmark = pytest.mark.e2e

REQUESTS, ROWS = 10, 500
PAUSE_S = 0.35  # without it all would be out within half a second, and nothing left to die in the middle of
SINGLES = 60
IN_FLIGHT_MS = 4_000  # provider's time-out, and the time that killing takes


def seed_of(name: str) -> random.Random:
    seed = os.environ.get("IMS_E2E_SEED") or str(random.randrange(10**6))
    print(f"{name}: IMS_E2E_SEED={seed}")
    return random.Random(f"{seed}/{name}")


@dataclass
class Client:
    """Sends lists and single messages; repeats what was not answered. `accepted`: message_id -> number, once 0000 was said."""

    home: Home
    url: str
    accepted: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    repeated: int = 0
    given_up: threading.Event = field(default_factory=threading.Event)

    def list_of(self, count: int, key: str = "mass") -> None:
        rows = [(new_id("k"), new_number()) for _ in range(count)]
        campaign = new_id("camp")

        def ask() -> Answer:
            return self.home.campaign(rows, key=key, campaign_id=campaign, callback_url=self.url)

        data = self._until_answered(ask).json()["data"]
        assert (data["accepted"], data["rejected"]) == (count, 0)
        self.accepted |= dict(rows)
        self.keys |= dict.fromkeys(dict(rows), key)

    def single(self, key: str = "realtime") -> None:
        id_, number = new_id("s"), new_number()
        body = {
            "message_id": id_,
            "message_type": "SMS",
            "callback": self.home.customers[0].callback,
            "phone_number": number,
            "message": text("하나"),
            "callback_url": self.url,
        }
        self._until_answered(lambda: self.home.post("mt/sendMessage", body, key=key))
        self.accepted[id_], self.keys[id_] = number, key

    def _until_answered(self, ask) -> Answer:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + 90
        while True:
            answer: Answer = ask()
            if answer.status == 200:
                return answer
            assert answer.status in {0, 503}, answer  # cut off, nobody there, or a process that starts again
            assert time.monotonic() < deadline
            assert not self.given_up.wait(0.1)
            self.repeated += 1


def no_doubles(home: Home, client: Client) -> Counter[str]:
    sent = home.sent()
    assert len({entry["ref"] for entry in sent}) == len(sent), "a ref was sent twice"
    numbers = Counter(entry["to"] for entry in sent)
    doubled = [number for number, times in numbers.items() if times > 1]
    assert not doubled, f"{len(doubled)} numbers got it twice"
    assert not numbers.keys() - set(client.accepted.values())
    return numbers


MODES = ("call", "recipient", "none")


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory, callbacks: CallbackServer) -> dict[str, BaseException | None]:
    """All key modes at once, for most of the time is spent waiting for leases of the dead: what went wrong with each."""
    path = tmp_path_factory.mktemp("kill9")
    ended: dict[str, BaseException | None] = {}

    def run(mode: str) -> None:
        try:
            everything_dies_twice(path / mode, callbacks, mode)
        except BaseException as exc:
            ended[mode] = exc
        else:
            ended[mode] = None

    in_threads([lambda mode=mode: run(mode) for mode in MODES], 300)
    return ended


@pytest.mark.parametrize("mode", MODES)
def test_everything_dies_twice(deaths: dict[str, BaseException | None], mode: str) -> None:
    if (exc := deaths[mode]) is not None:
        raise exc


def everything_dies_twice(path: Path, callbacks: CallbackServer, mode: str, **servers: str) -> None:
    rng = seed_of(f"everything-{mode}")
    moments = [rng.uniform(0.1, 1.6), rng.uniform(0.0, 2.5)]
    settings = FAST | {
        "simulator_keys": mode,
        "simulator_latency_ms": 100,  # so that a death finds calls on their way
        "provider_timeout_s": 2,
        # without keys nobody can tell what became of a call that died: its members end at this deadline
        "report_deadline_sms_s": 20 if mode == "none" else 120,
        "delivery_delay_s": 0.1,
        **servers,
    }
    with Home(path, **settings) as home:
        callbacks.secrets |= {c.callback_secret for c in home.customers}
        url = f"/kill9/{path.name}"
        client = Client(home, callbacks.url(url))
        died: list[float] = []

        def lists() -> None:
            for _ in range(REQUESTS // 2):
                client.list_of(ROWS)
                time.sleep(PAUSE_S)

        def singles() -> None:
            for n in range(SINGLES):
                client.single("auth" if n % 3 == 0 else "realtime")
                time.sleep(0.05)

        def killer() -> None:
            try:
                for moment in moments:
                    time.sleep(moment)
                    home.kill9("all")
                    died.append(time.time() * 1000)
                    home.start()
            except BaseException:
                client.given_up.set()
                raise

        in_threads([lists, lists, singles, killer], 150)
        accepted = set(client.accepted)
        assert len(accepted) == REQUESTS * ROWS + SINGLES

        def settled(found: dict[str, list[dict[str, object]]]) -> bool:
            if found.keys() != accepted:
                return False
            open_ids = [id_ for id_, results in found.items() if results[-1]["result"] != "DELIVERED"]
            # a message that the provider has will be reported; one that it has not stays UNKNOWN
            return not open_ids or (mode == "none" and not {client.accepted[i] for i in open_ids} & {e["to"] for e in home.sent()})

        told = callbacks.wait(url, settled, 120, f"a result of every accepted message ({mode})", every=0.5)
        numbers = no_doubles(home, client)
        unknown = {id_ for id_, results in told.items() if results[-1]["result"] == "UNKNOWN"}
        print(
            f"{mode}: killed after {moments[0]:.2f} s and {moments[1]:.2f} s; {len(accepted)} accepted, "
            f"{client.repeated} requests repeated, {sum(numbers.values())} sent, {len(unknown)} unknown"
        )
        if mode == "none":
            # each UNKNOWN was on its way at a death: the provider never got it, and every one that it got is known
            assert {client.accepted[id_] for id_ in accepted - unknown} == numbers.keys()
            assert max(len(results) for results in told.values()) <= 2
            for id_ in rng.sample(sorted(unknown), min(4, len(unknown))):
                call = home.ims("why", id_)["attempts"][0]["call"]
                assert call["tries"] == 1
                assert any(0 <= at - call["first_at"] <= IN_FLIGHT_MS for at in died), "its call began long before a death"
        else:
            assert not unknown
            assert numbers.keys() == set(client.accepted.values())
            assert {len(results) for results in told.values()} == {1}
            assert {r["result"] for results in told.values() for r in results} == {"DELIVERED"}
        events = [r["event_id"] for results in told.values() for r in results]
        assert len(set(events)) == len(events)
        for id_ in rng.sample(sorted(accepted), 20):
            assert home.result(id_, key=client.keys[id_]) == told[id_][-1]
        assert '"dead_letter"' not in home.log.read_text()


def test_any_single_process_may_die(tmp_path: Path, callbacks: CallbackServer) -> None:
    """`ims up` starts it again by itself; up.json says its new number."""
    rng = seed_of("single")
    with Home(tmp_path / "single", **FAST | {"report_deadline_sms_s": 120, "delivery_delay_s": 0.1, "simulator_latency_ms": 20}) as home:
        callbacks.secrets |= {c.callback_secret for c in home.customers}
        client = Client(home, callbacks.url("/kill9/single"))
        names = sorted(home.pids())
        assert {"edge", "fast", "slow-out", "slow-back", "simulator"} <= set(names)
        rng.shuffle(names)
        for name in names:
            before = home.pids()[name]

            def kill(name: str = name) -> None:
                time.sleep(rng.uniform(0.0, 0.25))
                home.kill9(name)

            in_threads([lambda: client.list_of(300), *[lambda: client.single("auth"), client.single] * 3, kill], 60)
            eventually(lambda name=name, before=before: home.pids()[name] != before, 10, f"{name} again in up.json")
        told = callbacks.wait("/kill9/single", lambda found: found.keys() == client.accepted.keys(), 60, "a result of every message")
        assert {r["result"] for results in told.values() for r in results} == {"DELIVERED"}
        assert {len(results) for results in told.values()} == {1}
        assert no_doubles(home, client).keys() == set(client.accepted.values())
        assert home.process is not None
        assert home.process.poll() is None
