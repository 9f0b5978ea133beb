"""What a function is given by the process that runs it. Built in ims.wiring, installed when the process starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ims.lanes import TRAITS, Lane
from ims.ports.campaigns import Progresses
from ims.ports.clock import Clock
from ims.ports.files import Files
from ims.ports.histories import Histories
from ims.ports.log import Reader
from ims.ports.providers import Provider
from ims.ports.records import Acceptance, Due, Journal, Outbox, Retention
from ims.ports.registry import Registry
from ims.ports.results import Results
from ims.ports.shared import Shared
from ims.ports.traces import Traces
from ims.protocol.envelope import Envelopes
from ims.protocol.ids import Tracker
from ims.protocol.sealing import Sealer
from ims.runtime.attachments import Attached
from ims.runtime.breaker import Breakers
from ims.runtime.pace import Pace
from ims.runtime.pools import Pool
from ims.runtime.quiet import Quiet
from ims.runtime.rates import Rates


class Caller(Protocol):
    """Calls a customer's URL (ims.adapters.http.guarded)."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int: ...

    async def check(self, url: str) -> bool: ...


@dataclass(frozen=True)
class Timing:
    """Every wait that operators and tests set. Seconds."""

    report_deadline_s: Mapping[str, float]  # by send type: no report by then is UNKNOWN
    callback_retry_unit_s: float = 60.0  # contract 2: retry n waits (n^2 - n + 1) of these
    park_s: float = 5.0  # how long an event rests when its provider is away, at first
    provider_tries: int = 3  # in one delivery of the event, before it is parked


@dataclass
class Context:
    """The ports, for one process."""

    name: str  # of this process, unique among those alive: owner of leases and claims
    clock: Clock
    journal: Journal
    acceptance: Acceptance
    due: Due
    retention: Retention
    results: Results
    progresses: Progresses
    histories: Histories
    registry: Registry
    shared: Shared
    traces: Traces
    envelopes: Envelopes
    sealer: Sealer
    tracker: Tracker
    timing: Timing
    providers: Mapping[tuple[str, str], Pool] = field(default_factory=dict)  # (family, account)
    polled: list[Provider] = field(default_factory=list)  # accounts whose delivery reports are fetched, not pushed
    caller: Caller | None = None
    attached: Attached | None = None  # what customers uploaded for their messages
    files: Files | None = None  # where events lie that are too large for the log
    outbox: Outbox | None = None  # where the log is a system of its own
    reader: Reader | None = None  # of the log, for processes that dispatch it
    restored_until: int = 0  # births up to then may have been sent by a life that restored records know nothing of
    breakers: Breakers = field(default_factory=Breakers)
    rates: Rates = field(default_factory=Rates)
    paces: dict[str, Pace] = field(default_factory=dict)  # of held events, by topic
    # when each paced campaign may be woken again
    woken_next: dict[Lane, dict[str, int]] = field(default_factory=lambda: {lane: {} for lane in Lane})
    quiet: dict[Lane, Quiet] = field(default_factory=lambda: {lane: Quiet() for lane in Lane})  # since a stage of this process committed
    trace: Callable[..., None] = lambda *_args: None
    public_url: str = ""  # where people outside reach intake: links in ads; empty: nowhere
    closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def pool(self, family: str, lane: Lane) -> Pool:
        """The accounts that serve a lane: reserved lanes have their own."""
        return self.providers[family, "fast" if TRAITS[lane].reserved else "bulk"]


_installed: list[Context] = []


def install(context: Context) -> None:
    """Make a context the one of this process."""
    _installed[:] = [context]


def current() -> Context:
    """The context of this process. RuntimeError before start-up has installed one."""
    if not _installed:
        raise RuntimeError("the process has no context yet: functions run inside ims.serve")
    return _installed[0]
