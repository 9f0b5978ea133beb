"""Runs one event through one stage: open, decide, commit state and outputs, answer.

The only place that turns errors into HTTP status codes: 2xx done, 503 come again (Later), 400 dead letter (Poison),
500 a fault of ours that is retried and in the end becomes a dead letter.
"""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cloudevents.http import CloudEvent
from starlette.exceptions import HTTPException

from ims.errors import Conflict, Later, Poison
from ims.lanes import Lane
from ims.ports.records import Change
from ims.protocol.envelope import Emit, Event, Record
from ims.runtime.claim_check import data_of, whole
from ims.runtime.context import Context, current
from ims.telemetry import STAGE_EVENTS, STAGE_SECONDS, log

CONFLICT_TRIES = 6  # decisions on fresh state before the event goes back to the log


@dataclass(slots=True)
class Decision:
    """What a stage wants: a state change and the events to emit with it."""

    change: Change = field(default_factory=Change)
    emits: Sequence[Emit] = ()
    rows: int = 0  # messages concerned, for the trace
    note: str = ""  # for `ims why`; codes and counts only
    lane: Lane | None = None  # where it is committed; the event's own lane unless said
    after: Callable[[], None] = lambda: None  # once it is committed: what is to be counted


Handler = Callable[[Event, Context], Awaitable[Decision]]


def child(trace: str) -> str:
    """A traceparent of the same trace with a new span."""
    return f"{trace[:36]}{secrets.token_hex(8)}-01" if len(trace) >= 36 else new_trace()


def new_trace() -> str:
    """A traceparent of a new trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


async def commit(ctx: Context, event: Event, decision: Decision, *, durable: bool = False) -> None:
    """State first, outputs with it or after it, in the event's lane and under its trace."""
    now = ctx.clock()
    lane = decision.lane or event.lane
    records = [ctx.envelopes.seal(e, child(event.trace), now) for e in decision.emits]
    if records or decision.change.holds_state:
        await ctx.journal.commit(lane, decision.change, records, durable=durable)
        ctx.quiet[lane].ends()


async def run(stage: str, handler: Handler, cloud_event: CloudEvent) -> None:
    """What a function's main does with a delivered event. HTTPException carries the status to the framework."""
    ctx = current()
    attributes: dict[str, str] = {k: str(v) for k, v in cloud_event.get_attributes().items()}
    data = cloud_event.get_data()
    started = time.perf_counter()
    lane, outcome, decision = attributes.get("imslane", "-"), "done", Decision()
    try:
        sealed = await data_of(ctx.files, attributes, data if isinstance(data, bytes) else b"")
        event = ctx.envelopes.open(attributes, sealed)
        lane = event.lane.value
        decision = await decide(ctx, handler, event)
    except Later as exc:
        outcome = "conflict" if isinstance(exc, Conflict) else "later"
        raise HTTPException(503, type(exc).__name__) from exc
    except Poison as exc:
        outcome = "poison"
        log.error("poison", stage=stage, id=attributes.get("id", "")[:40], why=str(exc))
        raise HTTPException(400, "poison") from exc
    except Exception as exc:
        outcome = "fault"
        log.error("fault", stage=stage, id=attributes.get("id", "")[:40], error=type(exc).__name__, place=where(exc))
        raise HTTPException(500, type(exc).__name__) from exc
    finally:
        took = time.perf_counter() - started
        STAGE_EVENTS.labels(stage, lane, outcome).inc()
        STAGE_SECONDS.labels(stage, lane).observe(took)
        ctx.trace(stage, attributes, took, outcome, decision)


async def decide(ctx: Context, handler: Handler, event: Event) -> Decision:
    """Decide and commit; a lost compare-and-set decides again on what is there now."""
    for attempt in range(CONFLICT_TRIES):
        decision = await handler(event, ctx)
        try:
            await commit(ctx, event, decision)
        except Conflict:
            if attempt == CONFLICT_TRIES - 1:
                raise
            continue
        decision.after()
        return decision
    raise AssertionError("unreachable")


def where(exc: BaseException) -> str:
    """The innermost place of an error, without its values."""
    frames = traceback.extract_tb(exc.__traceback__)
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""


async def run_raw(stage: str, handler: Callable[[Record, Context], Awaitable[tuple[Lane, Decision]]], cloud_event: CloudEvent) -> None:
    """Like `run`, for the stage that keeps events which nobody could open."""
    ctx = current()
    attributes: dict[str, str] = {k: str(v) for k, v in cloud_event.get_attributes().items()}
    data = cloud_event.get_data()
    record = Record(attributes.get("imstopic", ""), attributes, data if isinstance(data, bytes) else b"")
    with suppress(Later):  # kept whole; where its file cannot be had, with its reference
        record = await whole(ctx.files, record)
    try:
        lane, decision = await handler(record, ctx)
        now = ctx.clock()
        trace = attributes.get("traceparent") or new_trace()
        await ctx.journal.commit(lane, decision.change, [ctx.envelopes.seal(e, child(trace), now) for e in decision.emits])
        STAGE_EVENTS.labels(stage, lane.value, "done").inc()
    except Later as exc:
        raise HTTPException(503, type(exc).__name__) from exc
    except Exception as exc:
        log.error("fault", stage=stage, error=type(exc).__name__, place=where(exc))
        raise HTTPException(500, type(exc).__name__) from exc
