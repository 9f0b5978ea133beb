"""The one call that sends: POST /api/comm/v1/send/omni, built without the SDK's models (90 us a recipient).

A test compares this body with the SDK's own for the same call. The text stays unrendered: Bizgo substitutes
`replaceWords`, which makes one text for all members a condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ims.adapters.providers.bizgo import rcs
from ims.adapters.providers.bizgo.kakao import alimtalk, brandmessage
from ims.errors import CallRefused
from ims.ports.providers import OutgoingCall
from ims.results import INTERNAL
from ims.topics import SendType

PATH = "/api/comm/v1/send/omni"
MAX_DESTINATIONS = 200
MAX_TTL_S = 86_400

_ENCODER = msgspec.json.Encoder()


def body(call: OutgoingCall, pictures: Sequence[str] = ()) -> bytes:
    """The request body; `pictures` are Bizgo's names of the call's files.

    CallRefused when the call cannot be said to Bizgo: our bug, and nothing was sent.
    """
    if not 0 < len(call.members) <= MAX_DESTINATIONS:
        raise CallRefused(INTERNAL, "members")
    text = call.members[0].text
    if any(member.text != text for member in call.members):
        raise CallRefused(INTERNAL, "texts differ")
    return _ENCODER.encode({
        "destinations": [
            {"to": m.to, "replaceWords": m.mapping, "ref": m.ref} if m.mapping else {"to": m.to, "ref": m.ref} for m in call.members
        ],
        "messageFlow": [_flow(call, text, pictures)],
        "idempotencyKey": call.key,
        "idempotencyTtl": min(call.key_ttl_s, MAX_TTL_S),
    })  # fmt: skip


def files(call: OutgoingCall) -> tuple[Sequence[str], str]:
    """The keys of a call's files, and where Bizgo takes such."""
    if call.send_type is SendType.RCS:
        media = call.fields.get("body", {}).get("media")
        return [media] if media else [], "rcs"
    return call.fields.get("attach_file_list", ()), "mms"


def _flow(call: OutgoingCall, text: str, pictures: Sequence[str]) -> dict[str, dict[str, Any]]:
    match call.send_type:
        case SendType.AT:
            return {"alimtalk": alimtalk(call, text)}
        case SendType.BT:
            return {"brandmessage": brandmessage(call, text)}
        case SendType.SMS:
            return {"sms": {"from": call.callback, "text": text}}
        case SendType.LMS:  # an MMS without files
            return {"mms": {"from": call.callback, "text": text} | ({"title": call.title} if call.title else {})}
        case SendType.MMS:
            message: dict[str, Any] = {"from": call.callback, "text": text, "fileKey": list(pictures)}
            return {"mms": message | ({"title": call.title} if call.title else {})}
        case SendType.RCS:
            return {"rcs": rcs.message(call, text, pictures)}
        case other:
            raise CallRefused(INTERNAL, f"{other} is not written for Bizgo yet")
