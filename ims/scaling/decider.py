"""How many pods Knative's autoscaler wants (pkg/autoscaler/scaling): two averages in, a number of pods out.

Checked against every decision of tests/ims/scaling/kpa-vectors.json, which the real code made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from ims.scaling.knobs import Knobs
from ims.scaling.windows import Average, LinearAverage, Maximum, WeightedAverage

TICK_S = 2  # between two decisions
_LEAST_TARGET = 0.01


@dataclass(frozen=True, slots=True)
class Cluster:
    """config-autoscaler, as it is shipped: what a cluster says for all Services."""

    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    concurrency_target: float = 100.0
    rps_target: float = 200.0
    scale_to_zero: bool = True
    zero_grace_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Decider:
    """What the reconciler makes of a Service's knobs."""

    metric: str
    target: float  # load of a pod at which the next one is added
    total: float  # load of a pod that is meant at all
    panic_threshold: float
    target_burst_capacity: float
    stable_window_s: int
    panic_window_s: int
    scale_down_delay_s: int = 0
    activation_scale: int = 0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    reachable: bool = True
    algorithm: str = "linear"


def decider_of(knobs: Knobs, cluster: Cluster | None = None, *, reachable: bool = True, algorithm: str = "linear") -> Decider:
    """Targets and windows of a Service (resources.ResolveMetricTarget, MakeMetric, MakeDecider)."""
    cluster = cluster or Cluster()
    if knobs.metric == "rps":
        total = knobs.target or cluster.rps_target
    else:
        total = float(knobs.container_concurrency or cluster.concurrency_target)
        if knobs.target:
            total = min(knobs.target, total) if knobs.container_concurrency else knobs.target
    return Decider(
        metric=knobs.metric,
        target=max(_LEAST_TARGET, total * (knobs.target_utilization_percent / 100)),
        total=total,
        panic_threshold=knobs.panic_threshold_percent / 100,
        target_burst_capacity=knobs.target_burst_capacity,
        stable_window_s=knobs.window_s,
        panic_window_s=max(1, math.floor(knobs.window_s * knobs.panic_window_percent / 100 + 0.5)),
        scale_down_delay_s=knobs.scale_down_delay_s,
        activation_scale=knobs.activation_scale,
        max_scale_up_rate=cluster.max_scale_up_rate,
        max_scale_down_rate=cluster.max_scale_down_rate,
        reachable=reachable,
        algorithm=algorithm,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """One tick: the averages, the pods wanted (before min and max), and whether a burst still fits (below 0: activator in the path)."""

    stable: float
    panic: float
    desired: int
    excess_burst_capacity: int


@dataclass(slots=True)
class Autoscaler:
    """The state of one Service's autoscaler: two windows, the panic, the delayed scale-down."""

    decider: Decider
    start_ready: int = 0
    _stable: Average = field(init=False)
    _panic: Average = field(init=False)
    _delay: Maximum | None = field(init=False)
    _panic_since: float | None = field(init=False)
    _most_in_panic: int = field(init=False)

    def __post_init__(self) -> None:
        kind: Callable[[int], Average] = WeightedAverage if self.decider.algorithm == "weighted-exponential" else LinearAverage
        self._stable, self._panic = kind(self.decider.stable_window_s), kind(self.decider.panic_window_s)
        self._delay = Maximum(self.decider.scale_down_delay_s, TICK_S) if self.decider.scale_down_delay_s else None
        # It has no history: with more than one pod running it panics, so that nothing is taken away before it has.
        self._panic_since = 0.0 if self.start_ready > 1 else None
        self._most_in_panic = self.start_ready

    @property
    def panicking(self) -> bool:
        """Nothing is taken away."""
        return self._panic_since is not None

    def record(self, at_s: float, load: float) -> None:
        """Open requests on average, or requests, of the last second."""
        self._stable.record(at_s, load)
        self._panic.record(at_s, load)

    def decide(self, now_s: float, ready: int) -> Decision | None:
        """None: no data, no decision."""
        d = self.decider
        # With -1 the activator is always in the path and reports alone: silence is then zero, not "no data".
        if self._stable.empty(now_s) and d.target_burst_capacity != -1:
            return None
        stable, panic = self._stable.average(now_s), self._panic.average(now_s)
        pods = max(1, ready)
        by_stable, by_panic = math.ceil(stable / d.target), math.ceil(panic / d.target)
        desired, in_panic = self._limited(by_stable, pods), self._limited(by_panic, pods)
        self._watch(now_s, over=by_panic / pods >= d.panic_threshold)
        if self.panicking:
            desired = self._most_in_panic = max(desired, in_panic, self._most_in_panic)
        if self._delay and d.reachable:
            desired = self._delay.record(now_s, desired)
        return Decision(stable, panic, desired, self._excess(ready, panic))

    def _limited(self, wanted: int, pods: int) -> int:
        d = self.decider
        most, least = math.ceil(d.max_scale_up_rate * pods), math.floor(pods / d.max_scale_down_rate) if d.reachable else 0
        limited = min(max(wanted, least), most)
        return max(limited, d.activation_scale) if wanted > 0 and d.activation_scale > 1 else limited

    def _watch(self, now_s: float, *, over: bool) -> None:
        if over:
            self._panic_since = now_s
        elif self._panic_since is not None and now_s - self._panic_since > self.decider.stable_window_s:
            self._panic_since = None
            self._most_in_panic = 0

    def _excess(self, ready: int, panic: float) -> int:
        d = self.decider
        if d.target_burst_capacity <= 0:
            return int(d.target_burst_capacity)
        return math.floor(ready * d.total - d.target_burst_capacity - panic)


def bounded(desired: int, least: int, most: int) -> int:
    """Within min-scale and max-scale (0: no maximum)."""
    if desired < least:
        return least
    return min(desired, most) if most else desired
