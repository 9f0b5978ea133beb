"""Rules of webhooks, each with what passes and what does not; and kncheck's own samples, by which Knative's real code was judged."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ims.manifests.admission import errors, problems
from ims.manifests.kubernetes import quantity, schedule_holds
from ims.manifests.schema import Crds

from .conftest import documents, folder

Manifest = dict[str, Any]
REF = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "route"}
SCALING = "spec.template.metadata.annotations.autoscaling.knative.dev/"


def service(**pod: Any) -> Manifest:
    return {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "route", "namespace": "ims"},
        "spec": {"template": {"metadata": {"annotations": {}}, "spec": {"containers": [{"image": "ims"}], **pod}}},
    }  # fmt: skip


def holding(container: Manifest, **pod: Any) -> Manifest:
    return service(containers=[{"image": "ims", **container}], **pod)


def scaled(**annotations: str) -> Manifest:
    found = service()
    names = {name.replace("_", "-"): value for name, value in annotations.items()}
    found["spec"]["template"]["metadata"]["annotations"] = {f"autoscaling.knative.dev/{n}": v for n, v in names.items()}
    return found


def source(**spec: Any) -> Manifest:
    return {
        "apiVersion": "sources.knative.dev/v1", "kind": "KafkaSource", "metadata": {"name": "route"},
        "spec": {"topics": ["RECV"], "bootstrapServers": ["kafka:9092"], "consumerGroup": "g", "sink": {"ref": REF}, **spec},
    }  # fmt: skip


def delivered(**delivery: Any) -> Manifest:
    return source(delivery={"retry": 3, **delivery})


def sink(**spec: Any) -> Manifest:
    return {
        "apiVersion": "eventing.knative.dev/v1alpha1", "kind": "KafkaSink", "metadata": {"name": "dlt"},
        "spec": {"topic": "route-DLT", "bootstrapServers": ["kafka:9092"], **spec},
    }  # fmt: skip


def cronjob(**spec: Any) -> Manifest:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "batch", "image": "ims"}]}}
    said = {"schedule": "20 4 * * *", "jobTemplate": {"spec": {"template": template}}, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "batch"}, "spec": said}


def deployment(**container: Any) -> Manifest:
    pod = {"volumes": [{"name": "core"}], "containers": [{"name": "work", "image": "ims", **container}]}
    labels = {"app": "work"}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "work"}, "spec": spec}


def resourced(requests: Manifest, limits: Manifest) -> Manifest:
    return deployment(resources={"requests": requests, "limits": limits})


GOOD_AND_BAD = [
    ("containerConcurrency", service(containerConcurrency=1000), service(containerConcurrency=1001)),
    ("timeoutSeconds", service(timeoutSeconds=600), service(timeoutSeconds=601)),
    ("priorityClassName", service(), service(priorityClassName="ims-reserved")),
    ("topologySpreadConstraints", service(), service(topologySpreadConstraints=[{"maxSkew": 1}])),
    ("ports", holding({"ports": [{"containerPort": 8080}]}), holding({"ports": [{"containerPort": 8012}]})),
    ("image", service(), service(containers=[{"name": "function"}])),
    ("volumeMounts", service(), holding({"volumeMounts": [{"name": "core", "readOnly": True}]})),
    ("volumeMounts", service(), holding({"volumeMounts": [{"name": "core"}]}, volumes=[{"name": "core", "secret": {}}])),
    ("metric", scaled(metric="rps"), scaled(metric="cpu")),
    ("min-scale", scaled(min_scale="0"), scaled(min_scale="-1")),
    ("max-scale", scaled(max_scale="3", min_scale="3"), scaled(max_scale="3", min_scale="4")),
    ("initial-scale", scaled(initial_scale="1"), scaled(initial_scale="0")),
    ("activation-scale", scaled(activation_scale="2"), scaled(activation_scale="1")),
    ("activation-scale", scaled(activation_scale="3", max_scale="3"), scaled(activation_scale="4", max_scale="3")),
    ("target", scaled(target="0.01"), scaled(target="0")),
    ("target-utilization-percentage", scaled(target_utilization_percentage="100"), scaled(target_utilization_percentage="101")),
    ("panic-window-percentage", scaled(panic_window_percentage="1"), scaled(panic_window_percentage="0.5")),
    ("panic-threshold-percentage", scaled(panic_threshold_percentage="110"), scaled(panic_threshold_percentage="100")),
    ("target-burst-capacity", scaled(target_burst_capacity="-1"), scaled(target_burst_capacity="-2")),
    ("window", scaled(window="6s"), scaled(window="5s")),
    ("window", scaled(window="1h"), scaled(window="1h1s")),
    ("window", scaled(window="1m30s"), scaled(window="30.5s")),
    ("scale-down-delay", scaled(scale_down_delay="0s"), scaled(scale_down_delay="300")),
    ("pod-retention", scaled(scale_to_zero_pod_retention_period="1m5s"), scaled(scale_to_zero_pod_retention_period="2h")),
    ("topics", source(), source(topics=[])),
    ("bootstrapServers", source(), source(bootstrapServers=[""])),
    ("initialOffset", source(initialOffset="earliest"), source(initialOffset="oldest")),
    ("ordering", source(ordering="unordered"), source(ordering="none")),
    ("sink", source(sink={"uri": "http://x.example/"}), source(sink={})),
    ("sink.uri", source(sink={"ref": REF, "uri": "/route"}), source(sink={"ref": REF, "uri": "http://x.example/"})),
    ("sink.uri", source(sink={"uri": "https://x.example"}), source(sink={"uri": "/route"})),
    ("sink.ref.name", source(), source(sink={"ref": {"apiVersion": "v1", "kind": "Service"}})),
    ("ceOverrides", source(ceOverrides={"extensions": {"stage": "x"}}), source(ceOverrides={"extensions": {"my_stage": "x"}})),
    ("delivery.retry", delivered(retry=0), delivered(retry=-1)),
    ("delivery.backoffPolicy", delivered(backoffPolicy="linear"), delivered(backoffPolicy="fibonacci")),
    ("delivery.backoffDelay", delivered(backoffDelay="PT0.8S"), delivered(backoffDelay="0.8s")),
    ("delivery.timeout", delivered(timeout="PT1M30S"), delivered(timeout="PT0S")),
    ("delivery.timeout", delivered(timeout="PT1H"), delivered(timeout="PT3600S")),
    ("delivery.timeout", delivered(timeout="P1DT1H"), delivered(timeout="PT")),
    ("delivery.retryAfterMax", delivered(), delivered(retryAfterMax="PT10S")),
    ("deadLetterSink", delivered(deadLetterSink={"uri": "http://x.example"}), delivered(deadLetterSink={"ref": {"kind": "KafkaSink"}})),
    ("topic", sink(), sink(topic="")),
    ("contentMode", sink(contentMode="structured"), sink(contentMode="text")),
    ("numPartitions", sink(numPartitions=1), sink(numPartitions=0)),
    ("schedule", cronjob(schedule="*/5 0-4,12 1 jan mon-fri"), cronjob(schedule="0 24 * * *")),
    ("schedule", cronjob(schedule="@daily"), cronjob(schedule="TZ=Asia/Seoul 0 4 * * *")),
    ("timeZone", cronjob(timeZone="Asia/Seoul"), cronjob(timeZone="Asia/Soul")),
    ("concurrencyPolicy", cronjob(concurrencyPolicy="Forbid"), cronjob(concurrencyPolicy="Never")),
    ("requests", resourced({"memory": "1Gi"}, {"memory": "1024Mi"}), resourced({"cpu": "1"}, {"cpu": "999m"})),
    ("volumeMounts", deployment(volumeMounts=[{"name": "core"}]), deployment(volumeMounts=[{"name": "tmp"}])),
]  # fmt: skip


@pytest.mark.parametrize(("field", "good", "bad"), GOOD_AND_BAD)
def test_a_rule_lets_the_good_pass_and_names_the_field_of_the_bad(field: str, good: Manifest, bad: Manifest) -> None:
    assert errors(good) == []
    said = errors(bad)
    assert said
    assert all(field in text.split(": ")[0] for text in said), said


def test_scaling_on_the_service_itself_is_refused() -> None:
    bad = service()
    bad["metadata"]["annotations"] = {"autoscaling.knative.dev/min-scale": "2"}
    assert errors(bad) == ["metadata.annotations.autoscaling.knative.dev/min-scale: "
                           'autoscaling annotations must be put under "spec.template.metadata.annotations" to work']  # fmt: skip


def test_a_misspelt_annotation_is_a_warning_for_a_cluster_ignores_it() -> None:
    bad = scaled(minScale="2")
    assert errors(bad) == []
    assert problems(bad) == [f"warning: {SCALING}minScale: no autoscaler reads this name; a cluster accepts and ignores it"]


@pytest.mark.parametrize("delay", ["PT0.25S", "-PT5S"])
def test_a_duration_that_loses_something_is_a_warning(delay: str) -> None:
    (said,) = problems(delivered(backoffDelay=delay))
    assert said.startswith("warning: spec.delivery.backoffDelay")


def test_what_never_changes_may_not_change() -> None:
    old = source()
    assert errors(source(topics=["OTHER"]), old) == []
    assert errors(source(consumerGroup="h"), old) == ["spec.consumerGroup: immutable field changed"]
    assert errors(sink(topic="other-DLT"), sink()) == ["spec.topic: immutable field changed"]
    named, changed = service(), service(timeoutSeconds=60)
    for d in (named, changed):
        d["spec"]["template"]["metadata"]["name"] = "route-1"
    assert errors(copy.deepcopy(named), named) == []
    assert len(errors(changed, named)) == 1


def test_a_feature_opens_its_field() -> None:
    asked = service(priorityClassName="ims-reserved")
    assert errors(asked, features=frozenset({"kubernetes.podspec-priorityclassname"})) == []


@pytest.mark.parametrize(("text", "value"), [("250m", 0.25), ("1", 1), ("1Gi", 2**30), ("1.5Mi", 1.5 * 2**20)])
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["1GiB", "-1", "", "one"])
def test_no_quantities(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        quantity(text)


@pytest.mark.parametrize("text", ["* * * *", "61 * * * *", "* * * * 8", "*/0 * * * *", "5-2 * * * *", "a * * * *"])
def test_no_schedules(text: str) -> None:
    assert not schedule_holds(text)


# kncheck's own samples. Not ours: kinds that IMS does not use, and what only a strict decoder of Kubernetes' own types sees.
ELSEWHERE = {"broker.yaml", "trigger.yaml", "pingsource.yaml", "sinkbinding.yaml"}
DECODER = ("spec.replica: unknown field", "already set in map", "kind: no check for", "securityContext", "spec.broker")


def samples(kind: str) -> Iterator[Path]:
    yield from (p for p in sorted(folder("IMS_KNCHECK", "kncheck").glob(f"testdata/{kind}/*.yaml")) if p.name not in ELSEWHERE)


def said_about(path: Path, schemas: Crds, old: list[Manifest] = []) -> list[str]:  # noqa: B006 - never written to
    found: list[str] = []
    text = path.read_text().replace("data: {a: \"1\"}\ndata:", "data:")  # a key given twice is one that a decoder refuses
    for d in documents(text):
        was = next((o for o in old if (o["kind"], o["metadata"]["name"]) == (d.get("kind"), d["metadata"]["name"])), None)
        found += (schemas.check(d) or []) + problems(d, was)
    return found


def wanted(path: Path) -> list[str]:
    lines = [line.removeprefix("# want: ").strip() for line in path.read_text().splitlines() if line.startswith("# want: ")]
    return [line for line in lines if not any(text in line for text in DECODER)]


def same(want: str, said: str) -> bool:
    """Whether we say of the same field what kncheck says of it; its words are another program's."""
    warned = want.startswith("warning: ")
    field = want.removeprefix("warning: ").split(": ")[0].split(" (")[0]
    names = {"max-scale=3 is less than min-scale=5": "max-scale", "cannot be decoded": "data."}
    return warned == said.startswith("warning: ") and names.get(field, field) in said


@pytest.mark.parametrize("kind", ["bad", "warn", "update"])
def test_what_kncheck_refuses_we_refuse(kind: str, schemas: Crds) -> None:
    found = list(samples(kind))
    old = functools.reduce(list.__add__, (documents(p.read_text()) for p in found if p.name == "old.yaml"), [])
    missed = [
        f"{path.name}: {want}"
        for path in found
        for want in wanted(path)
        if not any(same(want, said) for said in said_about(path, schemas, old if path.name == "new.yaml" else []))
    ]
    assert found
    assert missed == []


def test_what_kncheck_accepts_we_accept(schemas: Crds) -> None:
    found = list(samples("good"))
    assert found
    assert [said for path in found for said in said_about(path, schemas)] == []


def test_a_schema_s_words_are_ours_or_an_error(schemas: Crds) -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "string", "oneOf": []}}}
    with pytest.raises(NotImplementedError, match="oneOf"):
        Crds({("x/v1", "X"): (True, schema)}).check({"apiVersion": "x/v1", "kind": "X", "spec": "a"})
    assert schemas.check({"apiVersion": "x/v1", "kind": "X"}) is None


SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
                "count": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 9},
                "port": {"x-kubernetes-int-or-string": True},
                "mode": {"type": "string", "enum": ["a", "b"], "nullable": True},
                "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
    },
}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{name: abc, count: 9, port: http, mode: null, tags: [a, b], labels: {x: y}, any: {x: {y: 1}}}", ""),
        ("{}", "spec.name: required"),
        ("{name: abcd}", "spec.name: length 4"),
        ("{name: A}", "spec.name: 'A' does not match"),
        ("{name: a, count: 10}", "spec.count: 10 is out of range"),
        ("{name: a, count: true}", "spec.count: must be of type integer, not bool"),
        ("{name: a, count: '1'}", "spec.count: must be of type integer, not str"),
        ("{name: a, port: 1.5}", "spec.port: must be a number or a string"),
        ("{name: a, mode: c}", "spec.mode: 'c' is none of"),
        ("{name: null}", "spec.name: must not be null"),
        ("{name: a, tags: [x, x]}", "spec.tags[1]: x stands here twice"),
        ("{name: a, labels: {x: 1}}", "spec.labels.x: must be of type string"),
        ("{name: a, nome: b}", "spec.nome: unknown field"),
    ],
)
def test_a_schema_is_applied_as_the_api_server_does(spec: str, said: str) -> None:
    document = {"apiVersion": "x/v1", "kind": "X", "metadata": {"a": 1}, "spec": yaml.safe_load(spec)}
    found = Crds({("x/v1", "X"): (True, SCHEMA)}).check(document)
    assert found is not None
    assert (found == []) if not said else (len(found) == 1 and found[0].startswith(said)), found
