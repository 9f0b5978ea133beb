"""One send.requested event on its way: its dispatch row, and which of its providers may be called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ims import results
from ims.ports.dispatch import UNKNOWN, Call, CallStatus, Dispatch
from ims.ports.providers import Abilities, Provider
from ims.ports.records import Change
from ims.ports.registry import Directory
from ims.protocol.envelope import Emit, Event
from ims.protocol.events import SendRequested
from ims.rules import calls
from ims.runtime.context import Context
from ims.runtime.pools import Health, Pool, named, ranked
from ims.runtime.stage import Decision, commit
from ims.telemetry import FAILOVERS

# A provider that is configured no more: what it was asked for under a key nobody else may repeat.
_GONE = Abilities(max_members=1, keys="none", key_ttl_s=0, timeout_s=1.0, can_ask=False, rate_per_s=0)


@dataclass
class Errand:
    """An event, what it needs, and what was found out about its providers while it was handled."""

    event: Event
    request: SendRequested
    ctx: Context
    family: str
    pool: Pool
    directory: Directory
    avoided: set[str] = field(default_factory=set)  # surely did not send just now: the others are asked first
    _opens: dict[str, int] = field(default_factory=dict)

    @cached_property
    def health(self) -> Health:
        return Health(self.ctx.breakers, self.family)

    @cached_property
    def _ranked(self) -> list[Provider]:
        return ranked(self.pool, f"{self.request.birth}|{self.request.attempt}", self.family, self.directory)

    @property
    def report_deadline_ms(self) -> int:
        return int(self.ctx.timing.report_deadline_s[self.request.send_type] * 1000)

    @property
    def step_after_ms(self) -> int:
        """How long this step may stay without an outcome; 0: without a limit."""
        steps, index = self.request.shared.fallback, self.request.attempt - 1
        return steps[index].after_s * 1000 if index < len(steps) else 0

    # --- providers

    def provider(self, call: Call) -> Provider | None:
        """Whose call it is; none when that provider is configured no more."""
        return named(self.pool, call.provider)

    def abilities(self, call: Call) -> Abilities:
        """What may be done with a call."""
        provider = self.provider(call)
        return provider.abilities if provider else _GONE

    def target(self) -> Provider | None:
        """Who gets new calls: the first that nobody leaves alone, else the first; none while all are stopped."""
        able = [p for p in self._ranked if p.name not in self.avoided] or self._ranked
        now = self.ctx.clock()
        return next((p for p in able if not self.health.open_until(p, now)), able[0] if able else None)

    def elsewhere(self, name: str) -> bool:
        """Whether another provider could take a call at this moment."""
        now = self.ctx.clock()
        return any(p.name != name and p.name not in self.avoided and not self.health.open_until(p, now) for p in self._ranked)

    def opens_at(self, provider: Provider | None) -> int:
        """0: go ahead; else until when it is left alone. Asked once an event: half open, it lets one through."""
        if provider is None:  # all are stopped: an operator's word is looked at again
            return self.ctx.clock() + int(self.ctx.timing.park_s * 1000)
        if provider.name not in self._opens:
            self._opens[provider.name] = self.health.closed_at(provider, self.ctx.clock())
        return self._opens[provider.name]

    def look_again(self) -> None:
        """Forget what the breakers said: another round of calls begins."""
        self._opens.clear()

    def move(self, d: Dispatch, positions: set[int]) -> int | None:
        """Free the members of calls that were surely not sent and whose provider cannot have them now, while another can.

        The earliest time at which a next step waits for them (0: none does); None: nothing moved.
        """
        if len(self.pool) == 1 and all(call.provider == self.pool[0].provider.name for call in d.calls):
            return None
        due: int | None = None
        now = self.ctx.clock()
        for call in d.calls:
            if call.status not in (CallStatus.FIXED, CallStatus.NOT_SENT) or not calls.concerns(call, positions):
                continue
            provider = self.provider(call)
            if provider in self._ranked and provider is not None:
                shut = provider.name in self.avoided or self.health.open_until(provider, now)
                if not shut or not self.elsewhere(provider.name):
                    continue
            elif not self._ranked:
                continue
            FAILOVERS.labels(call.provider, self.event.lane).inc(len(call.members))
            step_due = calls.release(d, call)
            due = min(filter(None, (due, step_due)), default=0)
        return due

    # --- the row

    def doubt(self, d: Dispatch, positions: Sequence[int], now: int) -> bool:
        """Of messages older than a restore: what the records do not know of them may have happened all the same. True: the row changed."""
        if d.received_at > self.ctx.restored_until:
            return False
        return calls.doubt(d, positions, (UNKNOWN, results.NO_ANSWER), self.report_deadline_ms, now)

    async def load(self) -> Dispatch:
        r = self.request
        key = (r.birth, r.attempt)
        found = (await self.ctx.journal.dispatches(self.event.lane, [key])).get(key)
        return found or Dispatch(
            birth=r.birth, attempt=r.attempt, received_at=r.received_at, send_by=r.send_by, distributed_at=r.distributed_at
        )

    async def write(self, d: Dispatch, emits: Sequence[Emit] = (), change: Change | None = None, *, durable: bool = False) -> None:
        change = change or Change()
        change.dispatches = [d]
        await commit(self.ctx, self.event, Decision(change, emits), durable=durable)
