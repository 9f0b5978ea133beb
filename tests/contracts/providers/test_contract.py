"""What every provider promises (ims/ports/providers.py), on the simulator's real server and on the stub of Bizgo."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from ims.errors import CallRefused, NotSent, ProviderError, Rejected, Unclear
from ims.results import look_up
from ims.topics import SendType

NOTHING_SENT = {"429", "500", "close_before"}


async def test_every_member_is_answered_in_order_and_reported_once(rig: Any, make_call: Any) -> None:
    call = make_call()
    answers = await rig.provider.send(call)
    assert [(a.status, a.code) for a in answers] == [("accepted", "")] * 3
    assert len({a.provider_id for a in answers}) == 3
    polled = await rig.provider.poll()
    assert [(r.ref, r.status, r.code, r.report_type) for r in polled.reports] == [
        (m.ref, "delivered", "0000", "SMS") for m in call.members
    ]
    assert all(abs(r.reported_at - time.time() * 1000) < 5_000 for r in polled.reports)


async def test_a_repeat_under_the_key_is_accepted_and_sends_nothing_again(rig: Any, make_call: Any) -> None:
    for _ in range(3):
        assert {a.status for a in await rig.provider.send(make_call())} == {"accepted"}
    assert await rig.sent() == ["m000", "m001", "m002"]
    await rig.provider.send(make_call(key="k2"))
    assert len(await rig.sent()) == 6


@pytest.mark.parametrize("send_type", list(SendType))
async def test_every_type_goes_out_and_is_reported_as_what_it_is(rig: Any, make_call: Any, send_type: SendType) -> None:
    if send_type not in rig.types:
        pytest.skip("this provider does not send it")
    assert {a.status for a in await rig.provider.send(make_call(send_type=send_type))} == {"accepted"}
    # empty: the provider's word means several types, and the call's own stands
    assert {r.report_type for r in (await rig.provider.poll()).reports} <= {send_type.report_type, ""}


async def test_a_full_call_fits(rig: Any, make_call: Any) -> None:
    most = rig.provider.abilities.max_members
    numbers = [f"0103456{i:04d}" for i in range(most)]
    answers = await rig.provider.send(make_call(numbers=numbers))
    assert len(answers) == most == len(await rig.sent())


@pytest.mark.parametrize(
    ("behaviour", "error", "code"),
    [
        ("429", NotSent, "8004"),
        ("500", Unclear, "8002"),
        ("close_before", Unclear, "8002"),
        ("close_after", Unclear, "8002"),
        ("garbage", Unclear, "8005"),
        ("hang", Unclear, "8002"),
    ],
)
async def test_a_call_that_fails_whole_says_what_may_be_done(
    rig: Any, make_call: Any, behaviour: str, error: type[ProviderError], code: str
) -> None:
    with pytest.raises(error) as caught:
        await rig.provider.send(rig.behave(make_call(), behaviour))
    assert type(caught.value) is error and caught.value.code == code
    assert (caught.value.retry_after_s is not None) == (behaviour == "429")
    if behaviour in NOTHING_SENT:
        assert await rig.sent() == []


@pytest.mark.parametrize("behaviour", ["close_after", "garbage"])
async def test_a_lost_answer_is_found_again_by_repeating_the_call(rig: Any, make_call: Any, behaviour: str) -> None:
    call = rig.behave(make_call(), behaviour)
    with pytest.raises(Unclear):
        await rig.provider.send(call)
    assert {a.status for a in await rig.provider.send(call)} == {"accepted"}
    assert await rig.sent() == ["m000", "m001", "m002"]


async def test_a_wrong_credential_is_final_and_sends_nothing(rig: Any, make_call: Any) -> None:
    with pytest.raises(CallRefused) as caught:
        await rig.impostor.send(make_call())
    assert caught.value.code == "8003" and await rig.sent() == []
    with pytest.raises(Unclear):
        await rig.impostor.poll()


async def test_a_provider_that_nobody_can_reach_surely_sent_nothing(rig: Any, make_call: Any) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()
    rig.provider._http._base_url = url
    with pytest.raises(NotSent) as caught:
        await rig.provider.send(make_call())
    assert caught.value.code == "8001"
    with pytest.raises(Unclear):
        await rig.provider.poll()


async def test_one_refused_member_does_not_touch_the_others(rig: Any, make_call: Any) -> None:
    answers = await rig.provider.send(make_call(numbers=["01023450000", rig.number("refused"), "01023450002"]))
    assert [a.status for a in answers] == ["accepted", "failed", "accepted"]
    assert look_up("mt", answers[1].code).result_class in {"PERMANENT", "CONFIG"} and answers[1].provider_code
    assert await rig.sent() == ["m000", "m002"]


async def test_a_failure_is_reported_in_our_codes(rig: Any, make_call: Any) -> None:
    await rig.provider.send(make_call(numbers=[rig.number("dead")]))
    (report,) = (await rig.provider.poll()).reports
    assert (report.ref, report.status, report.code) == ("m000", "failed", "3003")


async def test_an_unlisted_code_is_unknown_kept_and_counted(rig: Any, make_call: Any) -> None:
    await rig.provider.send(make_call(numbers=["01023450000", rig.number("unlisted")]))
    reports = {r.ref: r for r in (await rig.provider.poll()).reports}
    assert (reports["m000"].status, reports["m001"].status, reports["m001"].code) == ("delivered", "unknown", "8005")
    assert rig.unlisted == [reports["m001"].provider_code] and rig.unlisted[0]


async def test_reports_come_again_until_they_are_acknowledged(rig: Any, make_call: Any) -> None:
    assert await rig.provider.poll() is None
    await rig.provider.send(make_call())
    first = await rig.provider.poll()
    await asyncio.sleep(0.2)
    again = await rig.provider.poll()
    assert again.reports == first.reports
    await rig.provider.acknowledge(again.batch_id)
    assert await rig.provider.poll() is None
    await rig.provider.acknowledge(again.batch_id)


async def test_asking_never_says_more_than_the_provider_knows(rig: Any, make_call: Any) -> None:
    call = make_call()
    await rig.provider.send(call)
    status = "accepted" if rig.provider.abilities.can_ask else "unknown"
    assert {a.status for a in await rig.provider.ask(call)} == {status}


async def test_a_signed_webhook_is_read(rig: Any) -> None:
    headers, body = rig.signed("m007")
    (report,) = rig.provider.webhook(headers, body, int(time.time() * 1000))
    assert (report.ref, report.status, report.code, report.report_type) == ("m007", "delivered", "0000", "SMS")
    assert rig.provider.webhook_answer(body)


@pytest.mark.parametrize(
    ("secret", "age_ms", "body", "code"),
    [
        ("another secret", 0, None, "1401"),
        ("a secret for tests", 301_000, None, "1401"),
        ("a secret for tests", -301_000, None, "1401"),
        ("a secret for tests", 0, b"{", "1400"),
        ("a secret for tests", 0, b"[[1]]", "1400"),
        ("a secret for tests", 0, b'"\xff"', "1400"),
        ("a secret for tests", 0, b"[" * 100_000, "1400"),
    ],
)
async def test_a_webhook_that_is_wrong_is_rejected(rig: Any, secret: str, age_ms: int, body: bytes | None, code: str) -> None:
    now_ms = int(time.time() * 1000)
    headers, content = rig.signed("m007", secret=secret, at_ms=now_ms - age_ms, body=body)
    with pytest.raises(Rejected) as caught:
        rig.provider.webhook(headers, content, now_ms)
    assert caught.value.code == code
    with pytest.raises(Rejected):
        rig.provider.webhook({}, content, now_ms)


async def test_nothing_that_can_be_printed_holds_a_number_a_text_or_a_key(rig: Any, make_call: Any) -> None:
    call = rig.behave(make_call(), "500")
    with pytest.raises(Unclear) as caught:
        await rig.provider.send(call)
    shown = f"{rig.provider!r} {call!r} {caught.value!r} {caught.value.__cause__!r}"
    for secret in ("0102345", "0109999", "0212345678", "안녕", "a secret for tests", "stub-key"):
        assert secret not in shown


async def test_a_closed_provider_may_be_used_again(rig: Any, make_call: Any) -> None:
    await rig.provider.send(make_call())
    await rig.provider.close()
    assert len(await rig.provider.send(make_call(key="k2"))) == 3
