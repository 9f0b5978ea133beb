"""The simulator as a provider. It substitutes nothing, so texts are rendered here."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from ims.adapters.providers.simulator.calls import MAX_MEMBERS
from ims.adapters.providers.simulator.signed import DEVELOPMENT_SECRET, SIGNATURE, TIMESTAMP, TOLERANCE_MS, signature
from ims.adapters.providers.transport import Reply, Transport
from ims.errors import CallRefused, NotSent, Rejected, Unclear
from ims.ports.providers import Abilities, Answer, OutgoingCall, Polled
from ims.protocol.events import DeliveryReport
from ims.results import CREDENTIAL, INTERNAL, NO_ANSWER, NOT_CONNECTED, THROTTLED, UNREADABLE, family_of, listed
from ims.rules.template import render

REPORTS_AT_ONCE = 1_000
POLLS = 4  # a batch is out for about as long as a synced commit takes: one at a time was 5,000 reports a second
KEY_TTL_S = 86_400


class _Message(msgspec.Struct, omit_defaults=True):
    ref: str
    to: str
    text: str
    to_kind: str = ""
    fields: Mapping[str, Any] = {}


class _Answer(msgspec.Struct):
    ref: str
    status: str
    code: str = ""
    id: str = ""


class _Answers(msgspec.Struct):
    answers: list[_Answer]


class _Batch(msgspec.Struct):
    batch_id: str
    reports: list[DeliveryReport]


_ANSWERS = msgspec.json.Decoder(_Answers)
_BATCH = msgspec.json.Decoder(_Batch)
_REPORTS = msgspec.json.Decoder(list[DeliveryReport])
_ENCODER = msgspec.json.Encoder()


def _ignore(_: str) -> None:
    return None


class Simulator:
    """One account at the simulator. `keys` must be what the server was started with."""

    name = "simulator"

    def __init__(
        self,
        base_url: str,
        account: str,
        *,
        keys: str = "call",
        secret: str = DEVELOPMENT_SECRET,
        credential: str = "",
        timeout_s: float = 10.0,
        on_unlisted: Callable[[str], None] = _ignore,
    ) -> None:
        self.account = account
        has_keys = keys != "none"
        self.abilities = Abilities(
            max_members=MAX_MEMBERS,
            keys=keys,
            key_ttl_s=KEY_TTL_S if has_keys else 0,
            timeout_s=timeout_s,
            can_ask=has_keys,  # questions are by key
            rate_per_s=0,
            polls=POLLS,
        )
        self._secret = secret
        self._on_unlisted = on_unlisted
        headers = {"content-type": "application/json"} | ({"authorization": credential} if credential else {})
        self._http = Transport(base_url, headers, timeout_s)

    def __repr__(self) -> str:
        return f"<Simulator {self.account}>"

    async def send(self, call: OutgoingCall) -> list[Answer]:
        """As the port says."""
        reply = await self._http.request("POST", "/v1/calls", self._body(call))
        self._refused_whole(reply)
        answers = self._read(reply, call)
        if len(answers) != len(call.members):
            raise Unclear(UNREADABLE)
        return [answers[member.ref] for member in call.members]

    async def ask(self, call: OutgoingCall) -> list[Answer]:
        """As the port says. Closes the call's key, so that a member told "never got" cannot come late."""
        if not self.abilities.can_ask:
            return [Answer("unknown", NO_ANSWER)] * len(call.members)
        reply = await self._question("DELETE", f"/v1/calls/{quote(call.key, safe='')}")
        answers = {} if reply.status == 404 else self._read(reply, call)
        never = Answer("failed", NOT_CONNECTED)
        return [answers.get(member.ref, never) for member in call.members]

    async def poll(self) -> Polled | None:
        """As the port says."""
        reply = await self._question("GET", f"/v1/reports?account={self.account}&limit={REPORTS_AT_ONCE}")
        try:
            batch = _BATCH.decode(reply.body)
        except msgspec.DecodeError as exc:
            raise Unclear(UNREADABLE) from exc
        return Polled(batch.batch_id, self._checked(batch.reports)) if batch.batch_id else None

    async def acknowledge(self, batch_id: str) -> None:
        """As the port says. A batch whose lease is over comes again, so that one is no error."""
        await self._question("DELETE", f"/v1/reports/{quote(batch_id, safe='')}")

    def webhook(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> list[DeliveryReport]:
        """As the port says."""
        lower = {name.lower(): value for name, value in headers.items()}
        timestamp, given = lower.get(TIMESTAMP, ""), lower.get(SIGNATURE, "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 17) or abs(now_ms - int(timestamp)) > TOLERANCE_MS:
            raise Rejected("1401", TIMESTAMP)
        if not hmac.compare_digest(signature(self._secret, timestamp, body).encode(), given.encode()):
            raise Rejected("1401", SIGNATURE)
        try:
            return self._checked(_REPORTS.decode(body))
        except msgspec.DecodeError as exc:
            raise Rejected("1400", detail="not a list of reports") from exc

    def webhook_answer(self, body: bytes) -> bytes:
        """As the port says: any 2xx will do."""
        return b"{}"

    async def close(self) -> None:
        """As the port says."""
        await self._http.close()

    def _body(self, call: OutgoingCall) -> bytes:
        return _ENCODER.encode({
            "account": self.account,
            "key": call.key,
            "key_ttl_s": call.key_ttl_s,
            "send_type": call.send_type.report_type,
            "callback": call.callback,
            "title": call.title,
            "sender_key": call.sender_key,
            "template_code": call.template_code,
            "message_type": call.message_type,
            "header": call.header,
            "attachment": call.attachment,
            "supplement": call.supplement,
            "fields": call.fields,
            "messages": [_Message(m.ref, m.to, render(m.text, m.mapping), m.to_kind, m.fields) for m in call.members],
        })  # fmt: skip

    def _refused_whole(self, reply: Reply) -> None:
        """Raise what a status other than 200 means for all members."""
        provider_code = str(reply.status)
        match reply.status:
            case 200:
                return
            case 401 | 403:
                raise CallRefused(CREDENTIAL, provider_code)
            case 429:
                raise NotSent(THROTTLED, provider_code, reply.retry_after_s)
            case 503 if b'"accepted":false' in reply.body:
                raise NotSent(NOT_CONNECTED, provider_code, reply.retry_after_s)
            case status if 400 <= status < 500:
                raise CallRefused(INTERNAL, provider_code)
        raise Unclear(NO_ANSWER, provider_code)

    def _read(self, reply: Reply, call: OutgoingCall) -> dict[str, Answer]:
        try:
            given = {answer.ref: answer for answer in _ANSWERS.decode(reply.body).answers}
        except msgspec.DecodeError as exc:
            raise Unclear(UNREADABLE) from exc
        family = family_of(call.send_type.report_type)
        answers = {}
        for member in call.members:
            answer = given.get(member.ref)
            if answer is not None:
                answers[member.ref] = self._answer(answer, family)
        return answers

    def _answer(self, answer: _Answer, family: str) -> Answer:
        if answer.status in {"accepted", "duplicate"}:
            return Answer("accepted", "", answer.code, answer.id)
        if answer.status == "failed" and listed(family, answer.code):
            return Answer("failed", answer.code, answer.code)
        self._on_unlisted(answer.code)
        return Answer("unknown", UNREADABLE, answer.code)

    async def _question(self, method: str, path: str) -> Reply:
        """A request that sends nothing: whatever goes wrong with it is Unclear."""
        try:
            reply = await self._http.request(method, path)
        except NotSent as exc:
            raise Unclear(exc.code) from exc
        if reply.status not in {200, 204, 404}:
            raise Unclear(NO_ANSWER, str(reply.status))
        return reply

    def _checked(self, reports: list[DeliveryReport]) -> list[DeliveryReport]:
        """The reports, with codes that we know."""
        if all(listed(family_of(report.report_type), report.code) for report in reports):
            return reports
        checked = []
        for report in reports:
            if not listed(family_of(report.report_type), report.code):
                self._on_unlisted(report.code)
                report = msgspec.structs.replace(report, status="unknown", code=UNREADABLE, provider_code=report.code)  # noqa: PLW2901
            checked.append(report)
        return checked
