"""What FCM's answers mean in our codes (domain 3.4; firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode)."""

from __future__ import annotations

import msgspec

from ims.adapters.providers.push_service import RETRY_S, UNAVAILABLE, Verdict
from ims.adapters.providers.transport import Reply
from ims.errors import NotSent, Unclear
from ims.results import CREDENTIAL, NO_ANSWER, THROTTLED, UNREADABLE

UNAUTHENTICATED = "UNAUTHENTICATED"  # our access token; the app's own trouble with Apple is THIRD_PARTY_AUTH_ERROR
_DEAD = {"UNREGISTERED": "4041", "SENDER_ID_MISMATCH": "4031"}
_CODES = {"THIRD_PARTY_AUTH_ERROR": "4011", UNAUTHENTICATED: CREDENTIAL, "PERMISSION_DENIED": CREDENTIAL, "NOT_FOUND": CREDENTIAL}
_BAD_TOKEN, _OTHER_FIELD, _TOO_LARGE = "4001", "4002", "4131"


class _Violation(msgspec.Struct):
    field: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    error_code: str = ""
    field_violations: list[_Violation] = []


class _Error(msgspec.Struct):
    status: str = ""
    message: str = ""
    details: list[_Detail] = []


class _Answer(msgspec.Struct):
    name: str = ""
    error: _Error | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def verdict(reply: Reply, called_at: int) -> Verdict:
    """The service's word on one message. NotSent and Unclear as `Service.deliver` says."""
    try:
        answer = _ANSWER.decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        answer = _Answer()
    if reply.status == 200:
        if not answer.name:
            raise Unclear(UNREADABLE, "200")
        return Verdict(provider_id=answer.name.rpartition("/")[2][:100])
    error = answer.error or _Error()
    said = next((d.error_code for d in error.details if d.error_code), "") or error.status
    known = said if said.replace("_", "").isalpha() and len(said) <= 40 else str(reply.status)
    if reply.status == 429:
        raise NotSent(THROTTLED, known, reply.retry_after_s or RETRY_S)
    if reply.status == 503 and said == "UNAVAILABLE":
        raise NotSent(UNAVAILABLE, known, reply.retry_after_s)
    if not 400 <= reply.status < 500 or reply.status == 408:  # 500 INTERNAL too: nobody says how far it got
        raise Unclear(NO_ANSWER if reply.status >= 400 else UNREADABLE, known)
    if said in _DEAD:
        return Verdict(_DEAD[said], said, dead_before=called_at)
    if said in _CODES:
        return Verdict(_CODES[said], said)
    if said == "INVALID_ARGUMENT":
        return _invalid(error, called_at)
    if reply.status in {401, 403, 404}:  # not in FCM's words: a proxy, or another host
        return Verdict(CREDENTIAL, known)
    return Verdict(_TOO_LARGE if reply.status == 413 else _OTHER_FIELD, known)


def _invalid(error: _Error, called_at: int) -> Verdict:
    """Which field is meant decides whether the token is dead: the detail names it, in older answers only the sentence."""
    fields = {v.field for d in error.details for v in d.field_violations}
    sentence = error.message.lower()
    if "message.token" in fields or "registration token is not a valid" in sentence:
        return Verdict(_BAD_TOKEN, "INVALID_ARGUMENT message.token", dead_before=called_at)
    if "too big" in sentence or "too large" in sentence:
        return Verdict(_TOO_LARGE, "INVALID_ARGUMENT")
    return Verdict(_OTHER_FIELD, "INVALID_ARGUMENT")
