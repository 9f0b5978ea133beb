"""The numbers that operators tune, one by one: type, range, default, where each ends up in a manifest, what it costs.

Ranges and defaults are Knative's own where it has them (serving and eventing-kafka-broker 1.23); where ours are narrower the text says so.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ANNOTATION = "autoscaling.knative.dev/"  # on spec.template.metadata.annotations of a Service
_INT32 = 2**31 - 1


def _knob(default: Any, text: str, *, at: str, latency: str, cost: str, **limits: Any) -> Any:
    """A field whose `json_schema_extra` says where it goes (`at`) and what a larger value does to latency and cost."""
    return Field(default, description=text, json_schema_extra={"at": at, "latency": latency, "cost": cost}, **limits)


class Knobs(BaseModel):
    """How one Service scales. A field is written as it is named here, in knative/autoscaling.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    min_scale: int = _knob(
        0,
        "Pods that are always there: the reserve. 0 lets it go to zero.",
        at=ANNOTATION + "min-scale",
        latency="from 1 on no event waits for a cold start; more pods take a burst before new ones are ready",
        cost="paid every hour of the day",
        ge=0,
        le=_INT32,
    )
    max_scale: int = _knob(
        0,
        "Pods at most; 0: no limit.",
        at=ANNOTATION + "max-scale",
        latency="too low: lag while the campaign runs; beyond what feeds the Service it changes nothing",
        cost="the bill of the worst hour",
        ge=0,
        le=_INT32,
    )
    initial_scale: int = _knob(
        1,
        "Pods that a new revision must reach before it takes traffic.",
        at=ANNOTATION + "initial-scale",
        latency="a rollout in the middle of a campaign starts with this many",
        cost="at each rollout; without load it is halved every 2 s from then on",
        ge=1,
        le=_INT32,
    )
    activation_scale: int = _knob(
        0,
        "Pods that a Service wakes with when it comes from zero; 0: as many as the load asks for.",
        at=ANNOTATION + "activation-scale",
        latency="the first seconds of a campaign wait for one cold start, not for two",
        cost="a single event a day also starts so many",
        ge=0,
        le=_INT32,
    )
    metric: Literal["concurrency", "rps"] = _knob(
        "concurrency",
        "What is compared with the target: open requests, or requests a second.",
        at=ANNOTATION + "metric",
        latency="concurrency grows when a stage or a provider slows down, rps does not",
        cost="rps does not pay for a slow provider",
    )
    target: float | None = _knob(
        None,
        "Load of one pod that is meant; empty: container_concurrency, or 100 where that is 0 (rps: 200).",
        at=ANNOTATION + "target",
        latency="higher: fuller pods, a burst waits longer",
        cost="higher: fewer pods",
        ge=0.01,
    )
    target_utilization_percent: float = _knob(
        70.0,
        "Share of the target at which pods are added.",
        at=ANNOTATION + "target-utilization-percentage",
        latency="higher: less room while new pods start",
        cost="higher: fewer pods",
        ge=1,
        le=100,
    )
    container_concurrency: int = _knob(
        0,
        "Requests inside a pod at most, the rest queues before it; 0: no limit.",
        at="spec.template.spec.containerConcurrency",
        latency="too low: a stage that waits for a provider idles; too high: many events share one core",
        cost="lower: more pods for the same load",
        ge=0,
        le=1000,
    )
    target_burst_capacity: float = _knob(
        211.0,
        "Burst that must fit; what does not fit goes through the activator, which queues it. 0: only from zero pods; -1: always.",
        at=ANNOTATION + "target-burst-capacity",
        latency="the activator is one more hop, and the one that holds what pods can not take yet",
        cost="none for pods",
        ge=-1,
        le=_INT32,
    )
    window_s: int = _knob(
        60,
        "Stable window: load is averaged over it.",
        at=ANNOTATION + "window",
        latency="longer: scales later",
        cost="longer: pods stay longer after the load; also how long a Service is idle before it may go to zero",
        ge=6,
        le=3600,
    )
    panic_window_percent: float = _knob(
        10.0,
        "Panic window, of the stable one.",
        at=ANNOTATION + "panic-window-percentage",
        latency="shorter: a burst is seen sooner",
        cost="shorter: a blip starts pods",
        ge=1,
        le=100,
    )
    panic_threshold_percent: float = _knob(
        200.0,
        "Load of the panic window, of what the ready pods are meant for, from which nothing is taken away for one stable window.",
        at=ANNOTATION + "panic-threshold-percentage",
        latency="lower: bursts are answered sooner",
        cost="lower: more pods, for longer",
        ge=110,
        le=1000,
    )
    scale_down_delay_s: int = _knob(
        0,
        "How long a lower load must last before pods go; at most half of them go at once, and each half waits anew.",
        at=ANNOTATION + "scale-down-delay",
        latency="longer: the next wave finds pods",
        cost="longer: idle pods",
        ge=0,
        le=3600,
    )
    zero_retention_s: int = _knob(
        0,
        "How long the last pod stays after everything is idle.",
        at=ANNOTATION + "scale-to-zero-pod-retention-period",
        latency="longer: fewer cold starts between two campaigns",
        cost="longer: one idle pod",
        ge=0,
        le=3600,
    )
    delivery_timeout_s: int = _knob(
        90,
        "Of one delivery by the KafkaSource; above every time limit of the stage itself, below timeout_s.",
        at="KafkaSource spec.delivery.timeout",
        latency="too low: work that was done is done again",
        cost="none",
        ge=1,
        le=590,
    )
    timeout_s: int = _knob(
        120,
        "Of one request, and how long a pod may drain. Knative: 1 to 600; below 60 a pod is killed before it has drained.",
        at="spec.template.spec.timeoutSeconds",
        latency="none while all is well",
        cost="a pod that goes lives up to this much longer",
        ge=60,
        le=600,
    )
    cpu_request: str = _knob(
        "100m",
        "CPU that the scheduler keeps free for a pod.",
        at="spec.template.spec.containers[0].resources.requests.cpu",
        latency="too low: pods share a full node with others",
        cost="what a node is filled up with",
        pattern=r"^[1-9]\d*m$",
    )
    cpu_limit: str = _knob(
        "1000m",
        "CPU that a pod may use; one Python process uses one core at most.",
        at="spec.template.spec.containers[0].resources.limits.cpu",
        latency="below 1000m: cold starts and large events take longer",
        cost="none by itself",
        pattern=r"^[1-9]\d*m$",
    )
    memory_request: str = _knob(
        "128Mi",
        "Memory that the scheduler keeps free for a pod.",
        at="spec.template.spec.containers[0].resources.requests.memory",
        latency="none",
        cost="what a node is filled up with",
        pattern=r"^[1-9]\d*Mi$",
    )
    memory_limit: str = _knob(
        "512Mi",
        "Memory at which a pod is killed.",
        at="spec.template.spec.containers[0].resources.limits.memory",
        latency="too low: a killed pod, and its open events come again",
        cost="none by itself",
        pattern=r"^[1-9]\d*Mi$",
    )

    def contradictions(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, text)."""
        found: list[tuple[str, str]] = []
        most = self.max_scale or _INT32
        if self.max_scale and self.max_scale < self.min_scale:
            found.append(("max_scale", f"{self.max_scale} is below min_scale {self.min_scale}"))
        if self.initial_scale > most:
            found.append(("initial_scale", f"{self.initial_scale} is above max_scale {self.max_scale}"))
        if self.activation_scale == 1:
            found.append(("activation_scale", "1 is what happens anyway; Knative wants 2 or more"))
        elif self.activation_scale and not self.min_scale <= self.activation_scale <= most:
            found.append(("activation_scale", f"{self.activation_scale} is not between min_scale and max_scale"))
        if self.target and self.metric == "concurrency" and 0 < self.container_concurrency < self.target:
            found.append(("target", f"{self.target:g} is above container_concurrency {self.container_concurrency}, which decides"))
        if -1 < self.target_burst_capacity < 0:
            found.append(("target_burst_capacity", "-1, 0 or more"))
        if self.delivery_timeout_s >= self.timeout_s:
            found.append(("delivery_timeout_s", f"{self.delivery_timeout_s} must be below timeout_s {self.timeout_s}"))
        if millicores(self.cpu_limit) < millicores(self.cpu_request):
            found.append(("cpu_limit", f"{self.cpu_limit} is below cpu_request {self.cpu_request}"))
        if mebibytes(self.memory_limit) < mebibytes(self.memory_request):
            found.append(("memory_limit", f"{self.memory_limit} is below memory_request {self.memory_request}"))
        return found


class Feeding(BaseModel):
    """How events come to the Services: settings of the KafkaSources, the topics and the cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    dispatcher_pods: int = _knob(
        1,
        "Pods of kafka-source-dispatcher, and so real Kafka consumers of every source.",
        at="DISPATCHERS_MIN_REPLICAS of kafka-controller",
        latency="a consumer holds 49 open requests: few consumers keep large Services idle",
        cost="one pod each, for all sources together",
        ge=1,
        le=100,
    )
    partitions: int = _knob(
        12,
        "Partitions of a topic; consumers of a source beyond them get nothing.",
        at="topics, and `consumers` of a KafkaSource",
        latency="fewer than dispatcher_pods: idle consumers",
        cost="files and memory of the brokers",
        ge=1,
        le=1000,
    )
    retry: int = _knob(
        14,
        "Attempts after the first; 0 loses events at every restart of a pod.",
        at="KafkaSource spec.delivery.retry",
        latency="an event that waits for its retry keeps one of the 49 places",
        cost="none",
        ge=1,
        le=100,
    )
    backoff_policy: Literal["exponential", "linear"] = _knob(
        "exponential",
        "How waits grow: delay x 2^k before attempt k+1, or delay x k.",
        at="KafkaSource spec.delivery.backoffPolicy",
        latency="linear tries again sooner and hits a sick stage harder",
        cost="none",
    )
    backoff_delay_s: float = _knob(
        0.2,
        "The delay in that. Knative keeps one decimal; 0 would switch retries off.",
        at="KafkaSource spec.delivery.backoffDelay",
        latency="the first retry comes after twice this",
        cost="none",
        ge=0.1,
        le=3276,
    )

    def contradictions(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, text)."""
        found: list[tuple[str, str]] = []
        if round(self.backoff_delay_s, 1) != self.backoff_delay_s:
            found.append(("backoff_delay_s", f"{self.backoff_delay_s:g}: Knative keeps one decimal and drops the rest without a word"))
        if self.dispatcher_pods > self.partitions:
            found.append(("dispatcher_pods", f"{self.dispatcher_pods} consumers can not share {self.partitions} partitions"))
        return found


def millicores(quantity: str) -> int:
    """Of a CPU quantity as this file spells it, "250m"."""
    return int(quantity.removesuffix("m"))


def mebibytes(quantity: str) -> int:
    """Of a memory quantity as this file spells it, "128Mi"."""
    return int(quantity.removesuffix("Mi"))
