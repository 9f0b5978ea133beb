"""What a cluster would say: its CRDs (IMS_CRDS), kncheck (IMS_KNCHECK), kustomize. Not there: a named skip, in CI a failure."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ims.manifests.schema import Crds, crds

ROOT = Path(__file__).resolve().parents[3]
KNATIVE = ROOT / "knative"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1"
TOOLS = ROOT / ".venv" / "go"
# Kinds without a schema in IMS_CRDS and without a rule in kncheck: what they are, a cluster says.
FOREIGN = {"HTTPRoute", "ReferenceGrant", "PodMonitor", "ServiceMonitor", "PriorityClass"}

Manifest = dict[str, Any]


def absent(why: str) -> None:
    """Skip by name; with CI=true fail, since there everything is to be checked."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def folder(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable) or ROOT.parent / "shared" / default)
    if not path.is_dir():
        absent(f"{variable}: {path.name} is not here (docs/deploy.md says how to take CRDs from a cluster)")
    return path


@pytest.fixture(scope="session")
def crds_folder() -> Path:
    return folder("IMS_CRDS", "crds")


@pytest.fixture(scope="session")
def schemas(crds_folder: Path) -> Crds:
    return crds(crds_folder)


@pytest.fixture(scope="session")
def go() -> Callable[..., Path]:
    """Builds a Go program once for all test processes; Go's own cache makes the second time short."""
    if not (program := shutil.which("go")):
        absent("Go is not installed: neither kncheck nor kustomize can be built")
    TOOLS.mkdir(parents=True, exist_ok=True)

    def build(name: str, *arguments: str, cwd: Path | None = None) -> Path:
        with (TOOLS / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            env = {**os.environ, "GOBIN": str(TOOLS), "GOFLAGS": "-buildvcs=false"}
            done = subprocess.run([str(program), *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode:
            absent(f"{name} cannot be built: {done.stderr.strip()[-300:]}")
        return TOOLS / name

    return build


@pytest.fixture(scope="session")
def kncheck(go: Callable[..., Path], crds_folder: Path) -> Callable[..., list[str]]:
    """The objections of Knative's own code to some documents."""
    source = folder("IMS_KNCHECK", "kncheck")
    program = go("kncheck", "build", "-o", str(TOOLS / "kncheck"), ".", cwd=source)

    def check(text: str, *flags: str) -> list[str]:
        command = [str(program), "-crds", str(crds_folder), *flags]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in {0, 1}, done.stderr
        *lines, total = done.stdout.strip().splitlines()
        assert not total.startswith("0 documents")
        return lines

    return check


@pytest.fixture(scope="session")
def kustomize(go: Callable[..., Path]) -> Callable[[Path], str]:
    """Renders a kustomization."""
    program = go("kustomize", "install", KUSTOMIZE)

    def build(path: Path) -> str:
        done = subprocess.run([str(program), "build", str(path)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return build


def documents(text: str) -> list[Manifest]:
    return [d for d in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if d]


def objects_below(path: Path) -> list[Manifest]:
    """Every object in the files of a folder; kustomizations, patches and configuration are none."""
    files = [file for file in sorted(path.rglob("*.yaml")) if file.name not in {"patches.yaml", "names.yaml"}]
    found = [d for file in files for d in documents(file.read_text())]
    return [d for d in found if not str(d["apiVersion"]).startswith("kustomize.")]


def named(objects: list[Manifest], kind: str, group: str = "") -> dict[str, Manifest]:
    found = [d for d in objects if d["kind"] == kind and (not group or d["apiVersion"].startswith(group))]
    names = {d["metadata"]["name"]: d for d in found}
    assert len(names) == len(found), f"two {kind} of one name"
    return names
