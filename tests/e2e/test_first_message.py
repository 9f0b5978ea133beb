"""A newcomer's first message, and the three ways to learn what became of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from callbacks import CallbackServer
from harness import Home, call, eventually, new_id, new_number, text

pytestmark = pytest.mark.e2e

FIELDS = {
    "event_id",
    "service_key",
    "message_id",
    "campaign_id",
    "report_type",
    "report_code",
    "result",
    "report_at",
    "attempts",
    "bill_code",
}
KST = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}\+09:00")


def body_of(home: Home, **more: Any) -> dict[str, Any]:
    return {
        "message_id": new_id("hello"),
        "message_type": "SMS",
        "callback": home.customers[0].callback,
        "phone_number": new_number(),
        "message": text("안녕하세요"),
        **more,
    }


def drain(home: Home, key: str, customer: int) -> None:
    """Acknowledge what other tests left."""
    while batch := home.get("report?limit=1000", key=key, customer=customer).json()["data"]["batch_id"]:
        assert home.delete(f"report/{batch}", key=key, customer=customer).status == 200


def test_what_the_printed_curl_does(ims: Home) -> None:
    body = body_of(ims)
    who = ims.customers[0]
    headers = {"x-ims-version": "version-1", "x-ims-key": who.x_ims_key, "content-type": "application/json"}
    answer = call("POST", f"{ims.facts['intake']}/ims/{who.service_keys['realtime']}/mt/sendMessage", body, headers)
    assert (answer.status, answer.json()) == (200, {"code": "0000", "data": body["message_id"]})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-ims-trace"])
    found = ims.wait_result(body["message_id"])
    assert (found["result"], found["report_code"], found["report_type"]) == ("DELIVERED", "0000", "SMS")
    [sent] = ims.sent_to(body["phone_number"])
    assert (sent["text"], sent["send_type"], sent["account"]) == (body["message"], "SMS", "fast")


def test_a_caller_s_trace_is_kept(ims: Home) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = ims.post("mt/sendMessage", body_of(ims), traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert answer.headers["x-ims-trace"] == trace


def test_signed_callback_holds_all_fields(ims: Home, callbacks: CallbackServer) -> None:
    body = body_of(ims, callback_url=callbacks.url("/first"), bill_code="dept-7")
    assert ims.post("mt/sendMessage", body).code == "0000"
    [heard] = eventually(lambda: callbacks.at("/first"), 10, "the callback")
    [result] = heard.results
    assert heard.body.startswith(b"{")  # one result is an object, not an array of one
    assert heard.headers["content-type"].startswith("application/json")
    assert heard.secrets == (ims.customers[0].callback_secret,)
    assert result.keys() == FIELDS
    assert KST.fullmatch(result["report_at"])
    expected = {
        "service_key": ims.customers[0].service_keys["realtime"],
        "message_id": body["message_id"],
        "campaign_id": "",
        "report_type": "SMS",
        "report_code": "0000",
        "result": "DELIVERED",
        "attempts": 1,
        "bill_code": "dept-7",
    }
    assert {name: result[name] for name in expected} == expected
    assert ims.result(body["message_id"]) == result


def test_polled_results_are_leased_then_acknowledged(ims: Home) -> None:
    """On the second customer, whose results nobody calls back."""
    drain(ims, "realtime", 1)
    ids = {ims.sms(customer=1) for _ in range(3)}
    for id_ in ids:
        ims.wait_result(id_, customer=1)
    handed_out: list[str] = []
    none = {"batch_id": None, "results": []}

    def all_handed_out() -> bool:
        # two batches at a time: the second holds nothing of the first, which is under its lease
        batches = [ims.get("report?limit=2", customer=1).json()["data"] for _ in range(2)]
        for batch in batches:
            assert len(batch["results"]) <= 2
            assert all(result.keys() == FIELDS for result in batch["results"])
            handed_out.extend(result["message_id"] for result in batch["results"])
            assert batch["results"] or batch == none
        for batch in batches:
            if batch["batch_id"]:
                assert ims.delete(f"report/{batch['batch_id']}", customer=1).code == "0000"
        return ids <= set(handed_out)

    eventually(all_handed_out, 10, "all three in batches")
    assert sorted(handed_out) == sorted(ids)  # none twice
    assert ims.get("report", customer=1).json()["data"] == none
    assert ims.delete("report/nosuchbatch", customer=1).status == 404


def test_called_back_results_are_not_polled(ims: Home, callbacks: CallbackServer) -> None:
    drain(ims, "auth", 1)
    told = ims.sms(key="auth", customer=1, callback_url=callbacks.url("/told"))
    eventually(lambda: callbacks.at("/told"), 10, "the callback")
    silent = ims.sms(key="auth", customer=1)
    ims.wait_result(silent, key="auth", customer=1)
    batch = eventually(lambda: ims.get("report", key="auth", customer=1).json()["data"]["results"], 5, "a result")
    assert [r["message_id"] for r in batch] == [silent] != [told]


def test_repeating_a_request_sends_nothing_again(ims: Home) -> None:
    body = body_of(ims)
    first = ims.post("mt/sendMessage", body)
    again = ims.post("mt/sendMessage", body)
    assert first.body == again.body
    assert "x-ims-replayed" not in first.headers
    assert again.headers["x-ims-replayed"] == "true"
    other = ims.post("mt/sendMessage", {**body, "message": text("다른 내용")})
    assert (other.status, other.code) == (409, "2030")
    ims.wait_result(body["message_id"])
    assert ims.post("mt/sendMessage", body).headers["x-ims-replayed"] == "true"
    assert len(ims.sent_to(body["phone_number"])) == 1


def test_another_customer_s_message_is_unknown(ims: Home) -> None:
    id_ = ims.sms()
    foreign = ims.get(f"report/{id_}", customer=1)
    assert (foreign.status, foreign.code) == (404, "1404")
    key = ims.customers[0].service_keys["realtime"]
    body = body_of(ims)
    assert ims.post("mt/sendMessage", body, key=key, customer=1).body == ims.post("mt/sendMessage", body, key="0" * 32, customer=1).body
