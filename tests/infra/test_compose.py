"""infra/compose.yaml as text: well formed, and the same servers, ports and settings as infra/*.py. No engine runs here."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
import yaml

from infra import kafka, mariadb, redis
from infra.aws import BUCKET
from infra.place import PORTS, ROOT, Place
from infra.services import SERVICES

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
SERVERS: dict[str, Any] = COMPOSE["services"]
NOT_OURS = {"redis-cluster-join", "grafana"}  # a job; to be had as an image only
NOT_THERE = {"smtp"}  # nobody's official image
PLACE = Place(ROOT, ROOT, PORTS)


def _one(key: str) -> dict[str, Any]:
    return {"type": "object", "required": [key], "additionalProperties": False, "properties": {key: {"type": "string"}}}


_TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}
_MAPPING = {"type": "object", "additionalProperties": {"type": "string"}}
_FILE = {
    "type": "object",
    "properties": {"source": {"type": "string"}, "target": {"type": "string", "pattern": "^/"}, "mode": {"type": "integer"}},
    "required": ["source", "target"],
    "additionalProperties": False,
}
_DURATION = {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"}
# What we use of the compose specification; anything else is a slip of the pen until it is added here.
SCHEMA = {
    "type": "object",
    "required": ["name", "services"],
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
        "configs": {"type": "object", "additionalProperties": _one("content")},
        "secrets": {"type": "object", "additionalProperties": _one("file")},
        "services": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["image"],
                "additionalProperties": False,
                "properties": {
                    "image": {"type": "string", "pattern": r"^[a-z0-9./-]+:v?[0-9][0-9.]*$"},
                    "restart": {"enum": ["unless-stopped"]},
                    "command": {"type": "array", "items": {"type": "string"}},
                    "environment": _MAPPING,
                    "network_mode": {"type": "string", "pattern": "^(host|service:[a-z0-9-]+)$"},
                    "ports": {**_TEXTS, "items": {"type": "string", "pattern": r"^127\.0\.0\.1:([0-9]+):\1$"}},
                    "volumes": _TEXTS,
                    "profiles": {"enum": [["monitoring"]]},
                    "configs": {"type": "array", "items": _FILE},
                    "secrets": {"type": "array", "items": _FILE},
                    "depends_on": {
                        "type": "object",
                        "additionalProperties": {"type": "object", "properties": {"condition": {"enum": ["service_healthy"]}}},
                    },
                    "healthcheck": {
                        "type": "object",
                        "required": ["test", "interval", "timeout", "retries"],
                        "additionalProperties": False,
                        "properties": {
                            "test": {"prefixItems": [{"const": "CMD-SHELL"}, {"type": "string"}], "items": False, "minItems": 2},
                            "interval": _DURATION,
                            "timeout": _DURATION,
                            "retries": {"type": "integer", "minimum": 1},
                        },
                    },
                },
            },
        },
    },
    "additionalProperties": False,
}  # fmt: skip


def test_it_is_well_formed() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(COMPOSE)


def test_what_it_names_is_there() -> None:
    for name, server in SERVERS.items():
        network = server.get("network_mode", "")
        assert not ("ports" in server and network), f"{name}: ports are those of its network's owner"
        assert network in {"", "host"} or network.removeprefix("service:") in SERVERS
        assert set(server.get("depends_on", {})) <= set(SERVERS)
        for kind in ("configs", "secrets"):
            assert {item["source"] for item in server.get(kind, [])} <= set(COMPOSE[kind])
        for volume in server.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / "infra" / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], source
    used = {volume.split(":")[0] for server in SERVERS.values() for volume in server.get("volumes", [])}
    assert set(COMPOSE["volumes"]) == {source for source in used if not source.startswith(".")}


def test_its_servers_are_ours_by_name_and_each_tells_when_it_is_ready() -> None:
    ours = {node.name for make in SERVICES.values() for node in make(PLACE).nodes}
    assert set(SERVERS) - NOT_OURS == ours - NOT_THERE
    assert {name for name, server in SERVERS.items() if "healthcheck" not in server} == {"redis-cluster-join"}


def test_its_ports_are_ours() -> None:
    published = {int(port.split(":")[1]) for server in SERVERS.values() for port in server.get("ports", [])}
    on_host = {name for name, server in SERVERS.items() if server.get("network_mode") == "host"} - NOT_OURS
    second = {name for name in PORTS if name.endswith(("-controller", "-bus"))}
    assert published == {port for name, port in PORTS.items() if name not in second | NOT_THERE | on_host | {"metrics"}}
    for name in on_host:
        assert f"--web.listen-address=127.0.0.1:{PORTS[name]}" in SERVERS[name]["command"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_kafka_has_our_settings(number: int) -> None:
    environment = SERVERS[f"kafka-{number}"]["environment"]
    ours = kafka.properties(PLACE, number, 3)
    ours |= {"log.dirs": "/var/lib/kafka/data", "listeners": ours["listeners"].replace("BROKER://127.0.0.1", "BROKER://0.0.0.0")}
    said = {key.removeprefix("KAFKA_").replace("_", ".").lower(): value for key, value in environment.items() if key.startswith("KAFKA_")}
    said.pop("heap.opts")
    assert said == ours


def test_mysql_has_our_settings_as_far_as_it_knows_them() -> None:
    options = dict(option.removeprefix("--").partition("=")[::2] for option in SERVERS["mariadb"]["command"])
    ours = {key: value for key, value in mariadb.SETTINGS.items() if key not in {"innodb-log-file-size", "performance-schema"}}
    del options["innodb-redo-log-capacity"]  # MySQL's name of the log's size
    assert options | {"skip-name-resolve": "ON"} == ours
    assert mariadb.grants("x").count(r"`ims\_%`.*") == COMPOSE["configs"]["mysql-grants"]["content"].count(r"`ims\_%`.*") == 1


def test_redis_has_our_settings() -> None:
    words = " ".join(SERVERS["redis"]["command"]).replace('""', "").split("--")
    said = {word.split(" ", 1)[0]: word.partition(" ")[2].replace("$$REDIS_MORE", "").strip() for word in words[1:]}
    for key in ("port", "dir", "protected-mode"):
        said.pop(key)
    assert said == {key: value for key, value in redis.SETTINGS.items() if key not in {"shutdown-timeout", "set-proc-title"}}
    for number in range(1, 7):
        name = f"redis-cluster-{number}"
        assert SERVERS[name]["environment"]["REDIS_PORT"] == str(PORTS[name])


def test_the_bucket_is_ours() -> None:
    assert f"--bucket {BUCKET}\n" in COMPOSE["configs"]["aws-bucket"]["content"]


def test_docs_list_every_server_and_port() -> None:
    text = (ROOT / "docs" / "services.md").read_text()
    for make in SERVICES.values():
        for node in make(PLACE).nodes:
            number = re.fullmatch(r"redis-cluster-[2-5]", node.name)  # between first and last
            assert number or f"`{node.name}`" in text
            assert number or str(node.port) in text
