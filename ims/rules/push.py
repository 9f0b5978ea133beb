"""What an app push says, rendered once, and its payload as each service takes it, with the services' limits (domain 1.6, 2.2).

Intake builds the payloads to count them, the adapters to send them: what was measured is what goes out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ims.ports.push import IOS, WEB
from ims.rules.lane import AD_MARK
from ims.rules.template import render

PAYLOAD_BYTES = 4_096  # FCM and APNs alike
TOPIC_BYTES = 2_048  # of a message to a topic (FCM)
COLLAPSE_BYTES = 64  # APNs; FCM has no stricter one
MOST_TTL_S = 28 * 86_400  # FCM: four weeks
TITLE_CHARACTERS = 250  # nobody shows more; the payload's bytes are the limit that counts
ALERT, BACKGROUND = "ALERT", "BACKGROUND"
_RESERVED = frozenset({"from", "message_type", "collapse_key", "aps", "link_url", "image_url"})  # FCM's, Apple's and ours
_RESERVED_BEGINNINGS = ("gcm", "google")


class Push(NamedTuple):
    """A push with its variables filled in."""

    alert: bool
    title: str
    body: str
    link_url: str
    image_url: str
    data: dict[str, str]
    badge: int | None
    sound: str
    channel_id: str

    def __repr__(self) -> str:
        return f"<Push {'ALERT' if self.alert else 'BACKGROUND'}>"


def reserved(name: str) -> bool:
    """Whether a key of `data` belongs to a service or to IMS."""
    return name in _RESERVED or name.lower().startswith(_RESERVED_BEGINNINGS)


def rendered(title: str, text: str, fields: Mapping[str, Any], mapping: Mapping[str, str]) -> Push:
    """The push for one recipient. MissingVariable when a value is missing.

    An ad begins with its mark, before the title or where there is none before the text, and ends with whom to ask and how
    to refuse; a mark that the customer wrote is not doubled.
    """
    alert = fields.get("push_type", ALERT) == ALERT
    title, body = render(title, mapping), render(text, mapping)
    if fields.get("ad_flag") == "Y":
        title, body = marked(title, body)
        body = "\n".join(filter(None, (body, fields.get("contact"), fields.get("remove_guide"))))
    return Push(
        alert=alert,
        title=title,
        body=body,
        link_url=render(fields.get("link_url", ""), mapping),
        image_url=render(fields.get("image_url", ""), mapping),
        data={name: render(value, mapping) for name, value in (fields.get("data") or {}).items()},
        badge=fields.get("badge"),
        sound=fields.get("sound", ""),
        channel_id=fields.get("channel_id", ""),
    )


def marked(title: str, body: str) -> tuple[str, str]:
    """Title and text with the mark of an advertisement at the very beginning of what is shown."""
    if title:
        return (title if title.lstrip().startswith(AD_MARK) else f"{AD_MARK} {title}"), body
    return title, body if body.lstrip().startswith(AD_MARK) else f"{AD_MARK} {body}"


def fcm_payload(push: Push, platform: str) -> dict[str, Any]:
    """FCM's notification and data, with what only this platform shows. Empty platform: a topic, so all of them."""
    data = {**push.data, **{k: v for k, v in (("link_url", push.link_url), ("image_url", push.image_url)) if v}}
    payload: dict[str, Any] = {"data": data} if data else {}
    if push.alert:
        shown = {"title": push.title, "body": push.body, "image": push.image_url}
        payload["notification"] = {name: value for name, value in shown.items() if value}
    own: dict[str, Any] = {"channel_id": push.channel_id, "sound": push.sound, "notification_count": push.badge}
    own = {name: value for name, value in own.items() if value not in ("", None)}
    if own and push.alert and platform not in (IOS, WEB):
        payload["android"] = {"notification": own}
    if platform == WEB and push.link_url.startswith("https://"):
        payload["webpush"] = {"fcm_options": {"link": push.link_url}}
    if platform in (IOS, ""):
        aps = _aps(push)
        aps.pop("alert", None)  # FCM makes it of its notification
        if aps:
            payload["apns"] = {"payload": {"aps": aps}}
    return payload


def apns_payload(push: Push) -> dict[str, Any]:
    """Apple's payload: `aps`, and the app's own keys beside it."""
    own = {**push.data, **{k: v for k, v in (("link_url", push.link_url), ("image_url", push.image_url)) if v}}
    return {"aps": _aps(push), **own}


def encoded(payload: Mapping[str, Any]) -> bytes:
    """The payload as it travels: UTF-8 without blanks."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def size(push: Push, service: str, platform: str) -> int:
    """Bytes of the payload at one service."""
    return len(encoded(apns_payload(push) if service == "apns" else fcm_payload(push, platform)))


def _aps(push: Push) -> dict[str, Any]:
    if not push.alert:
        return {"content-available": 1}  # nothing else may stand there, or it is no background push (Apple)
    aps: dict[str, Any] = {"alert": {name: value for name, value in (("title", push.title), ("body", push.body)) if value}}
    if push.badge is not None:
        aps["badge"] = push.badge
    if push.sound:
        aps["sound"] = push.sound
    if push.image_url:
        aps["mutable-content"] = 1  # lets the app's service extension fetch the image
    return aps
