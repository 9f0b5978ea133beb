"""The one call of FCM that sends: POST /v1/projects/{id}/messages:send, one message a request."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ims.adapters.providers.push_service import Errand
from ims.ports.push import IOS
from ims.rules.push import encoded, fcm_payload


def path(project_id: str) -> str:
    """Where a project's messages go."""
    return f"/v1/projects/{quote(project_id, safe=':')}/messages:send"


def body(errand: Errand, now_s: int) -> bytes:
    """The request. What a platform does not know is left out: a topic is for all of them."""
    message: dict[str, Any] = {"token" if errand.platform else "topic": errand.address, **fcm_payload(errand.push, errand.platform)}
    android: dict[str, Any] = {"priority": "HIGH" if errand.high else "NORMAL"}
    if errand.ttl_s is not None:
        android["ttl"] = f"{errand.ttl_s}s"
    if errand.collapse_key:
        android["collapse_key"] = errand.collapse_key
    message["android"] = {**android, **message.get("android", {})}
    if errand.platform in (IOS, ""):
        headers = {
            "apns-priority": "10" if errand.high and errand.push.alert else "5",
            "apns-push-type": "alert" if errand.push.alert else "background",
        }
        if errand.ttl_s is not None:
            headers["apns-expiration"] = str(now_s + errand.ttl_s if errand.ttl_s else 0)
        if errand.collapse_key:
            headers["apns-collapse-id"] = errand.collapse_key
        message["apns"] = {"headers": headers, **message.get("apns", {})}
    if errand.platform not in ("", IOS) and errand.ttl_s is not None and errand.platform == "WEB":
        message["webpush"] = {"headers": {"TTL": str(errand.ttl_s)}, **message.get("webpush", {})}
    return encoded({"message": message})
