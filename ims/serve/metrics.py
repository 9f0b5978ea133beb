"""Metrics of this process, or of all processes of a home when they share a folder."""

from __future__ import annotations

import os

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector


def exposition() -> bytes:
    """The Prometheus text format."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")  # the library's own variable, read by it at import
    if not folder:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    return generate_latest(registry)
