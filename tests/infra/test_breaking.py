"""Servers that a module has for itself die and come back where they left off, and none outlives its tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest
import redis
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from infra.fixtures import Own
from infra.place import ROOT

from .had import lives

pytestmark = pytest.mark.services
LIMIT_S = 60.0


def until(done: Callable[[], Any], *waits_out: type[Exception]) -> Any:
    """What it says once it says something; errors of a server that is not there yet are waited out."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            if said := done():
                return said
        except waits_out:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_killed_database_keeps_what_was_committed(mariadb_own: Own) -> None:
    def connect() -> Any:
        password = mariadb_own.place.secret("mariadb")
        return pymysql.connect(host="127.0.0.1", port=mariadb_own.port("mariadb"), user="ims", password=password, autocommit=True)

    with connect() as connection:
        connection.cursor().execute("CREATE TABLE ims.t (n INT)")
        connection.cursor().execute("INSERT INTO ims.t VALUES (7)")
    mariadb_own.kill("mariadb")
    with pytest.raises(pymysql.err.OperationalError):
        connect()
    mariadb_own.start("mariadb")
    with connect() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT n FROM ims.t")
        assert cursor.fetchall() == ((7,),)


def test_kafka_goes_on_without_a_leader_that_was_killed_and_takes_it_back(kafka3: Own) -> None:
    servers, topic = urlsplit(kafka3.url).netloc.split(","), f"test-{uuid.uuid4().hex}"
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 3}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=servers, reconnect_backoff_max_ms=1000)
    producer.send(topic, b"before").get(20)

    def partition() -> Any:
        return admin.describe_topics([topic])[0]["partitions"][0]

    leader = partition()["leader_id"]
    kafka3.kill(f"kafka-{leader}")
    assert producer.send(topic, b"while").get(LIMIT_S).offset == 1
    kafka3.start(f"kafka-{leader}")
    until(lambda: len(partition()["isr_nodes"]) == 3)
    assert producer.send(topic, b"after").get(20).offset == 2
    producer.close(5)
    admin.close()


def test_a_replica_takes_over_from_a_killed_master(redis_cluster_own: Own) -> None:
    def client() -> Any:
        startup = [redis.cluster.ClusterNode("127.0.0.1", redis_cluster_own.port(f"redis-cluster-{n}")) for n in range(1, 7)]
        return redis.RedisCluster(startup_nodes=startup, socket_timeout=2)

    first = client()
    first.set("key", "value")
    node = first.get_node_from_key("key")
    assert first.execute_command("WAIT", 1, 5000, target_nodes=node) == 1
    first.close()
    name = next(n for n in (f"redis-cluster-{i}" for i in range(1, 7)) if redis_cluster_own.port(n) == node.port)
    redis_cluster_own.kill(name)

    def value() -> Any:
        later = client()
        try:
            return later.get("key")
        finally:
            later.close()

    assert until(value, redis.RedisError) == b"value"
    redis_cluster_own.start(name)
    assert redis.Redis(port=node.port, socket_timeout=5).ping()


HELD = """
import time
from pathlib import Path

def test_it_holds_servers_when_it_is_killed(redis_single, redis_own):
    shared = (Path(redis_single.home) / "run" / "redis.json").read_text()
    own = (redis_own.place.home / "run" / "redis.json").read_text()
    draft = Path({told!r} + ".draft")
    draft.write_text("[" + shared + "," + own + "]")
    draft.rename({told!r})
    time.sleep({pause})
"""


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "at the end"])
def test_no_server_outlives_the_run_of_tests_that_had_it(tmp_path: Path, redis_single: Any, killed: bool) -> None:
    told = tmp_path / "told"
    (tmp_path / "test_held.py").write_text(HELD.format(told=str(told), pause=LIMIT_S if killed else 0))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "infra.fixtures",
        "--basetemp",
        str(tmp_path / "base"),
        str(tmp_path / "test_held.py"),
    ]
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}  # a run of its own, and no worker of ours
    run = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        pids = [server["pid"] for server in json.loads(until(lambda: told.read_text() if told.exists() else ""))]
        assert len(pids) == 2
        if killed:
            assert all(lives(pid) for pid in pids)
            run.kill()
        run.wait(LIMIT_S)
        if killed:
            until(lambda: not any(lives(pid) for pid in pids))
        assert not any(lives(pid) for pid in pids)
    finally:
        run.kill()
        run.wait()
