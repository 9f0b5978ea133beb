"""The magic numbers do what their table says, and the document shows that table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from ims.adapters.providers.simulator import magic
from ims.adapters.providers.simulator.adapter import Simulator
from ims.adapters.providers.simulator.faults import MODES
from ims.adapters.providers.simulator.server import create_app
from ims.adapters.providers.simulator.settings import Settings
from ims.errors import NotSent, Unclear
from ims.ports.providers import Outgoing, OutgoingCall
from ims.protocol.events import DeliveryReport
from ims.results import SUCCESS, ResultClass, family_of, look_up
from ims.topics import SendType

SCALE = 0.02
HANGING = ("01099990600", "01099990601")  # for 60 s x SCALE: longer than a caller who waits 0.8 s
DOC = Path(__file__).parents[4] / "docs" / "simulator.md"


@asynccontextmanager
async def simulated(keys: str = "call", timeout_s: float = 10) -> AsyncIterator[Simulator]:
    runner = web.AppRunner(create_app(Settings(keys=keys, magic_scale=SCALE)), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider = Simulator(f"http://127.0.0.1:{runner.addresses[0][1]}", "bulk", keys=keys, timeout_s=timeout_s)
    try:
        yield provider
    finally:
        await provider.close()
        await runner.cleanup()


def call(*numbers: str, send_type: SendType = SendType.SMS, key: str = "k1") -> OutgoingCall:
    return OutgoingCall(key, 60, send_type, [Outgoing(f"m{i}", to, "안녕", {}) for i, to in enumerate(numbers)])


async def reports(provider: Simulator, count: int, more_s: float = 0.05) -> list[DeliveryReport]:
    """So many reports, and what else comes shortly after."""
    told: list[DeliveryReport] = []
    end = time.monotonic() + 3
    while time.monotonic() < end:
        polled = await provider.poll()
        if polled is not None:
            told += polled.reports
            await provider.acknowledge(polled.batch_id)
        elif len(told) < count:
            await asyncio.sleep(0.01)
        else:
            end = min(end, time.monotonic() + more_s)
            more_s = 3
            await asyncio.sleep(0.01)
    return told


REPORTED = [m for m in magic.ALL if not m.call and not m.refused]
PLACE = {SendType.SMS: 0, SendType.AT: 0, SendType.RCS: 0, SendType.EMAIL: 1, SendType.PUSH: 2}  # which of its recipients


def own(row: magic.Magic, family: str) -> bool:
    return any(getattr(told, family) != SUCCESS for told in row.reports)


@pytest.mark.parametrize(
    ("row", "send_type"),
    [(row, t) for row in REPORTED for t in PLACE if t in (SendType.SMS, SendType.AT) or own(row, family_of(t.report_type))],
    ids=lambda value: getattr(value, "digits", value),
)
async def test_what_is_reported_is_what_the_table_says(row: magic.Magic, send_type: SendType) -> None:
    async with simulated() as provider:
        (answer,) = await provider.send(call(row.recipients[PLACE[send_type]], send_type=send_type))
        assert answer.status == "accepted"
        kind = send_type.report_type
        expected = [(t.status(kind), t.code(kind)) for t in row.reports]
        told = await reports(provider, len(expected))
        assert [(r.status, r.provider_code or r.code) for r in told] == expected


# what end-to-end tests stand on: the numbers themselves, spelled out once more
@pytest.mark.parametrize(
    ("number", "send_type", "told"),
    [
        ("01099990001", SendType.SMS, []),
        ("01099990002", SendType.SMS, [("delivered", "0000")] * 2),
        ("01099990003", SendType.AT, [("unknown", "4001"), ("delivered", "0000")]),
        ("01099990004", SendType.SMS, [("delivered", "0000"), ("failed", "3000")]),
        ("01099992003", SendType.SMS, [("failed", "2003")]),
        ("01099993003", SendType.LMS, [("failed", "3003")]),
        ("01099993018", SendType.SMS, [("failed", "3018")]),
        ("01099993018", SendType.AT, [("delivered", "0000")]),
        ("01099997018", SendType.AT, [("failed", "3018")]),
        ("01099997018", SendType.SMS, [("delivered", "0000")]),
        ("01099997005", SendType.AT, [("unknown", "3005")]),
        ("01099997003", SendType.AT, [("failed", "3019")]),
        ("01099997003", SendType.SMS, [("failed", "3003")]),
        ("01099990008", SendType.SMS, [("unknown", "8005")]),
        ("01099999999", SendType.SMS, [("delivered", "0000")]),  # of the range, but in no row
        ("01099980001", SendType.SMS, [("delivered", "0000")]),
    ],
)
async def test_numbers_that_others_rely_on(number: str, send_type: SendType, told: list[tuple[str, str]]) -> None:
    async with simulated() as provider:
        await provider.send(call(number, send_type=send_type))
        assert [(r.status, r.code) for r in await reports(provider, len(told))] == told


async def test_seconds_are_scaled() -> None:
    async with simulated() as provider:
        await provider.send(call("01099990005", "01023450000"))
        sent_at = time.monotonic()
        at_once, later = await reports(provider, 2, 0)
        assert time.monotonic() - sent_at > 0.09
        assert (at_once.ref, later.ref, later.reported_at - at_once.reported_at) == ("m1", "m0", 5_000 * SCALE)


async def test_a_refused_member_leaves_the_rest_of_its_call_alone() -> None:
    async with simulated() as provider:
        for send_type, code in ((SendType.SMS, "3050"), (SendType.AT, "3015")):
            answers = await provider.send(call("01023450000", "01099990007", send_type=send_type, key=send_type))
            assert [(a.status, a.code) for a in answers] == [("accepted", ""), ("failed", code)]


@pytest.mark.parametrize("keys", ["call", "recipient"])
@pytest.mark.parametrize(
    ("number", "then"),
    [
        ("01099990429", [NotSent, NotSent, "accepted"]),
        ("01099990430", [NotSent] * 4),
        ("01099990500", [Unclear, "accepted"]),
        ("01099990501", [Unclear] * 3),
        ("01099990600", [Unclear] * 2),
        ("01099990601", [Unclear, "accepted"]),
        ("01099990602", [Unclear, "accepted"]),
        ("01099990603", [Unclear] * 2),
        ("01099990604", [Unclear, "accepted"]),
        ("01099990006", ["accepted"]),
    ],
)
async def test_a_whole_call_meets_the_number_in_it(number: str, keys: str, then: list[object]) -> None:
    async with simulated(keys, timeout_s=0.8 if number in HANGING else 10) as provider:
        fixed = call("01023450000", number, "01023450002")
        for expected in then:
            if isinstance(expected, str):
                assert {a.status for a in await provider.send(fixed)} == {expected}
            else:
                with pytest.raises(expected):  # type: ignore[call-overload]
                    await provider.send(fixed)
        expected = ["m0", "m1", "m2"] if "accepted" in then else []
        assert sorted(r.ref for r in await reports(provider, len(expected))) == expected


async def test_tries_are_counted_for_each_key() -> None:
    async with simulated() as provider:
        for key in ("k1", "k2"):
            with pytest.raises(Unclear):
                await provider.send(call("01099990500", key=key))
            assert (await provider.send(call("01099990500", key=key)))[0].status == "accepted"


def test_there_is_a_number_for_every_class_of_code() -> None:
    classes = {"mt": set(), "kakao": set()}  # type: dict[str, set[ResultClass]]
    for row in magic.ALL:
        for told in row.reports:
            classes["mt"].add(look_up("mt", told.mt).result_class)
            classes["kakao"].add(look_up("kakao", told.kakao).result_class)
    assert classes == {"mt": set(ResultClass), "kakao": set(ResultClass)}


def test_every_magic_number_is_of_the_documented_range_and_stands_once() -> None:
    assert all(len(row.recipients[0]) == 11 and row.recipients[0].startswith("0109999") for row in magic.ALL)
    assert len(magic.MAGIC) == 3 * len(magic.ALL)


def test_a_call_with_a_magic_recipient_is_seen_by_its_bytes() -> None:
    assert all(magic.may_hold(recipient.encode()) for recipient in magic.MAGIC)
    assert not magic.may_hold(b"01055501234 somebody@example.com")


def test_the_document_shows_the_table_and_every_fault() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert magic.table() in text
    assert [mode for mode in MODES if f"| `{mode}` |" not in text] == []
