"""What the manifests make of a cluster, counted: Services, sources, topics, and the pods that are there when nothing is to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ims import topics
from ims.adapters.kafka.layout import layouts
from ims.lanes import TRAITS, Lane
from ims.manifests import sources
from ims.manifests.components import together
from ims.manifests.loops import GROUPS, LOOP_CPU, LOOP_MEMORY
from ims.scaling.knobs import Knobs, mebibytes, millicores
from ims.scaling.settings import read

AUTOSCALING = Path(__file__).resolve().parents[2] / "knative" / "autoscaling.yaml"
BROKERS = 3
PODS = 2  # of a Deployment (knative/base/deployment.yaml)
SIDECAR_MILLICORES = 25  # queue-proxy's request, as Knative has it (config-deployment, queue-sidecar-cpu-request)
POD_CAPACITY = 20  # virtual consumers of one dispatcher pod, as kafka-controller has it


@dataclass(frozen=True, slots=True)
class Idle:
    """A way to run IMS, at rest."""

    name: str
    services: int
    pods: int
    cpu_millicores: int
    memory_mebibytes: int


def things() -> Iterator[tuple[str, str]]:
    """What there is of each kind."""
    scaling = read(AUTOSCALING.read_text())
    found = list(topics.sources())
    laid_out = layouts(BROKERS)
    partitions, copies = sum(each.partitions for each in laid_out), sum(each.partitions * each.copies for each in laid_out)
    reserved = [w for w in scaling.workloads if w.knobs.min_scale]
    virtual = len(found) * scaling.feeding.dispatcher_pods
    yield "Knative Services", f"{len(scaling.workloads)}, {len(reserved)} of them with a reserve"
    yield "KafkaSources, each a consumer group", str(len(found))
    yield "KafkaSinks, one for each stage's dead letters", str(len(topics.STAGES))
    yield "topics", f"{len(laid_out)} with {partitions} partitions, {copies} with their copies on {BROKERS} brokers"
    yield (
        "pods of kafka-source-dispatcher",
        f"max({len(found)} sources x {scaling.feeding.dispatcher_pods} consumers / {POD_CAPACITY}, {scaling.feeding.dispatcher_pods}) = "
        f"{max(math.ceil(virtual / POD_CAPACITY), scaling.feeding.dispatcher_pods)}; they are the cluster's and not counted below",
    )


def idle() -> Iterator[Idle]:
    """As generated, and with the components that change the number of pods."""
    scaling = read(AUTOSCALING.read_text())
    lanes = [lane for lane in Lane if TRAITS[lane].reserved]
    plain = [w.knobs for w in scaling.workloads]
    yield _idle("as generated", plain, len(GROUPS) * PODS)
    yield _idle("with `dispatch-auth` and `dispatch-realtime`", plain, len(GROUPS) * PODS + len(lanes) * PODS)
    inside = {source: sources.served_by(source, scaling) for source in topics.sources() if source.lane in lanes}
    kept = [w.knobs for w in scaling.workloads if w not in inside.values()]
    folded = [together([w.knobs for source, w in inside.items() if source.lane is lane]) for lane in lanes]
    yield _idle("with `folded-auth` and `folded-realtime`", kept + folded, len(GROUPS) * PODS)


def _idle(name: str, knobs: Sequence[Knobs], others: int) -> Idle:
    pods = sum(k.min_scale for k in knobs)
    return Idle(
        name,
        len(knobs),
        pods + others,
        sum(k.min_scale * (millicores(k.cpu_request) + SIDECAR_MILLICORES) for k in knobs) + others * millicores(LOOP_CPU),
        sum(k.min_scale * mebibytes(k.memory_request) for k in knobs) + others * mebibytes(LOOP_MEMORY),
    )


