"""Results as customers read them: objects, formed once into arrays of up to 100 for one endpoint."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ims.ports.dispatch import Told
from ims.ports.records import ResultArray
from ims.protocol.envelope import Event
from ims.protocol.events import MessageSettled, Settled, SettledGroup
from ims.protocol.ids import derived
from ims.protocol.sealing import Sealer
from ims.rules.result import About, result_object

ARRAY_RESULTS = 100  # contract section 2
_encode = msgspec.json.Encoder().encode


def _object(service_key: str, g: SettledGroup, s: Settled) -> dict[str, object]:
    told = Told("", s.number, s.result, s.report_code, s.report_at, report_type=s.report_type)
    about = About(service_key, s.message_id, g.campaign_id, s.bill_code, g.birth, s.pos)
    return result_object(about, told, s.attempt)


def form(event: Event, data: MessageSettled, endpoint: str, sealer: Sealer, now: int, due_at: int) -> Iterator[tuple[ResultArray, bytes]]:
    """The arrays of one RESULT event, each with its plain body (a lone result is an object, not an array)."""
    objects = [(g.birth, _object(data.service_key, g, s)) for g in data.groups for s in g.results]
    for index, start in enumerate(range(0, len(objects), ARRAY_RESULTS)):
        part = objects[start : start + ARRAY_RESULTS]
        body = _encode([o for _, o in part])
        id_ = derived(event.id, "array", index)
        array = ResultArray(
            id=id_,
            service_key=data.service_key,
            endpoint=endpoint,
            count=len(part),
            created_at=now,
            body=sealer.seal(body, id_),
            key_id=sealer.key_id,
            due_at=due_at if endpoint else 0,
        )
        yield array, body


def wire_body(body: bytes, count: int) -> bytes:
    """What is posted: one JSON object for one result, an array for several."""
    return body if count > 1 else body[1:-1]
