"""Latencies in buckets that are less than 1 % wide at every size (the idea of HdrHistogram). Values are microseconds."""

from __future__ import annotations

_BITS = 8  # of a value that are kept: buckets are 1/128 of their value wide


def _bucket(us: int) -> int:
    shift = us.bit_length() - _BITS
    return us if shift <= 0 else (shift << (_BITS - 1)) + (us >> shift)


def _upper(bucket: int) -> int:
    """The largest value of a bucket: percentiles are rounded up, never flattering."""
    if bucket < 1 << _BITS:
        return bucket
    shift = (bucket >> (_BITS - 1)) - 1
    return (((bucket - (shift << (_BITS - 1))) + 1) << shift) - 1


class Histogram:
    """Counts by bucket; exact sum, least and most."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.total_us = 0
        self.max_us = 0

    def add(self, us: int) -> None:
        us = max(us, 0)
        bucket = _bucket(us)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1
        self.total_us += us
        self.max_us = max(self.max_us, us)

    def percentile(self, share: float) -> int:
        """The value that this share of all is not above."""
        wanted, seen = share * self.count, 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                return min(_upper(bucket), self.max_us)
        return 0

    def summary(self) -> dict[str, float | int | str]:
        """What stands in a results file, in milliseconds."""
        named = {f"p{share * 100:g}".replace(".", "_"): self.percentile(share) / 1000 for share in (0.5, 0.9, 0.99, 0.999)}
        mean = self.total_us / self.count / 1000 if self.count else 0.0
        return {"unit": "ms", "count": self.count, "mean": round(mean, 3), **named, "max": self.max_us / 1000}
