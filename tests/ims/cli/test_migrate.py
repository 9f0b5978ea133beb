"""`ims migrate` as an operator types it."""

from __future__ import annotations

import json
import secrets

import pytest
from typer.testing import CliRunner

from ims.cli.main import app

SERVERS = {"IMS_LOG": "kafka://127.0.0.1:1", "IMS_CACHE": "redis://127.0.0.1:1", "IMS_TRACES": "mongodb://127.0.0.1:1/ims", "IMS_FILES": "s3://ims"}


@pytest.fixture
def production(mariadb, monkeypatch):
    records = f"{mariadb.url}_{secrets.token_hex(3)}"
    for name, value in {"IMS_PROFILE": "production", "IMS_RECORDS": records, **SERVERS}.items():
        monkeypatch.setenv(name, value)
    return records


def run(*words: str) -> list[dict[str, str]]:
    done = CliRunner().invoke(app, ["migrate", *words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_databases_are_made_and_migrated_once_and_down_again(production):
    first = run()
    assert len(first) == 5 and all(not one["before"] and one["after"] for one in first)
    assert all(one["before"] == one["after"] for one in run())
    assert all(one["before"] != one["after"] for one in run("--down"))


def test_a_home_needs_none(tmp_path, monkeypatch):
    monkeypatch.setenv("IMS_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["migrate"])
    assert done.exit_code == 0 and "when they are opened" in done.output
    assert list(tmp_path.iterdir()) == []
