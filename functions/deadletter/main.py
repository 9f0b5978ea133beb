"""deadletter: keeps whole events that a stage gave up, and settles the messages in them that stand in no call.

Consumes <stage>-DLT; emits message.refused (FAILED 9999). Members that stand in a call may have gone out: `report` leaves
those alone and the report deadline settles them as UNKNOWN (invariant 10). `ims dead` lists and replays.
"""

from __future__ import annotations

import base64
import binascii

import functions_framework.aio
from cloudevents.http import CloudEvent

from ims import results, topics
from ims.errors import Poison
from ims.lanes import Lane
from ims.ports.dispatch import FAILED
from ims.ports.records import Change, DeadLetter
from ims.protocol.envelope import Emit, Record
from ims.protocol.events import MessageAccepted, MessageRefused, Refusal, SendRequested
from ims.protocol.ids import derived
from ims.runtime.context import Context
from ims.runtime.stage import Decision, run_raw

_EXTENSIONS = ("knativeerrordest", "knativeerrorcode", "knativeerrordata", "knativekafkapartition", "knativekafkaoffset")


async def handle(record: Record, ctx: Context) -> tuple[Lane, Decision]:
    """Keep the event as it was, with why; a later replay finds it whole."""
    attributes = {k: v for k, v in record.attributes.items() if k not in _EXTENSIONS}
    stage = record.attributes.get("knativeerrordest", "").removeprefix("ims:")[:20] or "unknown"
    try:
        lane = Lane(attributes.get("imslane", ""))
    except ValueError:
        lane = Lane.MASS  # not an event of ours: kept where it harms nobody
    letter = DeadLetter(
        Record(record.topic, attributes, record.data),
        stage,
        record.attributes.get("knativeerrorcode", "")[:8],
        _why(record.attributes.get("knativeerrordata", "")),
        ctx.clock(),
    )
    return lane, Decision(Change(dead=[letter]), _settle(attributes, record, lane, stage, ctx))


def _why(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")[:200]
    except binascii.Error:
        return ""


def _settle(attributes: dict[str, str], record: Record, lane: Lane, stage: str, ctx: Context) -> list[Emit]:
    try:
        event = ctx.envelopes.open(attributes, record.data)
    except Poison:
        return []
    data = event.data
    if not isinstance(data, MessageAccepted | SendRequested):
        return []
    refusals = [Refusal(pos=r.pos, result=FAILED, code=results.INTERNAL) for r in data.rows]
    kind = data.send_type.report_type if isinstance(data, SendRequested) else ""
    refused = MessageRefused(birth=data.birth, attempt=data.attempt, stage=f"deadletter:{stage}", report_type=kind, refusals=refusals)
    return [Emit(topics.report(lane), derived(event.id, f"dead-{stage}"), refused, event.subject, lane, event.channel)]


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run_raw("deadletter", handle, event)
