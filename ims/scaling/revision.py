"""The pods of one Service: what the reconciler does with the autoscaler's decisions (pkg/reconciler/autoscaling/kpa).

Bounds, the initial scale, waking from zero, going to zero, cold starts and what pods cost while they drain. One step is a second.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from enum import StrEnum

from ims.lanes import Lane
from ims.scaling.decider import TICK_S, Autoscaler, Cluster, bounded, decider_of
from ims.scaling.knobs import Knobs, millicores

DRAIN_S = 30.0  # a pod that goes is paid until 30 s have passed without a request (queue-proxy)
_ONE_CORE = 1000  # a Python process uses no more than this
_NO_LIMIT = 10_000  # requests that a pod without containerConcurrency is given at once, at most


class State(StrEnum):
    """The Active condition."""

    ACTIVATING = "activating"
    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(slots=True)
class Pod:
    """One pod: places for requests, and one processor that they share."""

    ready_at: float
    places: list[float]  # heap: when each place is free
    cpu_free: float = 0.0
    commit_end: float = 0.0  # intake: until then what comes gathers for the next event
    gathering: dict[Lane, list[float]] = field(default_factory=dict)  # by lane, when the members of the next event were POSTed
    gathered_at: float = 0.0  # when it will be there


@dataclass(slots=True)
class Revision:
    """A Service's only revision. `fresh`: it has just been deployed, and must reach its initial scale before it counts as ready."""

    knobs: Knobs
    cold_start_s: float
    cluster: Cluster = field(default_factory=Cluster)
    fresh: bool = False
    pods: list[Pod] = field(default_factory=list)  # oldest first; those that are asked for but not ready are among them
    ready: list[Pod] = field(default_factory=list)
    state: State = State.INACTIVE
    pod_seconds: float = 0.0
    activator: bool = True  # in the path
    desired: int = -1  # what the autoscaler said last; -1: nothing yet
    scaler: Autoscaler = field(init=False)
    speed: float = field(init=False)  # cores that a pod may use
    _since: float = 0.0  # of the state
    _proxy_since: float = 0.0
    _quiet_s: int = 0  # since the last load
    _rests: bool = False  # nothing can change until there is load: the seconds need not be played
    _excess: int = field(init=False)
    _initialized: bool = field(init=False)

    def __post_init__(self) -> None:
        start = max(self.knobs.min_scale, self.knobs.initial_scale) if self.fresh else self.knobs.min_scale
        decider = decider_of(self.knobs, self.cluster)
        self.scaler = Autoscaler(decider, 0 if self.fresh else start)
        self.speed = min(millicores(self.knobs.cpu_limit), _ONE_CORE) / 1000
        self._initialized = not self.fresh
        self._excess = int(start * decider.total - decider.target_burst_capacity) if decider.target_burst_capacity > 0 else -1
        if decider.target_burst_capacity == 0:
            self._excess = 0
        self._resize(start, 0.0, self.cold_start_s if self.fresh else 0.0)
        self.state = State.ACTIVATING if self.fresh else State.ACTIVE if start else State.INACTIVE
        self.activator = self._excess < 0 or start == 0

    def step(self, now_s: float, load: float | None) -> None:
        """One second is over. `load`: what queue-proxies and activators saw in it; None: there was nobody to look."""
        self._quiet_s = 0 if load else self._quiet_s + 1
        if self._rests and not load:
            self.pod_seconds += len(self.pods)
            return
        if self._rests:
            self._wake(now_s)
        ready = len(self.ready)
        if load is not None:
            self.scaler.record(now_s - 1, load)
        woken = not self.pods and load
        if woken or not int(now_s) % TICK_S:
            decision = self.scaler.decide(now_s, ready)
            if decision:
                self.desired, self._excess = decision.desired, decision.excess_burst_capacity
        self._reconcile(now_s)
        self.pod_seconds += len(self.pods)
        settled = len(self.pods) == len(self.ready) == self.knobs.min_scale and (self.pods or self.state is State.INACTIVE)
        self._rests = bool(settled) and self._quiet_s > self.knobs.window_s + self.knobs.scale_down_delay_s + TICK_S

    def _wake(self, now_s: float) -> None:
        """Make up for the seconds that were not played: all of them said zero, where there were pods to say it."""
        self._rests = False
        if self.pods:
            for second in range(int(now_s) - 1 - self.knobs.window_s, int(now_s) - 1):
                self.scaler.record(second, 0.0)

    def grow_ready(self, now_s: float) -> None:
        """Take in the pods that have become ready."""
        if len(self.ready) < len(self.pods):
            self.ready = [pod for pod in self.pods if pod.ready_at <= now_s]

    def _reconcile(self, now_s: float) -> None:
        want = self._scale(now_s)
        in_path = not (want > 0 and self._excess >= 0) and not (want == -1 and self.state is not State.INACTIVE and not self.activator)
        if in_path and not self.activator:
            self._proxy_since = now_s
        self.activator = in_path
        least = max(self.knobs.min_scale, 1 if self._initialized else self.knobs.initial_scale, 1)
        if len(self.ready) >= least:
            self._initialized = True
        if want == 0:
            self._become(State.INACTIVE, now_s)
        elif want > 0 or self.state is not State.INACTIVE:
            self._become(State.ACTIVE if len(self.ready) >= least else State.ACTIVATING, now_s)

    def _become(self, state: State, now_s: float) -> None:
        if state is not self.state:
            self.state, self._since = state, now_s

    def _scale(self, now_s: float) -> int:
        """What is wanted after the bounds; applied unless it is a zero whose time has not come. -1: nothing is known yet."""
        if self.desired < 0 and self.state is not State.ACTIVATING:
            return -1
        least = self.knobs.min_scale
        if self.knobs.initial_scale > 1 and not self._initialized:
            least = max(least, self.knobs.initial_scale)
        want = bounded(self.desired, least, self.knobs.max_scale)
        if want < 0:
            return -1  # activating, and the first second of data is not in yet
        if want:
            self._resize(want, now_s, self.cold_start_s)
            return want
        return self._to_zero(now_s)

    def _to_zero(self, now_s: float) -> int:
        """An idle window as an active Service, then marked inactive, then the grace behind the activator, then nothing."""
        if not self.cluster.scale_to_zero:
            self._resize(1, now_s, self.cold_start_s)
            return 1
        if self.state is State.ACTIVATING:
            return -1
        lasted = now_s - self._since
        if self.state is State.ACTIVE:
            if lasted >= self.knobs.window_s:
                return 0  # not applied yet: it becomes inactive first
            self._resize(1, now_s, self.cold_start_s)
            return 1
        kept = self.knobs.zero_retention_s
        grace = self.cluster.zero_grace_s
        if self.activator and lasted >= kept and (lasted >= grace or now_s - self._proxy_since >= grace):
            self._resize(0, now_s, 0.0)
        return 0

    def _resize(self, pods: int, now_s: float, cold_start_s: float) -> None:
        while len(self.pods) < pods:
            places = [now_s] * (self.knobs.container_concurrency or _NO_LIMIT)
            self.pods.append(Pod(now_s + cold_start_s, places, now_s + cold_start_s))
        if len(self.pods) > pods:
            self.pods.sort(key=lambda pod: pod.ready_at)  # the youngest go first, those that are not ready before all others
            gone = self.pods[pods:]
            del self.pods[pods:]
            self.pod_seconds += sum(DRAIN_S for pod in gone if pod.ready_at <= now_s)
        self.ready = [pod for pod in self.pods if pod.ready_at <= now_s]


def admit(pod: Pod, at_s: float, cpu_s: float) -> tuple[float, float]:
    """Give a pod a request: when it begins, and when its share of the processor is done. `leave` must follow."""
    begins = pod.places[0] if pod.places[0] > at_s else at_s
    pod.cpu_free = (pod.cpu_free if pod.cpu_free > begins else begins) + cpu_s
    return begins, pod.cpu_free


def leave(pod: Pod, at_s: float) -> None:
    """The request that was admitted last is answered at that time."""
    heapq.heapreplace(pod.places, at_s)
