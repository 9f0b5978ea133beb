"""Settings: a wrong one refuses to start and names itself, a secret may lie in a file, and no value is ever shown."""

from __future__ import annotations

import pytest

from ims.config import Settings, load_settings
from ims.errors import Misconfigured

SERVERS = {
    "IMS_LOG": "kafka://127.0.0.1:9092",
    "IMS_RECORDS": "mysql://ims:hunter2@127.0.0.1:3306/ims",
    "IMS_CACHE": "redis://127.0.0.1:6379",
    "IMS_TRACES": "mongodb://127.0.0.1:27017/ims",
    "IMS_FILES": "s3://ims",
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in Settings.model_fields:
        for variable in (f"IMS_{name.upper()}", f"IMS_{name.upper()}_FILE"):
            monkeypatch.delenv(variable, raising=False)


def production(monkeypatch, **instead: str | None) -> None:
    monkeypatch.setenv("IMS_PROFILE", "production")
    for name, value in (SERVERS | instead).items():
        if value is not None:
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", SERVERS)
def test_production_names_the_server_that_it_misses(monkeypatch, name):
    production(monkeypatch, **{name: None})
    with pytest.raises(Misconfigured, match=name):
        load_settings()


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_without_its_profile_is_refused(monkeypatch, name):
    monkeypatch.setenv(name, SERVERS[name])
    with pytest.raises(Misconfigured, match=f"{name} goes with IMS_PROFILE=production"):
        load_settings()


def test_a_secret_lies_in_a_file(monkeypatch, tmp_path):
    (tmp_path / "records").write_text(SERVERS["IMS_RECORDS"] + "\n")
    production(monkeypatch, IMS_RECORDS=None, IMS_RECORDS_FILE=str(tmp_path / "records"))
    assert load_settings().records == SERVERS["IMS_RECORDS"]


def test_a_secret_that_is_given_both_ways_is_refused(monkeypatch, tmp_path):
    (tmp_path / "records").write_text("mysql://other")
    production(monkeypatch, IMS_RECORDS_FILE=str(tmp_path / "records"))
    with pytest.raises(Misconfigured, match="IMS_RECORDS and IMS_RECORDS_FILE"):
        load_settings()


def test_a_file_that_is_not_there_is_named_by_its_setting(monkeypatch, tmp_path):
    production(monkeypatch, IMS_CACHE=None, IMS_CACHE_FILE=str(tmp_path / "gone"))
    with pytest.raises(Misconfigured, match="IMS_CACHE_FILE cannot be read"):
        load_settings()


def test_only_secrets_have_files(monkeypatch, tmp_path):
    (tmp_path / "port").write_text("1")
    monkeypatch.setenv("IMS_PORT_FILE", str(tmp_path / "port"))
    assert load_settings().port == Settings.model_fields["port"].default


def test_a_wrong_value_is_named_and_not_shown(monkeypatch):
    production(monkeypatch, IMS_RECORDS_CONNECTIONS="hunter2")
    with pytest.raises(Misconfigured) as refused:
        load_settings()
    assert "IMS_RECORDS_CONNECTIONS" in str(refused.value)
    assert "hunter2" not in str(refused.value)
