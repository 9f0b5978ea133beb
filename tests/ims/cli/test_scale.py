"""`ims scale simulate` as it is typed: JSON, words, and refusals that say the line."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ims.cli.main import app
from ims.errors import Misconfigured

AUTOSCALING = Path(__file__).resolve().parents[3] / "knative" / "autoscaling.yaml"
QUESTION = ["scale", "simulate", "--autoscaling", str(AUTOSCALING), "--codes", "5"]


def test_json_has_the_whole_answer() -> None:
    found = CliRunner().invoke(app, [*QUESTION, "--campaign", "5000@09:00", "--json"])
    assert found.exit_code == 0, found.output
    data = json.loads(found.output)
    assert data["from"] == "08:58:00"
    assert data["campaign"]["settled"] == data["campaign"]["recipients"] == 5_000
    assert data["bottleneck"].startswith("the provider's rate")
    assert set(data["series"]) == {"at", "pods", "lag_events", "recipients_to_send", "auth_p99_ms"}
    assert {len(data["series"][name]) for name in ("at", "recipients_to_send", "auth_p99_ms")} == {len(data["series"]["pods"]["intake"])}
    assert data["pod_hours_total"] == pytest.approx(sum(data["pod_hours"].values()), abs=0.5)


def test_a_person_reads_a_table_and_sentences() -> None:
    found = CliRunner().invoke(app, [*QUESTION, "--minutes", "3"])
    assert found.exit_code == 0
    assert "codes p99, ms" in found.output
    assert "pods that are always there" in found.output


def test_a_wrong_value_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("services:\n  route:\n    bulk:\n      window_s: 3\n")
    found = CliRunner().invoke(app, ["scale", "simulate", "--autoscaling", str(file)])
    assert isinstance(found.exception, Misconfigured)
    assert str(found.exception).splitlines()[0].startswith("mine.yaml:4: route ad: window_s: ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--autoscaling", "nowhere.yaml"], "nowhere.yaml is not there"),
        (["--autoscaling", str(AUTOSCALING), "--dispatcher-pods", "99"], "99 consumers can not share"),
        (["--autoscaling", str(AUTOSCALING), "--campaign", "many"], "recipients@HH:MM"),
        (["--autoscaling", str(AUTOSCALING), "--dispatcher-restart", "noon"], "HH:MM is meant"),
    ],
)
def test_what_can_not_be_asked_is_refused(options: list[str], said: str) -> None:
    found = CliRunner().invoke(app, ["scale", "simulate", *options])
    assert found.exit_code == 1
    assert said in found.output + str(found.exception)


def test_other_costs_can_be_given_and_wrong_ones_are_named(tmp_path: Path) -> None:
    file = tmp_path / "costs.yaml"
    file.write_text("stages: {}\n")
    found = CliRunner().invoke(app, [*QUESTION, "--measured", str(file)])
    assert isinstance(found.exception, Misconfigured)
    assert "costs.yaml: under_load: Field required" in str(found.exception)


def test_without_matplotlib_a_plot_is_refused_before_anything_is_played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = CliRunner().invoke(app, [*QUESTION, "--minutes", "2", "--plot", str(tmp_path / "p.png")])
    assert found.exit_code == 1
    assert "requirements-bench.lock" in found.output


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is in requirements-bench.lock only")
def test_a_plot_is_a_png(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    found = CliRunner().invoke(app, [*QUESTION, "--campaign", "2000@09:00", "--plot", str(path)])
    assert found.exit_code == 0, found.output
    assert path.read_bytes().startswith(b"\x89PNG")
