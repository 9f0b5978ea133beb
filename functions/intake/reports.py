"""Results by asking: polling, acknowledging, reading one message, replay (contract 2). Input is checked here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from functions.intake.faults import Fault, Rejections, faults_of
from functions.intake.ports import IntakePorts
from ims.errors import Rejected
from ims.ports.registry import ServiceKey

MAX_RESULTS = 1_000
_MOST_PARAMETERS = 50
_INSTANT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})$"
_Instant = Annotated[str, StringConstraints(pattern=_INSTANT)]
_MessageId = Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=r"^[A-Za-z0-9_.:-]+$")]


class Replay(BaseModel):
    """A period (`from` and `to`), or messages."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    from_: _Instant | None = Field(default=None, alias="from")
    to: _Instant | None = None
    message_ids: Annotated[list[_MessageId], Field(min_length=1, max_length=MAX_RESULTS)] | None = None


def _parameters(query: str, *known: str) -> dict[str, str]:
    """The query, each name once. Unknown names are refused."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise Rejected("1400") from None
    faults = [Fault(n[:60], "1400", f"알 수 없는 항목입니다: {n[:60]}", f"Unknown field: {n[:60]}") for n, _ in pairs if n not in known]
    found = dict(pairs)
    if not faults and len(found) != len(pairs):
        faults = [Fault(pairs[0][0], "1400", "두 번 있습니다.", "It stands twice.")]
    if faults:
        raise Rejections(faults)
    return found


async def poll(query: str, ctx: IntakePorts, key: ServiceKey) -> dict[str, Any]:
    """Unacknowledged results, with the id to acknowledge them by."""
    limit = _parameters(query, "limit").get("limit", str(MAX_RESULTS))
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= MAX_RESULTS:
        raise Rejections([Fault("limit", "1400", f"1 이상 {MAX_RESULTS} 이하여야 합니다.", f"It must be 1 to {MAX_RESULTS}.")])
    batch_id, results = await ctx.poll(key, int(limit))
    return {"batch_id": batch_id, "results": results}


async def acknowledge(query: str, ctx: IntakePorts, key: ServiceKey, batch_id: str) -> dict[str, str]:
    """Results of a batch will not be handed out again. Rejected 1404."""
    _parameters(query)
    if not await ctx.acknowledge(key, batch_id):
        raise Rejected("1404")
    return {"batch_id": batch_id}


async def one(query: str, ctx: IntakePorts, key: ServiceKey, message_id: str) -> Mapping[str, Any]:
    """What is known of a message. Rejected 1404."""
    _parameters(query)
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
