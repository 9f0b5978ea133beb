"""Two copies of every function as separate processes, events dealt to them at random: nothing may live in a process's
memory that the other copy needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from apart import Apart
from callbacks import CallbackServer
from conftest import FAST
from harness import Profile, call, eventually, in_threads, new_id, new_number, text

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory, callbacks: CallbackServer) -> Iterator[Apart]:
    """Everything that `ims up` is, in pairs: no process holds two functions, no function is in one process."""
    path = tmp_path_factory.mktemp("copies")
    with Apart(path, Profile.own() | FAST | {"home": path / "home"}, copies=2) as made:
        callbacks.secrets |= {c.callback_secret for c in made.customers}
        yield made
        assert made.all_alive()


def test_a_thousand_go_once_and_are_told_once(copies: Apart, callbacks: CallbackServer) -> None:
    parts = [[(new_id("tc"), new_number()) for _ in range(250)] for _ in range(4)]
    campaign = new_id("camp")

    def send(part: list[tuple[str, str]]) -> None:
        answer = copies.campaign(part, campaign_id=campaign, callback_url=callbacks.url("/copies/bulk"))
        assert answer.json()["data"]["accepted"] == len(part)

    in_threads([lambda part=part: send(part) for part in parts], 60)
    # the same request again, to whichever copy of intake it comes: replayed, not sent
    assert copies.campaign(parts[0], campaign_id=campaign, callback_url=callbacks.url("/copies/bulk")).json()["data"]["accepted"] == 250
    told = callbacks.wait("/copies/bulk", lambda found: len(found) == 1_000, 60, "1,000 results")
    assert {tuple(r["result"] for r in results) for results in told.values()} == {("DELIVERED",)}
    numbers = {number for part in parts for _, number in part}
    assert sorted(e["to"] for e in copies.sent() if e["to"] in numbers) == sorted(numbers)


# number -> results told, accepted by the simulator, by a text of its own service key kind
MAIN = {
    "01099990005": ("DELIVERED", "0000", 1),
    "01099990001": ("UNKNOWN", "8100", 1),
    "01099990002": ("DELIVERED", "0000", 1),
    "01099990004": ("DELIVERED", "0000", 1),
    "01099990006": ("DELIVERED", "0000", 1),
    "01099990007": ("FAILED", "3050", 0),
    "01099993003": ("FAILED", "3003", 1),
    "01099990429": ("DELIVERED", "0000", 1),
    "01099990500": ("DELIVERED", "0000", 1),
    "01099990601": ("DELIVERED", "0000", 1),
    "01099990602": ("DELIVERED", "0000", 1),
    "01099990604": ("DELIVERED", "0000", 1),
}


def test_magic_numbers_over_two_copies(copies: Apart, callbacks: CallbackServer) -> None:
    marks = {}
    for key in ("auth", "mass"):
        for number in MAIN:
            mark = new_id("x")
            url = callbacks.url(f"/copies/magic/{mark}")
            marks[copies.sms(number, key=key, message=text(mark), callback_url=url)] = (number, mark)
    step = {"type": "SMS", "callback": "15441234", "message": "대신"}
    fallback = copies.alimtalk("01099997018", fallback=step, callback_url=callbacks.url("/copies/magic/at"))
    late = copies.sms("01099990005", message_type="LMS", callback_url=callbacks.url("/copies/magic/late"))
    told = callbacks.wait(
        "/copies/magic/",
        lambda found: found.keys() >= marks.keys() | {fallback, late} and found[late][-1]["result"] == "DELIVERED",
        60,
        "every result",
    )
    texts = [entry["text"] for entry in copies.sent()]
    for id_, (number, mark) in marks.items():
        result, code, sent = MAIN[number]
        assert [(r["result"], r["report_code"]) for r in told[id_]] == [(result, code)], number
        assert sum(mark in t for t in texts) == sent, number
    assert [(r["result"], r["report_type"], r["attempts"]) for r in told[fallback]] == [("DELIVERED", "SMS", 2)]
    assert [r["result"] for r in told[late]] == ["UNKNOWN", "DELIVERED"]


def test_polling_and_reading_through_either_copy(copies: Apart) -> None:
    ids = {copies.sms() for _ in range(6)}
    for id_ in ids:
        assert copies.wait_result(id_)["result"] == "DELIVERED"
    seen: list[str] = []

    def all_seen() -> bool:
        while (batch := copies.get("report?limit=2").json()["data"])["batch_id"]:
            seen.extend(r["message_id"] for r in batch["results"])
            assert copies.delete(f"report/{batch['batch_id']}").code == "0000"
        return ids <= set(seen)

    eventually(all_seen, 10, "all polled")
    assert sorted(set(seen)) == sorted(seen)


def test_both_copies_of_every_stage_were_at_work(copies: Apart) -> None:
    ids = [copies.sms(key=key) for key in ("auth", "mass") for _ in range(10)]
    ids += [copies.alimtalk(new_number(), key="auth") for _ in range(10)]
    for n, id_ in enumerate(ids):
        copies.wait_result(id_, key="mass" if 10 <= n < 20 else "auth")
    for name, pair in copies.functions.items():
        for url in pair:
            metrics = call("GET", f"{url}/metrics").body.decode()
            handled = re.findall(r"^ims_(?:stage_events|accepted)_total\{.*\} (\S+)", metrics, re.MULTILINE)
            # dead letters and pushes there are none, and receipt hands its reports on
            assert sum(map(float, handled)) > 0 or name in {"deadletter", "receipt", "send_push"}, f"this copy of {name} had nothing to do"
