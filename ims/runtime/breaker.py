"""Circuit breakers: after repeated whole failures of a peer, it is left alone for a while.

Kept in the process: a breaker only spares effort. Each process finds out by itself within a few calls, and being wrong
costs a try, never a message.
"""

from __future__ import annotations

from dataclasses import dataclass

OPEN_AFTER = 5  # failures in a row; a guess that rides out single hiccups
OPEN_MS = 5_000
OPEN_MOST = 12  # times the first


@dataclass(slots=True)
class _State:
    failures: int = 0
    opened: int = 0  # how often in a row
    until: int = 0
    first_ms: int = OPEN_MS


class Breakers:
    """One breaker per name, bounded in number by those who name them (providers, live endpoints)."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}

    def closed_at(self, name: str, now: int) -> int:
        """0: go ahead (closed, or half open and this is the probe); else when to come again."""
        state = self._states.get(name)
        if state is None or state.until == 0:
            return 0
        if now >= state.until:
            state.until = now + state.first_ms  # half open: this one probes, the others wait for what it finds
            return 0
        return state.until

    def succeeded(self, name: str) -> None:
        self._states.pop(name, None)

    def failed(self, name: str, now: int, *, first_ms: int = OPEN_MS) -> None:
        """`first_ms`: how long it opens at first; it never opens for longer than OPEN_MOST of these."""
        state = self._states.setdefault(name, _State())
        state.first_ms = first_ms
        state.failures += 1
        if state.failures >= OPEN_AFTER:
            state.until = now + first_ms * min(OPEN_MOST, 2 ** min(state.opened, 5))
            state.opened += 1
            state.failures = OPEN_AFTER - 1  # one more failure after half open opens it again
