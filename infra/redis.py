"""Redis, a single server and a cluster of three masters with a replica each.

`secure`: TLS on every connection, those among the nodes too, and a password.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from infra.needs import Need
from infra.place import HOST, Place
from infra.process import Process
from infra.service import Node, NotStarted, Service, ask
from infra.tls import certificates

CLUSTER_NODES = 6
_SERVER = Need("redis-server", "redis-server")
_CLIENT = Need("redis-cli", "redis-tools")
_PING = b"*1\r\n$4\r\nPING\r\n"
_INFO = b"*2\r\n$7\r\nCLUSTER\r\n$4\r\nINFO\r\n"
_SLOTS = b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n"
_NODE_ID = b"$40\r\n"  # how the id of a node begins in an answer
_JOIN_S = 30

SETTINGS: dict[str, str] = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "shutdown-timeout": "0",
    "repl-diskless-sync-delay": "0",  # no other replica is coming: do not wait 5 s for it
    "repl-ping-replica-period": "1",  # clients are told of a replica after its first byte, on an idle master this one
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",  # a lease that is evicted is a lease that somebody else takes
    "set-proc-title": "no",  # the pid is checked against the command line
}


@dataclass(frozen=True)
class _Door:
    """How one gets in."""

    place: Place
    secure: bool

    def ask(self, port: int, command: bytes) -> bytes:
        """The answer to a command, or the beginning of it."""
        if not self.secure:
            return ask(port, command)
        login = b"*2\r\n$4\r\nAUTH\r\n$32\r\n%s\r\n" % self.place.secret("redis").encode()
        return ask(port, login + command, authority=certificates(self.place).authority).removeprefix(b"+OK\r\n")

    def options(self, port: int) -> list[str]:
        """Of the server. The password is not among them: every process of the machine can read a command line."""
        if not self.secure:
            return ["--port", str(port)]
        files = certificates(self.place)
        pem = ["--tls-ca-cert-file", str(files.authority), "--tls-cert-file", str(files.certificate), "--tls-key-file", str(files.key)]
        return ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--tls-replication", "yes", *pem]

    def settings(self, addresses: Sequence[str], *, cluster: bool) -> dict[str, str]:
        """Of the application."""
        scheme, login = ("rediss", f":{self.place.secret('redis')}@") if self.secure else ("redis", "")
        url = f"{scheme}+cluster://{login}{','.join(addresses)}" if cluster else f"{scheme}://{login}{addresses[0]}/0"
        return {"IMS_CACHE": url} | ({"IMS_CACHE_CA_FILE": str(certificates(self.place).authority)} if self.secure else {})


def single(place: Place, *, secure: bool = False) -> Service:
    """One server."""
    door = _Door(place, secure)
    node = _node(door, "redis", [])
    return Service(
        name="redis",
        nodes=[node],
        settings=lambda: door.settings([f"{HOST}:{node.port}"], cluster=False),
        needs=(_SERVER, _CLIENT),
    )


def cluster(place: Place, *, secure: bool = False) -> Service:
    """Six servers that make up a cluster."""
    door = _Door(place, secure)
    names = [f"redis-cluster-{n}" for n in range(1, CLUSTER_NODES + 1)]
    nodes = [_node(door, name, _cluster_options(door, name)) for name in names]
    addresses = [f"{HOST}:{node.port}" for node in nodes]
    marker = place.data(names[0]) / "cluster"  # the addresses under which it was made

    def same() -> bool:
        return marker.exists() and marker.read_text().split() == addresses

    def finish() -> None:
        if not same():
            _join(door, addresses)  # new, half made, or moved to other ports, of which its nodes would tell each other nothing
            marker.write_text(" ".join(addresses))
        _wait_until_whole(door, [node.port for node in nodes])

    return Service(
        name="redis-cluster",
        nodes=nodes,
        settings=lambda: door.settings(addresses, cluster=True),
        needs=(_SERVER, _CLIENT),
        finish=finish,
    )


def _node(door: _Door, name: str, more: Sequence[str]) -> Node:
    place, port = door.place, door.place.port(name)
    settings = [text for key, value in SETTINGS.items() for text in (f"--{key}", value)]
    options = [*door.options(port), "--bind", HOST, "--dir", str(place.data(name)), *settings, *more]
    file = place.data(name) / "password.conf"
    process = Process(place, name, lambda: [_SERVER.path(), *([str(file)] if door.secure else []), *options])

    def prepare() -> None:
        if door.secure:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(0o600)
            file.write_text(f"requirepass {place.secret('redis')}\nmasterauth {place.secret('redis')}\n")

    return Node(process, port, f"redis://{HOST}:{port}", lambda: door.ask(port, _PING).startswith(b"+PONG"), prepare)


def _cluster_options(door: _Door, name: str) -> list[str]:
    return [
        *("--cluster-enabled", "yes", "--cluster-announce-ip", HOST, *(["--tls-cluster", "yes"] if door.secure else [])),
        *("--cluster-port", str(door.place.port(f"{name}-bus"))),
        *("--cluster-node-timeout", "3000"),  # a dead master is replaced in about twice that
    ]


def _join(door: _Door, addresses: Sequence[str]) -> None:
    for address in addresses:
        port = int(address.rpartition(":")[2])
        door.ask(port, b"*1\r\n$8\r\nFLUSHALL\r\n")  # a replica refuses, and is emptied by the reset
        if not door.ask(port, b"*3\r\n$7\r\nCLUSTER\r\n$5\r\nRESET\r\n$4\r\nHARD\r\n").startswith(b"+OK"):
            raise NotStarted(f"redis-cluster: {address} cannot be reset")
    command = [_CLIENT.path(), "--cluster", "create", *addresses, "--cluster-replicas", "1", "--cluster-yes"]
    environment = dict(os.environ)
    if door.secure:
        command += ["--tls", "--cacert", str(certificates(door.place).authority)]
        environment["REDISCLI_AUTH"] = door.place.secret("redis")
    done = subprocess.run(command, capture_output=True, text=True, timeout=_JOIN_S, check=False, env=environment)
    if done.returncode:
        raise NotStarted(f"redis-cluster: {(done.stdout + done.stderr)[-2000:]}")


def _wait_until_whole(door: _Door, ports: Sequence[int]) -> None:
    """Every node says that all slots have a master, and tells clients of every replica: one that has copied nothing yet is not told."""
    deadline = time.monotonic() + _JOIN_S
    for port in ports:
        while b"cluster_state:ok" not in door.ask(port, _INFO) or door.ask(port, _SLOTS).count(_NODE_ID) < len(ports):
            if time.monotonic() > deadline:
                raise NotStarted("redis-cluster: its nodes do not agree; python -m infra down redis-cluster, then up again")
            time.sleep(0.1)
