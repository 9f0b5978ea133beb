"""Headers, order of checks, limits, and the calls for results."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from ims.codes import CODES
from ims.errors import Rejected, Unavailable

JSON = {"content-type": "application/json"}
SEND = "/ims/acmemass/mt/sendMessage"
AD = "(광고)하나가게 봄 할인 무료수신거부 080-123-4567"


def _key(pair: str) -> dict[str, str]:
    return {"x-ims-key": base64.b64encode(pair.encode()).decode()}


def test_a_good_message_is_accepted_once_and_replayed_after(client: Any, ports: Any, text: dict[str, Any]) -> None:
    first = client.post(SEND, json=text)
    assert (first.status_code, first.json()) == (200, {"code": "0000", "data": "m1"})
    assert "x-ims-replayed" not in first.headers
    written_otherwise = {**text, "phone_number": "+82 10 2345 6789", "callback": "15441234"}
    assert client.post(SEND, json=written_otherwise).headers["x-ims-replayed"] == "true"
    other = client.post(SEND, json={**text, "message": "다른 글"})
    assert (other.status_code, other.json()["code"]) == (409, "2030")
    assert len(ports.accepted) == 1


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        (SEND, {"x-ims-version": ""}, "1402"),
        (SEND, {"x-ims-version": "version-2"}, "1402"),
        (SEND, {"x-ims-key": ""}, "1401"),
        (SEND, {"x-ims-key": "%%%"}, "1401"),
        (SEND, {"x-ims-key": "A" * 2000}, "1401"),
        (SEND, {"x-ims-key": base64.b64encode(b"\xff:\xff").decode()}, "1401"),
        (SEND, _key("acme-secret:acme-user"), "1401"),
        (SEND, _key("acme-user:other-secret"), "1401"),
        (SEND, _key("nobody:acme-secret"), "1401"),
        ("/ims/unknown/mt/sendMessage", {}, "1100"),
        ("/ims/otherkey/mt/sendMessage", {}, "1100"),
        ("/ims/acmestopped/mt/sendMessage", {}, "1101"),
        ("/ims/acmefenced/mt/sendMessage", {}, "1403"),
        (SEND, {"content-type": "text/plain"}, "1415"),
        (SEND, {"content-encoding": "gzip"}, "1415"),
        ("/ims/acmemass/fax/sendMessage", {}, "1404"),
        ("/ims/acmemass/mt/sendmessage", {}, "1404"),
        ("/ims/", {}, "1404"),
    ],
)
def test_refusals_before_the_body(client: Any, ports: Any, text: dict[str, Any], path: str, headers: dict[str, str], code: str) -> None:
    response = client.post(path, json=text, headers=headers)
    assert response.json()["code"] == code
    assert response.status_code == CODES[code].status
    assert len(response.headers["x-ims-trace"]) == 32
    assert not ports.accepted


def test_a_foreign_key_is_answered_exactly_like_an_unknown_one(client: Any, text: dict[str, Any]) -> None:
    for wrong in ({}, _key("acme-user:nonsense")):
        answers = [client.post(f"/ims/{key}/mt/sendMessage", json=text, headers=wrong) for key in ("unknown", "otherkey")]
        assert answers[0].content == answers[1].content
        assert [a.status_code for a in answers] == ([401] * 2 if wrong else [404] * 2)
        assert {k: v for k, v in answers[0].headers.items() if k != "x-ims-trace"} == {
            k: v for k, v in answers[1].headers.items() if k != "x-ims-trace"
        }


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
def test_a_wrong_method_is_named_in_json(client: Any, method: str) -> None:
    response = client.request(method, SEND)
    assert (response.status_code, response.json()["code"], response.headers["allow"]) == (405, "1405", "POST")


@pytest.mark.parametrize(("path", "limit"), [(SEND, 1 << 20), (f"{SEND}s", 32 << 20)])
def test_a_body_over_the_limit_is_dropped_whether_declared_or_not(client: Any, path: str, limit: int) -> None:
    async def chunks() -> Any:
        for _ in range(limit // 65_536 + 2):
            yield b" " * 65_536

    assert client.post(path, content=b" " * (limit + 1), headers=JSON).status_code == 413
    assert client.post(path, content=chunks(), headers=JSON).json()["code"] == "1413"
    assert client.post(path, content=b" " * limit, headers=JSON).json()["code"] == "1400"


def test_an_endless_body_is_not_read_for_ever(app: Any, headers: Any) -> None:
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1 << 20
        return {"type": "http.request", "body": b" " * (1 << 20), "more_body": True}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(k.encode(), v.encode()) for k, v in {**headers("acme-user:acme-secret"), **JSON}.items()]
    scope = {"type": "http", "method": "POST", "path": SEND, "query_string": b"", "headers": raw, "client": ("127.0.0.1", 1)}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 413
    assert read < 80 << 20


@pytest.mark.parametrize(
    ("fails", "code", "retry"),
    [(Unavailable("x"), "9998", "1"), (RuntimeError("010-2345-6789"), "9999", None), (Rejected("2030"), "2030", None)],
)
def test_faults_behind_intake_get_their_code(
    client: Any, ports: Any, text: dict[str, Any], caplog: Any, fails: Exception, code: str, retry: str | None
) -> None:
    ports.fails = fails
    response = client.post(SEND, json=text)
    assert (response.json()["code"], response.status_code) == (code, CODES[code].status)
    assert response.headers.get("retry-after") == retry
    assert "2345" not in response.text + caplog.text


def test_a_cap_that_is_reached(client: Any, ports: Any, text: dict[str, Any]) -> None:
    ports.allows = False
    response = client.post(SEND, json=text)
    assert (response.status_code, response.json()["code"], response.headers["retry-after"]) == (429, "1429", "1")


def test_a_callback_url_is_checked_against_list_and_network(client: Any, ports: Any, text: dict[str, Any]) -> None:
    urls = ("https://hook.example.com/ims/a?b=1", "http://127.0.0.1:81/x", "http://localhost/", "http://[::1]:9/")
    for i, url in enumerate(urls):
        assert client.post(SEND, json={**text, "message_id": f"m{i}", "callback_url": url}).status_code == 200
    ports.reachable = False
    response = client.post(SEND, json={**text, "callback_url": "http://localhost/"})
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [("callback_url", "1400")]


def test_ads_are_refused_at_night_and_not_by_day(client: Any, ports: Any, text: dict[str, Any]) -> None:
    text["message"] = AD
    assert client.post("/ims/acmead/mt/sendMessage", json=text).status_code == 200
    ports.at_ms += 9 * 3_600_000
    for path, change in (("/ims/acmead/mt/sendMessage", {}), (SEND, {"ad_flag": "Y"}), (SEND, {"message": AD + " "})):
        assert client.post(path, json={**text, "message_id": "n", **change}).json()["code"] == "2060"
    again = client.post("/ims/acmead/mt/sendMessage", json=text)
    assert (again.json()["code"], again.headers.get("x-ims-replayed")) == ("0000", "true"), "accepted by day, asked again at night"
    other = client.post("/ims/acmead/mt/sendMessage", json={**text, "message": f"(광고)다른 {AD[4:]}"})
    assert other.json()["code"] == "2060"


def test_ads_of_a_customer_that_holds_them_are_taken_at_night(client: Any, ports: Any, text: dict[str, Any]) -> None:
    """정보통신망법 제50조③: they wait for 08:00; what may not wait so long is refused at once."""
    ports.choices["acme"] = {"night": "hold"}
    text["message"] = AD
    ports.at_ms += 9 * 3_600_000  # 21:00
    assert client.post("/ims/acmead/mt/sendMessage", json=text).json()["code"] == "0000"
    for clock, code in (("07:59:59", "2060"), ("08:00:00", "2060"), ("08:00:01", "0000")):
        body = {**text, "message_id": f"n{clock[:2]}{clock[-2:]}", "expires_at": f"2027-03-03T{clock}+09:00"}
        assert client.post("/ims/acmead/mt/sendMessage", json=body).json()["code"] == code


def test_the_trace_is_the_callers_or_a_new_one(client: Any, ports: Any, text: dict[str, Any]) -> None:
    mine = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert client.post(SEND, json=text, headers={"traceparent": mine}).headers["x-ims-trace"] == mine[3:35]
    assert ports.traces == [mine]
    bad = client.post(SEND, json=text, headers={"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"})
    assert bad.headers["x-ims-trace"] != "0" * 32


def test_the_document_needs_no_headers(app: Any) -> None:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ims") as client:
            return await client.get("/ims/openapi.json")

    document = asyncio.run(ask())
    assert document.status_code == 200
    assert document.json()["openapi"] == "3.1.0"


def test_polling_acknowledging_and_reading(client: Any, ports: Any) -> None:
    path = "/ims/acmemass/report"
    assert client.get(f"{path}?limit=1").json()["data"] == {"batch_id": "b1", "results": [{"message_id": "m1"}]}
    assert client.request("DELETE", f"{path}/b1").json()["data"] == {"batch_id": "b1"}
    assert client.request("DELETE", f"{path}/b2").status_code == 404
    assert client.get(f"{path}/m1").json()["data"]["result"] == "RECEIVED"
    assert client.get(f"{path}/m2").json()["code"] == "1404"
    ports.allows = False
    assert client.get(path).json()["data"] == {"batch_id": None, "results": []}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=", "limit=1&limit=2", "size=1", "limit=%D9%A1", "a&b"])
def test_bad_queries(client: Any, query: str) -> None:
    response = client.get(f"/ims/acmemass/report?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "1400")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"message_ids": ["a", "b", "a"]}, "0000"),
        ({"from": "2027-03-01T00:00:00+09:00", "to": "2027-03-02T00:00:00+09:00"}, "0000"),
        ({}, "1400"),
        ({"from": "2027-03-01T00:00:00+09:00"}, "2020"),
        ({"from": "2027-03-01T00:00:00", "to": "2027-03-02T00:00:00+09:00"}, "1400"),
        ({"from": "2027-13-01T00:00:00Z", "to": "2027-03-02T00:00:00Z"}, "1400"),
        ({"from": "2027-03-02T00:00:00Z", "to": "2027-03-01T00:00:00Z"}, "1400"),
        ({"message_ids": []}, "1400"),
        ({"message_ids": ["a"] * 1001}, "1400"),
        ({"message_ids": ["한"]}, "1400"),
        ({"message_ids": ["a"], "from": "2027-03-01T00:00:00Z"}, "1400"),
        ({"message_ids": ["a"], "x": 1}, "1400"),
    ],
)
def test_replay(client: Any, ports: Any, body: dict[str, Any], code: str) -> None:
    response = client.post("/ims/acmemass/report/replay", content=json.dumps(body), headers=JSON)
    assert response.json()["code"] == code
    assert len(ports.replays) == (code == "0000")
