"""AlimTalk and brand messages in Bizgo's words (spec of bizgo-sdk-comm 1.2.0): names in camel case, bubbles by two letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ims.errors import CallRefused
from ims.ports.providers import OutgoingCall
from ims.results import INTERNAL
from ims.rules.brand import CODE_OF, Mode, bubble_name
from ims.rules.brand_check import VARIABLES
from ims.rules.parts import rendered, variables_in
from ims.rules.template import MissingVariable


def alimtalk(call: OutgoingCall, text: str) -> dict[str, Any]:
    """The flow item of an AlimTalk."""
    message: dict[str, Any] = {
        "msgType": call.message_type or "AT",
        "senderKey": call.sender_key,
        "templateCode": call.template_code,
        "text": text,
    }
    header, attachment, supplement = _alike(call, call.header, call.attachment, call.supplement)
    optional = {"title": call.title, "header": header, "attachment": _camel(attachment), "supplement": _camel(supplement)}
    return message | {name: value for name, value in optional.items() if value}


def brandmessage(call: OutgoingCall, text: str) -> dict[str, Any]:
    """The flow item of a brand message, or of a FriendTalk. `variable` mode is Bizgo's `basic` with the variables alone."""
    bubble = CODE_OF.get(bubble_name(call.message_type))
    if bubble is None:
        raise CallRefused(INTERNAL, "bubble")
    header, attachment, fields = _alike(call, call.header, call.attachment, call.fields)
    mode = Mode(fields.get("send_mode", Mode.FREE))
    message: dict[str, Any] = {
        "sendType": "free" if mode is Mode.FREE else "basic",
        "msgType": bubble,
        "senderKey": call.sender_key,
        "targeting": fields.get("targeting", "I"),
        "pushAlarm": fields.get("push_alarm", "Y"),
    }
    if mode is Mode.FREE:
        message["adFlag"] = fields.get("ad_flag", "Y")
    else:
        message["templateCode"] = call.template_code
    if mode is Mode.VARIABLE:
        optional = {_camel_name(name): _variables(fields[name]) for name in VARIABLES if fields.get(name)}
    else:
        attachment, carousel = _camel(attachment), _camel(fields.get("carousel", {}))
        if mode is Mode.FREE:
            _with_pc_links(attachment)
            for card in carousel.get("list", []):
                _with_pc_links(card.get("attachment", {}))
        optional = {
            "text": text,
            "header": header,
            "additionalContent": fields.get("additional_content", ""),
            "attachment": attachment,
            "carousel": carousel,
        }
    return message | {name: value for name, value in optional.items() if value}


def _alike(call: OutgoingCall, *parts: Any) -> tuple[Any, ...]:
    """The parts as all members have them. CallRefused when they differ: Bizgo fills in only text and title."""
    names = variables_in(*parts)
    if not names:
        return parts
    first = call.members[0].mapping
    if any(member.mapping.get(name) != first.get(name) for member in call.members for name in names):
        raise CallRefused(INTERNAL, "parts differ")
    try:
        return tuple(rendered(part, first) for part in parts)
    except MissingVariable as exc:
        raise CallRefused(INTERNAL, "a variable of the parts has no value") from exc


def _variables(value: Any) -> Any:
    """Values of a template's variables: the names in them are the template's own and stay. Of several images Bizgo takes one dict."""
    if not isinstance(value, list):
        return value
    if any(isinstance(inner, Mapping) for one in value for inner in one.values()):  # of cards
        return [{_camel_name(name): inner for name, inner in card.items()} for card in value]
    return {name: inner for one in value for name, inner in one.items()}


def _with_pc_links(attachment: Mapping[str, Any]) -> None:
    """A web link of a free message needs both addresses at Bizgo. (One with a template must be as it was approved.)"""
    for button in attachment.get("button", []):
        if button.get("type") == "WL":
            button.setdefault("urlPc", button["urlMobile"])


def _camel(value: Any) -> Any:
    """Kakao's names (url_mobile) as Bizgo spells them (urlMobile), through all levels."""
    if isinstance(value, Mapping):
        return {_camel_name(str(name)): _camel(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_camel(inner) for inner in value]
    return value


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
