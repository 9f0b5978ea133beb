"""Callbacks as a customer's server sees them: the schedule, sameness of repeats, replay, strangers' URLs, secrets."""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from callbacks import HANG, CallbackServer, Heard
from conftest import FAST
from harness import IMS, Customer, Home, Processes, call, dead_url, eventually, free_ports, new_id, new_number, text

pytestmark = pytest.mark.e2e

UNIT_S = float(FAST["callback_retry_unit_s"])
RETRIES = 10


def wait_s(retry: int) -> float:
    """The contract's schedule."""
    return (retry * retry - retry + 1) * UNIT_S


@pytest.fixture(scope="module")
def never(ims: Home, callbacks: CallbackServer) -> str:
    """A message whose endpoint never answers 2xx; begun before the other tests, looked at after them."""
    return ims.sms(customer=1, key="auth", callback_url=callbacks.script("/cb/never", lambda _: 500))


def same(requests: list[Heard]) -> None:
    """Repeats have the same id and the same bytes, each signed anew."""
    assert len({(h.id, h.body) for h in requests}) == 1
    assert all(h.secrets for h in requests)


def test_retries_wait_longer_each_time_until_a_2xx(ims: Home, callbacks: CallbackServer, never: str) -> None:
    del never
    url = callbacks.script("/cb/later", [500, 302, 404, 199 + 304, 429, 201])
    id_ = ims.sms(callback_url=url)
    requests = eventually(lambda: (h := callbacks.at("/cb/later")) and len(h) == 6 and h, 20, "the sixth call")
    same(requests)
    for retry, (before, after) in enumerate(itertools.pairwise(requests), 1):
        assert after.at - before.at >= wait_s(retry), f"retry {retry} came too early"
    assert ims.result(id_)["result"] == "DELIVERED"
    time.sleep(1)
    assert len(callbacks.at("/cb/later")) == 6  # 2xx is done


def test_a_redirect_is_not_followed(ims: Home, callbacks: CallbackServer) -> None:
    ims.sms(callback_url=callbacks.script("/cb/moved", [307, 200]))
    requests = eventually(lambda: (h := callbacks.at("/cb/moved")) and len(h) == 2 and h, 10, "the second call")
    same(requests)


def quick_and_again(ims: Home, callbacks: CallbackServer, name: str) -> float:
    """12 results told at once and 12 at their third call; how long that took, seconds."""
    started = time.monotonic()
    quick = [ims.sms(callback_url=callbacks.url(f"/cb/quick/{name}")) for _ in range(12)]
    for n in range(12):
        ims.sms(callback_url=callbacks.script(f"/cb/again/{name}/{n}", [500, 500]))
    callbacks.wait(f"/cb/quick/{name}", lambda found: len(found) == len(quick), 60, f"results {name}")
    for n in range(12):
        eventually(lambda n=n: len(callbacks.at(f"/cb/again/{name}/{n}")) == 3, 60, f"retries {name}")
    return time.monotonic() - started


def test_a_dead_and_a_hanging_endpoint_hold_nobody_up(ims: Home, callbacks: CallbackServer) -> None:
    """Neither the first calls of others, nor their retries."""
    alone_s = quick_and_again(ims, callbacks, "alone")
    with dead_url() as dead:
        hanging = callbacks.script("/cb/hang", lambda _: HANG)
        for _ in range(12):
            ims.sms(callback_url=hanging)
            ims.sms(callback_url=dead)
        eventually(lambda: len(callbacks.at("/cb/hang")) > 8, 60, "its retries: by now whoever makes them could be held up")
        beside_s = quick_and_again(ims, callbacks, "beside")
        # three rounds behind an endpoint that holds each call for 5 s would take 15 more, however busy the machine is
        assert beside_s < 2 * alone_s + 13, "somebody waited for the hanging endpoint"


def test_replay_tells_the_same_events_again(ims: Home, callbacks: CallbackServer) -> None:
    """On a service key that no other test uses."""
    how = {"customer": 1, "key": "mass"}
    begin = datetime.now(UTC) - timedelta(seconds=1)
    first = [(new_id("rp"), new_number()) for _ in range(3)]
    assert ims.campaign(first, callback_url=callbacks.url("/cb/replay"), **how).code == "0000"
    told = callbacks.wait("/cb/replay", lambda found: len(found) == 3, 15, "3 results")
    calls = len(callbacks.at("/cb/replay"))
    period = {"from": begin.isoformat(timespec="seconds"), "to": (datetime.now(UTC) + timedelta(seconds=2)).isoformat(timespec="seconds")}
    time.sleep(1)
    answer = ims.post("report/replay", period, **how)
    assert (answer.code, answer.json()["data"]) == ("0000", {"queued": 3})
    by_time = eventually(lambda: callbacks.at("/cb/replay")[calls:], 10, "the replay by time")
    same([*callbacks.at("/cb/replay")[:calls], *by_time][-2:])
    calls = len(callbacks.at("/cb/replay"))
    answer = ims.post("report/replay", {"message_ids": [first[0][0], first[1][0], "no-such-id"]}, **how)
    assert answer.json()["data"] == {"queued": 2}
    [by_id] = eventually(lambda: callbacks.at("/cb/replay")[calls:], 10, "the replay by message_ids")
    assert {r["message_id"] for r in by_id.results} == {first[0][0], first[1][0]}
    assert callbacks.results("/cb/replay") == told  # not one new event_id
    for bad in ({}, {"from": period["from"]}, {**period, "message_ids": ["x"]}, {"from": period["to"], "to": period["from"]}):
        assert ims.post("report/replay", bad, **how).status == 400


@pytest.fixture(scope="module")
def open_customer(ims: Home, tmp_path_factory: pytest.TempPathFactory) -> Customer:
    """A customer who may call any address that IMS can be talked into: the guard is all that is left."""
    addresses = ["10.0.0.1", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"]
    v6 = ["[::ffff:10.0.0.1]", "[::1]", "[fd00::1]", "[fe80::1]", "[64:ff9b::a00:1]", "[::]"]
    file = tmp_path_factory.mktemp("open") / "open.json"
    entry = {
        "name": "open",
        "username": "open",
        "callback_allowed": [f"http://{a}/" for a in [*addresses, *v6, "localhost.", "metadata.google.internal", "2130706433"]],
        "service_keys": [{"kind": "realtime"}],
        "sender_numbers": ["16001234"],
    }
    file.write_text(json.dumps({"customers": [entry]}))
    [issued] = ims.ims("register", str(file))
    keys = {key["kind"]: key["key"] for key in issued["service_keys"]}
    return Customer("open", issued["x_ims_key"], keys, issued["callback_secret"], "16001234")


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "[::ffff:10.0.0.1]",
        "[fd00::1]",
        "[fe80::1]",
        "[64:ff9b::a00:1]",
        "[::]",
        "metadata.google.internal",
        "203.0.113.9",
    ],
)
def test_addresses_inside_are_refused_when_accepted(ims: Home, open_customer: Customer, host: str) -> None:
    """Private, link-local, metadata and translated addresses; the last one is outside but on no allow list."""
    number = new_number()
    body = {
        "message_id": new_id("ssrf"),
        "message_type": "SMS",
        "callback": open_customer.callback,
        "phone_number": number,
        "message": text(),
        "callback_url": f"http://{host}/hook",
    }
    headers = {"x-ims-version": "version-1", "x-ims-key": open_customer.x_ims_key}
    url = f"{ims.facts['intake']}/ims/{open_customer.service_keys['realtime']}/mt/sendMessage"
    answer = eventually(lambda: (a := call("POST", url, body, headers)).code not in {"1100", "1401"} and a, 6, "the new customer")
    assert (answer.status, answer.code) == (400, "1400")
    assert answer.json()["errors"][0]["field"] == "callback_url"
    assert not ims.sent_to(number)


def test_loopback_is_refused_unless_the_profile_allows_it(ims: Home, callbacks: CallbackServer, tmp_path: Path) -> None:
    """The same home, served by an intake that nobody told to allow it."""
    [port] = free_ports(1)
    who = ims.customers[0]
    headers = {"x-ims-version": "version-1", "x-ims-key": who.x_ims_key}
    body = {"message_id": new_id(), "message_type": "SMS", "callback": who.callback, "phone_number": new_number(), "message": text()}
    with Processes(ims.env, tmp_path / "intake.log") as processes:
        processes.start(IMS, "serve", "intake", "--port", str(port))
        eventually(lambda: call("GET", f"http://127.0.0.1:{port}/readyz").status == 200, 30, "an intake of its own")
        url = f"http://127.0.0.1:{port}/ims/{who.service_keys['realtime']}/mt/sendMessage"
        answer = call("POST", url, {**body, "callback_url": callbacks.url("/cb/loop")}, headers)
        assert (answer.status, answer.code) == (400, "1400")
        assert call("POST", url, body, headers).code == "0000"  # and it is the same home: its message is sent
        assert ims.wait_result(body["message_id"])["result"] == "DELIVERED"


def test_both_secrets_sign_during_a_rotation(ims: Home, callbacks: CallbackServer) -> None:
    old = ims.customers[1].callback_secret
    new = ims.ims("keys", "rotate", "demo2", "--callback")["callback_secret"]
    callbacks.secrets.add(new)

    def signed_by_both() -> bool:
        path = f"/cb/rotated/{new_id()}"
        ims.sms(customer=1, callback_url=callbacks.url(path))
        [heard] = eventually(lambda: callbacks.at(path), 10, "a callback")
        assert old in heard.secrets
        return set(heard.secrets) == {old, new} and len(heard.headers["webhook-signature"].split(" ")) == 2

    eventually(signed_by_both, 7, "the new secret is in use within 5 s", every=0.3)


def test_after_ten_retries_the_result_stays_for_polling(ims: Home, callbacks: CallbackServer, never: str) -> None:
    calls = RETRIES + 1
    requests = eventually(lambda: (h := callbacks.at("/cb/never")) and len(h) >= calls and h, 60, "the tenth retry")
    same(requests)
    for retry, (before, after) in enumerate(itertools.pairwise(requests), 1):
        assert after.at - before.at >= wait_s(retry), f"retry {retry} came too early"
    time.sleep(wait_s(RETRIES + 1) + 0.5)
    assert len(callbacks.at("/cb/never")) == calls
    batch = ims.get("report", key="auth", customer=1).json()["data"]
    assert never in {r["message_id"] for r in batch["results"]}
    assert ims.delete(f"report/{batch['batch_id']}", key="auth", customer=1).code == "0000"
    replayed = ims.post("report/replay", {"message_ids": [never]}, key="auth", customer=1)
    assert replayed.json()["data"] == {"queued": 1}
    again = eventually(lambda: callbacks.at("/cb/never")[calls:], 10, "the replay")
    assert again[0].results[0]["event_id"] == requests[0].results[0]["event_id"]
