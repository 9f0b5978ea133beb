"""SES: what its errors mean, what its notifications say, and which of them are believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from ims.adapters.providers.ses.adapter import Ses
from ims.adapters.providers.ses.reports import reports
from ims.adapters.providers.ses.stub import CERTIFICATE_URL, KEY_ID, SECRET, TOPIC, Sns, Stub, event
from ims.errors import CallRefused, Misconfigured, NotSent, ProviderError, Rejected, Unavailable, Unclear
from tests.contracts.providers.conftest import listening
from tests.contracts.providers.test_mail import REF, call

TO = "hong@example.com"


@pytest.fixture
async def account() -> AsyncIterator[tuple[Stub, Any]]:
    import botocore.auth  # noqa: F401 - 0.3 s

    stub = Stub()
    made: list[Ses] = []
    async with listening(stub.app()) as url:

        def ses(**more: Any) -> Ses:
            common = {"endpoint": url, "access_key_id": KEY_ID, "secret_access_key": SECRET, "timeout_s": 2.0}
            made.append(Ses("us-east-1", "bulk", **common | more))
            return made[-1]

        yield stub, ses
        for one in made:
            await one.close()


async def test_the_ref_travels_in_the_tags_and_copies_are_hidden(account: Any) -> None:
    stub, ses = account
    (answer,) = await ses(configuration_set="ims").send(call(cc=["c@example.com"], bcc=["b@example.com"]))
    assert answer.status == "delivered" and answer.provider_id  # without a topic nothing more will be told
    (taken,) = stub.taken
    assert (taken.to, taken.bcc, taken.tags, taken.configuration_set) == ([TO], ["c@example.com", "b@example.com"], {"ims_ref": REF}, "ims")
    assert b"b@example.com" not in taken.content


@pytest.mark.parametrize(
    ("mode", "error", "code", "retry_after_s"),
    [
        ("429", NotSent, "8004", 1.0),
        ("quota", NotSent, "8004", 60.0),
        ("paused", NotSent, "8001", None),
        ("expired", NotSent, "8001", None),
        ("rejected", CallRefused, "5000", None),
        ("domain", CallRefused, "5701", None),
        ("bad", CallRefused, "9999", None),
        ("500", Unclear, "8002", None),
        ("redirect", Unclear, "8002", None),
    ],
)
async def test_what_an_error_means(account: Any, mode: str, error: type[ProviderError], code: str, retry_after_s: float | None) -> None:
    stub, ses = account
    stub.modes = [mode]
    with pytest.raises(error) as caught:
        await ses().send(call())
    assert (type(caught.value), caught.value.code, caught.value.retry_after_s) == (error, code, retry_after_s) and stub.taken == []


@pytest.mark.parametrize("wrong", [{"region": ""}, {"endpoint": "http://ses.example"}])
def test_a_setting_that_is_wrong_refuses_to_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        Ses(wrong.pop("region", "us-east-1"), "bulk", **wrong)


async def test_keys_of_the_real_cloud_are_not_shown_to_a_local_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    ses = Ses("us-east-1", "bulk", endpoint="localstack")
    assert "AKIAREAL" not in (await ses._signer.headers(b"{}"))["Authorization"]


def person(address: str = TO, **more: str) -> dict[str, str]:
    return {"emailAddress": address, **more}


def bounce(kind: str, sub: str, *people: dict[str, str], tags: bool = True) -> str:
    return event("Bounce", REF, bounceType=kind, bounceSubType=sub, bouncedRecipients=list(people or (person(),)), tags=tags)


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        (event("Delivery", REF, recipients=[TO]), "delivered", "0000"),
        (event("Delivery", REF, recipients=["Hong <HONG@example.com>"], tags=False), "delivered", "0000"),
        (bounce("Permanent", "General", person(status="5.1.1")), "failed", "5101"),
        (bounce("Permanent", "NoEmail"), "failed", "5101"),
        (bounce("Permanent", "General"), "failed", "5000"),
        (bounce("Permanent", "Suppressed", person(status="5.1.1")), "failed", "5901"),
        (bounce("Permanent", "OnAccountSuppressionList", tags=False), "failed", "5901"),
        (bounce("Transient", "MailboxFull"), "failed", "4202"),
        (bounce("Transient", "General", person(status="4.4.7")), "failed", "4407"),
        (bounce("Transient", "General", person(status="5.1.1")), "failed", "4000"),
        (bounce("Undetermined", "Undetermined"), "failed", "4000"),
        (bounce("Permanent", "General", person("copy@example.com"), person(status="5.2.1")), "failed", "5201"),
        (event("Complaint", REF, complainedRecipients=[person()]), "failed", "5902"),
        (event("Reject", REF, reason="Bad content"), "failed", "5000"),
    ],
)
def test_a_notification_is_a_report(message: str, status: str, code: str) -> None:
    (report,) = reports(message, 7)
    assert (report.ref, report.status, report.code, report.report_type) == (REF, status, code, "EM")
    assert report.reported_at in (7, 1_803_956_405_000)


@pytest.mark.parametrize(
    "message",
    [
        bounce("Permanent", "General", person("copy@example.com")),
        event("Delivery", REF, recipients=["copy@example.com"]),
        event("Complaint", REF, complainedRecipients=[person("copy@example.com")]),
        event("Open", REF),
        event("Delivery", "", recipients=[TO], tags=False),
        '{"notificationType":"AmazonSnsSubscriptionSucceeded"}',
    ],
)
def test_what_is_not_about_the_recipient_settles_nothing(message: str) -> None:
    assert reports(message, 7) == []


@pytest.mark.parametrize("message", ["", "{", "[1]", '{"mail":1}', '{"mail":{"tags":[]}}', "[" * 100_000])
def test_a_message_that_is_none_of_ses_is_rejected(message: str) -> None:
    with pytest.raises(Rejected):
        reports(message, 7)


class Amazon:
    """What Ses fetches of it."""

    def __init__(self, certificate: bytes) -> None:
        self.certificate = certificate
        self.fetched: list[str] = []

    async def __call__(self, url: str) -> bytes:
        self.fetched.append(url)
        return self.certificate


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def inbox() -> tuple[Sns, Amazon, Ses]:
    sns = Sns()
    amazon = Amazon(sns.certificate)
    return sns, amazon, Ses("us-east-1", "bulk", topics=TOPIC, fetch=amazon)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_signed_notification_is_read_once_its_certificate_is_here(inbox: Any, version: str) -> None:
    sns, amazon, ses = inbox
    body = sns.posted(event("Delivery", REF, recipients=[TO]), version=version)
    for _ in range(3):
        with pytest.raises(Unavailable):
            ses.webhook({}, body, 7)
    await settle()
    assert [r.ref for r in ses.webhook({}, body, 7)] == [REF] and ses.webhook_answer(body)
    assert amazon.fetched == [CERTIFICATE_URL]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"Message": event("Complaint", REF, complainedRecipients=[person()])}, "1401"),
        ({"Timestamp": "2027-03-02T04:00:00.000Z"}, "1401"),
        ({"Signature": "AAAA"}, "1401"),
        ({"Signature": "not base64!"}, "1401"),
        ({"SignatureVersion": "2"}, "1401"),
        ({"TopicArn": TOPIC + "-other"}, "1401"),
        ({"Type": "SubscriptionConfirmation"}, "1401"),
        ({"SigningCertURL": "https://sns.us-east-1.amazonaws.com.evil.example/a.pem"}, "1401"),
        ({"SigningCertURL": "http://sns.us-east-1.amazonaws.com/a.pem"}, "1401"),
        ({"SigningCertURL": "https://sns.us-east-1.amazonaws.com:8443/a.pem"}, "1401"),
        ({"SigningCertURL": "https://evil@sns.us-east-1.amazonaws.com/a.pem"}, "1401"),
        ({"SigningCertURL": "https://[::1/a.pem"}, "1401"),
    ],
)
async def test_a_notification_that_is_not_amazons_is_rejected(inbox: Any, changed: dict[str, str], code: str) -> None:
    sns, amazon, ses = inbox
    with pytest.raises(Unavailable):
        ses.webhook({}, sns.posted("{}"), 7)
    await settle()
    with pytest.raises(Rejected) as caught:
        ses.webhook({}, sns.posted(event("Delivery", REF, recipients=[TO]), **changed), 7)
    assert caught.value.code == code and amazon.fetched == [CERTIFICATE_URL]


@pytest.mark.parametrize("certificate", [b"", b"no certificate", b"x" * 20_000])
async def test_what_is_no_certificate_opens_nothing(inbox: Any, certificate: bytes) -> None:
    sns, amazon, ses = inbox
    amazon.certificate = certificate
    for _ in range(2):
        with pytest.raises(Unavailable):
            ses.webhook({}, sns.posted("{}"), 7)
        await settle()
    assert len(amazon.fetched) == 2


async def test_a_subscription_to_a_topic_of_ours_is_confirmed(inbox: Any) -> None:
    sns, amazon, ses = inbox
    body = sns.posted("Confirm?", kind="SubscriptionConfirmation")
    with pytest.raises(Unavailable):
        ses.webhook({}, body, 7)
    await settle()
    assert ses.webhook({}, body, 7) == []
    await settle()
    assert amazon.fetched[1:] == ["https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"[" * 100_000, msgspec.json.encode({"Type": 1}), b"x" * 300_000])
async def test_what_sns_would_not_post_is_rejected(inbox: Any, body: bytes) -> None:
    with pytest.raises(Rejected):
        inbox[2].webhook({}, body, 7)
