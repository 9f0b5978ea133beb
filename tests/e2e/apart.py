"""An installation whose every function, worker and dispatcher is a process of its own, as on a cluster."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from harness import IMS, START_S, Api, Customer, Processes, call, environment, eventually, free_ports

STAGES = ("route", "send_mt", "send_kakao", "send_push", "report", "callback", "store", "analyze", "deadletter")
FUNCTIONS = ("intake", "receipt", *STAGES)
WORKERS = ("deadlines", "held", "callbacks", "reports")
DISPATCHERS = (("auth", "realtime"), ("mass", "ad"))


class Dealer:
    """What stands before the copies of an HTTP function: every request goes to one of them at random."""

    def __init__(self, targets: Sequence[str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "connection", "content-length"}}
                answer = call("POST", random.choice(targets) + self.path, body, headers)
                self.send_response(answer.status or 502)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Dealer:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)


class Apart(Api):
    """All processes of an installation. `functions`: name -> the URLs of its copies.

    `dispatchers` hold lanes each; `kill` ends a process with -9, and `start` starts again what has ended, as who watches pods does.
    """

    def __init__(self, path: Path, settings: Mapping[str, object], *, copies: int = 1, customer: Customer | None = None) -> None:
        """`customer`: one that the home knows already; else one is registered."""
        self._path = path
        [simulator_port, *ports] = free_ports(1 + copies * len(FUNCTIONS))
        self.simulator = f"http://127.0.0.1:{simulator_port}"
        self._simulator_port = simulator_port
        self._settings = {**settings, "simulator_url": self.simulator, "callback_allow_loopback": "true"}
        self._copies = copies
        self._customer = customer
        self.functions = {name: [f"http://127.0.0.1:{ports.pop()}" for _ in range(copies)] for name in FUNCTIONS}
        self.intakes = self.functions["intake"]
        self.log = path / "apart.log"
        self._stack = ExitStack()
        self._commands: dict[str, list[str]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.end(*self.dispatchers)  # first of all, or they would try functions that are gone
        finally:
            self._stack.close()

    def _begin(self) -> None:
        self._processes = self._stack.enter_context(Processes(environment(**self._settings), self.log))
        receipts = self._stack.enter_context(Dealer(self.functions["receipt"]))
        home = Path(str(self._settings["home"]))
        arguments = ["--port", str(self._simulator_port), "--journal", str(home / "simulator.journal"), "--receipt-url", receipts.url]
        arguments += ["--reports-fast", "webhook", "--reports-bulk", "polling"]
        arguments += ["--magic-scale", str(self._settings["simulator_magic_scale"])]
        self._commands["simulator"] = [sys.executable, "-m", "ims.adapters.providers.simulator.server", *arguments]
        self.customers = [self._customer or self._register()]
        for name, urls in self.functions.items():
            for n, url in enumerate(urls):
                self._commands[f"{name}-{n}"] = [IMS, "serve", name, "--port", url.rpartition(":")[2]]
        for name in (*WORKERS, *(["outbox"] if self._settings.get("profile") == "production" else [])):
            for n in range(self._copies):
                self._commands[f"work-{name}-{n}"] = [IMS, "work", name]
        for lanes in DISPATCHERS:
            self._commands[dispatcher(lanes)] = self.dispatching(lanes)
        self.start(*(name for name in self._commands if not name.startswith("dispatch-")))
        everything = [url for urls in self.functions.values() for url in urls]
        eventually(lambda: all(map(ready, everything)), 2 * START_S, "all functions", every=0.3)
        self.start(*self.dispatchers)

    @property
    def names(self) -> list[str]:
        """Every process."""
        return list(self._commands)

    @property
    def dispatchers(self) -> list[str]:
        return [name for name in self._commands if name.startswith("dispatch-")]

    def dispatching(self, lanes: Sequence[str]) -> list[str]:
        """The command of a dispatcher of these lanes."""
        sinks = [f"--sink={stage}={','.join(self.functions[stage])}" for stage in STAGES]
        return [IMS, "dispatch", *(f"--lane={lane}" for lane in lanes), *sinks]

    def start(self, *names: str) -> None:
        """Start processes that do not run."""
        for name in names:
            self._running[name] = self._processes.start(*self._commands[name])

    def add(self, name: str, command: Sequence[str]) -> None:
        """One more, under a name of its own."""
        self._commands[name] = list(command)
        self.start(name)

    def kill(self, *names: str) -> None:
        """kill -9, all at once."""
        for name in names:
            self._running[name].kill()
        for name in names:
            self._running.pop(name).wait(10)

    def end(self, *names: str) -> None:
        """SIGTERM, and wait."""
        self._processes.end(*(self._running.pop(name) for name in names if name in self._running))

    def all_alive(self) -> bool:
        """Whether everything that was started and not ended is there."""
        return all(process.poll() is None for process in self._running.values())

    def ims(self, *arguments: str) -> str:
        """What `ims ...` printed."""
        command = [IMS, *arguments]
        done = subprocess.run(command, env=environment(**self._settings), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _register(self) -> Customer:
        """A customer as an operator registers one; the first command makes the home."""
        key = "k" * 40
        entry = {
            "name": "acme",
            "username": "acme",
            "callback_allowed": ["loopback:*"],
            "service_keys": [{"kind": kind} for kind in ("auth", "realtime", "mass", "ad")],
            "sender_numbers": ["15441234"],
            "sender_profiles": [key],
            "templates": [{"code": "T1", "channel": "at", "text": "#{name}님, 안녕하세요."}],
        }
        if self._settings.get("profile") == "production":
            self.ims("migrate")
            self.ims("topics", "apply", "--local")
        file = self._path / "acme.json"
        file.write_text(json.dumps({"customers": [entry]}))
        [issued] = json.loads(self.ims("register", str(file), "--json"))
        keys = {k["kind"]: k["key"] for k in issued["service_keys"]}
        return Customer("acme", issued["x_ims_key"], keys, issued["callback_secret"], "15441234", key, "T1")


def dispatcher(lanes: Sequence[str]) -> str:
    """The name of the process that dispatches them."""
    return f"dispatch-{'+'.join(lanes)}"


def ready(url: str) -> bool:
    return call("GET", f"{url}/readyz").status == 200
