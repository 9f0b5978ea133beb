"""Lists of messages: slices, rows by name, digests that survive any company."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.intake.faults import Rejections
from functions.intake.validate import SLICE_ROWS, read_many, read_single, shared_key
from ims.lanes import Lane
from ims.runtime.clients.callers import Asker
from ims.topics import Channel

Make = Callable[..., Asker]


def _row(i: int, **change: Any) -> dict[str, Any]:
    return {"message_id": f"r{i}", "phone_number": f"010{20_000_000 + i}", "mapping": {"name": str(i)}, **change}


def _body(rows: list[Any], **change: Any) -> bytes:
    common = {"message_type": "SMS", "callback": "15441234", "message": "#{name}님 안녕", "campaign_id": "c1"}
    return json.dumps({**common, "receiver_list": rows, **change}).encode()


def test_no_slice_is_larger_than_it_may_be(asker: Make) -> None:
    many = read_many(Channel.MT, _body([_row(i) for i in range(50_000)]), asker())
    sizes = [len(part.rows) + len(part.errors) for part in many.slices()]
    assert max(sizes) == SLICE_ROWS <= 600
    assert sum(sizes) == many.total == 50_000


@pytest.mark.parametrize("rows", [0, 50_001])
def test_lists_of_no_or_too_many_rows(asker: Make, rows: int) -> None:
    with pytest.raises(Rejections) as caught:
        read_many(Channel.MT, _body([{}] * rows), asker())
    assert [(f.field, f.code) for f in caught.value.errors] == [("receiver_list", "1400")]


def test_a_bomb_of_tiny_elements_is_refused_before_it_is_decoded(asker: Make) -> None:
    with pytest.raises(Rejections, match="1400"):
        read_many(Channel.MT, b'{"receiver_list":[' + b"0," * 5_000_000 + b"0]}", asker())


def test_bad_rows_are_named_and_good_ones_go(client: Any, ports: Any) -> None:
    rows: list[Any] = [
        _row(0),
        _row(1, phone_number="02-123-4567"),
        {"message_id": "r2"},
        _row(0),
        7,
        _row(5, mapping={"name": "가" * 45}),
        _row(6, mapping={}),
        _row(7, extra=1),
        _row(8, mapping={"name": "(광고)"}),
        _row(9, mapping={"name": "#{x}"}),
        _row(10),
    ]
    raw = _body(rows)
    raw = raw[: raw.rindex(b"]")] + b',{"message_id":"r11","phone_number":"\xff"}]}'
    answer = client.post(
        "/ims/acmemass/mt/sendMessages", content=raw, headers={"content-type": "application/json", "accept-language": "en"}
    )
    data = answer.json()["data"]
    assert answer.status_code == 200
    assert (data["campaign_id"], data["accepted"], data["rejected"]) == ("c1", 2, 10)
    assert [(e["index"], e["message_id"], e["code"]) for e in data["errors"]] == [
        (1, "r1", "2050"),
        (2, "r2", "2020"),
        (3, "r0", "2030"),
        (4, "", "1400"),
        (5, "r5", "2010"),
        (6, "r6", "2043"),
        (7, "r7", "1400"),
        (8, "r8", "2061"),
        (9, "r9", "1400"),
        (11, "", "1400"),
    ]
    assert "extra" in data["errors"][6]["message"]
    assert set(ports.accepted) == {"r0", "r10"}


def test_a_thousand_errors_are_listed_and_all_are_counted(client: Any, ports: Any) -> None:
    answer = client.post("/ims/acmemass/mt/sendMessages", content=_body([{}] * 2_500), headers={"content-type": "application/json"})
    data = answer.json()["data"]
    assert (data["accepted"], data["rejected"], len(data["errors"])) == (0, 2_500, 1_000)


def test_a_request_cut_off_is_finished_by_repeating_it(client: Any, ports: Any) -> None:
    rows = [_row(i) for i in range(300)]
    json_ = {"content-type": "application/json"}
    first = client.post("/ims/acmerealtime/mt/sendMessages", content=_body(rows[:120]), headers=json_)
    whole = client.post("/ims/acmerealtime/mt/sendMessages", content=_body(rows), headers=json_)
    assert first.json()["data"]["accepted"] == 120
    assert whole.json()["data"] == {"campaign_id": "c1", "accepted": 300, "rejected": 0, "errors": []}
    other = client.post("/ims/acmerealtime/mt/sendMessages", content=_body(rows, message="#{name} 다른 글"), headers=json_)
    assert other.json()["data"]["rejected"] == 300
    assert {e["code"] for e in other.json()["data"]["errors"]} == {"2030"}


def test_size_lowers_the_lane_and_an_auth_key_refuses_it(asker: Make) -> None:
    rows = [_row(i) for i in range(200)]
    assert read_many(Channel.MT, _body(rows), asker("acmerealtime")).lane is Lane.MASS
    assert read_many(Channel.MT, _body(rows[:199]), asker("acmeauth")).lane is Lane.AUTH
    with pytest.raises(Rejections) as caught:
        read_many(Channel.MT, _body(rows), asker("acmeauth"))
    assert [(f.field, f.code) for f in caught.value.errors] == [("receiver_list", "1400")]


def test_a_rows_values_go_over_the_common_ones_key_by_key(asker: Make) -> None:
    body = _body([_row(1, mapping={"name": "b"}), {"message_id": "x", "phone_number": "01023456789"}], message="#{name} #{shop}")
    body = body.replace(b'"campaign_id"', b'"mapping":{"name":"a","shop":"s","unused":"u"},"bill_code":"B","campaign_id"')
    (part,) = read_many(Channel.MT, body, asker()).slices()
    assert [row.mapping for _, row, _ in part.rows] == [{"name": "b", "shop": "s"}, {"name": "a", "shop": "s"}]
    assert {row.bill_code for _, row, _ in part.rows} == {"B"}
    assert "01023456789" not in repr(part.rows)


def test_digests_depend_on_content_and_on_nothing_else(asker: Make) -> None:
    def digests(rows: list[Any], **change: Any) -> dict[str, bytes]:
        many = read_many(Channel.MT, _body(rows, **change), asker("acmerealtime"))
        return {row.message_id: digest for part in many.slices(2) for _, row, digest in part.rows}

    alone, among = digests([_row(1)]), digests([_row(i) for i in range(250)])
    assert alone["r1"] == among["r1"] and len(alone["r1"]) == 8
    assert digests([_row(1, phone_number="+82 10-2000-0001")]) == alone
    assert digests([_row(1, mapping={})], mapping={"name": "1"}) == alone
    for other in (_row(1, mapping={"name": "2"}), _row(1, bill_code="x"), _row(1, phone_number="01020000002")):
        assert digests([other])["r1"] != alone["r1"]


def _one(asker: Asker, body: dict[str, Any], channel: Channel = Channel.MT) -> Any:
    return read_single(channel, json.dumps(body).encode(), asker)


def test_ready_made_codes_share_an_event_and_templates_travel_unrendered(
    asker: Make, text: dict[str, Any], alimtalk: dict[str, Any]
) -> None:
    fallback = {"type": "AUTO", "callback": "15441234"}
    first = _one(asker("acmeauth"), {**text, "message": "인증번호 111111", "fallback": {**fallback, "message": "인증번호 111111"}})
    second = _one(asker("acmeauth"), {**text, "message_id": "m2", "message": "인증번호 222222", "fallback": fallback})
    assert shared_key(first.shared) == shared_key(second.shared)
    assert (first.shared.text, first.row.text) == (None, "인증번호 111111")
    assert first.digest != second.digest
    assert first.shared.fallback[0].on_unknown
    assert first.send_by_ms == asker().now_ms + 180_000
    sent = _one(asker("acmeauth"), alimtalk, Channel.AT)
    assert sent.lane is Lane.REALTIME  # the template's category
    assert (sent.shared.text, sent.row.text) == ("#{name}님, 인증번호는 #{code}입니다.", None)
    assert sent.row.mapping == {"name": "홍길동", "code": "123456"}
    assert shared_key(sent.shared) != shared_key(first.shared)


def test_expires_at_only_shortens(asker: Make, text: dict[str, Any]) -> None:
    soon, late = "2027-03-02T12:01:00+09:00", "2027-03-09T12:00:00+09:00"
    assert _one(asker("acmeauth"), {**text, "expires_at": soon}).send_by_ms == asker().now_ms + 60_000
    assert _one(asker("acmeauth"), {**text, "expires_at": late}).send_by_ms == asker().now_ms + 180_000
