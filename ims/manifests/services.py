"""Knative Services of the functions, and the budgets that keep their reserves through a drained node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ims.lanes import TRAITS, Lane
from ims.manifests import pods
from ims.manifests.patterns import Manifest, fill
from ims.scaling.knobs import ANNOTATION, Knobs
from ims.scaling.settings import Workload
from ims.serve.app import CALL_PROVIDERS, NAMES

# Of a KafkaSource's time-out, kept for the way there and back: the function ends its work before its caller stops waiting.
_MARGIN_S = 15
_CALL_CUSTOMERS = frozenset({"callback"})
# Knobs that stand in annotations; those that are as Knative has them anyway are left to it, but for the bounds and the metric.
_ALWAYS = {"min_scale", "max_scale", "metric"}
_SECONDS = {"window_s", "scale_down_delay_s", "zero_retention_s"}


def function_of(stage: str) -> str:
    """The function that a Service serves: lists have a Service of their own, and the same function."""
    return stage if stage in NAMES else stage.partition("-")[0]


def service(name: str, functions: Sequence[str], lane: Lane | None, knobs: Knobs) -> Manifest:
    """The Service of one or several functions."""
    providers = not CALL_PROVIDERS.isdisjoint(functions)
    customers = not _CALL_CUSTOMERS.isdisjoint(functions)
    return fill(
        "service",
        name=name,
        labels=labels(functions, lane) | _egress(providers=providers, customers=customers),
        scaling=scaled(knobs),
        container_concurrency=knobs.container_concurrency,
        timeout_s=knobs.timeout_s,
        env=pods.environment(
            providers=providers,
            IMS_FUNCTION=",".join(functions),
            IMS_HANDLER_LIMIT_S=knobs.delivery_timeout_s - _MARGIN_S,
            IMS_DELIVERY_TIMEOUT_S=knobs.delivery_timeout_s,
        ),
        mounts=pods.mounts(providers=providers),
        volumes=pods.volumes(providers=providers),
        resources=pods.resources((knobs.cpu_request, knobs.cpu_limit), (knobs.memory_request, knobs.memory_limit)),
        locked=pods.LOCKED,
    )


def of_workload(workload: Workload) -> list[Manifest]:
    """The Service of one line of the table, with its budget where it has a reserve."""
    found = [service(workload.name, [function_of(workload.stage)], workload.lane, workload.knobs)]
    if workload.knobs.min_scale > 1:
        found.append(budget(workload.name, {"serving.knative.dev/service": workload.name}))
    return found


def budget(name: str, selector: dict[str, str]) -> Manifest:
    """A PodDisruptionBudget."""
    return fill("disruption", name=name, selector=selector)


def labels(functions: Sequence[str], lane: Lane | None) -> dict[str, str]:
    """Of a Service and its pods."""
    stage = functions[0] if len(functions) == 1 else "stages"
    found = {"ims/stage": dashed(stage), "ims/lane": lane.value if lane else "all"}
    if lane is None or TRAITS[lane].reserved:
        found["ims/reserved"] = "true" if lane else "shared"
    return found


def scaled(knobs: Knobs) -> dict[str, str]:
    """Autoscaling, as the revision's annotations say it."""
    found = {f"{ANNOTATION}class": "kpa.autoscaling.knative.dev"}
    for name, field in Knobs.model_fields.items():
        extra: Any = field.json_schema_extra
        at, value = str(extra["at"]), getattr(knobs, name)
        if at.startswith(ANNOTATION) and (name in _ALWAYS or value != field.default):
            found[at] = f"{value}s" if name in _SECONDS else f"{value:g}" if isinstance(value, float) else str(value)
    return found


def dashed(stage: str) -> str:
    """A stage's name as Kubernetes allows it."""
    return stage.replace("_", "-")


def _egress(*, providers: bool, customers: bool) -> dict[str, str]:
    return {f"ims/egress-{name}": "true" for name, open_ in (("providers", providers), ("customers", customers)) if open_}
