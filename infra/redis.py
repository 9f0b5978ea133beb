"""Redis, a single server and a cluster of three masters with a replica each."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from infra.needs import Need
from infra.place import HOST, Place
from infra.process import Process
from infra.service import Node, NotStarted, Service, ask

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


def single(place: Place) -> Service:
    """One server."""
    node = _node(place, "redis", [])
    return Service(
        name="redis",
        nodes=[node],
        settings=lambda: {"IMS_CACHE": f"redis://{HOST}:{node.port}/0"},
        needs=(_SERVER, _CLIENT),
    )


def cluster(place: Place) -> Service:
    """Six servers that make up a cluster."""
    names = [f"redis-cluster-{n}" for n in range(1, CLUSTER_NODES + 1)]
    nodes = [_node(place, name, _cluster_options(place, name)) for name in names]
    addresses = [f"{HOST}:{node.port}" for node in nodes]
    marker = place.data(names[0]) / "cluster"  # the addresses under which it was made

    def same() -> bool:
        return marker.exists() and marker.read_text().split() == addresses

    def finish() -> None:
        if not same():
            _join(addresses)  # new, half made, or moved to other ports, of which its nodes would tell each other nothing
            marker.write_text(" ".join(addresses))
        _wait_until_whole([node.port for node in nodes])

    return Service(
        name="redis-cluster",
        nodes=nodes,
        settings=lambda: {"IMS_CACHE": f"redis+cluster://{','.join(addresses)}"},
        needs=(_SERVER, _CLIENT),
        finish=finish,
    )


def _node(place: Place, name: str, more: Sequence[str]) -> Node:
    port = place.port(name)
    settings = [text for key, value in SETTINGS.items() for text in (f"--{key}", value)]
    options = ["--port", str(port), "--bind", HOST, "--dir", str(place.data(name)), *settings, *more]
    process = Process(place, name, lambda: [_SERVER.path(), *options])
    return Node(process, port, f"redis://{HOST}:{port}", lambda: ask(port, _PING).startswith(b"+PONG"))


def _cluster_options(place: Place, name: str) -> list[str]:
    return [
        *("--cluster-enabled", "yes", "--cluster-announce-ip", HOST),
        *("--cluster-port", str(place.port(f"{name}-bus"))),
        *("--cluster-node-timeout", "3000"),  # a dead master is replaced in about twice that
    ]


def _join(addresses: Sequence[str]) -> None:
    for address in addresses:
        port = int(address.rpartition(":")[2])
        ask(port, b"*1\r\n$8\r\nFLUSHALL\r\n")  # a replica refuses, and is emptied by the reset
        if not ask(port, b"*3\r\n$7\r\nCLUSTER\r\n$5\r\nRESET\r\n$4\r\nHARD\r\n").startswith(b"+OK"):
            raise NotStarted(f"redis-cluster: {address} cannot be reset")
    command = [_CLIENT.path(), "--cluster", "create", *addresses, "--cluster-replicas", "1", "--cluster-yes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_JOIN_S, check=False)
    if done.returncode:
        raise NotStarted(f"redis-cluster: {(done.stdout + done.stderr)[-2000:]}")


def _wait_until_whole(ports: Sequence[int]) -> None:
    """Every node says that all slots have a master, and tells clients of every replica: one that has copied nothing yet is not told."""
    deadline = time.monotonic() + _JOIN_S
    for port in ports:
        while b"cluster_state:ok" not in ask(port, _INFO) or ask(port, _SLOTS).count(_NODE_ID) < len(ports):
            if time.monotonic() > deadline:
                raise NotStarted("redis-cluster: its nodes do not agree; python -m infra down redis-cluster, then up again")
            time.sleep(0.1)
