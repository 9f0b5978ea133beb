"""The one call of APNs that sends: POST /3/device/{token}, with its headers."""

from __future__ import annotations

import re
import uuid

from ims.adapters.providers.push_service import Errand
from ims.ports.push import ApnsKey
from ims.rules.push import apns_payload, encoded

HOSTS = {"production": "https://api.push.apple.com", "sandbox": "https://api.sandbox.push.apple.com"}
_DEVICE = re.compile(r"[0-9A-Fa-f]{16,400}")
_NAMESPACE = uuid.UUID("7d2f6f0a-5a0e-4f6e-9d29-6d0c0d4f3b11")  # ours, so that the same ref is the same id everywhere


def is_device(token: str) -> bool:
    """Whether a token can stand in Apple's path: hexadecimal, of a length that Apple does not fix."""
    return _DEVICE.fullmatch(token) is not None


def path(token: str) -> str:
    """Where a device's pushes go."""
    return f"/3/device/{token}"


def apns_id(trace: str) -> str:
    """Our ref as the UUID that Apple wants; it comes back in the answer and stands in Apple's console."""
    return str(uuid.uuid5(_NAMESPACE, trace))


def headers(key: ApnsKey, errand: Errand, now_s: int) -> dict[str, str]:
    """All but the authorization. A background push has priority 5, or Apple refuses it."""
    found = {
        "apns-id": apns_id(errand.trace),
        "apns-topic": key.topic,
        "apns-push-type": "alert" if errand.push.alert else "background",
        "apns-priority": "10" if errand.high and errand.push.alert else "5",
    }
    if errand.ttl_s is not None:
        found["apns-expiration"] = str(now_s + errand.ttl_s if errand.ttl_s else 0)  # 0: tried once
    if errand.collapse_key:
        found["apns-collapse-id"] = errand.collapse_key
    return found


def body(errand: Errand) -> bytes:
    """The payload."""
    return encoded(apns_payload(errand.push))
