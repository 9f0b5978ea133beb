"""Which lane a request travels in, seen from outside: the provider's account, the answers, the night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from callbacks import CallbackServer
from conftest import FAST
from harness import Home, new_id, new_number, text

pytestmark = pytest.mark.e2e

KST = timezone(timedelta(hours=9))


def rows(count: int) -> list[tuple[str, str]]:
    return [(new_id("row"), new_number()) for _ in range(count)]


@pytest.mark.parametrize(
    ("key", "count", "account"), [("mass", 250, "bulk"), ("realtime", 199, "fast"), ("realtime", 200, "bulk"), ("auth", 199, "fast")]
)
def test_two_hundred_in_one_request_are_mass(ims: Home, callbacks: CallbackServer, key: str, count: int, account: str) -> None:
    path = f"/lanes/{key}/{count}"
    receivers = rows(count)
    answer = ims.campaign(receivers, key=key, campaign_id=new_id("camp"), callback_url=callbacks.url(path)).json()
    assert (answer["code"], answer["data"]["accepted"], answer["data"]["rejected"]) == ("0000", count, 0)
    told = callbacks.wait(path, lambda found: len(found) == count, 30, f"{count} results")
    assert {id_: [r["result"] for r in results] for id_, results in told.items()} == {id_: ["DELIVERED"] for id_, _ in receivers}
    assert {r["campaign_id"] for results in told.values() for r in results} == {answer["data"]["campaign_id"]}
    assert max(len(heard.results) for heard in callbacks.at(path)) <= 100
    numbers = {number for _, number in receivers}
    sent = [entry for entry in ims.sent() if entry["to"] in numbers]
    assert len(sent) == count
    assert {entry["account"] for entry in sent} == {account}


def test_arrays_hold_up_to_a_hundred_results(ims: Home, callbacks: CallbackServer) -> None:
    ims.campaign(rows(1_000), callback_url=callbacks.url("/lanes/arrays"))
    callbacks.wait("/lanes/arrays", lambda found: len(found) == 1_000, 30, "1,000 results")
    heard = callbacks.at("/lanes/arrays")
    assert len(heard) < 100  # not one by one
    assert max(len(h.results) for h in heard) == 100
    assert all((len(h.results) > 1) == h.body.startswith(b"[") for h in heard)


def test_an_auth_key_takes_no_campaign(ims: Home) -> None:
    answer = ims.campaign(rows(200), key="auth")
    assert (answer.status, answer.code) == (400, "1400")
    assert answer.json()["errors"][0]["field"] == "receiver_list"


def test_a_wish_can_only_lower_the_lane(ims: Home) -> None:
    wishes = {"mass": ("realtime", "bulk"), "auth": ("realtime", "fast")}
    for send_class, (key, account) in wishes.items():
        number = new_number()
        ims.wait_result(ims.sms(number, key=key, send_class=send_class), key=key)
        assert [entry["account"] for entry in ims.sent_to(number)] == [account]


def test_bad_rows_are_named_and_the_others_go(ims: Home) -> None:
    good, twice = rows(2)
    answer = ims.campaign([good, (new_id(), "0212345678"), twice, twice]).json()["data"]
    assert (answer["accepted"], answer["rejected"]) == (2, 2)
    assert [(e["index"], e["code"]) for e in answer["errors"]] == [(1, "2050"), (3, "2030")]
    for id_, _ in (good, twice):
        assert ims.wait_result(id_, key="mass")["result"] == "DELIVERED"


def seconds_until(hour: int) -> float:
    """From now to the next full hour of that name in Seoul."""
    now = datetime.now(UTC).astimezone(KST)
    then = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return ((then - now) % timedelta(days=1)).total_seconds()


def test_advertisements_go_by_day_and_never_at_night(tmp_path: Path) -> None:
    """Accepted at noon, kept by a provider that is away, still unsent at ten: REJECTED, although the provider is back."""
    home = Home(tmp_path / "ads", **FAST, clock_offset_s=seconds_until(12), simulator_reports_fast="polling")
    ad = {"key": "ad", "message": ad_text("할인"), "ad_flag": "Y"}
    with home:
        by_day = new_number()
        assert home.wait_result(home.sms(by_day, **ad), key="ad")["result"] == "DELIVERED"
        home.fault("away")
        kept_number = new_number()
        kept = home.sms(kept_number, **ad)
        marked = home.sms(new_number(), key="realtime", message=ad_text("표시"))  # content decides, whatever the key
        assert home.result(kept, key="ad")["result"] in {"RECEIVED", "HELD", "SENT"}
        home.env["IMS_CLOCK_OFFSET_S"] = str(float(home.env["IMS_CLOCK_OFFSET_S"]) + 10 * 3600)
        home.restart()
        for id_, key in ((kept, "ad"), (marked, "realtime")):
            found = home.wait_result(id_, 30, key=key)
            assert (found["result"], found["report_code"]) == ("REJECTED", "7101")
        refused = home.post("mt/sendMessage", ad_body(home), key="ad")
        assert (refused.status, refused.code) == (400, "2060")
        assert home.wait_result(home.sms())["result"] == "DELIVERED"  # what is no ad goes at any hour
        assert [entry["to"] for entry in home.sent() if entry["text"].startswith("(광고)")] == [by_day]


def ad_text(words: str) -> str:
    """An advertisement as the law wants it."""
    return f"(광고)하나가게 {text(words)}\n무료수신거부 080-123-4567"


def ad_body(home: Home) -> dict[str, str]:
    return {
        "message_id": new_id("ad"),
        "message_type": "SMS",
        "callback": home.customers[0].callback,
        "phone_number": new_number(),
        "message": ad_text("야간"),
        "ad_flag": "Y",
    }
