"""Until when a message may be sent (design invariant 7): its lane's time from acceptance or release, or its expires_at."""

from __future__ import annotations

from ims.lanes import TRAITS, Lane
from ims.rules.night import ad_window_opens
from ims.topics import Channel


def send_by(channel: Channel, lane: Lane, now_ms: int, expires_at_ms: int) -> int:
    """The last moment at which a provider may be called, in milliseconds. `expires_at_ms` 0: none was given.

    An advertisement that is accepted at night waits for the morning, and its time begins there. Not so with push, where it may go
    at once to those who agreed to the night.
    """
    begins = ad_window_opens(channel, now_ms) if lane is Lane.AD and channel is not Channel.PUSH else now_ms
    limit = begins + TRAITS[lane].send_within_s * 1_000
    return min(limit, expires_at_ms) if expires_at_ms else limit
