"""What a server is to the commands and fixtures: processes, what must be there first, when it is ready, and the settings that name it."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.needs import Need
from infra.place import HOST, Place
from infra.process import Process

_PAUSE_S = 0.05


class NotStarted(Exception):
    """A server did not come up; the text says which, why, and where its log is."""


def nothing() -> None:
    """For what needs no step of its own."""


@dataclass(frozen=True)
class Node:
    """One process of a service. `answers` raises OSError or returns False as long as it is not ready."""

    process: Process
    port: int
    url: str
    answers: Callable[[], bool]
    prepare: Callable[[], None] = nothing

    @property
    def name(self) -> str:
        return self.process.name

    def state(self) -> str:
        """stopped, starting, ready, or taken: somebody else has its port."""
        if self.process.pid() is None:
            return "taken" if _connects(self.port) else "stopped"
        return "ready" if self.ready() else "starting"

    def ready(self) -> bool:
        try:
            return self.answers()
        except OSError:
            return False


@dataclass(frozen=True)
class Service:
    """One or more nodes under one name.

    `finish` runs when all nodes answer, at every start: what it does it must do once only, or harmlessly again.
    """

    name: str
    nodes: Sequence[Node]
    settings: Callable[[], Mapping[str, str]] = dict  # IMS_... for the application; asked for when it is up
    needs: Sequence[Need] = ()
    build: Callable[[], object] = nothing  # what is downloaded or compiled, once for all homes
    finish: Callable[[], None] = nothing
    start_s: float = 60.0

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def start(self, place: Place, *, bound: bool = False) -> None:
        """Start what does not run, wait until all answer, finish. Harmless when all run."""
        place.make()
        deadline = time.monotonic() + self.start_s
        for node in self.nodes:
            if node.process.pid() is not None and not node.process.as_wanted():
                raise NotStarted(
                    f"{node.name} runs with other settings: python -m infra down {self.name}, with the settings of then or now"
                )
            if node.process.pid() is None:
                self.start_node(node, bound=bound, wait=False)
        for node in self.nodes:
            self.wait(node, deadline)
        self.finish()

    def start_node(self, node: Node, *, bound: bool, wait: bool = True) -> None:
        """Start one node, which does not run."""
        if _connects(node.port):
            raise NotStarted(f"{node.name}: port {node.port} is somebody else's; IMS_SERVICES_PORTS={node.name}=... moves it")
        node.prepare()
        node.process.spawn(bound=bound)
        if wait:
            self.wait(node, time.monotonic() + self.start_s)

    def wait(self, node: Node, deadline: float) -> None:
        """Until it answers."""
        while not node.ready():
            if node.process.pid() is None:
                raise NotStarted(f"{node.name} ended; the last of {node.process.log}:\n{node.process.last_lines()}")
            if time.monotonic() > deadline:
                raise NotStarted(f"{node.name} does not answer; the last of {node.process.log}:\n{node.process.last_lines()}")
            time.sleep(_PAUSE_S)

    def resume(self) -> None:
        """Let frozen nodes go on: a frozen one cannot end."""
        for node in self.nodes:
            node.process.resume()

    def stop(self) -> None:
        """All nodes at once: the last of a cluster waits for nobody."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda node: node.process.stop(), self.nodes))


def _connects(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def ask(port: int, question: bytes, timeout_s: float = 2.0, *, authority: Path | None = None) -> bytes:
    """Send some bytes; the first of the answer. Over TLS where an authority is given."""
    with socket.create_connection((HOST, port), timeout=timeout_s) as plain:
        if authority is None:
            return _asked(plain, question)
        with ssl.create_default_context(cafile=authority).wrap_socket(plain, server_hostname=HOST) as connection:
            return _asked(connection, question)


def _asked(connection: socket.socket, question: bytes) -> bytes:
    if question:
        connection.sendall(question)
    return connection.recv(8192)
