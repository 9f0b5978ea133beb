"""What every pod of ours has alike: locked down, secrets as files, requests and limits."""

from __future__ import annotations

from typing import Any

CORE = "ims-core"  # secret: keyring and the stores' URLs, which hold passwords
PROVIDERS = "ims-providers"  # secret: what providers know us by; only where they are called
FOLDERS = {CORE: "/etc/ims/core", PROVIDERS: "/etc/ims/providers"}
# Settings that are secrets, by the secret that holds them; the file in it is called as the setting is, without IMS_, in small letters.
FILES = {
    CORE: ("IMS_KEYS", "IMS_RECORDS", "IMS_CACHE", "IMS_TRACES"),
    PROVIDERS: ("IMS_BIZGO_API_KEY", "IMS_BIZGO_WEBHOOK_SECRET", "IMS_BIZGO_FAST_API_KEY", "IMS_BIZGO_FAST_WEBHOOK_SECRET"),
}
USER = 10001  # of the image; a number, so that Kubernetes can see that it is not root

LOCKED: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def secrets(*, providers: bool) -> tuple[str, ...]:
    """The secrets of a pod."""
    return (CORE, PROVIDERS) if providers else (CORE,)


def environment(*, providers: bool, **own: object) -> list[dict[str, str]]:
    """Variables of a container; those of every process come from the ConfigMap."""
    files = {f"{name}_FILE": f"{FOLDERS[s]}/{_file(name)}" for s in secrets(providers=providers) for name in FILES[s]}
    return [{"name": name, "value": str(value)} for name, value in (own | files).items()]


def mounts(*, providers: bool) -> list[dict[str, Any]]:
    """Where the secrets are seen."""
    return [{"name": s, "mountPath": FOLDERS[s], "readOnly": True} for s in secrets(providers=providers)]


def volumes(*, providers: bool) -> list[dict[str, Any]]:
    """The secrets as volumes: a changed secret reaches a running pod as a changed file, and is read at its next start."""
    return [{"name": s, "secret": {"secretName": s}} for s in secrets(providers=providers)]


def resources(cpu: tuple[str, str], memory: tuple[str, str]) -> dict[str, dict[str, str]]:
    """Requests and limits, each (request, limit)."""
    return {"requests": {"cpu": cpu[0], "memory": memory[0]}, "limits": {"cpu": cpu[1], "memory": memory[1]}}


def _file(name: str) -> str:
    return name.removeprefix("IMS_").lower().replace("_", "-")
