"""Circuit breakers: after repeated whole failures of a peer, it is left alone for a while.

Each process finds out by itself within a few calls, and being wrong costs a try, never a message. `share` tells the others,
a few times a second, so that a crowd of copies does not have to fail five times each; no call waits for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ims.errors import Later
from ims.ports.clock import Clock
from ims.ports.shared import Shared

OPEN_AFTER = 5  # failures in a row; a guess that rides out single hiccups
OPEN_MS = 5_000
OPEN_MOST = 12  # times the first
SHARE_S = 0.5
_LONGEST_MS = OPEN_MS * OPEN_MOST  # what is announced for longer is not believed: it costs a try
_NEWS_MOST = 100  # announced in one round


@dataclass(slots=True)
class _State:
    failures: int = 0
    opened: int = 0  # how often in a row
    until: int = 0
    first_ms: int = OPEN_MS
    heard: bool = False  # opened because another process said so


@lru_cache(maxsize=4096)
def _shown(name: str) -> str:
    """A breaker's name as others may see it: a customer's URL may hold a secret, and is long."""
    return name if "://" not in name else f"{name.split('/', 1)[0]}/{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}"


class Breakers:
    """One breaker per name, bounded in number by those who name them (providers, live endpoints)."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._news: dict[str, int] = {}  # what happened here and the others do not know yet; 0: closed

    def closed_at(self, name: str, now: int) -> int:
        """0: go ahead (closed, or half open and this is the probe); else when to come again."""
        state = self._states.get(_shown(name))
        if state is None or state.until == 0:
            return 0
        if now >= state.until:
            state.until = now + state.first_ms  # half open: this one probes, the others wait for what it finds
            return 0
        return state.until

    def open_until(self, name: str, now: int) -> int:
        """0: it would be let through; else until when not. Takes no probe."""
        state = self._states.get(_shown(name))
        return state.until if state is not None and now < state.until else 0

    def succeeded(self, name: str) -> None:
        state = self._states.pop(_shown(name), None)
        if state is not None and state.until:
            self._news[_shown(name)] = 0

    def failed(self, name: str, now: int, *, first_ms: int = OPEN_MS) -> None:
        """`first_ms`: how long it opens at first; it never opens for longer than OPEN_MOST of these."""
        state = self._states.setdefault(_shown(name), _State())
        state.first_ms = first_ms
        state.failures += 1
        if state.failures >= OPEN_AFTER:
            state.until = now + first_ms * min(OPEN_MOST, 2 ** min(state.opened, 5))
            state.opened += 1
            state.failures = OPEN_AFTER - 1  # one more failure after half open opens it again
            state.heard = False
            self._news[_shown(name)] = state.until

    def news(self) -> dict[str, int]:
        """What the others should know, and have not been told; `told` takes it off."""
        return dict(list(self._news.items())[:_NEWS_MOST])

    def told(self, name: str, until: int) -> None:
        """The others know this; unless it changed meanwhile there is no more to tell."""
        if self._news.get(name) == until:
            del self._news[name]

    def learn(self, others: Mapping[str, int], now: int) -> None:
        """What others left alone is left alone here, and what they opened and closed again is closed.

        What this process found out itself stays: its own probe ends it. After the end of what it heard it probes too.
        """
        for name, until in others.items():
            if not now < until <= now + _LONGEST_MS or name in self._news:  # later: the clock was set back
                continue
            state = self._states.setdefault(name, _State(failures=OPEN_AFTER - 1, opened=1, heard=True))
            if state.heard or state.until == 0:
                state.heard, state.failures, state.until = True, OPEN_AFTER - 1, max(state.until, until)
        for name in [n for n, s in self._states.items() if s.heard and n not in others]:
            del self._states[name]


async def share(breakers: Breakers, shared: Shared, clock: Clock) -> None:
    """Tell what opened and closed here, learn what did elsewhere, until cancelled. A store that is away changes nothing."""
    while True:
        await asyncio.sleep(SHARE_S * random.uniform(0.8, 1.2))  # noqa: S311 - copies start together and should not ask together
        await share_once(breakers, shared, clock)


async def share_once(breakers: Breakers, shared: Shared, clock: Clock) -> None:
    """One round."""
    try:
        for name, until in breakers.news().items():
            await shared.announce_breaker(name, until)
            breakers.told(name, until)
        breakers.learn(await shared.open_breakers(), clock())
    except Later:
        return  # what was learned ends by itself; what was not told is told in a later round
