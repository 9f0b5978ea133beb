"""Campaigns over HTTP: how far one is, and what its customer orders of it: pause, resume, pace, approve, cancel.

An order is in force in every process within five seconds. What a campaign has put into a call that was begun is brought to its
end whatever is ordered; everything else waits, or is told CANCELLED. Cancelled is for ever.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from functions.center.desk import Desk
from ims.errors import Rejected
from ims.ports.campaigns import Ordered, Progress, State
from ims.rules.campaigns import RESERVED
from ims.rules.faults import Rejections
from ims.rules.validation import faults_of
from ims.runtime.clients.answers import WrongMethod
from ims.runtime.clients.bodies import json_body
from ims.runtime.clients.callers import Asker, asker_of

PATH = re.compile(r"/ims/([^/]+)/campaigns/([A-Za-z0-9_.:-]{1,30})(?:/(pause|resume|cancel|approve|pace))?")
MOST_PER_S = 100_000
_BODY_BYTES = 1_024
_BEFOREHAND = ("pause", "pace")  # may be ordered before the first message of the campaign comes
_SETTLED = ("DELIVERED", "FAILED", "UNKNOWN", "REJECTED", "EXPIRED", "CANCELLED")
_STATES = {"pause": State.PAUSED, "resume": State.RUNNING, "cancel": State.CANCELLED}


class _Pace(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    per_second: Annotated[int, Field(ge=0, le=MOST_PER_S)]


async def campaigns(request: Request, desk: Desk, found: re.Match[str]) -> dict[str, Any]:
    """The campaign, after what was ordered."""
    service_key, campaign_id, order = found.groups()
    allowed = "POST" if order else "GET"
    if request.method != allowed:
        raise WrongMethod(allowed)
    asker = await asker_of(request, desk, service_key)
    if order:
        await _order(request, desk, asker, campaign_id, order)
    progress = await desk.progresses.of(service_key, campaign_id)
    ordered = await desk.registry.campaigns.find(service_key, campaign_id)
    if ordered is None and not progress.counts:
        raise Rejected("1404")
    directory = await desk.registry.directory()
    in_force = directory.campaign(asker.customer.name, service_key, campaign_id)
    waits = in_force is not None and in_force.state is State.WAITING
    return described(campaign_id, ordered, progress, waits=waits)


async def _order(request: Request, desk: Desk, asker: Asker, campaign_id: str, order: str) -> None:
    key, registry = asker.key.key, desk.registry.campaigns
    pace = _pace(await json_body(request, _BODY_BYTES)) if order == "pace" else None
    known = order in _BEFOREHAND or await registry.find(key, campaign_id) is not None
    if not known and not (await desk.progresses.of(key, campaign_id)).counts:
        raise Rejected("1404")
    await registry.order(asker.author, key, campaign_id, state=_STATES.get(order), pace_per_s=pace, approved=order == "approve")


def described(campaign_id: str, ordered: Ordered | None, progress: Progress, *, waits: bool) -> dict[str, Any]:
    """A campaign as its customer sees it. `waiting` and `underway` and the results are all of `accepted`."""
    state = ordered.state if ordered else State.RUNNING
    if state is State.RUNNING and waits:
        state = State.WAITING
    waiting = sum(progress.held.values())
    return {
        "campaign_id": campaign_id,
        "state": state.value,
        "pace_per_second": ordered.pace_per_s if ordered else 0,
        "approved_by": ordered.approved_by if ordered else "",
        "accepted": progress.accepted,
        "reserved": progress.held.get(RESERVED, 0),
        "waiting": waiting,
        "underway": max(0, progress.accepted - progress.settled - waiting),
        **{result.lower(): progress.counts.get(result, 0) for result in _SETTLED},
    }


def _pace(body: bytes) -> int:
    try:
        return _Pace.model_validate_json(body).per_second
    except ValidationError as exc:
        raise Rejections(faults_of(exc)) from None
