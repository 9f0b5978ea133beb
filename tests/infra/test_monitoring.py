"""Alerts and the dashboard say what the documents say, of metrics that there are; Prometheus's own tools judge the rest."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from ims import telemetry
from infra import monitoring
from infra.needs import Need
from infra.place import ROOT, temporary_place
from infra.services import SERVICES

from .had import had

FOLDER = ROOT / "infra" / "prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "infra" / "grafana" / "ims.json").read_text())
PANELS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
_SUFFIX = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def metrics() -> dict[str, tuple[str, ...]]:
    """Names as they are scraped, with their labels."""
    found = {}
    for metric in vars(telemetry).values():
        if isinstance(metric, MetricWrapperBase):
            for suffix in _SUFFIX[metric._type]:
                found[metric._name + suffix] = (*metric._labelnames, "le") if suffix == "_bucket" else tuple(metric._labelnames)
    return found


@pytest.mark.parametrize("expression", [*(rule["expr"] for rule in RULES), *PANELS])
def test_an_expression_names_metrics_and_labels_that_there_are(expression: str) -> None:
    known = metrics()
    names = set(re.findall(r"\bims_[a-z_]+", expression))
    assert names <= set(known)
    labels = {label for name in names for label in known[name]}
    asked = re.findall(r"(?:by|on) \(([^)]*)\)", expression) + re.findall(r'([a-z_]+)(?==~?")', expression)
    assert {word.strip() for group in asked for word in group.split(",")} <= labels | ({"job"} if names == set() else set())


def test_labels_in_words_are_labels_of_the_series() -> None:
    for rule in RULES:
        said = set(re.findall(r"\$labels\.([a-z_]+)", rule["annotations"]["summary"]))
        assert all(label in {x for name in re.findall(r"\bims_[a-z_]+", rule["expr"]) for x in metrics()[name]} for label in said)


def test_panels_have_ids_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)
    source = yaml.safe_load((ROOT / "infra/grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]["uid"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source}


@pytest.mark.services
def test_prometheus_and_alertmanager_take_their_files(tmp_path: Path) -> None:
    had(Need("promtool", "prometheus"), Need("amtool", "prometheus-alertmanager"))
    rules = tmp_path / "alerts_test.yml"
    rules.write_text((Path(__file__).parent / "alerts_test.yml").read_text().replace("RULES", str(FOLDER / "alerts.yml")))
    for command in (
        ["promtool", "check", "config", str(FOLDER / "prometheus.yml")],
        ["promtool", "test", "rules", str(rules)],
        ["amtool", "check-config", str(FOLDER / "alertmanager.yml")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.services
def test_prometheus_loads_the_rules_and_finds_alertmanager(tmp_path: Path) -> None:
    place = temporary_place(tmp_path)
    services = [SERVICES["prometheus"](place), SERVICES["alertmanager"](place)]
    had(*(need for service in services for need in service.needs))
    url = services[0].nodes[0].url

    def ask(path: str) -> Any:
        with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer)["data"]

    try:
        for service in services:
            service.start(place, bound=True)
        assert [rule["name"] for rule in ask("rules")["groups"][0]["rules"]] == [rule["alert"] for rule in RULES]
        deadline = time.monotonic() + 60
        while not (ask("alertmanagers")["activeAlertmanagers"] and len(ask("targets")["activeTargets"]) == 2):  # found one by one
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert str(place.port("alertmanager")) in ask("alertmanagers")["activeAlertmanagers"][0]["url"]
        targets = {target["labels"]["job"]: target["scrapeUrl"] for target in ask("targets")["activeTargets"]}
        assert targets["ims"] == f"http://127.0.0.1:{place.port('metrics')}/metrics"
    finally:
        for service in services:
            service.stop()
    assert (place.data("alertmanager") / "slack_url").stat().st_mode & 0o777 == 0o600
    assert monitoring.CONFIGURATION == FOLDER
