"""Kustomize components that follow from the tables: a reserved lane in one Service, a reserved lane with its own dispatcher, one host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ims import topics
from ims.lanes import TRAITS, Lane
from ims.manifests import sources
from ims.manifests.loops import deployment
from ims.manifests.patterns import Manifest
from ims.manifests.services import budget, service
from ims.scaling.knobs import Knobs
from ims.scaling.settings import Autoscaling, Workload
from ims.serve.app import NAMES
from ims.serve.gateway import CENTERS

Files = dict[str, list[Manifest]]
AWAY_S = 3600  # how long a stage may be away without one dead letter
_DISPATCH_DELAY_S = 0.2
# Where a cluster-local Service is reached inside the cluster: Knative's own ingress; another one's address is the overlay's to patch.
_INGRESS = {"name": "kourier-internal", "namespace": "kourier-system", "port": 80}


def all_components(scaling: Autoscaling) -> Iterator[tuple[str, Files]]:
    """Folder and files of each."""
    for lane in Lane:
        if TRAITS[lane].reserved:
            yield f"folded-{lane}", folded(lane, scaling)
            yield f"dispatch-{lane}", dispatched(lane, scaling)
    yield "gateway", gateway()


def _of_lane(lane: Lane, scaling: Autoscaling) -> tuple[list[topics.SourceOf], list[Workload]]:
    read = [source for source in topics.sources() if source.lane is lane]
    return read, [sources.served_by(source, scaling) for source in read]


def folded(lane: Lane, scaling: Autoscaling) -> Files:
    """All stages of a lane in one Service, told apart by path: one reserve in the place of one each."""
    read, workloads = _of_lane(lane, scaling)
    name = f"stages-{lane}"
    stages = [source.stage for source in read]
    patches: list[Manifest] = []
    for source, workload in zip(read, workloads, strict=True):
        patches.append(_gone("serving.knative.dev/v1", "Service", workload.name))
        if workload.knobs.min_scale > 1:
            patches.append(_gone("policy/v1", "PodDisruptionBudget", workload.name))
        patches.append(_source(source, {"sink": {"ref": {"name": name}, "uri": f"/{source.stage}"}}))
    made = [service(name, stages, lane, together([w.knobs for w in workloads]))]
    if made[0]["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] not in {"0", "1"}:
        made.append(budget(name, {"serving.knative.dev/service": name}))
    return _component({"service.yaml": made}, patches)


def together(knobs: Sequence[Knobs]) -> Knobs:
    """For stages in one pod: each number as the stage has it that needs most."""
    most = max(knobs, key=lambda k: (k.container_concurrency, k.target or 0, k.timeout_s))
    change: dict[str, Any] = {
        name: max(getattr(k, name) for k in knobs) for name in ("min_scale", "initial_scale", "timeout_s", "delivery_timeout_s")
    }
    change["max_scale"] = 0 if any(k.max_scale == 0 for k in knobs) else max(k.max_scale for k in knobs)
    change["cpu_request"] = max((k.cpu_request for k in knobs), key=lambda q: int(q[:-1]))
    change["memory_request"] = max((k.memory_request for k in knobs), key=lambda q: int(q[:-2]))
    return most.model_copy(update=change)


def dispatched(lane: Lane, scaling: Autoscaling) -> Files:
    """A lane fed by `ims dispatch`. Its KafkaSources stay, without consumers: deleted, they would take the groups' offsets with them."""
    read, workloads = _of_lane(lane, scaling)
    targets = [
        word
        for source, workload in zip(read, workloads, strict=True)
        for word in ("--sink", f"{source.stage}=http://{workload.name}.$(NAMESPACE).svc.cluster.local/")
    ]
    name = f"dispatch-{lane}"
    made = deployment(
        name,
        "dispatch",
        {"ims/lane": lane.value},
        ["ims", "dispatch", "--lane", lane.value, *targets, "--health-port", "8080"],
        providers=False,
        IMS_DELIVERY_RETRY=_retries(),
        IMS_DELIVERY_DELAY_S=_DISPATCH_DELAY_S,
        IMS_DELIVERY_TIMEOUT_S=max(w.knobs.delivery_timeout_s for w in workloads),
    )
    namespace = {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    made["spec"]["template"]["spec"]["containers"][0]["env"].insert(0, namespace)  # before what refers to it
    to_ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"ims-{name}"},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/component": "dispatch", "ims/lane": lane.value}},
            "policyTypes": ["Egress"],
            "egress": [
                {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}}]}
                for space in (_INGRESS["namespace"], "knative-serving")
            ],
        },
    }
    disruption = budget(name, {"app.kubernetes.io/component": "dispatch", "ims/lane": lane.value})
    return _component({"dispatch.yaml": [made, disruption, to_ingress]}, [_source(source, {"consumers": 0}) for source in read])


def _retries() -> int:
    retries = 1
    while sources.waits_s(retries, "exponential", _DISPATCH_DELAY_S) < AWAY_S:
        retries += 1
    return retries


def gateway() -> Files:
    """Everything that clients and providers call, behind one host (Gateway API). The rule for lists is what keeps them away from codes."""
    rules = [
        _rule("RegularExpression", "/ims/[^/]+/[^/]+/sendMessages", "intake-bulk"),
        _rule("PathPrefix", "/receipt", "receipt"),
    ]
    if "center" in NAMES:
        rules += [_rule("RegularExpression", f"/ims/[^/]+/({'|'.join(CENTERS)})(/.*)?", "center")]
    rules.append(_rule("PathPrefix", "/ims", "intake"))
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "ims", "labels": {"app.kubernetes.io/part-of": "ims"}},
        "spec": {"parentRefs": [{"name": "public", "namespace": "gateway"}], "hostnames": ["ims.example.com"], "rules": rules},
    }
    grant = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "ims", "namespace": _INGRESS["namespace"]},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "ims"}],
            "to": [{"group": "", "kind": "Service", "name": _INGRESS["name"]}],
        },
    }
    return _component({"route.yaml": [route], "grant.yaml": [grant]}, [])


def _rule(kind: str, path: str, to: str) -> Manifest:
    host = {"type": "URLRewrite", "urlRewrite": {"hostname": f"{to}.ims.svc.cluster.local"}}  # Knative's ingress goes by the host
    return {"matches": [{"path": {"type": kind, "value": path}}], "filters": [host], "backendRefs": [_INGRESS]}


def _source(source: topics.SourceOf, spec: Manifest) -> Manifest:
    return {"apiVersion": "sources.knative.dev/v1", "kind": sources.KIND, "metadata": {"name": sources.name_of(source)}, "spec": spec}


def _gone(version: str, kind: str, name: str) -> Manifest:
    return {"$patch": "delete", "apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _component(files: Files, patches: list[Manifest]) -> Files:
    head: Manifest = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "resources": sorted(files)}
    if patches:
        files = {**files, "patches.yaml": patches}
        head["patches"] = [{"path": "patches.yaml"}]
    return {"kustomization.yaml": [head], **files}
