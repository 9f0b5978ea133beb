"""Every file of knative/generated, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import yaml

from ims import topics
from ims.manifests import loops, sources
from ims.manifests.components import all_components
from ims.manifests.patterns import Manifest, load
from ims.manifests.services import of_workload
from ims.scaling.settings import Autoscaling

# kustomize gives a generated ConfigMap a new name whenever it changes; of Knative Services it does not know by itself where names stand.
_NAMES: Manifest = {
    "nameReference": [
        {
            "kind": "ConfigMap",
            "version": "v1",
            "fieldSpecs": [
                {"group": "serving.knative.dev", "kind": "Service", "path": "spec/template/spec/containers/envFrom/configMapRef/name"},
            ],
        }
    ]
}
HEAD = "# Made by `make manifests` from knative/base, knative/autoscaling.yaml, lanes, topics and functions. Changes here are lost.\n"


def generated(scaling: Autoscaling) -> dict[str, str]:
    """Path below knative/generated -> text."""
    documents = dict(_resources(scaling))
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(documents),
        "configurations": ["names.yaml"],
    }
    found = {"kustomization.yaml": dump([kustomization]), "names.yaml": dump([_NAMES])}
    found |= {name: dump(docs) for name, docs in documents.items()}
    for folder, files in all_components(scaling):
        found |= {f"components/{folder}/{name}": dump(docs) for name, docs in files.items()}
    return found


def _resources(scaling: Autoscaling) -> Iterator[tuple[str, list[Manifest]]]:
    """A file for each stage, with the Services of its lanes and the sources that feed them; then what they have in common."""
    stages = dict.fromkeys(workload.stage for workload in scaling.workloads)
    for stage in stages:
        docs = [doc for workload in scaling.workloads if workload.stage == stage for doc in of_workload(workload)]
        docs += [sources.source(of, scaling) for of in topics.sources() if of.stage == stage]
        yield f"{stage.replace('_', '-')}.yaml", docs
    yield "dead-letters.yaml", list(sources.sinks())
    yield "loops.yaml", list(loops.loops())
    yield "clock.yaml", list(loops.jobs())
    yield "prepare.yaml", list(loops.prepare())
    yield "account.yaml", load("account")
    yield "network.yaml", load("network")


def groups() -> dict[str, str]:
    """KafkaSource -> consumer group."""
    return {sources.name_of(of): of.group for of in topics.sources()}


class _Dumper(yaml.SafeDumper):
    """Without anchors: a reader of one document has all of it."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def dump(docs: Sequence[Manifest]) -> str:
    """Documents as a file."""
    return HEAD + "---\n".join(yaml.dump(doc, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True) for doc in docs)
