"""The time, passed in: nothing that decides reads the machine's clock by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]  # milliseconds since 1970 UTC


def system_clock(offset_s: float = 0.0) -> Clock:
    """The machine's clock, moved by a setting that tests use."""
    offset_ns = int(offset_s * 1e9)
    return lambda: (time.time_ns() + offset_ns) // 1_000_000
