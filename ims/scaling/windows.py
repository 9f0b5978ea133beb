"""Averages and maxima over the last seconds, as Knative's autoscaler keeps them (pkg/autoscaler/aggregation).

Times are seconds from any whole second. Buckets are one second wide.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

_DIGITS = 10.0**6  # averages are rounded to six decimals, so that 70.0000001 is no eighth pod
_LEAST_WEIGHT = 0.2  # of the newest bucket in the weighted average
_WEIGHTS = 0.9999  # what the weights of a window sum up to, at least


class Average(Protocol):
    """Values go in with their time; the average over the window comes out."""

    def record(self, at_s: float, value: float) -> None:
        """Add to the second of `at_s`; what is older than the window is ignored."""
        ...

    def average(self, now_s: float) -> float:
        """Over the window that ends now."""
        ...

    def empty(self, now_s: float) -> bool:
        """Nothing for longer than the window: no data, which is not the same as zero."""
        ...


class LinearAverage:
    """The plain mean of what there is.

    A young series is averaged over its own age; gaps inside count as zero; silence at the end is cut off, not counted.
    """

    def __init__(self, window_s: int) -> None:
        self.window_s = window_s
        self._buckets = [0.0] * window_s
        self._total = 0.0
        self._first: int | None = None
        self._last: int | None = None

    def empty(self, now_s: float) -> bool:
        return self._last is None or math.floor(now_s) - self._last > self.window_s

    def record(self, at_s: float, value: float) -> None:
        at, size = math.floor(at_s), self.window_s
        if self._first is None or self._last is None or at - self._last >= size:
            self._first = self._last = at
            self._buckets = [0.0] * size
            self._total = 0.0
        elif at <= self._last - size:
            return
        else:
            self._first = min(self._first, at)
            for second in range(self._last + 1, at + 1):
                self._total -= self._buckets[second % size]
                self._buckets[second % size] = 0.0
            self._last = max(self._last, at)
        self._buckets[at % size] += value
        self._total += value

    def average(self, now_s: float) -> float:
        if self._first is None or self._last is None:
            return 0.0
        silent = max(0, math.floor(now_s) - self._last)
        if silent >= self.window_s:
            return 0.0
        total = self._total - sum(self._buckets[second % self.window_s] for second in range(self._last + 1, self._last + silent + 1))
        return _rounded(total / min(self._last - self._first + 1, self.window_s - silent))


class WeightedAverage(LinearAverage):
    """Newer seconds weigh more (metric-aggregation-algorithm: weighted-exponential)."""

    def __init__(self, window_s: int) -> None:
        super().__init__(window_s)
        self._decay = max(1 - (1 - _WEIGHTS) ** (1 / window_s), _LEAST_WEIGHT)

    def average(self, now_s: float) -> float:
        if self._last is None or self.empty(now_s):
            return 0.0
        silent = max(0, math.floor(now_s) - self._last)
        weight = self._decay * (1 - self._decay) ** silent
        result = 0.0
        for back in range(self.window_s - silent):
            result += self._buckets[(self._last - back) % self.window_s] * weight
            weight *= 1 - self._decay
        return result


class Maximum:
    """The largest value of the last `duration_s`, in steps of `step_s`: what a scale-down delay keeps."""

    def __init__(self, duration_s: int, step_s: int) -> None:
        self._steps = math.ceil(duration_s / step_s)
        self._step_s = step_s
        self._falling: deque[tuple[int, int]] = deque()  # (step, value): each smaller than the one before it, so the first is the maximum

    def record(self, at_s: float, value: int) -> int:
        """Add a value; the maximum with it."""
        step = int(at_s // self._step_s)
        while self._falling and self._falling[-1][1] <= value:
            self._falling.pop()
        while self._falling and step - self._falling[0][0] >= self._steps:
            self._falling.popleft()
        if not (self._falling and self._falling[-1][0] == step):  # two values of one step: the larger stands
            self._falling.append((step, value))
        return self._falling[0][1]


def _rounded(value: float) -> float:
    """Half away from zero, as Go rounds."""
    return math.copysign(math.floor(abs(value) * _DIGITS + 0.5), value) / _DIGITS
