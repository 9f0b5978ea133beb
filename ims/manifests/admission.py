"""What admission webhooks object to in manifests, beyond any schema: the rules of Knative's own, written after their source.

`problems` is the entry: `make manifests` asks it before it writes, the tests compare it with kncheck. Serving's rules are here,
eventing's in delivery.py, those of Kubernetes' own kinds in kubernetes.py. A line is `path: text`; a warning begins so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ims.manifests import delivery, kubernetes
from ims.manifests.kubernetes import at, containers

Manifest = dict[str, Any]

_PREFIX = "autoscaling.knative.dev/"
_AT = f"spec.template.metadata.annotations.{_PREFIX}"
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|m|s|ms))+")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_INTEGER = re.compile(r"-?\d+")
_RESERVED_PORTS = {8008, 8012, 8013, 8022, 8112, 9090, 9091}  # queue-proxy's own
# Of a pod, refused unless the cluster's config-features says otherwise: field -> feature.
_GATED = {
    "hostNetwork": "kubernetes.podspec-hostnetwork",
    "priorityClassName": "kubernetes.podspec-priorityclassname",
    "topologySpreadConstraints": "kubernetes.podspec-topologyspreadconstraints",
    "affinity": "kubernetes.podspec-affinity",
    "nodeSelector": "kubernetes.podspec-nodeselector",
    "tolerations": "kubernetes.podspec-tolerations",
    "securityContext": "kubernetes.podspec-securitycontext",
    "schedulerName": "kubernetes.podspec-schedulername",
    "hostIPC": "kubernetes.podspec-hostipc",
    "hostPID": "kubernetes.podspec-hostpid",
}
_NAMES = (
    "class", "initial-scale", "max-scale", "metric", "metric-aggregation-algorithm", "activation-scale", "min-scale",
    "panic-threshold-percentage", "panic-window-percentage", "scale-down-delay", "scale-to-zero-pod-retention-period", "target",
    "target-burst-capacity", "target-utilization-percentage", "window",
)  # fmt: skip


def problems(document: Manifest, old: Manifest | None = None, features: frozenset[str] = frozenset()) -> list[str]:
    """Everything that a cluster would say about a document, `old` being what it has. `features`: what config-features enables."""
    found = list(kubernetes.metadata(document))
    match document.get("apiVersion"), document.get("kind"):
        case "serving.knative.dev/v1", "Service":
            found += _service(document, features)
            if old:
                found += _changed(document, old)
        case "sources.knative.dev/v1", "KafkaSource":
            found += delivery.source(document, old)
        case "eventing.knative.dev/v1alpha1", "KafkaSink":
            found += delivery.sink(document, old)
        case _:
            found += kubernetes.workload(document)
    return found


def errors(document: Manifest, old: Manifest | None = None, features: frozenset[str] = frozenset()) -> list[str]:
    """The problems that are no warnings."""
    return [p for p in problems(document, old, features) if not p.startswith("warning: ")]


def _service(document: Manifest, features: frozenset[str]) -> Iterator[str]:
    for name in document.get("metadata", {}).get("annotations") or {}:
        if name.startswith(_PREFIX):
            yield f'metadata.annotations.{name}: autoscaling annotations must be put under "spec.template.metadata.annotations" to work'
    template = document.get("spec", {}).get("template", {})
    yield from _scaling(template.get("metadata", {}).get("annotations") or {})
    pod = template.get("spec", {})
    yield from _range(pod, "containerConcurrency", 0, 1000)
    yield from _range(pod, "timeoutSeconds", 0, 600)
    for name, feature in _GATED.items():
        if pod.get(name) and feature not in features:
            yield f"spec.template.spec.{name}: must not be set unless config-features enables {feature}"
    yield from _pod(pod)


def _range(pod: Manifest, name: str, least: int, most: int) -> Iterator[str]:
    value = pod.get(name)
    if isinstance(value, int) and not least <= value <= most:
        yield f"spec.template.spec.{name}: expected {least} <= {value} <= {most}"


def _pod(pod: Manifest) -> Iterator[str]:
    where = "spec.template.spec"
    for path, container in containers(pod, where):
        ports = container.get("ports") or []
        if len(ports) > 1:
            yield f"{path}.ports: one port only"
        for port in ports:
            if port.get("containerPort") in _RESERVED_PORTS:
                yield f"{path}.ports.containerPort: {port['containerPort']} is queue-proxy's"
            if port.get("name", "http1") not in {"h2c", "http1"}:
                yield f"{path}.ports.name: {port['name']} is none of h2c, http1"
        for mount in container.get("volumeMounts") or []:
            if not mount.get("readOnly") and _is_secret(pod, mount.get("name")):
                yield f"{path}.volumeMounts: {mount['name']} must be readOnly"
    yield from kubernetes.pod(pod, where)


def _is_secret(pod: Manifest, name: object) -> bool:
    volume: Manifest = next((v for v in pod.get("volumes") or [] if v.get("name") == name), {})
    return bool({"secret", "configMap", "projected"} & set(volume))


def _scaling(said: dict[str, str]) -> Iterator[str]:
    """Spelling, ranges, and what must fit together."""
    values = {name.removeprefix(_PREFIX): str(value) for name, value in said.items() if name.startswith(_PREFIX)}
    for name in values:
        if name not in _NAMES:
            yield f"warning: {_AT}{name}: no autoscaler reads this name; a cluster accepts and ignores it"
    kind = values.get("class", "kpa.autoscaling.knative.dev")
    metrics = {"concurrency", "rps"} if kind.startswith("kpa.") else {"cpu", "memory"}
    if kind.startswith("kpa.") and values.get("metric", "concurrency") not in metrics:
        yield f"{_AT}metric: {values['metric']} is none of {', '.join(sorted(metrics))}"
    if "class" in values and values.get("metric-aggregation-algorithm", "linear") not in {"linear", "weighted-exponential"}:
        yield f"{_AT}metric-aggregation-algorithm: {values['metric-aggregation-algorithm']}"
    for name, least in (("min-scale", 0), ("max-scale", 0), ("initial-scale", 1), ("activation-scale", 2)):
        if name in values and not (_INTEGER.fullmatch(values[name]) and least <= int(values[name]) < 2**31):
            yield f"{_AT}{name}: {values[name]} is no whole number from {least} on"
    for name, low, high in (
        ("target", 0.01, float("inf")),
        ("target-utilization-percentage", 1, 100),
        ("panic-window-percentage", 1, 100),
        ("panic-threshold-percentage", 110, 1000),
    ):
        if name in values and not low <= _number(values[name]) <= high:
            yield f"{_AT}{name}: {values[name]} is not from {low:g} to {high:g}"
    burst = _number(values.get("target-burst-capacity", "0"))
    if not (burst >= 0 or burst == -1):
        yield f"{_AT}target-burst-capacity: {values['target-burst-capacity']} is neither -1 nor 0 or more"
    for name, low in (("window", 6), ("scale-down-delay", 0), ("scale-to-zero-pod-retention-period", 0)):
        whole = not name.startswith("scale-to")
        if name in values and not (low <= (seconds := _seconds(values[name])) <= 3600 and (seconds == int(seconds) or not whole)):
            yield f"{_AT}{name}: {values[name]} is no duration of whole seconds from {low}s to 1h"
    yield from _bounds(values)


def _bounds(values: dict[str, str]) -> Iterator[str]:
    read = [values.get(name, "0") for name in ("min-scale", "max-scale", "activation-scale")]
    least, most, first = (int(text) if _INTEGER.fullmatch(text) else 0 for text in read)
    if 0 < most < least:
        yield f"{_AT}max-scale, {_AT}min-scale: max-scale={most} is less than min-scale={least}"
    if first > 1 and not (least <= first and (most == 0 or first <= most)):
        yield f"{_AT}activation-scale: {first} is not between min-scale={least} and max-scale={most}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _seconds(text: str) -> float:
    if text == "0":
        return 0
    if not _DURATION.fullmatch(text):
        return -1
    return sum(float(n) * _UNIT_S[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text))


def _changed(new: Manifest, old: Manifest) -> Iterator[str]:
    for name in ("serving.knative.dev/creator",):
        if at(new, "metadata", "annotations", name) != at(old, "metadata", "annotations", name):
            yield f"metadata.annotations.{name}: is not ours to change"
    templates = [at(d, "spec", "template") or {} for d in (new, old)]
    names = [at(t, "metadata", "name") for t in templates]
    if names[0] and names[0] == names[1] and templates[0] != templates[1]:
        yield f"spec.template.metadata.name: Saw the following changes without a name change: {names[0]} is another revision now"
