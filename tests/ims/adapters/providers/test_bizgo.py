"""Bizgo against the official SDK: same bodies, same signatures, same codes; and what the adapter makes of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from bizgo._error_codes import SERVICE_CODES
from bizgo.models import AlimtalkMessage, BrandMessage, MmsMessage, SendOmniRequest, SmsMessage
from bizgo.testing import FakeTransport, sign_webhook

from ims.adapters.providers.bizgo import calls, codes
from ims.adapters.providers.bizgo.adapter import Bizgo
from ims.adapters.providers.bizgo.reports import epoch_ms
from ims.adapters.providers.bizgo.stub import API_KEY, Stub, report
from ims.errors import CallRefused, Misconfigured, NotSent, Rejected, Unclear
from ims.ports.providers import Outgoing, OutgoingCall
from ims.results import listed
from ims.topics import SendType

ROOT = Path(__file__).parents[4]
URL = "https://mars.invalid"
MEMBERS = [
    Outgoing("u0000000000000000000000000a", "01023450001", "#{name}님 안녕하세요", {"name": "홍길동"}),
    Outgoing("u0000000000000000000000000b", "01023450002", "#{name}님 안녕하세요", {"name": "#{name}"}),
]
PLAIN = [Outgoing("r1", "01023450001", "인증번호 123456", {})]
BUTTON = {
    "button": [
        {"name": "배송조회", "type": "DS"},
        {"name": "보기", "type": "WL", "url_mobile": "https://m.example.com", "url_pc": "https://example.com", "target": None},
        {"name": "앱", "type": "AL", "scheme_ios": "app://i", "scheme_android": "app://a"},
        {"name": "상담", "type": "BT", "chat_extra": "x", "chat_event": "y"},
    ],
    "item_highlight": {"title": "주문", "description": "완료"},
    "item": {"list": [{"title": "상품", "description": "책"}, {"title": "수량", "description": "1"}]},
}
SDK_BUTTON = {
    "button": [
        {"name": "배송조회", "type": "DS"},
        {"name": "보기", "type": "WL", "urlMobile": "https://m.example.com", "urlPc": "https://example.com"},
        {"name": "앱", "type": "AL", "schemeIos": "app://i", "schemeAndroid": "app://a"},
        {"name": "상담", "type": "BT", "chatExtra": "x", "chatEvent": "y"},
    ],
    "itemHighlight": {"title": "주문", "description": "완료"},
    "item": {"list": [{"title": "상품", "description": "책"}, {"title": "수량", "description": "1"}]},
}
QUICK = {"quick_reply": [{"name": "상담", "type": "BK"}]}
WEB_LINK = {"name": "보기", "type": "WL", "url_mobile": "https://a.example"}
WEB = {"name": "보기", "type": "WL", "urlMobile": "https://a.example", "urlPc": "https://a.example"}
COUPON = {
    "button": [WEB_LINK],
    "coupon": {"title": "1000원 할인 쿠폰", "description": "오늘만", "url_mobile": "https://a.example"},
}
PICTURE = {"image": {"img_url": "https://k.example/a.jpg", "img_link": "https://a.example"}}
FREE = {"send_mode": "free", "targeting": "I", "ad_flag": "Y", "push_alarm": "Y"}
BASIC = {"send_mode": "basic", "targeting": "M", "ad_flag": "Y", "push_alarm": "N"}
VARIABLES = {
    "send_mode": "variable",
    "message_variable": {"user_name": "#{name}"},
    "button_variable": {"link_1": "https://a.example"},
    "image_variable": [{"img_url": "https://k.example/a.jpg"}],
}
WORDLESS = [Outgoing("r1", "01023450001", "", {"name": "홍길동"})]
GOODS = {
    "image": {"img_url": "https://k.example/a.jpg"},
    "button": [WEB_LINK],
    "commerce": {"title": "#{name}", "regular_price": 1000, "discount_price": 900, "discount_rate": 10},
}
SDK_GOODS = {
    "image": {"imgUrl": "https://k.example/a.jpg"},
    "button": [WEB],
    "commerce": {"title": "홍길동", "regularPrice": 1000, "discountPrice": 900, "discountRate": 10},
}
HEAD = {"header": "머리", "content": "본문"}
CAROUSEL = {
    "head": HEAD | {"image_url": "https://k.example/h.jpg"},
    "list": [{"attachment": GOODS}, {"attachment": GOODS, "additional_content": "더"}],
    "tail": {"url_mobile": "https://a.example"},
}
SDK_CAROUSEL = {
    "head": HEAD | {"imageUrl": "https://k.example/h.jpg"},
    "list": [{"attachment": SDK_GOODS}, {"attachment": SDK_GOODS, "additionalContent": "더"}],
    "tail": {"urlMobile": "https://a.example"},
}
AT = {"sender_key": "S" * 40, "template_code": "T1"}


def call(send_type: SendType, members: list[Outgoing] = MEMBERS, **more: Any) -> OutgoingCall:
    return OutgoingCall("key-1", 3600, send_type, members, **more)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (call(SendType.SMS, callback="0212345678"), SmsMessage(from_="0212345678", text=MEMBERS[0].text)),
        (call(SendType.SMS, PLAIN, callback="15441234"), SmsMessage(from_="15441234", text=PLAIN[0].text)),
        (call(SendType.LMS, callback="0212345678"), MmsMessage(from_="0212345678", text=MEMBERS[0].text)),
        (call(SendType.LMS, callback="0212345678", title="알림"), MmsMessage(from_="0212345678", text=MEMBERS[0].text, title="알림")),
        (call(SendType.AT, **AT), AlimtalkMessage(sender_key="S" * 40, template_code="T1", msg_type="AT", text=MEMBERS[0].text)),
        (
            call(SendType.AT, message_type="AI", title="강조", header="헤더", attachment=BUTTON, supplement=QUICK, **AT),
            AlimtalkMessage(
                sender_key="S" * 40, template_code="T1", msg_type="AI", text=MEMBERS[0].text, title="강조", header="헤더",
                attachment=SDK_BUTTON, supplement={"quickReply": QUICK["quick_reply"]},
            ),
        ),
        (
            call(SendType.BT, PLAIN, message_type="TEXT", sender_key="S" * 40, attachment=COUPON, fields=FREE | {"ad_flag": "N"}),
            BrandMessage(
                send_type="free", msg_type="FT", sender_key="S" * 40, targeting="I", text=PLAIN[0].text, ad_flag="N", push_alarm="Y",
                attachment={"button": [WEB], "coupon": {"title": "1000원 할인 쿠폰", "description": "오늘만", "urlMobile": "https://a.example"}},
            ),
        ),
        (
            call(SendType.BT, PLAIN, message_type="FI", sender_key="S" * 40, template_code="T", attachment=PICTURE, fields=BASIC),
            BrandMessage(
                send_type="basic", msg_type="FI", sender_key="S" * 40, template_code="T", targeting="M", text=PLAIN[0].text, push_alarm="N",
                attachment={"image": {"imgUrl": "https://k.example/a.jpg", "imgLink": "https://a.example"}},
            ),
        ),
        (
            call(SendType.BT, WORDLESS, message_type="CAROUSEL_COMMERCE", sender_key="S" * 40, fields=FREE | {"carousel": CAROUSEL}),
            BrandMessage(
                send_type="free", msg_type="FA", sender_key="S" * 40, targeting="I", ad_flag="Y", push_alarm="Y", carousel=SDK_CAROUSEL
            ),
        ),
        (
            call(SendType.BT, WORDLESS, message_type="IMAGE", sender_key="S" * 40, template_code="T", fields=BASIC | VARIABLES),
            BrandMessage(
                send_type="basic", msg_type="FI", sender_key="S" * 40, template_code="T", targeting="M", push_alarm="N",
                message_variable={"user_name": "홍길동"}, button_variable={"link_1": "https://a.example"},
                image_variable={"img_url": "https://k.example/a.jpg"},
            ),
        ),
    ],
)  # fmt: skip
def test_our_body_is_the_sdks_own_for_the_same_call(ours: OutgoingCall, theirs: Any) -> None:
    fake = FakeTransport()
    to = [{"to": m.to, "ref": m.ref} | ({"replaceWords": dict(m.mapping)} if m.mapping else {}) for m in ours.members]
    fake.client().send.omni(to=to, messages=[theirs], idempotency_key=ours.key, idempotency_ttl=ours.key_ttl_s)
    body = json.loads(calls.body(ours))
    assert body == fake.last_request.json
    assert fake.last_request.path == calls.PATH
    SendOmniRequest.model_validate(body)


@pytest.mark.parametrize("members", [[], MEMBERS * 101, [*MEMBERS, *PLAIN]])
def test_a_call_that_bizgo_cannot_take_is_refused_before_it_is_made(members: list[Outgoing]) -> None:
    with pytest.raises(CallRefused):
        calls.body(call(SendType.SMS, members))


def test_parts_that_differ_are_not_sent_as_one_and_are_rendered_where_they_do_not() -> None:
    linked = {"button": [{"name": "보기", "type": "WL", "url_mobile": "https://a.example/#{name}"}]}
    with pytest.raises(CallRefused):
        calls.body(call(SendType.AT, attachment=linked, **AT))
    alone = json.loads(calls.body(call(SendType.AT, MEMBERS[:1], attachment=linked, **AT)))
    assert alone["messageFlow"][0]["alimtalk"]["attachment"]["button"][0]["urlMobile"] == "https://a.example/홍길동"
    assert alone["messageFlow"][0]["alimtalk"]["text"] == MEMBERS[0].text  # Bizgo fills this in by replaceWords


async def test_a_user_of_an_app_cannot_be_named_to_bizgo_and_the_others_go() -> None:
    stub = Stub()
    members = [PLAIN[0]._replace(ref="r0", to="u1", to_kind="user"), *PLAIN]
    brand = {"message_type": "TEXT", "sender_key": "S" * 40, "fields": FREE}
    async with stubbed(stub) as provider:
        answers = await provider.send(call(SendType.BT, members, **brand))
        assert [(a.status, a.code) for a in answers] == [("failed", "1015"), ("accepted", "")]
        assert [a.code for a in await provider.send(call(SendType.BT, members[:1], **brand))] == ["1015"]
        polled = await provider.poll()
    assert [(sent.to, sent.channel) for sent in stub.sent] == [(PLAIN[0].to, "brandmessage")]
    assert polled is not None
    assert [(r.ref, r.status, r.report_type) for r in polled.reports] == [("r1", "delivered", "BT")]


def test_every_mapped_request_code_is_one_of_the_sdk_and_becomes_a_listed_one() -> None:
    assert [code for code in codes._REQUEST if code not in SERVICE_CODES] == []
    for code in codes._REQUEST:
        for family in ("mt", "kakao"):
            ours = codes.of_request(family, code)
            assert ours is not None and listed(family, ours), code
    assert codes.described("A327") == "미등록 발신번호"


@pytest.mark.parametrize(
    ("family", "code", "ours"),
    [
        ("mt", "10000", "0000"), ("kakao", "10000", "0000"), ("kakao", "MS03", "0000"), ("kakao", "ME09", "3005"),
        ("mt", "3003", "3003"), ("mt", "M008", "3012"), ("mt", "M017", "3025"), ("kakao", "3018", "3018"),
        ("mt", "MS03", None), ("mt", "47110", None), ("ims", "3003", None), ("kakao", "0000", "0000"),
    ],
)  # fmt: skip
def test_report_codes(family: str, code: str, ours: str | None) -> None:
    assert codes.of_report(family, code) == ours


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-22T09:00:00+09:00", "2026-11-22T00:00:00"),
        ("2026-11-22T09:00:00.123+09:00", "2026-11-22T00:00:00.123"),
        ("2026-11-22T09:00:00", "2026-11-22T00:00:00"),  # without an offset it is Korean
        ("2026-11-22 09:00:00", "2026-11-22T00:00:00"),
        ("2026-11-22T00:00:00Z", "2026-11-22T00:00:00"),
    ],
)
def test_times_without_an_offset_are_korean(text: str, utc: str) -> None:
    assert epoch_ms(text) == round(datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp() * 1000)


def test_a_time_that_cannot_be_read_does_not_lose_the_report() -> None:
    assert abs(epoch_ms("yesterday") - time.time() * 1000) < 2_000


@asynccontextmanager
async def stubbed(stub: Stub, **more: Any) -> AsyncIterator[Bizgo]:
    runner = web.AppRunner(stub.app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider = Bizgo(f"http://127.0.0.1:{runner.addresses[0][1]}", API_KEY, "bulk", timeout_s=2, **more)
    try:
        yield provider
    finally:
        await provider.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("mode", "error", "code"),
    [
        ("A327", CallRefused, "3050"),
        ("A322", CallRefused, "3012"),
        ("A330", CallRefused, "7101"),
        ("A100", CallRefused, "8003"),
        ("A111", CallRefused, "8003"),
        ("A020", NotSent, "8004"),
        ("A910", Unclear, "8002"),
        ("A920", Unclear, "8002"),  # "for a moment": says nothing about this call
        ("A999", Unclear, "8002"),
        ("A250", CallRefused, "9999"),  # unlisted, but 400 is definite
        ("away", Unclear, "8002"),
    ],
)
async def test_a_code_for_the_whole_call(mode: str, error: type[Exception], code: str) -> None:
    unlisted: list[str] = []
    stub = Stub(mode=mode)
    async with stubbed(stub, on_unlisted=unlisted.append) as provider:
        with pytest.raises(error) as caught:
            await provider.send(call(SendType.SMS, PLAIN, callback="0212345678"))
    assert (type(caught.value), caught.value.code) == (error, code)  # type: ignore[attr-defined]
    assert unlisted == (["A250"] if mode == "A250" else []) and stub.sent == []


async def test_a_wrong_address_reaches_nobody() -> None:
    async with stubbed(Stub()) as provider:
        provider._http._base_url += "/elsewhere"
        with pytest.raises(NotSent) as caught:
            await provider.send(call(SendType.SMS, callback="0212345678"))
    assert caught.value.code == "8001"


async def test_an_answer_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ims.adapters.providers.transport.MAX_ANSWER_BYTES", 100)
    async with stubbed(Stub()) as provider:
        with pytest.raises(Unclear) as caught:
            await provider.send(call(SendType.SMS, callback="0212345678"))
    assert caught.value.code == "8005"


async def test_one_word_for_a_repeated_request_means_everybody_is_there() -> None:
    async with stubbed(Stub(mode="A301")) as provider:
        answers = await provider.send(call(SendType.SMS, callback="0212345678"))
    assert [(a.status, a.provider_code) for a in answers] == [("accepted", "A301")] * 2


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ("A306", "failed", "3003"),
        ("A324", "failed", "3012"),
        ("A301", "accepted", ""),
        ("A999", "unknown", "8002"),
        ("A250", "unknown", "8005"),
    ],
)
async def test_a_code_for_one_destination(given: str, status: str, code: str) -> None:
    unlisted: list[str] = []
    async with stubbed(Stub(codes={"01023450002": given}), on_unlisted=unlisted.append) as provider:
        answers = await provider.send(call(SendType.SMS, callback="0212345678"))
    assert [(a.status, a.code) for a in answers] == [("accepted", ""), (status, code)]
    assert answers[1].provider_code == given and unlisted == (["A250"] if given == "A250" else [])


async def test_an_owner_may_bring_more_report_codes() -> None:
    stub = Stub(outcomes={"01023450001": "43018", "01023450002": "10000"})
    async with stubbed(stub, more_codes={"kakao": {"43018": "3018"}}) as provider:
        await provider.send(call(SendType.AT, **AT))
        polled = await provider.poll()
        assert polled is not None
        assert [(r.ref[-1], r.status, r.code, r.provider_code) for r in polled.reports] == [
            ("a", "failed", "3018", "43018"), ("b", "delivered", "0000", "10000"),
        ]  # fmt: skip


async def test_a_strange_report_does_not_hold_back_its_batch() -> None:
    good = report("K1", "r1", "sms", "10000")
    stub = Stub(reports=[good | {"reportCode": 10000, "resCnt": 1, "new": {}}, good | {"reportTime": None, "ref": None}, good])
    async with stubbed(stub) as provider:
        polled = await provider.poll()
        assert polled is not None
        assert [(r.ref, r.code) for r in polled.reports] == [("r1", "0000"), ("", "0000"), ("r1", "0000")]


async def test_where_reports_are_posted_nothing_is_polled() -> None:
    stub = Stub(reports=[report("K1", "r1", "sms", "10000")])
    async with stubbed(stub, reports="webhook", webhook_secret="s") as provider:
        assert await provider.poll() is None


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_webhook_as_the_sdk_signs_it(encoding: Any) -> None:
    provider = Bizgo(URL, "key", "fast", reports="webhook", webhook_secret="secret")
    now_ms = 1_790_000_000_000
    headers, body = sign_webhook("secret", report("KEY1", "r1", "alimtalk", "ME09"), timestamp=now_ms, encoding=encoding)
    (told,) = provider.webhook(headers, body, now_ms + 299_000)
    assert (told.ref, told.status, told.code, told.report_type) == ("r1", "unknown", "3005", "AT")
    assert json.loads(provider.webhook_answer(body)) == {"msgKey": "KEY1"}
    for wrong, at in (({}, now_ms), (headers | {"X-IB-Signature": "00"}, now_ms), (headers, now_ms + 301_000)):
        with pytest.raises(Rejected) as caught:
            provider.webhook(wrong, body, at)
        assert caught.value.code == "1401"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"base_url": "http://mars.example.com"}, "IMS_BIZGO_BASE_URL"),
        ({"api_key": ""}, "IMS_BIZGO_API_KEY"),
        ({"api_key": "Bearer x"}, "IMS_BIZGO_API_KEY"),
        ({"reports": "both"}, "IMS_BIZGO_REPORTS"),
        ({"reports": "webhook"}, "IMS_BIZGO_WEBHOOK_SECRET"),
    ],
)
def test_a_wrong_setting_is_named_at_the_start(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        Bizgo(**{"base_url": URL, "api_key": "key", "account": "bulk"} | settings)


def test_the_adapter_does_not_import_the_sdk() -> None:
    program = (
        "import sys, ims.adapters.providers.bizgo.adapter as a; a.Bizgo('https://mars.invalid', 'key', 'bulk');"
        "sys.exit('bizgo' in sys.modules or 'pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
