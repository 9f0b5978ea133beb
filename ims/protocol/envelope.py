"""A CloudEvent in binary mode: ASCII attributes beside sealed JSON data, as it lies in the log and travels over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from ims.errors import Poison
from ims.lanes import Lane
from ims.protocol.events import TYPE_OF, TYPES, EventData
from ims.protocol.sealing import Sealer

_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[EventData]] = {name: msgspec.json.Decoder(type=data) for name, data in TYPES.items()}
D = TypeVar("D", bound=EventData)


@dataclass(frozen=True, slots=True)
class Event:
    """An event as the stages see it: opened, decoded."""

    id: str
    type: str
    subject: str  # birth event id
    lane: Lane
    channel: str
    trace: str  # W3C traceparent
    data: EventData

    @property
    def trace_id(self) -> str:
        """The one id that follows a message from the POST to the callback."""
        return self.trace[3:35]


@dataclass(frozen=True, slots=True)
class Record:
    """An event as the log keeps it. `attributes` are CloudEvents attributes, ASCII, ours only."""

    topic: str
    attributes: dict[str, str]
    data: bytes

    @property
    def id(self) -> str:
        return self.attributes["id"]

    def headers(self) -> dict[str, str]:
        """The HTTP binary mode: every attribute as ce-<name>, the content type apart."""
        out = {f"ce-{k}": v for k, v in self.attributes.items() if k != "datacontenttype"}
        out["content-type"] = self.attributes.get("datacontenttype", "application/octet-stream")
        return out


@dataclass(frozen=True, slots=True)
class Emit:
    """An event that a stage wants in the log."""

    topic: str
    id: str
    data: EventData
    subject: str
    lane: Lane
    channel: str = ""


class Envelopes:
    """Seals what stages emit, opens what they receive."""

    def __init__(self, sealer: Sealer, source: str) -> None:
        self._sealer = sealer
        self._source = f"/ims/{source}"

    def seal(self, emit: Emit, trace: str, at_ms: int) -> Record:
        """The record for an emitted event."""
        attributes = {
            "specversion": "1.0",
            "id": emit.id,
            "source": self._source,
            "type": TYPE_OF[type(emit.data)],
            "subject": emit.subject,
            "time": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/octet-stream",
            "partitionkey": emit.id,
            "traceparent": trace,
            "imslane": emit.lane.value,
            "imschannel": emit.channel or "-",
            "imstopic": emit.topic,  # KafkaSource does not say which topic an event came from
            "imskey": self._sealer.key_id,
        }
        return Record(emit.topic, attributes, self._sealer.seal(_encoder.encode(emit.data), emit.id))

    def open(self, attributes: Mapping[str, str], data: bytes) -> Event:
        """The event in a record. Poison for what is not ours, of an unknown type, or does not open."""
        kind = attributes.get("type", "")
        decoder = _decoders.get(kind)
        if decoder is None:
            raise Poison(f"unknown event type {kind[:60]!r}")
        try:
            id_ = attributes["id"]
            plain = self._sealer.open(data, id_, attributes["imskey"])
            return Event(
                id_,
                kind,
                attributes["subject"],
                Lane(attributes["imslane"]),
                attributes.get("imschannel", "-"),
                attributes.get("traceparent", ""),
                decoder.decode(plain),
            )
        except (KeyError, ValueError, msgspec.MsgspecError) as exc:
            raise Poison(f"a {kind} event that cannot be read: {type(exc).__name__}") from exc


def encode(data: EventData) -> bytes:
    """The plain JSON form."""
    return _encoder.encode(data)


def decode(plain: bytes, kind: type[D]) -> D:
    """The reverse of `encode`."""
    return msgspec.json.decode(plain, type=kind)
