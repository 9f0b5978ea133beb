"""The fault switch of the whole server: for so many seconds, a share of the calls meets one fault."""

from __future__ import annotations

import time
from dataclasses import dataclass

MODES = ("ok", "away", "429", "slow", "garbage", "close_after")
SLOW_S = 3.0  # what "slow" adds before the answer


@dataclass(slots=True)
class Faults:
    """What is switched on. Shares are spread evenly, not by chance, so that tests count what they expect."""

    mode: str = "ok"
    share: float = 1.0
    until: float = 0.0
    _owed: float = 0.0

    def set(self, mode: str, share: float, seconds: float) -> None:
        self.mode, self.share, self.until, self._owed = mode, share, time.monotonic() + seconds, 0.0

    def now(self) -> str:
        """The fault that this call meets, "ok" for none."""
        if self.mode == "ok" or time.monotonic() >= self.until:
            return "ok"
        self._owed += self.share
        if self._owed < 1:
            return "ok"
        self._owed -= 1
        return self.mode

    def away(self) -> bool:
        """Whether even reports and questions are refused now."""
        return self.mode == "away" and self.share >= 1 and time.monotonic() < self.until
