"""How fast what was parked may come back: one at a time while it is in vain, twice as many each time that all got through."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_OUT = 50  # of a topic: the window of the source that delivers them
_LONGEST_REST = 12  # times park_s, as a breaker's


@dataclass(frozen=True, slots=True)
class Out:
    """A released event that is on its way."""

    since: int
    key: tuple[str, int]  # of its dispatch row
    positions: list[int]


@dataclass(slots=True)
class Pace:
    """How many held events of one topic may be on their way at once, by what became of those before."""

    most: int = MOST_OUT
    rest_until: int = 0
    out: dict[str, Out] = field(default_factory=dict)
    _in_vain: int = 0  # rounds in a row that brought nothing

    def room(self, now: int) -> int:
        """How many may be released now."""
        return max(0, self.most - len(self.out)) if now >= self.rest_until else 0

    def came(self, sent: int, back: int, back_at: int, now: int, park_ms: int) -> None:
        """So many got through and so many were parked again, until `back_at` at the latest."""
        if sent:
            self._in_vain = self.rest_until = 0
            if back:
                self.most = max(1, self.most // 2)
            elif not self.out:
                self.most = min(MOST_OUT, self.most * 2)
        elif back:
            self.most = 1
            if not self.out:
                rest_ms = park_ms * min(_LONGEST_REST, 2 ** min(self._in_vain, 5))
                self.rest_until = min(back_at, now + rest_ms)
                self._in_vain += 1
