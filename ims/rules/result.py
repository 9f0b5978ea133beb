"""A message's result as its customer reads it: in a callback, by polling, by reading one message. Contract section 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ims.ports.dispatch import HELD, RECEIVED, SENT, Dispatch, Told
from ims.protocol.ids import derived

_SEOUL = ZoneInfo("Asia/Seoul")


class About(NamedTuple):
    """Whose result it is."""

    service_key: str
    message_id: str
    campaign_id: str
    bill_code: str
    birth: str
    pos: int


@dataclass(frozen=True, slots=True)
class State:
    """Where a message stands: a result that was told, or how far it is."""

    attempt: int
    told: Told | None
    result: str


@lru_cache(maxsize=4_096)  # reports of one batch share their milliseconds
def iso(at_ms: int) -> str:
    """A time as people in Korea read it, with its offset; empty for 0."""
    return datetime.fromtimestamp(at_ms / 1000, _SEOUL).isoformat(timespec="milliseconds") if at_ms else ""


def result_object(about: About, told: Told, attempts: int) -> dict[str, object]:
    """One result. The event id follows from message and number, so a replay tells the same."""
    return {
        "event_id": derived(about.birth, "result", f"{about.pos}.{told.number}"),
        "service_key": about.service_key,
        "message_id": about.message_id,
        "campaign_id": about.campaign_id,
        "report_type": told.report_type,
        "report_code": told.code,
        "result": told.result,
        "report_at": iso(told.at),
        "attempts": attempts,
        "bill_code": about.bill_code,
    }


def open_object(about: About, state: State, report_type: str) -> dict[str, object]:
    """A message without a result yet: the same fields, those that are not known empty."""
    return {
        "event_id": "",
        "service_key": about.service_key,
        "message_id": about.message_id,
        "campaign_id": about.campaign_id,
        "report_type": report_type,
        "report_code": "",
        "result": state.result,
        "report_at": "",
        "attempts": state.attempt,
        "bill_code": about.bill_code,
    }


def state_of(pos: int, attempts: Sequence[Dispatch], *, held: bool = False) -> State:
    """The message's state from its attempts, the first one first: the last attempt that knows it speaks."""
    for d in reversed(attempts):
        member = d.members.get(pos)
        if member is None or (not member.result and not member.stepped and member.call < 0):
            continue
        if member.told:
            return State(d.attempt, member.told[-1], member.told[-1].result)
        if member.stepped:
            return State(d.attempt + 1, None, SENT)
        if member.result or d.calls[member.call].first_at:
            return State(d.attempt, None, SENT)
    return State(1, None, HELD if held else RECEIVED)
