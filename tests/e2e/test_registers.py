"""A sender number through the one port: claimed with its proof, approved by an operator, sent from, deleted; and an opt-out."""

from __future__ import annotations

import pytest
from harness import Home, eventually, new_id, new_number, text
from test_pictures import JPEG, upload

pytestmark = pytest.mark.e2e

NUMBER = "025550123"


def refused(home: Home, callback: str) -> bool:
    body = {"message_id": new_id(), "message_type": "SMS", "callback": callback, "phone_number": new_number(), "message": text()}
    return home.post("mt/sendMessage", body).code == "2051"


def test_a_number_is_claimed_over_http_approved_and_sent_from(ims: Home) -> None:
    who = ims.customers[0].name
    proof = upload(ims, JPEG, "channel=proof")[1]["data"]["file_key"]
    claimed = ims.post("numbers", {"number": "02-555-0123", "proof": proof})
    assert (claimed.status, claimed.json()["data"]["state"]) == (200, "claimed")
    assert refused(ims, NUMBER)
    assert [row["proof"] for row in ims.ims("numbers", "claimed", who)] == [proof]
    written = ims.path.with_name("proof.jpg")
    assert ims.cli("numbers", "proof", who, NUMBER, str(written)).returncode == 0
    assert written.read_bytes() == JPEG
    assert ims.ims("numbers", "approve", who, NUMBER, "--proof", proof)["state"] == "approved"
    eventually(lambda: not refused(ims, NUMBER), 10, "the number may be sent from")
    number = new_number()
    assert ims.wait_result(ims.sms(number, callback=NUMBER))["result"] == "DELIVERED"
    assert len(ims.sent_to(number)) == 1
    seen = ims.get(f"numbers/{NUMBER}")
    assert ims.request("PUT", f"numbers/{NUMBER}", {"proof": proof}, if_match=claimed.headers["etag"]).code == "1409"
    assert ims.delete(f"numbers/{NUMBER}", if_match=seen.headers["etag"]).status == 200
    eventually(lambda: refused(ims, NUMBER), 10, "the number may not be sent from any more")
    actions = [row["action"] for row in ims.get("audit").json()["data"]["list"]]
    assert actions[:3] == ["numbers.remove", "numbers.approve", "numbers.create"]
    assert ims.get("audit", customer=1).json()["data"]["list"] == []


def test_who_opted_out_over_http_gets_nothing(ims: Home) -> None:
    number = new_number()
    assert ims.post("optouts", {"recipients": [number], "channels": ["mt"]}).json()["data"] == {"added": {"mt": 1}}
    found = ims.wait_result(ims.sms(number))
    assert (found["result"], found["report_code"]) == ("REJECTED", "7102")
    assert ims.sent_to(number) == []
    [row] = ims.get(f"optouts?recipient={number}").json()["data"]["list"]
    assert ims.delete(f"optouts/{row['id']}").status == 200
    assert ims.wait_result(ims.sms(number))["result"] == "DELIVERED"
