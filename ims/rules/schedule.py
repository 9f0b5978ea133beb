"""When a callback is tried again (contract section 2)."""

from __future__ import annotations

RETRIES = 10


def retry_wait_s(retry: int, unit_s: float) -> float | None:
    """Seconds before retry n (1 to 10): (n^2 - n + 1) units, so 60, 180, 420 ... 5,460 s. None: no further retry."""
    return (retry * retry - retry + 1) * unit_s if retry <= RETRIES else None
