"""A Kafka cluster (KRaft, every node broker and controller): three nodes as in production, or one for tests that break nothing.

`secure`: brokers speak TLS only, and ask for a password (SCRAM-SHA-512); controllers among themselves stay as they are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from infra import maven
from infra.needs import Need
from infra.place import HOST, Place, temporary_place
from infra.process import Process
from infra.service import Node, Service, ask
from infra.tls import certificates

USER = "ims"
# Constant: a folder that was formatted under another id refuses to start.
_CLUSTER = "aW1zLWxvY2FsLWthZmthLQ"
_STARTED = b"Kafka Server started"
_API_VERSIONS = b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x2a\xff\xff"  # length, key 18, version 0, correlation 42, no client id
_HEAP = ("-Xms64m", "-Xmx512m", "-XX:MaxDirectMemorySize=128m", "-XX:+UseSerialGC")
# The simple compiler only. The other took 17.6 of the 42 CPU seconds that three nodes used from their start until IMS was at work on them,
# the simple one 6.9 beside it: on a machine whose cores IMS needs, what it makes faster later does not pay for that.
_COMPILER = "-XX:TieredStopAtLevel=1"
_ARCHIVE_S = 60

SETTINGS = {
    "process.roles": "broker,controller",
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BROKER",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.segment.bytes": "67108864",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    # All partitions stall until a dead broker leaves the in-sync set: 3 to 6 s, not the 8 to 12 s of the default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


def service(place: Place, *, nodes: int = 3, secure: bool = False) -> Service:
    """So many nodes that are one cluster."""
    numbers = range(1, nodes + 1)
    servers = ",".join(f"{HOST}:{place.port(f'kafka-{n}')}" for n in numbers)
    return Service(
        name="kafka",
        nodes=[_node(place, number, nodes, secure=secure) for number in numbers],
        settings=lambda: {"IMS_LOG": f"kafka+ssl://{servers}"} | _login(place) if secure else {"IMS_LOG": f"kafka://{servers}"},
        needs=maven.NEEDS,
        build=lambda: _build(place),
        start_s=90,
    )


def _login(place: Place) -> dict[str, str]:
    return {
        "IMS_LOG_CA_FILE": str(certificates(place).authority),
        "IMS_LOG_SASL_MECHANISM": "SCRAM-SHA-512",
        "IMS_LOG_USERNAME": USER,
        "IMS_LOG_PASSWORD": place.secret("kafka"),
    }


def properties(place: Place, number: int, nodes: int, *, secure: bool = False) -> dict[str, str]:
    """The settings of one node."""
    name, copies = f"kafka-{number}", min(nodes, 3)
    broker = f"BROKER://{HOST}:{place.port(name)}"
    voters = [f"{n}@{HOST}:{place.port(f'kafka-{n}-controller')}" for n in range(1, nodes + 1)]
    return SETTINGS | {
        "node.id": str(number),
        "controller.quorum.voters": ",".join(voters),
        "listeners": f"{broker},CONTROLLER://{HOST}:{place.port(f'{name}-controller')}",
        "advertised.listeners": broker,
        "log.dirs": str(place.data(name) / "log"),
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(max(1, copies - 1)),
        # Above the number of nodes these topics are never made, and a consumer group gets nothing and no error.
        "offsets.topic.replication.factor": str(copies),
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(max(1, copies - 1)),
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(max(1, copies - 1)),
        **(_security(place) if secure else {}),
    }


def _security(place: Place) -> dict[str, str]:
    files, module = certificates(place), "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {
        "listener.security.protocol.map": "BROKER:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.broker.scram-sha-512.sasl.jaas.config": f'{module} required username="{USER}" password="{place.secret("kafka")}";',
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(files.both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(files.authority),
    }


def _node(place: Place, number: int, nodes: int, *, secure: bool = False) -> Node:
    name = f"kafka-{number}"
    port, settings_file = place.port(name), place.data(name) / "server.properties"
    user_file = place.data(name) / "user"  # whom a new folder knows from the beginning

    def command() -> list[str]:
        return [
            *(_java(), *_HEAP, _COMPILER, f"-XX:SharedArchiveFile={_archive(place)}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"),
            *_program(place, settings_file),
            *([str(user_file)] if secure else []),
        ]

    process = Process(place, name, command, stop_s=30)

    def prepare() -> None:
        settings_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = properties(place, number, nodes, secure=secure)
        settings_file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        if secure:
            user_file.write_text(f'SCRAM-SHA-512=[name="{USER}",password="{place.secret("kafka")}"]')

    def answers() -> bool:
        # The line stands in the log when the broker is let in by the controllers; the answer says that it is still there.
        authority = certificates(place).authority if secure else None
        return _says_started(process.log) and b"\x00\x00\x00\x2a" in ask(port, _API_VERSIONS, authority=authority)

    return Node(process, port, f"{HOST}:{port}", answers, prepare)


def _program(place: Place, settings_file: Path) -> list[str]:
    return [
        *("-Djava.net.preferIPv4Stack=true", f"-Dlog4j2.configurationFile=file:{maven.JAVA / 'log4j2.xml'}"),
        *("-cp", maven.class_path(place, "kafka"), maven.main_class("kafka"), _CLUSTER, str(settings_file)),
    ]


def _says_started(log: Path) -> bool:
    """Its log begins anew at each start, and says so within the first few hundred lines."""
    with log.open("rb") as file:
        return _STARTED in file.read(1 << 21)


def _java() -> str:
    return Need("java", "default-jdk-headless").path()


def _archive(place: Place) -> Path:
    return maven.folder(place, "kafka") / "classes.jsa"


def _build(place: Place) -> None:
    """Jars, and an archive of the loaded classes, made by a node that starts once: later ones start in half the time.

    Java ignores an archive of another version of itself, and starts as slowly as without.
    """
    maven.fetch(place, "kafka")
    archive = _archive(place)
    if archive.exists():
        return
    with place.lib_locked(), tempfile.TemporaryDirectory(prefix="archive-", dir=place.lib) as folder:
        if archive.exists():
            return
        home = temporary_place(Path(folder))
        home.make()
        node = _node(home, 1, 1)
        node.prepare()
        draft = Path(folder) / "classes.jsa"
        command = [_java(), *_HEAP, f"-XX:ArchiveClassesAtExit={draft}", *_program(place, home.data("kafka-1") / "server.properties")]
        log = node.process.log
        with log.open("wb") as output:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + _ARCHIVE_S
            while not _says_started(log) and child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            child.send_signal(signal.SIGTERM)
            child.wait(_ARCHIVE_S)
        finally:
            child.kill()
            child.wait()
        with contextlib.suppress(FileNotFoundError):  # no archive, no haste
            os.replace(draft, archive)
