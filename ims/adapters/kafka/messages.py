"""Records of ours as Kafka messages and back: CloudEvents binary mode, and what the real dispatcher makes of everything else.

Written: every attribute as header `ce_<name>`, `ce_partitionkey` among them (it does not reach a function otherwise), datacontenttype as
`content-type`, the key is the partitionkey. Read, as KafkaSource was seen to do: binary and structured mode; what is no valid CloudEvent is
wrapped as `dev.knative.kafka.event` and so ends as a dead letter of its stage instead of wedging it.

Deliberately different: a value that no HTTP header can carry (beyond printable ASCII) is percent-encoded as the HTTP binding of CloudEvents
asks; there it is destroyed, and a line break in it loses the event. Plain `traceparent` headers are dropped like all others.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ims.ports.log import Delivery

WRAPPED = "dev.knative.kafka.event"
_PREFIX = "ce_"
_PRINTABLE = "".join(chr(c) for c in range(0x20, 0x7F))
_NAME = re.compile(r"[a-z0-9]{1,64}")
_REQUIRED = ("specversion", "id", "source", "type")

Headers = Sequence[tuple[str, bytes | None]]


def to_headers(attributes: dict[str, str]) -> list[tuple[str, bytes]]:
    """The headers of one message."""
    out = [(_PREFIX + name, value.encode()) for name, value in attributes.items() if name != "datacontenttype"]
    out.append(("content-type", attributes.get("datacontenttype", "application/octet-stream").encode()))
    return out


def to_delivery(
    group: str, topic: str, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes | None, headers: Headers
) -> Delivery:
    """What a message is to the function that gets it."""
    plain = {name.lower(): _text(content) for name, content in headers}
    data = value or b""
    kind = plain.get("content-type", "").lower()
    found: tuple[dict[str, str], bytes] | None
    if kind.startswith("application/cloudevents-batch"):
        found = None
    elif kind.startswith("application/cloudevents"):
        found = _structured(data)
    else:
        found = _binary(plain, data)
    attributes, data = found or (_wrap(group, topic, partition, offset, timestamp_ms, key, headers), data)
    return Delivery(topic, partition, offset, {n: _carried(v) for n, v in attributes.items()}, data)


def _binary(plain: dict[str, str], data: bytes) -> tuple[dict[str, str], bytes] | None:
    attributes = {name[len(_PREFIX) :]: value for name, value in plain.items() if name.startswith(_PREFIX)}
    if "content-type" in plain:
        attributes["datacontenttype"] = plain["content-type"]
    return (attributes, data) if _valid(attributes) else None


def _structured(data: bytes) -> tuple[dict[str, str], bytes] | None:
    try:
        event = json.loads(data)
    except ValueError:
        return None
    if not isinstance(event, dict):
        return None
    body = event.pop("data", None)
    packed = event.pop("data_base64", None)
    if any(isinstance(v, (dict, list)) for v in event.values()):
        return None
    attributes = {name.lower(): _scalar(value) for name, value in event.items() if value is not None}
    if not _valid(attributes):
        return None
    try:
        return attributes, base64.b64decode(packed, validate=True) if isinstance(packed, str) else _body(body, attributes)
    except ValueError:
        return None


def _body(body: Any, attributes: dict[str, str]) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str) and "json" not in attributes.get("datacontenttype", "application/json"):
        return body.encode()
    return json.dumps(body, ensure_ascii=False).encode()


def _scalar(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _valid(attributes: dict[str, str]) -> bool:
    if any(name not in attributes for name in _REQUIRED) or not all(_NAME.fullmatch(name) for name in attributes):
        return False
    if attributes["specversion"] not in ("1.0", "0.3"):
        return False
    return "time" not in attributes or _parses(datetime.fromisoformat, attributes["time"])


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _wrap(group: str, topic: str, partition: int, offset: int, timestamp_ms: int, key: bytes | None, headers: Headers) -> dict[str, str]:
    out = {
        "specversion": "1.0",
        "id": f"partition:{partition}/offset:{offset}",
        "source": f"/apis/v1/namespaces/ims/kafkasources/{group}#{topic}",
        "type": WRAPPED,
        "subject": f"partition:{partition}#{offset}",
        "time": datetime.fromtimestamp(max(timestamp_ms, 0) / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if key is not None:
        out["partitionkey"] = out["key"] = _text(key)
    for name, content in headers:
        if name.lower() == "content-type":
            out["datacontenttype"] = _text(content)
        elif kept := re.sub(r"[^a-z0-9]", "", name.lower()):
            out[f"kafkaheader{kept}"] = _text(content)
    return out


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")


def _carried(value: str) -> str:
    return value if value.isascii() and value.isprintable() else quote(value, safe=_PRINTABLE)
