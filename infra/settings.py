"""The settings of the application that name what runs here: `env` in the home, KEY=value lines, readable to its owner only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from infra.place import Place
from infra.service import Service


def settings_file(place: Place) -> Path:
    return place.home / "env"


def write_settings(place: Place, chosen: Sequence[Service]) -> None:
    """Those of servers that run replace their former values; others stay. Of Redis the cluster, where both run."""
    values = {"IMS_PROFILE": "production"} | read_settings(place)
    for service in chosen:
        if all(node.ready() for node in service.nodes):
            values |= service.settings()
    draft = place.home / "env.tmp"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in sorted(values.items()))
    draft.replace(settings_file(place))


def read_settings(place: Place) -> dict[str, str]:
    """Empty when nothing was started yet."""
    path = settings_file(place)
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line)
