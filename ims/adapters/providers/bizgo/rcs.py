"""An RCS message in Bizgo's words. Texts stay unrendered: Bizgo substitutes on this channel too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ims.ports.providers import OutgoingCall


def message(call: OutgoingCall, text: str, pictures: Sequence[str]) -> dict[str, Any]:
    """What stands under `rcs` in the flow."""
    fields = call.fields
    body = {"title": fields.get("body", {}).get("title", ""), "description": text, "media": pictures[0] if pictures else ""}
    made: dict[str, Any] = {
        "from": call.callback,
        "formatId": fields["messagebase_id"],
        "brandKey": fields["brand_key"],
        "body": {name: value for name, value in body.items() if value},
        "expiryOption": fields.get("expiry_option", "1"),
    }
    if buttons := fields.get("buttons"):
        made["buttons"] = [{"suggestions": [_suggestion(button) for button in buttons]}]
    if fields.get("header") == "1":
        made |= {"header": "1", "footer": fields["footer"]}
    return made


def _suggestion(button: Mapping[str, Any]) -> dict[str, Any]:
    match button["type"]:
        case "URL":
            action: dict[str, Any] = {"urlAction": {"openUrl": {"url": button["url"]}}}
        case "DIAL":
            action = {"dialerAction": {"dialPhoneNumber": {"phoneNumber": button["phone_number"]}}}
        case _:  # CALENDAR
            event = {name: button[ours] for name, ours in _EVENT.items() if button.get(ours)}
            action = {"calendarAction": {"createCalendarEvent": event}}
    return {"action": action, "displayText": button["name"]}


_EVENT = {"startTime": "start_time", "endTime": "end_time", "title": "title", "description": "description"}
