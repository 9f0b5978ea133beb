"""Rules for KafkaSources and KafkaSinks: their webhooks', and the internal ConsumerGroup's, whose refusal shows only as a condition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ims.manifests.kubernetes import at

Manifest = dict[str, Any]

_N = r"(\d+(?:[.,]\d+)?)"
_PERIOD = re.compile(rf"[-+]?P(?=.)(?:{_N}Y)?(?:{_N}M)?(?:{_N}W)?(?:{_N}D)?(?:T(?=.)(?:{_N}H)?(?:{_N}M)?(?:{_N}S)?)?")
_FINE = re.compile(r"[.,]\d*\d[1-9]")
_MOST = 3276  # of one component: the library counts tenths in 16 bits
_KEY_TYPE = "kafkasources.sources.knative.dev/key-type"
_ATTRIBUTE = re.compile(r"[a-z0-9]+")


def source(new: Manifest, old: Manifest | None) -> Iterator[str]:
    """A KafkaSource."""
    spec = new.get("spec", {})
    for name in ("topics", "bootstrapServers"):
        if not any(spec.get(name) or ()):
            yield f"spec.{name}: missing"
    yield from _one_of(spec, "initialOffset", ("earliest", "latest"))
    yield from _one_of(spec, "ordering", ("ordered", "unordered"))
    yield from _destination(spec.get("sink"), "spec.sink")
    for name in at(spec, "ceOverrides", "extensions") or {}:
        if not _ATTRIBUTE.fullmatch(name):
            yield f"spec.ceOverrides.extensions: {name} is no attribute's name: a-z and 0-9 only"
    yield from _delivery(spec.get("delivery"))
    kind = at(new, "metadata", "labels", _KEY_TYPE)
    if kind and kind not in {"string", "int", "float", "byte-array"}:
        yield f"metadata.labels[{_KEY_TYPE}]: invalid value: {kind}"
    if old and spec.get("consumerGroup") != at(old, "spec", "consumerGroup"):
        yield "spec.consumerGroup: immutable field changed"


def sink(new: Manifest, old: Manifest | None) -> Iterator[str]:
    """A KafkaSink."""
    spec = new.get("spec", {})
    yield from _one_of(spec, "contentMode", ("binary", "structured"))
    for name in ("topic", "bootstrapServers"):
        if not spec.get(name):
            yield f"spec.{name}: missing"
    for name in ("numPartitions", "replicationFactor"):
        if name in spec and spec[name] <= 0:
            yield f"spec.{name}: {spec[name]} is not above 0"
    if old:
        for name in ("topic", "numPartitions", "replicationFactor"):
            if spec.get(name) != at(old, "spec", name):
                yield f"spec.{name}: immutable field changed"


def _one_of(spec: Manifest, name: str, allowed: tuple[str, ...], where: str = "spec") -> Iterator[str]:
    if name in spec and spec[name] not in allowed:
        yield f"{where}.{name}: invalid value: {spec[name]}, one of {', '.join(allowed)}"


def _destination(said: Manifest | None, where: str) -> Iterator[str]:
    said = said or {}
    ref: Manifest = said.get("ref") or {}
    uri = said.get("uri")
    absolute = bool(re.match(r"[a-z][a-z0-9+.-]*://", uri or ""))
    if not ref and not uri:
        yield f"{where}: ref or uri is needed"
    elif not ref and not absolute:
        yield f"{where}.uri: {uri} must be absolute where there is no ref"
    elif ref and absolute:
        yield f"{where}.uri: must be relative beside a ref"
    for name in ("apiVersion", "kind", "name"):
        if ref and not ref.get(name):
            yield f"{where}.ref.{name}: missing"


def _delivery(said: Manifest | None) -> Iterator[str]:
    if said is None:
        return
    where = "spec.delivery"
    retry = said.get("retry")
    if isinstance(retry, int) and retry < 0:
        yield f"{where}.retry: invalid value: {retry}"
    yield from _one_of(said, "backoffPolicy", ("linear", "exponential"), where)
    if "retryAfterMax" in said:
        yield f"{where}.retryAfterMax: must not set: feature delivery-retryafter is not enabled"
    for name in ("backoffDelay", "timeout"):
        if name in said:
            yield from _period(str(said[name]), f"{where}.{name}", zero=name != "timeout")
    if "deadLetterSink" in said:
        yield from _destination(said["deadLetterSink"], f"{where}.deadLetterSink")


def _period(text: str, where: str, *, zero: bool) -> Iterator[str]:
    match = _PERIOD.fullmatch(text)
    if not match:
        yield f"{where}: invalid value: {text} is no ISO 8601 duration"
        return
    parts = [float(n.replace(",", ".")) for n in match.groups() if n]
    if not zero and not any(parts):
        yield f"{where}: invalid value: {text}"
    elif any(n >= _MOST for n in parts):
        yield f"{where}: invalid value: {text}: integer overflow; passes validation, then fails in the controller"
    elif text.startswith("-") or _FINE.search(text):
        yield f"warning: {where}: {text!r} is accepted and used with one decimal, without its sign"
