"""Rules of Kubernetes' own kinds that generated or patched manifests break most easily: names, selectors, mounts, limits, clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

Manifest = dict[str, Any]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(r"(?:(?P<prefix>[^/]+)/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|[kMGTPE]i?)?")
_UNIT = {"": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CRON: tuple[tuple[int, int, tuple[str, ...]], ...] = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, _MONTHS), (0, 6, _DAYS))


def at(node: Any, *path: str) -> Any:
    """What lies at a path; none where it breaks off."""
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def metadata(document: Manifest) -> Iterator[str]:
    """Names, labels and annotations."""
    if not document.get("apiVersion") or not document.get("kind"):
        yield "(document): apiVersion and kind are required"
        return
    meta = document.get("metadata") or {}
    name = str(meta.get("name", ""))
    kind = document["kind"]
    grammar = _LABEL_1035 if kind == "Service" else _LABEL if kind == "Namespace" else _SUBDOMAIN
    if not str(document["apiVersion"]).startswith("rbac.") and not (grammar.fullmatch(name) and len(name) < 254):
        yield f"metadata.name: Invalid value: {name!r}"
    for field in ("labels", "annotations"):
        for key, value in (meta.get(field) or {}).items():
            match = _KEY.fullmatch(str(key))
            if not match or (match["prefix"] and not _SUBDOMAIN.fullmatch(match["prefix"])):
                yield f"metadata.{field}: Invalid key: {key!r}"
            if not isinstance(value, str) or (field == "labels" and not _VALUE.fullmatch(value)):
                yield f"metadata.{field}.{key}: Invalid value: {value!r}"


def workload(document: Manifest) -> Iterator[str]:
    """A kind of Kubernetes' own, by its rules; nothing is said of kinds that have none here."""
    spec = document.get("spec") or {}
    match document.get("kind"):
        case "Deployment" | "StatefulSet":
            yield from _selector(spec)
            yield from pod(at(spec, "template", "spec") or {}, "spec.template.spec")
        case "Job":
            yield from _job(spec, "spec")
        case "CronJob":
            yield from _cronjob(document["metadata"]["name"], spec)
        case "PodDisruptionBudget":
            if {"minAvailable", "maxUnavailable"} <= set(spec):
                yield "spec.minAvailable, maxUnavailable: only one of them may be set"
        case "ConfigMap":
            for key, value in (document.get("data") or {}).items():
                if not isinstance(value, str):
                    yield f"data.{key}: cannot be decoded: {type(value).__name__} where a string must be"
        case "RoleBinding" | "ClusterRoleBinding":
            if at(document, "roleRef", "kind") not in {"Role", "ClusterRole"}:
                yield f"roleRef.kind: {at(document, 'roleRef', 'kind')}"


def pod(spec: Manifest, where: str) -> Iterator[str]:
    """A pod: containers, their names, mounts and quantities."""
    volumes = {v.get("name") for v in spec.get("volumes") or []}
    names: list[str] = []
    if not spec.get("containers"):
        yield f"{where}.containers: required"
    for path, container in containers(spec, where):
        name = container.get("name", "")
        if (name and not _LABEL.fullmatch(name)) or name in names:
            yield f"{path}.name: {name!r} is no name of its own"
        names.append(name)
        if not container.get("image"):
            yield f"{path}.image: required"
        for index, mount in enumerate(container.get("volumeMounts") or []):
            if mount.get("name") not in volumes:
                yield f"{path}.volumeMounts[{index}].name: {mount.get('name')} is no volume"
        limits, requests = (at(container, "resources", kind) or {} for kind in ("limits", "requests"))
        for resource, asked in requests.items():
            if resource in limits and quantity(asked) > quantity(limits[resource]):
                yield f"{path}.resources.requests[{resource}]: {asked} must be no more than the limit, {limits[resource]}"


def containers(spec: Manifest, where: str) -> Iterator[tuple[str, Manifest]]:
    """Every container of a pod with its path."""
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or []):
            yield f"{where}.{kind}[{index}]", container


def quantity(text: object) -> float:
    """A Kubernetes quantity as a number. ValueError: it is none."""
    match = _QUANTITY.fullmatch(str(text))
    if not match or (match[2] or "") not in _UNIT:
        raise ValueError(f"{text!r} is no quantity")
    return float(match[1]) * _UNIT[match[2] or ""]


def _selector(spec: Manifest) -> Iterator[str]:
    labels = at(spec, "template", "metadata", "labels") or {}
    wanted = at(spec, "selector", "matchLabels") or {}
    if not wanted:
        yield "spec.selector: required"
    elif any(labels.get(key) != value for key, value in wanted.items()):
        yield "spec.template.metadata.labels: does not match the selector"


def _job(spec: Manifest, where: str) -> Iterator[str]:
    inner = at(spec, "template", "spec") or {}
    where = f"{where}.template.spec"
    yield from pod(inner, where)
    if inner.get("restartPolicy") not in {"Never", "OnFailure"}:
        yield f"{where}.restartPolicy: {inner.get('restartPolicy')} is none of Never, OnFailure"


def _cronjob(name: str, spec: Manifest) -> Iterator[str]:
    if len(name) > 52:
        yield f"metadata.name: {name!r} must be no more than 52 characters"
    schedule = str(spec.get("schedule", ""))
    if "TZ" in schedule or not schedule_holds(schedule):
        yield f'spec.schedule: Invalid value: "{schedule}"'
    if (zone := spec.get("timeZone")) is not None:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, LookupError):
            yield f'spec.timeZone: Invalid value: "{zone}"'
    if spec.get("concurrencyPolicy", "Allow") not in {"Allow", "Forbid", "Replace"}:
        yield f"spec.concurrencyPolicy: {spec['concurrencyPolicy']}"
    for limit in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        if spec.get(limit, 0) < 0:
            yield f"spec.{limit}: must not be negative"
    yield from _job(at(spec, "jobTemplate", "spec") or {}, "spec.jobTemplate.spec")


def schedule_holds(text: str) -> bool:
    """Whether a cron schedule means something: five fields of numbers, names, ranges, steps and lists."""
    if re.fullmatch(r"@(hourly|daily|midnight|weekly|monthly|yearly|annually)", text):
        return True
    fields = text.split()
    return len(fields) == 5 and all(_field(field, *limits) for field, limits in zip(fields, _CRON, strict=True))


def _field(text: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isdigit() and int(step) > 0):
            return False
        if span in {"*", "?"}:
            continue
        ends = [names.index(e.lower()) + least if e.lower() in names else int(e) if e.isdigit() else -1 for e in span.split("-")]
        if len(ends) > 2 or not all(least <= e <= most for e in ends) or ends != sorted(ends):
            return False
    return True
