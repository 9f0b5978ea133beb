"""The hours in which advertisements may not go out: 20:50 (inclusive) to 08:00 (exclusive), Asia/Seoul.

The law says 21:00 to 08:00 (정보통신망법 제50조③); Kakao and the agencies stop at 20:50, and so do we for all, because a
message that is accepted at 20:59 does not arrive before 21:00.
"""

from __future__ import annotations

_SEOUL_MS = 9 * 3_600_000  # +09:00 all year since 1988: no time zone data needed
_DAY_MS = 86_400_000
_CLOSES_MS = (20 * 60 + 50) * 60_000
_OPENS_MS = 8 * 3_600_000


def ad_window_closed(now_ms: int) -> bool:
    """Whether an advertisement must not go out now."""
    of_day = (now_ms + _SEOUL_MS) % _DAY_MS
    return of_day >= _CLOSES_MS or of_day < _OPENS_MS


def ad_window_left_s(now_ms: int) -> int:
    """Seconds until advertisements must stop; 0 while they may not go out at all."""
    return 0 if ad_window_closed(now_ms) else (_CLOSES_MS - (now_ms + _SEOUL_MS) % _DAY_MS) // 1_000
