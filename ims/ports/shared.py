"""What processes share to be polite to the outside and to each other: leases, rates, daily caps, what is known to be away."""

from __future__ import annotations

from typing import Protocol


class Shared(Protocol):
    """Nothing here decides about sending: losing all of it makes IMS slower, never wrong.

    Unavailable when the store does not answer, within a second or two; whether the call had its effect is then unknown.
    """

    async def lease(self, name: str, owner: str, ttl_s: float) -> bool:
        """Take or keep a lease. False: somebody else has it. A store that forgets may let two have it for a while."""
        ...

    async def draw(self, bucket: str, want: int, rate_per_s: float, burst: int, *, whole: bool = False) -> int:
        """Up to `want` tokens of a bucket that refills at `rate_per_s` up to `burst`; 0: come again.

        `whole`: all of them or none; a want larger than the burst is served from a full bucket, which then owes the rest.
        A bucket that the store does not know begins full with `whole`, else as suits the store: full where it forgets
        nothing, empty where it may have forgotten one that had been drawn from.
        """
        ...

    async def spend(self, counter: str, day: str, want: int, cap: int) -> bool:
        """Count `want` on a day's counter unless that would pass the cap."""
        ...

    async def announce_breaker(self, name: str, until: int) -> None:
        """Tell the other processes that a peer is left alone until then; 0: that it is back. The last word counts."""
        ...

    async def open_breakers(self) -> dict[str, int]:
        """What was announced and is not over, with its end by this process's clock."""
        ...

    async def close(self) -> None:
        """Let go of the store; what is queued is finished."""
        ...
