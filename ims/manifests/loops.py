"""Deployments of the loops that run for ever, CronJobs of the clock, Jobs before a release."""

from __future__ import annotations

from collections.abc import Iterator

from functions.batch.jobs import JOBS
from ims.lanes import TRAITS, Lane
from ims.manifests import pods
from ims.manifests.patterns import Manifest, fill
from ims.manifests.services import budget
from ims.serve import workers

# Loops are at rest most of the time; what they do is a page at a time.
LOOP_CPU, LOOP_MEMORY = "50m", "128Mi"
_LOOPS = pods.resources((LOOP_CPU, "1000m"), (LOOP_MEMORY, "512Mi"))
GROUPS = {"reserved": True, "bulk": False}
_ONCE = pods.resources(("100m", "1000m"), ("128Mi", "512Mi"))
PREPARE = {"ims-migrate": ["ims", "migrate"], "ims-topics": ["ims", "topics", "apply"]}  # in this order


def loops() -> Iterator[Manifest]:
    """One Deployment for auth and realtime, one for mass and ad: what shares nothing in the stages shares nothing here."""
    for group, reserved in GROUPS.items():
        lanes = [lane for lane in Lane if TRAITS[lane].reserved is reserved]
        name = f"work-{group}"
        command = ["ims", "work", *workers.NAMES, *(word for lane in lanes for word in ("--lane", lane.value)), "--health-port", "8080"]
        yield deployment(name, "work", {"ims/loops": group}, command, providers=True)
        yield budget(name, {"app.kubernetes.io/component": "work", "ims/loops": group})


def deployment(name: str, component: str, labels: dict[str, str], command: list[str], *, providers: bool, **env: object) -> Manifest:
    """A Deployment of two pods."""
    open_ = "true" if providers else None
    return fill(
        "deployment",
        name=name,
        component=component,
        labels=labels,
        providers=open_,  # the poller of reports asks providers
        customers=open_,  # retries of callbacks call customers
        command=command,
        env=pods.environment(providers=providers, IMS_HOST="0.0.0.0", **env),  # noqa: S104 - the kubelet and Prometheus ask from outside the pod
        mounts=pods.mounts(providers=providers),
        volumes=pods.volumes(providers=providers),
        resources=_LOOPS,
        locked=pods.LOCKED,
    )


def jobs() -> Iterator[Manifest]:
    """A CronJob for each job of the clock."""
    for job, schedule in JOBS.items():
        yield fill("cronjob", name=f"batch-{job}", schedule=schedule, command=["ims", "batch", job], **_once())


def prepare() -> Iterator[Manifest]:
    """Jobs that a release runs first."""
    for name, command in PREPARE.items():
        yield fill("job", name=name, command=command, **_once())


def _once() -> dict[str, object]:
    return {
        "env": pods.environment(providers=False),
        "mounts": pods.mounts(providers=False),
        "volumes": pods.volumes(providers=False),
        "resources": _ONCE,
        "locked": pods.LOCKED,
    }
