"""`stat`, `hist` and `codes` over HTTP: what a service key's messages became, in numbers and in rows, and nobody else's."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from functions.center import desk as center
from functions.center import history
from ims import topics
from ims.adapters.sql.counters import seoul_day
from ims.adapters.sql.histories import SqlHistories
from ims.lanes import Lane
from ims.ports.histories import Wanted
from ims.ports.records import Change
from ims.protocol.envelope import Emit
from ims.protocol.events import DeliveryReport, DeliveryReported
from ims.protocol.ids import new_birth
from ims.rules.result import iso
from ims.runtime.clients.query import Query
from ims.runtime.stage import new_trace
from ims.testing.house import House

from .conftest import headers

pytestmark = pytest.mark.parametrize("house", [False, True], ids=["embedded", "split"], indirect=True)

_NO_LANES = base64.urlsafe_b64encode(b"zzzzzzz.1").decode().rstrip("=")  # well formed, but no lane has births of this letter
PENDING = {"total", "success", "fail", "unknown", "pending"}


async def send(client: httpx.AsyncClient, rows: int, first: int = 0) -> None:
    receivers = [{"message_id": f"m-{n}", "phone_number": f"0105550{n:04d}"} for n in range(first, first + rows)]
    body = {"campaign_id": "c1", "message_type": "SMS", "callback": "15441234", "message": "안내", "receiver_list": receivers}
    answered = await client.post("/ims/keymass/mt/sendMessages", json=body)
    assert answered.json()["data"]["accepted"] == rows, answered.text


async def report(house: House, refs: Sequence[str]) -> None:
    reports = [DeliveryReport(ref=ref, status="delivered", code="0000", reported_at=house.now) for ref in refs]
    id_ = new_birth(Lane.MASS, house.now)
    emit = Emit(topics.report(Lane.MASS), id_, DeliveryReported(provider="scripted", reports=reports), id_, Lane.MASS)
    await house.store.commit(Lane.MASS, Change(), [house.ctx.envelopes.seal(emit, new_trace(), house.now)])


async def read(client: httpx.AsyncClient, path: str, **query: object) -> Any:
    answered = await client.get(f"/ims/keymass/{path}", params={k: str(v) for k, v in query.items()})
    assert answered.status_code == 200, answered.text
    return answered.json()["data"]


def today(house: House) -> dict[str, str]:
    day = seoul_day(house.now)
    return {"from": day, "to": day}


def around(house: House) -> dict[str, str]:
    return {"from": iso(house.now - 3_600_000), "to": iso(house.now + 3_600_000)}


async def agree(client: httpx.AsyncClient, house: House) -> dict[str, dict[str, int]]:
    """The counters, after they were compared with the rows."""
    counted: dict[str, dict[str, int]] = await read(client, "stat/mt", **today(house))
    listed = (await read(client, "hist/mt", size=1_000, **around(house)))["list"]
    rows = Counter((row["report_type"], row["result"]) for row in listed)
    for kind, counts in counted.items():
        assert counts.keys() == PENDING
        assert counts["total"] == counts["success"] + counts["fail"] + counts["unknown"] + counts["pending"]
        assert counts["success"] == rows[kind, "DELIVERED"]
        assert counts["unknown"] == rows[kind, "UNKNOWN"]
        assert counts["fail"] == sum(rows[kind, r] for r in ("FAILED", "REJECTED", "EXPIRED", "CANCELLED"))
    assert sum(c["total"] - c["pending"] for c in counted.values()) == len(listed)
    return counted


async def test_numbers_and_rows_agree_at_every_step(client, house):
    assert await read(client, "stat", **today(house)) == dict.fromkeys(("kakao", "mt", "email", "push", "rcs"))
    await send(client, 5)
    assert await agree(client, house) == {"MT": {"total": 5, "success": 0, "fail": 0, "unknown": 0, "pending": 5}}
    await house.pump()
    assert (await agree(client, house))["MT"]["pending"] == 5
    await report(house, house.provider.refs[:3])
    await house.pump()
    counted = await agree(client, house)
    assert (counted["SMS"]["success"], counted["MT"]["pending"]) == (3, 2)
    await house.pump(twice=True)
    assert await agree(client, house) == counted, "seen twice, counted once"
    nested = await read(client, "stat", **today(house))
    assert nested["mt"] == counted
    assert nested["kakao"] is None
    assert await read(client, "stat/mt", type="SMS", **today(house)) == {"SMS": counted["SMS"]}


async def settled(client: httpx.AsyncClient, house: House, rows: int) -> None:
    await send(client, rows)
    await house.pump()
    await report(house, house.provider.refs)
    await house.pump()


async def test_pages_go_through_all_rows_each_once(client, house):
    await settled(client, house, 7)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(10):
        page = await read(client, "hist/mt", size=2, **around(house), **cursor)
        seen += [row["message_id"] for row in page["list"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(seen) == [f"m-{n}" for n in range(7)]
    assert seen == sorted(seen, reverse=True), "the newest first"


async def test_a_page_looks_at_so_many_rows_and_goes_on(client, house):
    await settled(client, house, 7)
    histories = SqlHistories(house.store.lanes, looked_at=3)
    wanted = Wanted("keymass", ("MT",), house.now - 3_600_000, house.now + 3_600_000)
    seen, after, pages = [], None, 0
    while True:
        page = await histories.page(wanted, after, 100)
        seen += [row["message_id"] for row in page.rows]
        assert len(page.rows) <= 3
        pages, after = pages + 1, page.next
        if after is None:
            break
    assert (sorted(seen), pages) == ([f"m-{n}" for n in range(7)], 3)


async def test_rows_by_message_recipient_and_result(client, house):
    await settled(client, house, 3)
    (row,) = (await read(client, "hist/mt", message_id="m-1"))["list"]
    assert (row["type"], row["report_type"], row["result"], row["report_code"]) == ("MT", "SMS", "DELIVERED", "0000")
    assert row["recipient"] == "010****0001"
    assert row["report_message"] == "성공"
    (same,) = (await read(client, "hist/mt", recipient="010-5550-0001", **around(house)))["list"]
    assert same == row
    assert len((await read(client, "hist/mt", result="DELIVERED", type="SMS", **around(house)))["list"]) == 3
    assert (await read(client, "hist/mt", result="FAILED", **around(house)))["list"] == []
    assert (await read(client, "hist/kakao", message_id="m-1"))["list"] == []
    assert (await read(client, "hist/mt", message_id="nobody"))["list"] == []


async def test_nobody_reads_what_is_anothers(client, house):
    await settled(client, house, 2)
    page = await read(client, "hist/mt", size=1, **around(house))
    theirs = {"headers": headers("other:fedcba9876543210")}
    hist = (await client.get("/ims/otherkey/hist/mt", params=around(house) | {"cursor": page["next_cursor"]}, **theirs)).json()
    assert hist["code"] == "1400", "a cursor opens for the service key it was made for"
    assert (await client.get("/ims/otherkey/hist/mt", params={"message_id": "m-1"}, **theirs)).json()["data"]["list"] == []
    assert (await client.get("/ims/otherkey/stat/mt", params=today(house), **theirs)).json()["data"] == {}
    foreign = await client.get("/ims/keymass/stat", params=today(house), **theirs)
    unknown = await client.get("/ims/nokey/stat", params=today(house), **theirs)
    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content) == (404, unknown.content)


async def test_an_address_is_found_however_it_is_written(house):
    desk = center.Desk(house.ctx)
    asked = Query("recipient=%20Hana%40Example.KR", ("recipient",))
    assert history._recipient(desk, "email", asked) == desk.index("hana@example.kr")
    asked.done()


async def test_codes_are_listed_by_family(client):
    listed = (await read(client, "codes", family="mt"))["list"]
    assert {code["family"] for code in listed} == {"mt"}
    assert len((await read(client, "codes"))["list"]) > len(listed)


@pytest.mark.parametrize(
    ("path", "query", "codes"),
    [
        ("stat", {}, {"from": "2020", "to": "2020"}),
        ("stat", {"from": "2026-02-29", "to": "2026-03-01", "type": "AT"}, {"from": "1400", "type": "1400"}),
        ("stat", {"from": "2026-03-02", "to": "2026-03-01"}, {"to": "1400"}),
        ("stat/mt", {"from": "2024-01-01", "to": "2026-01-01", "type": "AT"}, {"type": "1400", "to": "1400"}),
        ("hist/mt", {}, {"from": "2020", "to": "2020"}),
        ("hist/mt", {"from": "2026-01-01T00:00:00+09:00", "to": "2026-03-01T00:00:00+09:00"}, {"to": "1400"}),
        (
            "hist/mt",
            {"from": "2026-01-01", "to": "x", "size": "0", "cursor": "!", "result": "GONE"},
            dict.fromkeys(("from", "to", "size", "cursor", "result"), "1400"),
        ),
        ("hist/mt", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "recipient": "12"}, {"recipient": "2050"}),
        ("hist/email", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "recipient": "a@b"}, {"recipient": "2050"}),
        ("hist/mt", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "cursor": _NO_LANES}, {"cursor": "1400"}),
        (
            "hist/mt",
            {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "type": "문자", "report_code": "0' "},
            {"type": "1400", "report_code": "1400"},
        ),
        ("hist/mt", {"message_id": "m-1", "size": "2"}, {"size": "1400"}),
        ("codes", {"family": "none", "x": "1"}, {"x": "1400", "family": "1400"}),
    ],
)  # fmt: skip
async def test_bad_queries_get_all_their_faults(client, path, query, codes):
    answered = await client.get(f"/ims/keymass/{path}", params=query)
    assert answered.status_code == 400
    body = answered.json()
    told = {e["field"]: e["code"] for e in body["errors"]} if "errors" in body else {}
    assert told == codes if len(codes) > 1 else body["code"] in codes.values()


async def test_paths_that_are_none(client):
    assert (await client.get("/ims/keymass/hist/sms", params={"message_id": "m"})).json()["code"] == "1404"
    assert (await client.post("/ims/keymass/stat")).json()["code"] == "1405"
