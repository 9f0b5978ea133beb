"""KafkaSources, one for each consumer group, and the KafkaSinks of their dead letters."""

from __future__ import annotations

from collections.abc import Iterator

from ims import topics
from ims.lanes import TRAITS, Lane
from ims.manifests.patterns import Manifest, fill
from ims.manifests.services import dashed
from ims.scaling.settings import Autoscaling, Workload

KIND = "KafkaSource"


def name_of(source: topics.SourceOf) -> str:
    """As the KafkaSource is called."""
    return f"{dashed(source.stage)}-{source.lane or 'all'}"


def served_by(source: topics.SourceOf, scaling: Autoscaling) -> Workload:
    """The Service that gets a source's events: topics without a lane go to the least urgent lane's, where none serves all."""
    for lane in (source.lane, *sorted(Lane, key=lambda lane: -TRAITS[lane].priority)):
        try:
            return scaling.of(source.stage, lane)
        except KeyError:
            continue
    raise KeyError(f"nothing serves {source.stage}")


def source(of: topics.SourceOf, scaling: Autoscaling) -> Manifest:
    """The KafkaSource of a consumer group."""
    feeding, workload = scaling.feeding, served_by(of, scaling)
    return fill(
        "source",
        name=name_of(of),
        labels={"ims/stage": dashed(of.stage), "ims/lane": of.lane.value if of.lane else "all"},
        topics=list(of.topics),
        group=of.group,
        consumers=feeding.dispatcher_pods,
        retry=feeding.retry,
        backoff_policy=feeding.backoff_policy,
        backoff_delay=f"PT{feeding.backoff_delay_s:g}S",
        timeout=f"PT{workload.knobs.delivery_timeout_s}S",
        sink=sink_name(of.stage),
        service=workload.name,
    )


def sink_name(stage: str) -> str:
    """As the KafkaSink of a stage's dead letters is called."""
    return dashed(topics.dead(stage).lower())


def sinks() -> Iterator[Manifest]:
    """A KafkaSink for each stage, the keeper of dead letters too: what it cannot keep lies in its topic until somebody looks."""
    for stage in topics.STAGES:
        yield fill("sink", name=sink_name(stage), labels={"ims/stage": dashed(stage)}, topic=topics.dead(stage))


def waits_s(retry: int, policy: str, delay_s: float) -> float:
    """How long a KafkaSource waits in all before an event becomes a dead letter, the attempts themselves not counted."""
    return delay_s * (2 ** (retry + 1) - 2) if policy == "exponential" else delay_s * retry * (retry + 1) / 2
