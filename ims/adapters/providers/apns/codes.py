"""What APNs' answers mean in our codes (domain 3.4; developer.apple.com "Handling notification responses from APNs")."""

from __future__ import annotations

import msgspec

from ims.adapters.providers.push_service import RETRY_S, UNAVAILABLE, Verdict
from ims.adapters.providers.transport import Reply
from ims.errors import NotSent, Unclear
from ims.results import NO_ANSWER, THROTTLED, UNREADABLE

EXPIRED_PROVIDER_TOKEN = "ExpiredProviderToken"  # noqa: S105 - a reason, no secret
BAD_TOKEN = "4001"  # noqa: S105 - a code
_OTHER_APP, _OTHER_FIELD, _KEY, _TOO_LARGE = "4003", "4002", "4032", "4131"
_GONE = {"Unregistered": "4101", "ExpiredToken": "4102"}


class _Said(msgspec.Struct):
    reason: str = ""
    timestamp: int = 0  # 410: when the token was last seen to be dead


_SAID = msgspec.json.Decoder(_Said)


def verdict(reply: Reply, apns_id: str, called_at: int) -> Verdict:
    """The service's word on one push. NotSent and Unclear as `Service.deliver` says."""
    if reply.status == 200:
        return Verdict(provider_id=apns_id)
    try:
        said = _SAID.decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        said = _Said()
    known = said.reason if said.reason.isascii() and said.reason.isalpha() and len(said.reason) <= 40 else str(reply.status)
    if reply.status == 429:
        raise NotSent(THROTTLED, known, reply.retry_after_s or RETRY_S)
    if reply.status == 503 and said.reason in {"ServiceUnavailable", "Shutdown"}:
        raise NotSent(UNAVAILABLE, known, reply.retry_after_s)
    match reply.status:
        case 400 if said.reason == "BadDeviceToken":
            return Verdict(BAD_TOKEN, known, dead_before=called_at)
        case 400 if said.reason == "DeviceTokenNotForTopic":
            return Verdict(_OTHER_APP, known, dead_before=called_at)
        case 403:
            return Verdict(_KEY, known)
        case 410:
            # Only what Apple dates is believed: an app that registered again since then has a live token of the same text.
            before = min(said.timestamp, called_at) if said.timestamp > 0 else called_at
            return Verdict(_GONE.get(said.reason, "4101"), known, dead_before=before)
        case 413:
            return Verdict(_TOO_LARGE, known)
        case status if 400 <= status < 500 and status != 408:
            return Verdict(_OTHER_FIELD, known)
    raise Unclear(NO_ANSWER if reply.status >= 400 else UNREADABLE, known)
