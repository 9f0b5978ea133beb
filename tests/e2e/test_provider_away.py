"""What happens between acceptance and dispatch, seen while the provider is away: opt-out, stop, expiry, a stopped key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import FAST
from harness import Home, call, eventually, new_id, new_number

pytestmark = pytest.mark.e2e

BREAKER_FAILURES = 5  # in a row: from then on the provider is left alone
REGISTRY_S = 5  # registries are cached for at most so long


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Report deadlines longer than the provider is away: nothing that was not sent may be waiting for a report."""
    with Home(tmp_path / "away", **FAST | {"report_deadline_at_s": 2, "report_deadline_sms_s": 2}) as home:
        yield home


def test_nothing_that_was_refused_meanwhile_is_sent(home: Home) -> None:
    """The calls of `early` were fixed and tried, those of the others never: the breaker was open when they came."""
    home.fault("away")
    early = {new_number(): "" for _ in range(BREAKER_FAILURES + 3)}
    for number in early:
        early[number] = home.sms(number)
    eventually(lambda: home.metric("ims_held_total", lane="realtime") >= BREAKER_FAILURES, 15, "parked events")
    gone_early, *_ = early
    gone_late, kept, hurried = (new_number() for _ in range(3))
    late_id, kept_id = home.sms(gone_late), home.sms(kept)
    hurried_id = home.sms(hurried, expires_at=(datetime.now(UTC) + timedelta(seconds=2)).isoformat())
    campaign, going = new_id("stopped"), new_id("going")
    stopped_rows = [(new_id(), new_number()) for _ in range(20)]
    going_rows = [(new_id(), new_number()) for _ in range(20)]
    assert home.campaign(stopped_rows, campaign_id=campaign).code == "0000"
    assert home.campaign(going_rows, campaign_id=going).code == "0000"
    # an AlimTalk whose text steps in after a second: when the provider comes back only the text goes
    step = {"type": "SMS", "callback": home.customers[0].callback, "message": "대신", "after_s": 1, "on_unknown": "Y"}
    both = new_number()
    both_id = home.alimtalk(both, fallback=step)

    home.ims("optout", "add", "demo", gone_late, gone_early)
    home.ims("stop", "--campaign", campaign)
    home.ims("keys", "stop", home.customers[1].service_keys["realtime"])
    stopped_at = time.monotonic()
    other = {"message_id": new_id(), "message_type": "SMS", "callback": home.customers[1].callback, "phone_number": new_number()}
    answer = eventually(
        lambda: (a := home.post("mt/sendMessage", {**other, "message": "멈춤"}, customer=1)).code != "0000" and a, REGISTRY_S + 2, "1101"
    )
    assert (answer.status, answer.code) == (403, "1101")
    assert time.monotonic() - stopped_at < REGISTRY_S + 1

    expired = home.wait_result(hurried_id, 15)
    assert (expired["result"], expired["report_code"]) == ("EXPIRED", "7120")  # it stood in no call
    time.sleep(max(0.0, stopped_at + REGISTRY_S + 0.5 - time.monotonic()))  # everybody has heard of the stop
    assert home.sent() == []
    assert home.result(kept_id)["result"] in {"RECEIVED", "HELD"}  # not sent, so no report is late
    home.fault("ok")

    def fate(id_: str, key: str = "realtime") -> tuple[str, str]:
        found = home.wait_result(id_, 40, key=key)
        return found["result"], found["report_code"]

    assert fate(kept_id) == ("DELIVERED", "0000")
    assert fate(late_id) == ("REJECTED", "7102")
    assert fate(early[gone_early]) == ("REJECTED", "7102")
    assert {fate(id_) for number, id_ in early.items() if number != gone_early} == {("DELIVERED", "0000")}
    assert {fate(id_, "mass") for id_, _ in stopped_rows} == {("REJECTED", "7130")}
    assert {fate(id_, "mass") for id_, _ in going_rows} == {("DELIVERED", "0000")}
    assert fate(both_id) == ("DELIVERED", "0000")
    assert home.result(both_id)["report_type"] == "SMS"
    sent = sorted(entry["to"] for entry in home.sent())
    assert sent == sorted([*(n for n in early if n != gone_early), kept, both, *(n for _, n in going_rows)])
    assert [entry["send_type"] for entry in home.sent_to(both)] == ["SMS"]
    assert home.metric("ims_dead_letters_total") == 0

    # what was lifted goes again
    home.ims("optout", "remove", "demo", gone_late)
    home.ims("stop", "--campaign", campaign, "--lift")
    assert fate(home.sms(gone_late)) == ("DELIVERED", "0000")
    assert call("POST", f"{home.simulator}/v1/faults", {"mode": "nonsense"}).status == 400
