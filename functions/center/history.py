"""`hist`: history rows of a service key, the newest first, by message, recipient or period (domain 9.3)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from functions.center import paging
from functions.center.desk import Desk
from ims.ports.histories import Page, Place, Wanted
from ims.ports.registry import ServiceKey
from ims.results import family_of, look_up
from ims.rules import email, phone
from ims.rules.result import iso
from ims.runtime.clients.query import NEVER, Query

PATH = re.compile(r"/ims/([^/]+)/hist/(kakao|mt|email|push|rcs)")
CHANNELS = {"kakao": ("AT", "FT", "BT"), "mt": ("MT",), "email": ("EM",), "push": ("PU",), "rcs": ("RC",)}
RESULTS = ("DELIVERED", "FAILED", "UNKNOWN", "REJECTED", "EXPIRED", "CANCELLED")
MOST_ROWS = 1_000
PAGE_ROWS = 100
MOST_PERIOD = timedelta(days=31)
_NARROWER = ("type", "result", "report_code", "bill_code", "recipient", "cursor", "size", "from", "to")
_BY_NUMBER = ("kakao", "mt", "rcs")


async def read(desk: Desk, key: ServiceKey, channel: str, query: str) -> dict[str, Any]:
    """One message by its id, or a page of a period."""
    asked = Query(query, ("message_id", *_NARROWER))
    if asked.given("message_id"):
        return await _message(desk, key, channel, asked)
    since, until = asked.instant("from"), asked.instant("to")
    if NEVER not in (since, until) and not timedelta(0) < until - since <= MOST_PERIOD:
        asked.wrong("to", "from보다 뒤이고 31일 이내여야 합니다.", "It must be later than `from`, by 31 days at most.")
    size = asked.number("size", MOST_ROWS, PAGE_ROWS)
    after = _place(desk, key, asked)
    wanted = Wanted(
        key.key,
        CHANNELS[channel],
        int(since.timestamp() * 1_000),
        int(until.timestamp() * 1_000),
        recipient=_recipient(desk, channel, asked),
        report_type=asked.plain("type", 8),
        result=asked.one_of("result", RESULTS),
        report_code=asked.plain("report_code", 8),
        bill_code=asked.word("bill_code", 20),
    )
    asked.done()
    return _told(desk, key, await desk.histories.page(wanted, after, size))


async def _message(desk: Desk, key: ServiceKey, channel: str, asked: Query) -> dict[str, Any]:
    message_id = asked.word("message_id", 30)
    for name in _NARROWER:
        if asked.given(name):
            asked.wrong(name, "message_id와 함께 쓸 수 없습니다.", "It does not go with message_id.")
    asked.done()
    place = await desk.place(key, message_id)
    row = await desk.histories.at(key.key, place) if place else None
    if row is None or row["channel"] not in CHANNELS[channel]:
        return _told(desk, key, Page([], None))
    return _told(desk, key, Page([row], None))


def _recipient(desk: Desk, channel: str, asked: Query) -> bytes:
    value = asked.word("recipient", 254)
    if not value:
        return b""
    if channel == "email":
        mailbox = email.address(value)  # rows are found by what is kept: small letters, a domain as the DNS spells it
        if mailbox is None:
            asked.wrong("recipient", "올바른 메일 주소가 아닙니다.", "It is not an e-mail address.", "2050")
        return desk.index(mailbox or value)
    number = phone.recipient(value) if channel in _BY_NUMBER else value
    if number is None and channel != "kakao":  # AlimTalk goes to an app_user_id too
        asked.wrong("recipient", "올바른 수신번호가 아닙니다.", "It is not a telephone number.", "2050")
    return desk.index(number or value)


def _place(desk: Desk, key: ServiceKey, asked: Query) -> Place | None:
    birth, _, pos = paging.place(desk, asked, _pages(key)).partition(".")
    return Place(birth, int(pos)) if birth else None


def _told(desk: Desk, key: ServiceKey, page: Page) -> dict[str, Any]:
    stopped_at = f"{page.next.birth}.{page.next.pos}" if page.next else None
    return paging.told(desk, [_row(row) for row in page.rows], stopped_at, _pages(key))


def _pages(key: ServiceKey) -> str:
    return f"hist/{key.key}"


def _row(row: dict[str, Any]) -> dict[str, Any]:
    code = look_up(family_of(row["report_type"]), row["report_code"])
    return {
        "message_id": row["message_id"],
        "campaign_id": row["campaign_id"],
        "type": row["channel"],
        "result": row["result"],
        "recipient": row["recipient"],
        "template_code": row["template_code"],
        "bill_code": row["bill_code"],
        "received_at": _time(row["received_at"]),
        "distribution_at": _time(row["distributed_at"]),
        "sent_at": _time(row["sent_at"]),
        "response_at": _time(row["response_at"]),
        "report_at": _time(row["report_at"]),
        "report_type": row["report_type"],
        "report_code": row["report_code"],
        "report_message": code.ko,
        "report_message_en": code.en,
        "provider": row["provider"],
        "provider_code": row["provider_code"],
        "attempts": row["attempts"],
    }


def _time(at_ms: int) -> str | None:
    return iso(at_ms) if at_ms else None
