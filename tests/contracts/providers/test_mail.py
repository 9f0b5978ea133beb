"""What a provider without keys promises (ims/ports/providers.py), on the stubs of SES and of an SMTP relay: a mail a call, never twice."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest

from ims.adapters.providers.ses.adapter import Ses
from ims.adapters.providers.ses.stub import KEY_ID, SECRET, TOPIC
from ims.adapters.providers.ses.stub import Stub as SesStub
from ims.adapters.providers.smtp.adapter import Smtp
from ims.adapters.providers.smtp.stub import Stub as SmtpStub
from ims.errors import CallRefused, NotSent, ProviderError, Unclear
from ims.ports.providers import Outgoing, OutgoingCall
from ims.results import listed
from ims.topics import SendType
from tests.contracts.providers.conftest import listening

REF = "m01w2x000000000000000000001"
FIELDS = {"from_email": "no-reply@mail.acme.example", "from_name": "가게", "subject": "#{name}님, 주문", "reply_to": "cs@acme.example"}


def call(
    message_type: str = "HTML", text: str = "<p>#{name}님 &amp; 주문</p>", ref: str = REF, to: str = "hong@example.com", **fields: Any
) -> OutgoingCall:
    member = Outgoing(ref, to, text, {"name": "<홍>"}, "email", {"to_name": "홍길동"})
    return OutgoingCall("k1", 86_400, SendType.EMAIL, [member], message_type=message_type, fields={**FIELDS, **fields})


class Rig:
    provider: Any
    impostor: Any
    stub: Any
    timeout_s = 2.0

    def contents(self) -> list[EmailMessage]:
        return [email.message_from_bytes(t.content, policy=policy.default) for t in self.stub.taken]  # type: ignore[misc]


@asynccontextmanager
async def ses() -> AsyncIterator[Rig]:
    rig = Rig()
    rig.stub = SesStub()
    async with listening(rig.stub.app()) as url:
        common: dict[str, Any] = {"endpoint": url, "topics": TOPIC, "configuration_set": "ims", "timeout_s": rig.timeout_s}
        rig.provider = Ses("us-east-1", "bulk", access_key_id=KEY_ID, secret_access_key=SECRET, **common)
        rig.impostor = Ses("us-east-1", "bulk", access_key_id=KEY_ID, secret_access_key="wrong", **common)
        yield rig
        await rig.provider.close()
        await rig.impostor.close()


@asynccontextmanager
async def smtp() -> AsyncIterator[Rig]:
    rig = Rig()
    rig.stub = SmtpStub(login=("ims", "right-password"))
    async with rig.stub.listening() as port:
        common: dict[str, Any] = {
            "envelope_from": "bounces@mail.acme.example", "tls": "none", "username": "ims", "timeout_s": rig.timeout_s,
            "reports": "dsn", "bounce_secret": "s" * 16,
        }  # fmt: skip
        rig.provider = Smtp("127.0.0.1", port, "bulk", password="right-password", **common)
        rig.impostor = Smtp("127.0.0.1", port, "bulk", password="wrong-password", **common)
        yield rig
        await rig.provider.close()
        await rig.impostor.close()


_RIGS: dict[str, Callable[[], Any]] = {"ses": ses, "smtp": smtp}


@pytest.fixture(params=_RIGS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    import botocore.auth  # noqa: F401 - 0.3 s, which the first mail would otherwise take from its time limit

    async with _RIGS[request.param]() as made:
        yield made


async def test_a_mail_is_taken_and_says_what_was_asked(rig: Rig) -> None:
    (answer,) = await rig.provider.send(call(cc=["copy@example.com"]))
    assert (answer.status, answer.code) == ("accepted", "")
    mail = rig.contents()[0]
    assert str(mail["To"]) == "홍길동 <hong@example.com>" and str(mail["From"]) == "가게 <no-reply@mail.acme.example>"
    assert (str(mail["Subject"]), str(mail["Reply-To"]), str(mail["Cc"])) == ("<홍>님, 주문", "cs@acme.example", "copy@example.com")
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None and html.get_content().strip() == "<p>&lt;홍&gt;님 &amp; 주문</p>"
    assert text is not None and text.get_content().strip() == "<홍>님 & 주문"
    assert "List-Unsubscribe" not in mail and mail["X-IMS-Ref"] == REF


async def test_the_link_to_opt_out_stands_in_headers_and_text(rig: Rig) -> None:
    link = "https://ims.example/ims/unsubscribe/k1.abc"
    await rig.provider.send(call(text="<a href='#{unsubscribe_url}'>수신거부</a>", unsubscribe_url=link))
    mail = rig.contents()[0]
    assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (f"<{link}>", "List-Unsubscribe=One-Click")
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None and link in html.get_content() and text is not None and link in text.get_content()


@pytest.mark.parametrize(
    ("behaviour", "error", "code"),
    [
        ("429", NotSent, "8004"),
        ("close_before", None, ""),
        ("close_after", Unclear, "8002"),
        ("garbage", Unclear, "8005"),
        ("endless", Unclear, "8005"),
        ("hang", Unclear, "8002"),
    ],
)
async def test_a_mail_that_fails_says_what_may_be_done(rig: Rig, behaviour: str, error: type[ProviderError] | None, code: str) -> None:
    is_ses = isinstance(rig.provider, Ses)
    if behaviour == "429" and not is_ses:
        behaviour, code = "421", "8001"
    if behaviour == "close_before":  # SES may have begun with it, a relay surely has not
        error, code = (Unclear, "8002") if is_ses else (NotSent, "8001")
    rig.stub.modes = [behaviour]
    assert error is not None
    with pytest.raises(error) as caught:
        await rig.provider.send(call())
    assert type(caught.value) is error and caught.value.code == code
    assert len(rig.stub.taken) == (1 if error is Unclear and behaviour != "close_before" else 0)


async def test_after_a_fault_the_next_mail_goes_out(rig: Rig) -> None:
    rig.stub.modes = ["close_after"]
    with pytest.raises(Unclear):
        await rig.provider.send(call())
    assert [a.status for a in await rig.provider.send(call(ref=REF[:-1] + "2"))] == ["accepted"]


async def test_a_wrong_credential_is_final_and_sends_nothing(rig: Rig) -> None:
    with pytest.raises(CallRefused) as caught:
        await rig.impostor.send(call())
    assert caught.value.code == "8003" and rig.stub.taken == []


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "a\r\nBcc: x@example.com"},
        {"subject": "a\x00"},
        {"from_name": "a\nBcc: x@example.com"},
        {"from_email": "a@mail.acme.example\r\nBcc: x@example.com"},
        {"reply_to": "a@example.com\nX: y"},
        {"cc": ["a@example.com\r\nX: y"]},
        {"bcc": ["a@example.com>\r\nRCPT TO:<b@example.com"]},
        {"unsubscribe_url": "https://x>\r\nX: y"},
        {"subject": "#{missing}"},
    ],
)
async def test_what_would_break_a_header_never_leaves(rig: Rig, fields: dict[str, Any]) -> None:
    with pytest.raises(CallRefused) as caught:
        await rig.provider.send(call(**fields))
    assert caught.value.code == "9999" and rig.stub.taken == []


async def test_values_cannot_end_a_header(rig: Rig) -> None:
    for value in ("a\r\nBcc: x@example.com", "a\x00", "a\u2028b"):
        evil = call()
        evil.members[0] = evil.members[0]._replace(mapping={"name": value})  # type: ignore[index]
        with pytest.raises(CallRefused):
            await rig.provider.send(evil)
    assert rig.stub.taken == []


async def test_nobody_can_be_asked(rig: Rig) -> None:
    assert rig.provider.abilities.keys == "none" and rig.provider.abilities.max_members == 1 and not rig.provider.abilities.can_ask
    assert [a.status for a in await rig.provider.ask(call())] == ["unknown"] and await rig.provider.poll() is None


async def test_many_at_once_are_all_taken_once(rig: Rig) -> None:
    refs = [f"m01w2x0000000000000000000{i:02d}" for i in range(20)]
    await asyncio.gather(*(rig.provider.send(call(ref=ref)) for ref in refs))
    assert sorted(str(m["X-IMS-Ref"]) for m in rig.contents()) == refs


async def test_nothing_that_can_be_printed_holds_an_address_a_text_or_a_key(rig: Rig) -> None:
    rig.stub.modes = ["bad" if isinstance(rig.provider, Ses) else "refuse_after"]
    with pytest.raises(CallRefused) as caught:
        await rig.provider.send(call())
    assert listed("email", caught.value.code)
    shown = f"{rig.provider!r} {call()!r} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    for word in ("hong", "홍", "acme", "right-password", SECRET):
        assert word not in shown


async def test_a_closed_provider_may_be_used_again(rig: Rig) -> None:
    await rig.provider.send(call())
    await rig.provider.close()
    assert len(await rig.provider.send(call(ref=REF[:-1] + "2"))) == 1
