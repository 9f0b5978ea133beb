"""SMTP: what a relay's words mean, connections kept and lost, copies, VERP, DKIM, bounces."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dkim
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ims.adapters.providers.mail_status import of_reply, of_status
from ims.adapters.providers.smtp import bounces
from ims.adapters.providers.smtp.adapter import Smtp
from ims.adapters.providers.smtp.dkim import signers
from ims.adapters.providers.smtp.stub import Stub
from ims.errors import CallRefused, Misconfigured, NotSent, ProviderError, Rejected, Unclear
from tests.contracts.providers.test_mail import REF, call

BOUNCES = "bounces@mail.acme.example"
SECRET = "a secret of sixteen"


@pytest.fixture
async def relay() -> AsyncIterator[tuple[Stub, Any]]:
    stub = Stub()
    made: list[Smtp] = []
    async with stub.listening() as port:

        def smtp(**more: Any) -> Smtp:
            made.append(Smtp("127.0.0.1", port, "bulk", **{"envelope_from": BOUNCES, "tls": "none", "timeout_s": 2.0} | more))
            return made[-1]

        yield stub, smtp
        for one in made:
            await one.close()


async def test_each_mail_has_one_recipient_and_a_sender_of_its_own(relay: Any) -> None:
    stub, smtp = relay
    (answer,) = await smtp().send(call(cc=["c@example.com"], bcc=["b@example.com"]))
    assert answer.status == "delivered"  # this relay was not asked to report: nothing more will be told
    verp = f"bounces+{REF}@mail.acme.example"
    assert [(t.sender, t.to) for t in stub.taken] == [(verp, "hong@example.com"), (BOUNCES, "c@example.com"), (BOUNCES, "b@example.com")]
    assert b"b@example.com" not in stub.taken[0].content and b"Bcc" not in stub.taken[0].content


async def test_a_copy_that_fails_changes_nothing(relay: Any) -> None:
    stub, smtp = relay
    stub.replies = {"c@example.com": "550 5.1.1 nobody"}
    assert (await smtp().send(call(cc=["c@example.com", "d@example.com"])))[0].status == "delivered"
    assert [t.to for t in stub.taken] == ["hong@example.com", "d@example.com"]


async def test_reports_are_asked_for_where_the_relay_gives_them(relay: Any) -> None:
    stub, smtp = relay
    provider = smtp(reports="dsn", bounce_secret=SECRET)
    assert (await provider.send(call(to="a+b=c@example.com")))[0].status == "accepted"
    assert "RET=HDRS" in stub.taken[0].options and f"ENVID={REF}" in stub.taken[0].options
    assert "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb+3Dc@example.com" in stub.taken[0].options
    stub.dsn = False
    assert (await smtp(reports="dsn", bounce_secret=SECRET).send(call()))[0].status == "delivered"


@pytest.mark.parametrize(
    ("reply", "error", "code"),
    [
        ("550 5.1.1 no such user", CallRefused, "5101"),
        ("552 5.2.2 full", CallRefused, "5202"),
        ("550 no reason", CallRefused, "5000"),
        ("550 5.9.99 news", CallRefused, "5000"),
        ("550 4.7.1 contradicts itself", CallRefused, "5000"),
        ("450 4.2.2 full for now", NotSent, "4202"),
        ("451 greylisted", NotSent, "4000"),
        ("421 4.3.2 closing", NotSent, "8001"),
        ("999 nonsense", NotSent, "8001"),
    ],
)
async def test_a_refused_recipient_is_later_or_final(relay: Any, reply: str, error: type[ProviderError], code: str) -> None:
    stub, smtp = relay
    provider = smtp()
    stub.replies = {"hong@example.com": reply}
    with pytest.raises(error) as caught:
        await provider.send(call())
    assert type(caught.value) is error and caught.value.code == code and stub.taken == []
    stub.replies = {}
    assert (await provider.send(call()))[0].status == "delivered"


@pytest.mark.parametrize(
    ("mode", "error", "code"),
    [
        ("refuse_after", CallRefused, "5701"),
        ("later_after", NotSent, "4701"),
        ("421_after", Unclear, "8002"),
        ("close_at_data", Unclear, "8002"),
        ("lose", Unclear, "8002"),
    ],
)
async def test_what_is_said_after_the_text_decides(relay: Any, mode: str, error: type[ProviderError], code: str) -> None:
    stub, smtp = relay
    stub.modes = [mode]
    with pytest.raises(error) as caught:
        await smtp().send(call())
    assert type(caught.value) is error and caught.value.code == code


async def test_a_connection_is_kept_and_one_that_died_is_replaced_without_a_trace(relay: Any) -> None:
    stub, smtp = relay
    provider = smtp()
    for _ in range(3):
        await provider.send(call())
    assert stub.connections == 1
    stub.hang_up()
    await provider.send(call())
    assert (stub.connections, len(stub.taken)) == (2, 4)


async def test_waiting_for_a_connection_is_surely_not_sent(relay: Any) -> None:
    stub, smtp = relay
    provider = smtp(connections=1, timeout_s=0.3)
    async with provider._lines.line():
        with pytest.raises(NotSent):
            await provider.send(call())
    assert stub.taken == []


async def test_a_relay_without_tls_gets_nothing_where_tls_is_asked_for(relay: Any) -> None:
    stub, smtp = relay
    with pytest.raises(NotSent):
        await smtp(tls="starttls").send(call())
    assert stub.taken == []


async def test_starttls_and_login_at_a_real_server(tmp_path: Path) -> None:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    certificate, key = _certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    got: list[Any] = []

    class Handler:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
            got.append(envelope)
            return "250 2.0.0 ok"

    def login(*args: Any) -> AuthResult:
        good = (args[4].login, args[4].password) == (b"ims", b"right")
        return AuthResult(success=good, handled=False)

    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    demands: dict[str, Any] = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": login}
    server = Controller(Handler(), "127.0.0.1", port, server_hostname="relay", **demands)
    server.start()
    try:
        common: dict[str, Any] = {"envelope_from": BOUNCES, "username": "ims", "ca_file": str(certificate), "timeout_s": 5.0}
        right, wrong = (Smtp("127.0.0.1", port, "bulk", password=word, **common) for word in ("right", "wrong"))
        assert (await right.send(call()))[0].status == "delivered"
        assert got[0].mail_from == f"bounces+{REF}@mail.acme.example" and got[0].rcpt_tos == ["hong@example.com"]
        with pytest.raises(CallRefused) as caught:
            await wrong.send(call())
        assert caught.value.code == "8003"
        stranger = Smtp("127.0.0.1", port, "bulk", password="right", **common | {"ca_file": ""})
        with pytest.raises(NotSent):
            await stranger.send(call())
        assert len(got) == 1
        for one in (right, wrong, stranger):
            await one.close()
    finally:
        server.stop()


async def test_a_signed_mail_is_believed_by_dkimpy(relay: Any) -> None:
    stub, smtp = relay
    key = rsa.generate_private_key(65537, 1024)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    setting = msgspec.json.encode({"mail.acme.example": {"selector": "s1", "key": pem}}).decode()
    await smtp(dkim=setting).send(call(unsubscribe_url="https://ims.example/ims/unsubscribe/" + "k" * 120))
    content = stub.taken[0].content
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    assert dkim.verify(content, dnsfunc=lambda *_a, **_k: record, minkey=1024)
    assert not dkim.verify(content.replace(b"Subject: ", b"Subject: x"), dnsfunc=lambda *_a, **_k: record, minkey=1024)
    assert b"list-unsubscribe" in content[:600].lower()


WRONG_DKIM = ["{", "[]", '{"a.b": {"selector": "s"}}', '{"a.b": {"selector": "s", "key": "no"}}', '{"a": {"selector": "s", "key": "no"}}']


@pytest.mark.parametrize("setting", WRONG_DKIM)
def test_a_dkim_setting_that_is_wrong_refuses_to_start(setting: str) -> None:
    with pytest.raises(Misconfigured):
        signers(setting)


@pytest.mark.parametrize(
    "wrong",
    [
        {"envelope_from": "nobody"},
        {"reports": "dsn"},
        {"tls": "none", "username": "a"},
    ],
)
def test_a_setting_that_is_wrong_refuses_to_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        Smtp("relay.example", 25, "bulk", **{"envelope_from": BOUNCES} | wrong)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, which is its own authority."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    (folder / "cert.pem").write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


def dsn(action: str = "failed", status: str = "5.1.1", to: str = f"bounces+{REF}@mail.acme.example", **more: str) -> bytes:
    """A bounce as Postfix writes it."""
    head = "".join(f"{k}: {v}\r\n" for k, v in more.items())
    return (
        f"From: MAILER-DAEMON@relay.example\r\nTo: {to}\r\nSubject: Undelivered Mail\r\nMIME-Version: 1.0\r\n{head}"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nI'm sorry: hong@example.com\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.example\r\n\r\n"
        f"Final-Recipient: rfc822; hong@example.com\r\nAction: {action}\r\nStatus: {status}\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@mail.acme.example\r\n\r\nhi\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("bounce", "status", "code"),
    [
        (dsn(), "failed", "5101"),
        (dsn(status="4.4.7"), "failed", "4407"),
        (dsn(status="5.1.1 (bad destination)"), "failed", "5101"),
        (dsn(status="nonsense"), "failed", "5101"),
        (dsn(status="5.77.1"), "failed", "5000"),
        (dsn(action="delivered", status="2.0.0"), "delivered", "0000"),
        (dsn(action="relayed (to a server without)", status="2.0.0"), "delivered", "0000"),
        (dsn(to="bounces@mail.acme.example", **{"Delivered-To": f"Bounces+{REF.upper()}@MAIL.acme.example"}), "failed", "5101"),
        (dsn() + b"x" * 300_000, "failed", "5101"),
    ],
)
def test_a_bounce_is_a_report(bounce: bytes, status: str, code: str) -> None:
    (report,) = bounces.reports(bounce, BOUNCES, 7)
    assert (report.ref, report.status, report.code, report.report_type, report.reported_at) == (REF, status, code, "EM", 7)


def test_a_bounce_to_the_bare_address_is_known_by_its_envelope_id() -> None:
    bounce = dsn(to=BOUNCES).replace(b"Reporting-MTA", f"Original-Envelope-Id: {REF}\r\nReporting-MTA".encode())
    (report,) = bounces.reports(bounce, BOUNCES, 7)
    assert report.ref == REF


def test_a_complaint_of_a_feedback_loop() -> None:
    mail = (
        f'To: fbl@mail.acme.example\r\nContent-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nX-IMS-Ref: {REF}\r\nFrom: a@b.example\r\n\r\nhi\r\n--b--\r\n"
    ).encode()
    (report,) = bounces.reports(mail, BOUNCES, 7)
    assert (report.ref, report.status, report.code) == (REF, "failed", "5902")


def letter(**headers: str) -> bytes:
    mail = EmailMessage()
    for name, value in ({"From": "hong@example.com", "To": f"bounces+{REF}@mail.acme.example", "Subject": "휴가"} | headers).items():
        mail[name] = value
    mail.set_content("I am away: 5.1.1")
    return mail.as_bytes()


@pytest.mark.parametrize(
    "mail",
    [
        dsn(action="delayed", status="4.4.1"),
        dsn(to=BOUNCES),
        letter(),
        letter(**{"Auto-Submitted": "auto-replied"}),
    ],
)
def test_what_settles_nothing_is_no_report(mail: bytes) -> None:
    assert bounces.reports(mail, BOUNCES, 7) == []


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"\x00" * 1000,
        b"no header at all",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 3000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(2500)),
        b"Content-Type: message/rfc822\r\n\r\n" * 4000,
        b"To: " + b"(" * 100_000 + b"\r\n\r\n",
        b"Content-Type: text/plain; charset=" + b"x" * 1000 + b"\r\nTo: =?utf-9?q?\xff?=\r\n\r\n\xff",
    ],
)
def test_a_hostile_mail_is_rejected_or_nothing(mail: bytes) -> None:
    with suppress(Rejected):
        assert bounces.reports(mail, BOUNCES, 7) == []


def test_who_posts_bounces_knows_the_secret() -> None:
    provider = Smtp("relay.example", 25, "bulk", envelope_from=BOUNCES, reports="dsn", bounce_secret=SECRET)
    assert provider.webhook({"Authorization": f"Bearer {SECRET}"}, dsn(), 7)[0].code == "5101"
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": SECRET}):
        with pytest.raises(Rejected) as caught:
            provider.webhook(headers, dsn(), 7)
        assert caught.value.code == "1401"


def test_codes() -> None:
    assert [of_status(s) for s in ("5.1.1", "5.1.10", "5.7.26", "5.9.9", "4.9.9", "x")] == ["5101", "5110", "5726", "5000", "4000", "5000"]
    assert of_reply(550, "5.1.1 <a@example.com>: 1.2.3.4.5.1.2") == ("5101", "550 5.1.1")
