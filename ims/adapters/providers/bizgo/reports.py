"""Bizgo's delivery reports in ours, polled or posted. One report a webhook; a batch a poll, acknowledged by its id.

The signature covers the timestamp only, never the body [SDK, webhooks.py]: what makes a report believable is the
unguessable ref in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone

import msgspec

from ims.adapters.providers.bizgo.codes import of_report
from ims.errors import Misconfigured, Rejected, Unclear
from ims.protocol.events import DeliveryReport
from ims.results import UNREADABLE, ResultClass, family_of, look_up
from ims.rules.brand import CODE_OF

POLL_PATH = "/api/comm/v1/report/polling"
MAX_WEBHOOK_BYTES = 1024 * 1024  # the SDK's own limit
_STATUS = {ResultClass.SUCCESS: "delivered", ResultClass.UNKNOWN: "unknown"}
_KST = timezone(timedelta(hours=9))

_TYPE_OF_MSG = {"AT": "AT", "AI": "AT", "SM": "SMS", "SMS": "SMS", "LM": "LMS", "LMS": "LMS", "MM": "MMS", "MMS": "MMS", "RCS": "RCS"}
_TYPE_OF_MSG |= dict.fromkeys(CODE_OF.values(), "BT")
_TYPE_OF_SERVICE = {"ALIMTALK": "AT", "BRANDMESSAGE": "BT", "SMS": "SMS", "LMS": "LMS", "MMS": "MMS", "RCS": "RCS"}
_EITHER = "MMS"  # an LMS is its MMS without a picture: which of the two it was, the call knows


class BizgoReport(msgspec.Struct, rename="camel"):
    """What we read of a report. Fields may be missing; unknown ones are let be."""

    msg_key: str | None = None
    service_type: str | None = None
    msg_type: str | None = None
    report_time: str | None = None
    report_code: str | None = None
    ref: str | None = None


class _Batch(msgspec.Struct, rename="camel"):
    report_id: str | None = None
    report: list[BizgoReport] | None = None


class _Data(msgspec.Struct):
    code: str | None = None
    data: _Batch | None = None


class _Polled(msgspec.Struct):
    data: _Data | None = None


class _Posted(msgspec.Struct, rename="camel"):
    """A webhook's required fields."""

    msg_key: str
    service_type: str
    report_code: str
    report_time: str
    report_type: str
    msg_type: str | None = None
    ref: str | None = None


_POLLED = msgspec.json.Decoder(_Polled)
_POSTED = msgspec.json.Decoder(_Posted)


class Reader:
    """Turns reports into ours. `more_codes`: by family ("mt", "kakao"), Bizgo's code to ours, before the built-in table."""

    def __init__(self, on_unlisted: Callable[[str], None], more_codes: Mapping[str, Mapping[str, str]]) -> None:
        self._on_unlisted = on_unlisted
        self._more = more_codes

    def polled(self, body: bytes) -> tuple[str, list[DeliveryReport]]:
        """Batch id (empty: nothing waits) and its reports. Unclear when it cannot be read."""
        try:
            data = _POLLED.decode(body).data
        except msgspec.ValidationError:
            data = _tolerated(body)
        except (msgspec.DecodeError, RecursionError) as exc:
            raise Unclear(UNREADABLE) from exc
        if data is None or data.code not in (None, "A000"):
            raise Unclear(UNREADABLE, data.code or "" if data else "")
        batch = data.data or _Batch()
        return batch.report_id or "", [self._report(report) for report in batch.report or []]

    def posted(self, body: bytes) -> list[DeliveryReport]:
        """The one report of a webhook. Rejected when it is none."""
        if len(body) > MAX_WEBHOOK_BYTES:
            raise Rejected("1413")
        try:
            posted = _POSTED.decode(body)
        except (msgspec.DecodeError, RecursionError) as exc:
            raise Rejected("1400", detail="not a report") from exc
        report = BizgoReport(
            posted.msg_key, posted.service_type, posted.msg_type, posted.report_time, posted.report_code, posted.ref
        )
        return [self._report(report)]

    def _report(self, report: BizgoReport) -> DeliveryReport:
        report_type = _TYPE_OF_MSG.get(report.msg_type or "") or _TYPE_OF_SERVICE.get((report.service_type or "").upper(), "")
        family, given = family_of(report_type), report.report_code or ""
        code = self._more.get(family, {}).get(given) or of_report(family, given)
        if code is None:
            self._on_unlisted(given)
            code = UNREADABLE
        return DeliveryReport(
            ref=report.ref or "",
            status=_STATUS.get(look_up(family, code).result_class, "failed"),
            code=code,
            reported_at=epoch_ms(report.report_time or ""),
            provider_code=given,
            report_type="" if report_type == _EITHER else report_type,
        )


def _tolerated(body: bytes) -> _Data:
    """A batch with a field of a wrong type. It would come again for ever, and the good reports in it with it."""
    try:
        batch = msgspec.json.decode(body)["data"]["data"]
        reports = [{k: str(v) for k, v in report.items() if v is not None} for report in batch["report"]]
        return _Data("A000", _Batch(str(batch["reportId"]), msgspec.convert(reports, list[BizgoReport])))
    except (AttributeError, KeyError, TypeError, msgspec.ValidationError) as exc:
        raise Unclear(UNREADABLE) from exc


def epoch_ms(text: str) -> int:
    """A time of Bizgo's; without an offset it is Korean. One that cannot be read is now: the report itself is good."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return int(time.time() * 1000)
    if at.tzinfo is None:
        at = at.replace(tzinfo=_KST)
    return int(at.timestamp() * 1000)


def verify(secret: str, headers: Mapping[str, str], now_ms: int) -> None:
    """Check signature and age with the SDK, which is imported here for the first time. Rejected when they are wrong."""
    from bizgo.webhooks import SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookVerificationError, verify_signature

    if not secret.strip():
        raise Misconfigured("IMS_BIZGO_WEBHOOK_SECRET is empty")
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        verify_signature(
            secret=secret,
            timestamp=lower.get(TIMESTAMP_HEADER.lower(), ""),
            signature=lower.get(SIGNATURE_HEADER.lower(), ""),
            now=now_ms / 1000,
        )
    except WebhookVerificationError as exc:
        raise Rejected("1401", SIGNATURE_HEADER) from exc


def answer(body: bytes) -> bytes:
    """What Bizgo reads as "taken in": the msgKey of the report."""
    return msgspec.json.encode({"msgKey": _POSTED.decode(body).msg_key})
