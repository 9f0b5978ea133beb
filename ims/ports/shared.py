"""What processes share to be polite to the outside and to each other: leases, rates, daily caps."""

from __future__ import annotations

from typing import Protocol


class Shared(Protocol):
    """Nothing here decides about sending: losing all of it makes IMS slower, never wrong.

    Unavailable when the store does not answer.
    """

    async def lease(self, name: str, owner: str, ttl_s: float) -> bool:
        """Take or keep a lease. False: somebody else has it."""
        ...

    async def draw(self, bucket: str, want: int, rate_per_s: float, burst: int, *, whole: bool = False) -> int:
        """Up to `want` tokens of a bucket that refills at `rate_per_s` up to `burst`; 0: come again.

        `whole`: all of them or none; a want larger than the burst is served from a full bucket, which then owes the rest.
        """
        ...

    async def spend(self, counter: str, day: str, want: int, cap: int) -> bool:
        """Count `want` on a day's counter unless that would pass the cap."""
        ...
