"""Both overlays and every component, rendered by kustomize and looked at whole, by our rules and by Knative's own code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ims.manifests.admission import problems
from ims.manifests.schema import Crds

from .conftest import FOREIGN, KNATIVE, Manifest, documents, named

OVERLAYS = ("dev", "prod")
FLAGS = {"priority": "kubernetes.podspec-priorityclassname", "spread": "kubernetes.podspec-topologyspreadconstraints"}
COMPONENTS = sorted(p.parent for p in KNATIVE.rglob("kustomization.yaml") if "kind: Component" in p.read_text())
Render = Callable[[Path], str]


def objections(found: list[Manifest], schemas: Crds, features: frozenset[str] = frozenset()) -> list[str]:
    out = []
    for d in found:
        name = f"{d['kind']}/{d['metadata']['name']}"
        fields = schemas.check(d)
        assert fields is not None or "." not in d["apiVersion"].split("/")[0] or ".k8s.io" in d["apiVersion"] or d["kind"] in FOREIGN, name
        out += [f"{name}: {text}" for text in (fields or []) + problems(d, features=features)]
    return out


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_cluster_accepts_an_overlay(name: str, kustomize: Render, schemas: Crds) -> None:
    found = documents(kustomize(KNATIVE / "overlays" / name))
    assert len(found) > 70
    assert objections(found, schemas) == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_kncheck_accepts_an_overlay(name: str, kustomize: Render, kncheck: Callable[..., list[str]]) -> None:
    assert kncheck(kustomize(KNATIVE / "overlays" / name), "-warnings") == []


def test_kncheck_accepts_everything_generated(kncheck: Callable[..., list[str]]) -> None:
    files = [p for p in (KNATIVE / "generated").rglob("*.yaml") if p.name not in {"kustomization.yaml", "patches.yaml", "names.yaml"}]
    assert kncheck("\n---\n".join(p.read_text() for p in files), "-warnings", "-skip", ",".join(FOREIGN)) == []


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda p: p.name)
def test_a_cluster_accepts_prod_with_a_component(
    component: Path, kustomize: Render, schemas: Crds, kncheck: Callable[..., list[str]], tmp_path: Path
) -> None:
    text = kustomize(_with(tmp_path, component))
    flag = FLAGS.get(component.name)
    assert objections(documents(text), schemas, frozenset({flag} if flag else ())) == []
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config-features", "namespace": "knative-serving"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"data": {flag: "enabled"} if flag else {}}))
    assert kncheck(text, "-warnings", "-config", str(tmp_path / "config.yaml"), "-skip", ",".join(FOREIGN)) == []
    if flag:
        assert flag in (component / "kustomization.yaml").read_text(), "the flag is named where it is needed"
        assert any(flag in text for text in objections(documents(text), schemas)), "without the flag it is refused"


def _with(folder: Path, *components: Path) -> Path:
    def relative(path: Path) -> str:
        return str(Path("../" * (len(folder.resolve().parts) - 1)) / path.resolve().relative_to("/"))

    kustomization = {"resources": [relative(KNATIVE / "overlays/prod")], "components": [relative(c) for c in components]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_an_overlay_refers_to_is_in_it(name: str, kustomize: Render) -> None:
    text = kustomize(KNATIVE / "overlays" / name)
    found = documents(text)
    (config,) = (n for n in named(found, "ConfigMap") if n.startswith("ims-config"))
    assert set(re.findall(r"configMapRef:\s+name: (\S+)", text)) == {config}
    assert "image: ims\n" not in text
    services, sinks = named(found, "Service", "serving"), named(found, "KafkaSink")
    brokers = named(found, "ConfigMap")[config]["data"]["IMS_LOG"].split("://")[1].split(",")
    for d in named(found, "KafkaSource").values():
        assert d["spec"]["sink"]["ref"]["name"] in services
        assert d["spec"]["delivery"]["deadLetterSink"]["ref"]["name"] in sinks
        assert d["spec"]["bootstrapServers"] == brokers, "sources, sinks and our processes speak to one Kafka"
    assert {tuple(d["spec"]["bootstrapServers"]) for d in sinks.values()} == {tuple(brokers)}


@pytest.mark.parametrize("lane", ["auth", "realtime"])
def test_a_folded_lane_is_one_service_and_every_source_finds_its_function_there(lane: str, kustomize: Render, tmp_path: Path) -> None:
    found = documents(kustomize(_with(tmp_path, KNATIVE / f"generated/components/folded-{lane}")))
    services = {n: s for n, s in named(found, "Service", "serving").items() if s["metadata"]["labels"]["ims/lane"] == lane}
    assert list(services) == [f"stages-{lane}"]
    env = {e["name"]: e["value"] for e in services[f"stages-{lane}"]["spec"]["template"]["spec"]["containers"][0]["env"]}
    sources = [s for s in named(found, "KafkaSource").values() if s["metadata"]["labels"]["ims/lane"] == lane]
    assert {s["spec"]["sink"]["uri"] for s in sources} == {f"/{name}" for name in env["IMS_FUNCTION"].split(",")}
    assert {s["spec"]["sink"]["ref"]["name"] for s in sources} == set(services)
    assert not any(n.endswith(f"-{lane}") and n != f"stages-{lane}" for n in named(found, "PodDisruptionBudget"))


@pytest.mark.parametrize("lane", ["auth", "realtime"])
def test_a_dispatched_lane_keeps_its_groups_and_reads_each_once(lane: str, kustomize: Render, tmp_path: Path) -> None:
    found = documents(kustomize(_with(tmp_path, KNATIVE / f"generated/components/dispatch-{lane}")))
    plain = documents(kustomize(KNATIVE / "overlays/prod"))
    groups = {n: s["spec"]["consumerGroup"] for n, s in named(plain, "KafkaSource").items()}
    sources = named(found, "KafkaSource")
    assert {n: s["spec"]["consumerGroup"] for n, s in sources.items()} == groups, "deleting a source deletes its group"
    mine = {n for n, s in sources.items() if s["metadata"]["labels"]["ims/lane"] == lane}
    assert {n for n, s in sources.items() if s["spec"]["consumers"] == 0} == mine
    command = named(found, "Deployment")[f"dispatch-{lane}"]["spec"]["template"]["spec"]["containers"][0]["command"]
    sinks = dict(word.split("=") for word in command if "=http" in word)
    services = named(found, "Service", "serving")
    assert {f"{stage.replace('_', '-')}-{lane}" for stage in sinks} == mine
    assert {url.removeprefix("http://").split(".")[0] for url in sinks.values()} <= set(services)


def test_lists_never_come_to_where_codes_are_taken(kustomize: Render, tmp_path: Path) -> None:
    found = documents(kustomize(_with(tmp_path, KNATIVE / "generated/components/gateway")))
    rules = named(found, "HTTPRoute")["ims"]["spec"]["rules"]

    def goes_to(path: str) -> str:
        for rule in rules:  # Gateway API: the more particular kind of match first, which is how they stand here
            match = rule["matches"][0]["path"]
            if re.fullmatch(match["value"], path) if match["type"] == "RegularExpression" else f"{path}/".startswith(f"{match['value']}/"):
                return str(rule["filters"][0]["urlRewrite"]["hostname"].split(".")[0])
        return ""

    assert goes_to("/ims/key1/mt/sendMessages") == "intake-bulk"
    assert goes_to("/ims/key1/mt/sendMessage") == "intake"
    assert goes_to("/ims/key1/report") == "intake"
    assert goes_to("/ims/openapi.json") == "intake"
    assert goes_to("/receipt/bizgo") == "receipt"
    assert goes_to("/metrics") == ""
