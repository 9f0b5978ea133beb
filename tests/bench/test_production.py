"""The scenarios of the production profile in their short form, on the servers of the run: the books agree. No times are judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
NAMES = [name for name, scenario in SCENARIOS.items() if scenario.on_servers]
LIMIT_S = 300  # a bound for a busy machine


@pytest.fixture(scope="module")
def found(tmp_path_factory, kafka, mariadb, redis_cluster, mongo, aws):
    """The results files of `python -m bench all --on production --short`."""
    out = tmp_path_factory.mktemp("results")
    settings = {name: value for one in (kafka, mariadb, redis_cluster, mongo, aws) for name, value in one.settings.items()}
    (out / "env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    command = [sys.executable, "-m", "bench", "all", "--on", "production", "--short", "--servers", str(out / "env"), "--out", str(out)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"TMPDIR": str(out)}, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return {path.stem: json.loads(path.read_text()) for path in out.glob("*.json")}


@pytest.mark.parametrize("name", NAMES)
def test_books_agree(found, name):
    assert found[name]["on"] == "production" and found[name]["agree"]
    assert bool(found[name]["books"]) == (name != "idle")
    for books in found[name]["books"].values():
        assert [books[n] for n in ("sent_once", "told_delivered", "history_delivered")] == [books["accepted"]] * 3
