"""What an operator sees: metrics by their documented names, structured logs, events that wait."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from callbacks import CallbackServer
from harness import Home, Spoken, call, eventually, new_id, new_number

pytestmark = pytest.mark.e2e

OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"
NAMES = {  # what the issue asks for: accepted, sent, settled, time in each stage, lag, claims, callback delays
    "ims_accepted_total",
    "ims_sent_total",
    "ims_settled_total",
    "ims_stage_seconds",
    "ims_stage_events_total",
    "ims_lag_events",
    "ims_claims_total",
    "ims_callbacks_total",
    "ims_callback_delay_seconds",
}


def exposed(home: Home) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+)", home.metrics(), re.MULTILINE))


def test_metrics_count_what_happened(ims: Home, callbacks: CallbackServer) -> None:
    def counts() -> dict[str, float]:
        return {
            "accepted": ims.metric("ims_accepted_total", lane="auth"),
            "sent": ims.metric("ims_sent_total", lane="auth"),
            "delivered": ims.metric("ims_settled_total", lane="auth", result="DELIVERED", code="0000"),
            "failed": ims.metric("ims_settled_total", lane="auth", result="FAILED", code="3003"),
            "claimed": ims.metric("ims_claims_total", lane="auth", what="make"),
            "refused": ims.metric("ims_refused_total", code="2050"),
        }

    before = counts()
    url = callbacks.url("/seeing")
    for number in (new_number(), new_number(), "01099993003"):
        ims.sms(number, key="auth", callback_url=url)
    callbacks.wait("/seeing", lambda found: len(found) == 3, 15, "3 results")
    assert (
        ims.post("mt/sendMessage", {"message_id": new_id(), "message_type": "SMS", "phone_number": "021234567"}, key="auth").status == 400
    )
    bad, good = (new_id(), "0212345678"), (new_id(), new_number())
    assert ims.campaign([bad, good], key="auth", callback_url=callbacks.url("/seeing")).json()["data"]["rejected"] == 1
    callbacks.wait("/seeing", lambda found: len(found) == 4, 15, "4 results")
    wanted = {"accepted": 4, "sent": 4, "delivered": 3, "failed": 1, "claimed": 4, "refused": 1}

    def counted() -> dict[str, float]:
        return {name: n - before[name] for name, n in counts().items()}

    eventually(lambda: counted() == wanted, 5, f"the counts {counted()} to be {wanted}")
    told = ims.metric("ims_callbacks_total", lane="auth", outcome="acknowledged")
    assert told == ims.metric("ims_callback_delay_seconds_count", lane="auth") > 0
    for stage in ("route", "send_mt", "report", "callback", "store"):
        assert ims.metric("ims_stage_seconds_count", stage=stage, lane="auth") > 0, stage


def test_metrics_have_their_documented_names(ims: Home) -> None:
    eventually(lambda: exposed(ims) >= NAMES, 5, "the metrics that every dashboard needs")
    if OPERATE.exists():
        documented = set(re.findall(r"`(ims_[a-z_]+)`", OPERATE.read_text()))
        unknown = {n for n in exposed(ims) if n.startswith("ims_")} - documented
        assert not unknown, f"exposed, and not in {OPERATE.name}"


def test_nothing_personal_is_a_label(ims: Home) -> None:
    number, id_ = new_number(), new_id("label")
    ims.wait_result(ims.sms(number, message_id=id_))
    metrics = ims.metrics()
    assert number not in metrics
    assert id_ not in metrics


def test_the_search_through_the_logs_finds_what_it_looks_for(tmp_path: Path) -> None:
    spoken = Spoken()
    spoken.hear({"message_id": "id-1", "phone_number": "010-2000-0001", "mapping": {"name": "홍길동입니다"}})
    spoken.hear({"receiver_list": [{"message_id": "id-2", "phone_number": "01020000002"}]})
    bad = ["to 01020000001", "to=01020000002.", '{"id":"id-1"}', "path /report/id-2 x", "홍길동입니다님", "본문 누설금지"]
    log = tmp_path / "log"
    log.write_text("\n".join([*bad, "id-11 and 010200000012 are somebody else's"]))
    spoken.logs.append(log)
    assert spoken.leaks() == bad


def test_logs_are_one_object_a_line(ims: Home) -> None:
    """That they hold nothing personal is looked at once for all tests, when the run ends."""
    for line in ims.log.read_text().splitlines():
        assert {"at", "level", "process", "event"} <= json.loads(line).keys(), line


def test_lag_is_zero_when_everything_is_handled(ims: Home) -> None:
    ims.wait_result(ims.sms())
    eventually(lambda: not sum(entry["events"] for entry in ims.ims("lag") if entry["lane"] == "realtime"), 20, "no event waits")


def test_openapi_needs_no_headers(ims: Home) -> None:
    answer = call("GET", f"{ims.facts['intake']}/ims/openapi.json")
    assert answer.status == 200
    assert answer.json()["openapi"].startswith("3.1")
