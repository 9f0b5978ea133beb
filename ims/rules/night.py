"""The hours in which advertisements may not go out, by channel, in Seoul (정보통신망법 제50조③, 시행령 제61조②).

The law's night is 21:00 to 08:00 and excepts e-mail; Kakao's own begins at 20:50. What counts is when a message is handed
over, so the hour is looked at when it is accepted, when its call is fixed, and before every further try.
"""

from __future__ import annotations

from ims.topics import Channel

_SEOUL_MS = 9 * 3_600_000  # +09:00 all year since 1988: no time zone data needed
_DAY_MS = 86_400_000
_OPENS_MS = 8 * 3_600_000
_LAW_CLOSES_MS = 21 * 3_600_000
_KAKAO_CLOSES_MS = (20 * 60 + 50) * 60_000
_KAKAO = frozenset({Channel.AT, Channel.FT, Channel.BT})


def _closes_ms(channel: Channel) -> int:
    return _KAKAO_CLOSES_MS if channel in _KAKAO else _LAW_CLOSES_MS


def ad_window_closed(channel: Channel, now_ms: int) -> bool:
    """Whether an advertisement must not go out on this channel now, unless its recipient agreed to the night."""
    if channel is Channel.EMAIL:
        return False
    of_day = (now_ms + _SEOUL_MS) % _DAY_MS
    return of_day >= _closes_ms(channel) or of_day < _OPENS_MS


def kakao_closed(channel: Channel, now_ms: int) -> bool:
    """Whether the channel itself takes no advertisement now, whatever its recipient agreed to."""
    return channel in _KAKAO and ad_window_closed(channel, now_ms)


def ad_window_left_s(channel: Channel, now_ms: int) -> int:
    """Seconds until advertisements must stop; 0 while they may not go out at all."""
    return 0 if ad_window_closed(channel, now_ms) else (_closes_ms(channel) - (now_ms + _SEOUL_MS) % _DAY_MS) // 1_000


def ad_window_opens(channel: Channel, now_ms: int) -> int:
    """When advertisements may go out again: 08:00, or now while they may."""
    if not ad_window_closed(channel, now_ms):
        return now_ms
    return now_ms + (_OPENS_MS - (now_ms + _SEOUL_MS)) % _DAY_MS


def words(channel: Channel) -> tuple[str, str]:
    """The hours, in Korean and English, for an answer."""
    closes = "20:50" if channel in _KAKAO else "21:00"
    return f"{closes}부터 08:00까지입니다.", f"It is between {closes} and 08:00 in Seoul."
