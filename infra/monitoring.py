"""Prometheus with the alerts of docs/operate.md, and Alertmanager; only on request."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable
from pathlib import Path

from infra.needs import Need
from infra.place import HOST, PORTS, ROOT, Place
from infra.process import Process
from infra.service import Node, Service

CONFIGURATION = ROOT / "infra" / "prometheus"
_RETENTION = "7d"
_LIMIT_S = 2
_PROMETHEUS = Need("prometheus", "prometheus")
_ALERTMANAGER = Need("prometheus-alertmanager", "prometheus-alertmanager")


def prometheus(place: Place) -> Service:
    """Scrapes what IMS serves at IMS_METRICS_PORT."""
    name, port = "prometheus", place.port("prometheus")
    folder = place.data(name)
    options = [
        *(
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--storage.tsdb.retention.time={_RETENTION}",
        ),
        f"--web.listen-address={HOST}:{port}",
    ]

    def prepare() -> None:
        text = _moved(place, CONFIGURATION / "prometheus.yml").replace("- alerts.yml", f"- {CONFIGURATION / 'alerts.yml'}")
        _write(folder / "prometheus.yml", text)

    return Service(
        name=name,
        nodes=[_node(place, name, _PROMETHEUS, options, prepare)],
        settings=lambda: {"IMS_METRICS_PORT": str(place.port("metrics"))},
        needs=(_PROMETHEUS,),
    )


def alertmanager(place: Place) -> Service:
    """Tells Slack, once its webhook's URL is in `slack_url` of the data folder."""
    name, port = "alertmanager", place.port("alertmanager")
    folder = place.data(name)
    options = [
        *(f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'state'}", "--cluster.listen-address="),
        f"--web.listen-address={HOST}:{port}",
    ]

    def prepare() -> None:
        text = _moved(place, CONFIGURATION / "alertmanager.yml").replace("/etc/alertmanager/slack_url", str(folder / "slack_url"))
        _write(folder / "alertmanager.yml", text)
        os.close(os.open(folder / "slack_url", os.O_WRONLY | os.O_CREAT, 0o600))

    return Service(name=name, nodes=[_node(place, name, _ALERTMANAGER, options, prepare)], needs=(_ALERTMANAGER,))


def _node(place: Place, name: str, need: Need, options: list[str], prepare: Callable[[], None]) -> Node:
    url = f"http://{HOST}:{place.port(name)}"
    return Node(Process(place, name, lambda: [need.path(), *options]), place.port(name), url, lambda: _ready(url), prepare)


def _ready(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/-/ready", timeout=_LIMIT_S) as answer:
        return bool(answer.status == 200)


def _moved(place: Place, path: Path) -> str:
    text = path.read_text()
    for name in ("prometheus", "alertmanager", "metrics"):
        text = text.replace(f"127.0.0.1:{PORTS[name]}", f"{HOST}:{place.port(name)}")
    return text


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text)
