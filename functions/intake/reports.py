"""Results by asking: polling, acknowledging, reading one message, replay (contract 2). Input is checked here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from functions.intake.faults import Fault, Rejections, faults_of
from functions.intake.ports import IntakePorts
from ims.errors import Rejected
from ims.ports.registry import ServiceKey
from ims.runtime.clients.query import INSTANT, Query

MAX_RESULTS = 1_000
_Instant = Annotated[str, StringConstraints(pattern=f"^{INSTANT}$")]
_MessageId = Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=r"^[A-Za-z0-9_.:-]+$")]


class Replay(BaseModel):
    """A period (`from` and `to`), or messages."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    from_: _Instant | None = Field(default=None, alias="from")
    to: _Instant | None = None
    message_ids: Annotated[list[_MessageId], Field(min_length=1, max_length=MAX_RESULTS)] | None = None


async def poll(query: str, ctx: IntakePorts, key: ServiceKey) -> dict[str, Any]:
    """Unacknowledged results, with the id to acknowledge them by."""
    asked = Query(query, ("limit",))
    limit = asked.number("limit", MAX_RESULTS, MAX_RESULTS)
    asked.done()
    batch_id, results = await ctx.poll(key, limit)
    return {"batch_id": batch_id, "results": results}


async def acknowledge(query: str, ctx: IntakePorts, key: ServiceKey, batch_id: str) -> dict[str, str]:
    """Results of a batch will not be handed out again. Rejected 1404."""
    Query(query, ()).done()
    if not await ctx.acknowledge(key, batch_id):
        raise Rejected("1404")
    return {"batch_id": batch_id}


async def one(query: str, ctx: IntakePorts, key: ServiceKey, message_id: str) -> Mapping[str, Any]:
    """What is known of a message. Rejected 1404."""
    Query(query, ()).done()
    found = await ctx.read(key, message_id)
    if found is None:
        raise Rejected("1404")
    return found


async def replay(body: bytes, ctx: IntakePorts, key: ServiceKey) -> int:
    """How many results will come again."""
    try:
        asked = Replay.model_validate_json(body)
    except ValidationError as exc:
        raise Rejections(faults_of(exc)) from None
    by_time = asked.from_ is not None or asked.to is not None
    if by_time == (asked.message_ids is not None):
        ko, en = "from과 to 또는 message_ids 중 하나여야 합니다.", "Give either from and to, or message_ids."
        raise Rejections([Fault("", "1400", ko, en)])
    if asked.message_ids is not None:
        return await ctx.replay(key, None, None, list(dict.fromkeys(asked.message_ids)))
    faults = [
        Fault(name, "2020", "필수 항목입니다.", "It is required.") for name, given in (("from", asked.from_), ("to", asked.to)) if not given
    ]
    if faults:
        raise Rejections(faults)
    from_ms, to_ms = _instant("from", asked.from_), _instant("to", asked.to)
    if from_ms >= to_ms:
        raise Rejections([Fault("to", "1400", "from보다 뒤여야 합니다.", "It must be later than from.")])
    return await ctx.replay(key, from_ms, to_ms, [])


def _instant(field: str, text: str | None) -> int:
    try:
        return int(datetime.fromisoformat(text or "").timestamp() * 1_000)
    except (ValueError, OverflowError):
        raise Rejections([Fault(field, "1400", "존재하지 않는 시각입니다.", "There is no such time.")]) from None
