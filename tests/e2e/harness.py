"""IMS from its outside: starts homes as a user does, speaks HTTP to them, reads what the simulator was asked to send.

Nothing of ims or functions is imported. Every wait is bounded; every process that a `Home` or `Processes` starts is in a
process group of its own, which ends with it, on failure too. What tests send is remembered, so that the logs of the
whole run can be searched for it (`Spoken`).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

IMS = str(Path(sys.executable).parent / "ims")
START_S = 120.0  # bounds, not expectations: two cores may be shared with others
STOP_S = 40.0
FINAL = frozenset({"DELIVERED", "FAILED", "UNKNOWN", "REJECTED", "EXPIRED", "CANCELLED"})
SECRET_WORD = "누설금지"  # stands in every text that tests send


def environment(**settings: object) -> dict[str, str]:
    """Ours without IMS_*, with these settings. Compiled files are kept, or every start would compile everything."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("IMS_", "PROMETHEUS_")) and k != "PYTHONDONTWRITEBYTECODE"}
    return env | {f"IMS_{name.upper()}": str(value) for name, value in settings.items()}


class Profile:
    """Settings that a home gets before its test's own: none of the embedded profile, other names for each on servers."""

    own: Callable[[], dict[str, object]] = dict


def eventually(probe: Callable[[], T], timeout: float, what: str, every: float = 0.05) -> T:
    """The first truthy answer of a probe."""
    deadline = time.monotonic() + timeout
    while True:
        if found := probe():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(every)


# --- what is sent


class Spoken:
    """Everything that must never stand in a log: ids, numbers, texts, secrets."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.numbers: set[str] = set()
        self.texts: set[str] = {SECRET_WORD}
        self.logs: list[Path] = []

    def hear(self, body: Any) -> None:
        """Remember what a request holds."""
        if not isinstance(body, dict):
            return
        if isinstance(id_ := body.get("message_id"), str):
            self.ids.add(id_)
        if isinstance(number := body.get("phone_number"), str):
            self.numbers.add(re.sub(r"\D", "", number))
        self.texts |= {str(v) for v in (body.get("mapping") or {}).values() if len(str(v)) > 5}
        for row in body.get("receiver_list") or ():
            self.hear(row)

    def leaks(self) -> list[str]:
        """Log lines that say what they must not."""
        found = []
        for path in self.logs:
            for line in path.read_text(errors="replace").splitlines():
                words = set(re.findall(r"[A-Za-z0-9_.:-]+", line))
                digits = set(re.findall(r"\d{8,}", line))
                if words & self.ids or digits & self.numbers or any(text in line for text in self.texts):
                    found.append(line)
        return found


spoken = Spoken()
_ids = itertools.count(1)
_run = secrets.token_hex(3)
_ports = itertools.count()
_numbers = itertools.count(random.randrange(20_000_000, 60_000_000))


def new_id(prefix: str = "m") -> str:
    """A message_id that no test has used."""
    return f"{prefix}-{_run}-{next(_ids)}-{secrets.token_hex(3)}"


def new_number() -> str:
    """A number that no test has used and that is not magic."""
    return f"010{next(_numbers)}"


def text(words: str = "") -> str:
    """A short text that would be recognised in a log."""
    return f"{SECRET_WORD} {words}".strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0: the connection broke, or nobody was there."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        try:
            return str(self.json()["code"])
        except (ValueError, KeyError, TypeError):
            return ""


def call(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None, timeout: float = 20) -> Answer:
    """One request on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    raw = json.dumps(body, ensure_ascii=False).encode() if isinstance(body, dict | list) else body
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, raw, {**({"content-type": "application/json"} if raw is not None else {}), **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    except (OSError, http.client.HTTPException):
        return Answer(0)
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Customer:
    """Who calls: as up.json shows it."""

    name: str
    x_ims_key: str
    service_keys: dict[str, str]
    callback_secret: str
    callback: str
    sender_key: str = ""
    template_code: str = ""
    brand_key: str = ""
    app_id: str = ""
    from_email: str = ""


class Api:
    """Requests to the intake URLs of an installation, dealt to them at random when there are several."""

    intakes: Sequence[str] = ()
    customers: Sequence[Customer] = ()
    simulator: str = ""

    def request(self, method: str, path: str, body: Any = None, *, key: str = "realtime", customer: int = 0, **headers: str) -> Answer:
        """`path` behind /ims/{serviceKey}/; headers with _ for -."""
        who = self.customers[customer]
        spoken.hear(body)
        given = {"x-ims-version": "version-1", "x-ims-key": who.x_ims_key, **{k.replace("_", "-"): v for k, v in headers.items()}}
        url = f"{random.choice(self.intakes)}/ims/{who.service_keys.get(key, key)}/{path}"
        return call(method, url, body, given, timeout=60 if path.endswith("sendMessages") else 20)

    def post(self, path: str, body: Any, **how: Any) -> Answer:
        return self.request("POST", path, body, **how)

    def get(self, path: str, **how: Any) -> Answer:
        return self.request("GET", path, **how)

    def delete(self, path: str, **how: Any) -> Answer:
        return self.request("DELETE", path, **how)

    def sms(self, number: str = "", *, key: str = "realtime", customer: int = 0, path: str = "mt", **fields: Any) -> str:
        """Send one text; its message_id, once it is accepted."""
        id_ = fields.pop("message_id", None) or new_id()
        body = {
            "message_id": id_,
            "message_type": "SMS",
            "callback": self.customers[customer].callback,
            "phone_number": number or new_number(),
            "message": text("확인"),
            **fields,
        }
        answer = self.post(f"{path}/sendMessage", body, key=key, customer=customer)
        assert (answer.status, answer.code) == (200, "0000"), answer
        return id_

    def alimtalk(self, number: str, *, key: str = "realtime", customer: int = 0, **fields: Any) -> str:
        """Send one AlimTalk; its message_id, once it is accepted."""
        who = self.customers[customer]
        id_ = new_id("at")
        body = {
            "message_id": id_,
            "message_type": "AT",
            "sender_key": who.sender_key,
            "template_code": who.template_code,
            "mapping": {"name": text("고객")},
            "phone_number": number,
            **fields,
        }
        answer = self.post("at/sendMessage", body, key=key, customer=customer)
        assert (answer.status, answer.code) == (200, "0000"), answer
        return id_

    def campaign(self, rows: Sequence[tuple[str, str]], *, key: str = "mass", customer: int = 0, **fields: Any) -> Answer:
        """sendMessages for rows of (message_id, number)."""
        body = {
            "campaign_id": new_id("c"),
            "message_type": "SMS",
            "callback": self.customers[customer].callback,
            "message": text("안내"),
            "receiver_list": [{"message_id": id_, "phone_number": number} for id_, number in rows],
            **fields,
        }
        return self.post("mt/sendMessages", body, key=key, customer=customer)

    def result(self, message_id: str, *, key: str = "realtime", customer: int = 0) -> dict[str, Any]:
        """What GET report/{message_id} says now."""
        answer = self.get(f"report/{message_id}", key=key, customer=customer)
        assert (answer.status, answer.code) == (200, "0000"), answer
        data: dict[str, Any] = answer.json()["data"]
        return data

    def wait_result(self, message_id: str, timeout: float = 15, *, key: str = "realtime", customer: int = 0) -> dict[str, Any]:
        """Its result, once it is one of the final six."""

        def final() -> dict[str, Any] | None:
            found = self.result(message_id, key=key, customer=customer)
            return found if found["result"] in FINAL else None

        return eventually(final, timeout, f"a result of {message_id}")

    def sent(self) -> list[dict[str, Any]]:
        """Everything that the simulator was asked to send, page by page."""
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            answer = call("GET", f"{self.simulator}/v1/sent?after={after}&limit=10000", timeout=30)
            assert answer.status == 200, answer
            page = answer.json()
            found += page["sent"]
            after = page["next"]
        return found

    def sent_to(self, number: str) -> list[dict[str, Any]]:
        """What the simulator was asked to send to a number."""
        return [entry for entry in self.sent() if entry["to"] == number]

    def fault(self, mode: str, **more: float) -> None:
        """Switch a fault of the whole simulator on, or off with "ok"."""
        assert call("POST", f"{self.simulator}/v1/faults", {"mode": mode, **more}).status == 204


# --- what runs


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process group that we started, and reap its leader."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def group_members(pgid: int) -> list[int]:
    """The living processes of a group that we started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == pgid and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process exists and is not a corpse that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Home(Api):
    """One `ims up` with a data folder of its own. `settings`: names of ims/config.py in lower case."""

    def __init__(self, path: Path, **settings: object) -> None:
        self.path = path
        self.log = path.with_name(f"{path.name}.log")
        self.env = environment(home=path, **(Profile.own() | settings))
        self.process: subprocess.Popen[bytes] | None = None
        self.facts: dict[str, Any] = {}
        if self.log not in spoken.logs:
            spoken.logs.append(self.log)

    def __enter__(self) -> Home:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start `ims up` without waiting for it."""
        with self.log.open("ab") as log, self.log.with_suffix(".out").open("ab") as out:
            return subprocess.Popen(
                [IMS, "up", "--port", "0"], env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True
            )

    def start(self) -> None:
        """Start, and wait until up.json is there."""
        process = self.process = self.launch()
        try:
            self._learn(eventually(lambda: self._facts(process), START_S, f"up.json of {self.path.name}; {self.tail()}"))
        except BaseException:
            end_group(process)
            raise

    def _facts(self, process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
        assert process.poll() is None, f"ims up ended with {process.returncode}: {self.tail()}"
        with contextlib.suppress(OSError, ValueError):
            facts: dict[str, Any] = json.loads((self.path / "up.json").read_text())
            if facts["pid"] == process.pid:
                return facts
        return None

    def _learn(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.intakes = [facts["intake"]]
        self.simulator = facts["simulator"]
        self.customers = [Customer(**customer) for customer in facts["customers"]]
        for c in self.customers:
            spoken.texts |= {c.x_ims_key, base64.b64decode(c.x_ims_key).decode().partition(":")[2], c.callback_secret}

    def tail(self) -> str:
        """The end of the log."""
        return self.log.read_text(errors="replace")[-2_000:] if self.log.exists() else ""

    def stop(self) -> None:
        """SIGTERM, and kill what does not go by itself."""
        process, self.process = self.process, None
        if process is None:
            return
        try:
            if process.poll() is None:
                process.terminate()
                process.wait(STOP_S)
        finally:
            end_group(process)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill9(self, name: str = "all") -> None:
        """kill -9 of one process by its name in up.json, of "up" alone, or of "all": everything at once."""
        process = self.process
        assert process is not None
        if name == "all":
            pids = {process.pid, *self.pids().values(), *group_members(process.pid)}
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(10)
            eventually(lambda: not any(map(alive, pids)), 10, "their end")
            self.process = None
        elif name == "up":
            process.kill()
            process.wait(10)
        else:
            os.kill(self.pids()[name], signal.SIGKILL)

    def pids(self) -> dict[str, int]:
        """The processes by name, as up.json has them now."""
        found: dict[str, int] = json.loads((self.path / "up.json").read_text())["processes"]
        return found

    def cli(self, *arguments: str, stdin: str | None = None, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """`ims ...` in this home."""
        return subprocess.run([IMS, *arguments], env=self.env, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)

    def ims(self, *arguments: str, **more: Any) -> Any:
        """What `ims ... --json` printed."""
        done = self.cli(*arguments, "--json", **more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def metrics(self) -> str:
        return call("GET", self.facts["metrics"]).body.decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in self.metrics().splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', match[2] or "")).items():
                total += float(match[3])
        return total


class Processes:
    """Processes started one by one, ended together."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self._env = env
        self._log = log
        self._started: list[subprocess.Popen[bytes]] = []
        spoken.logs.append(log)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.end(*self._started)

    def end(self, *processes: subprocess.Popen[bytes]) -> None:
        """SIGTERM to all of them, and kill what does not go by itself."""
        for process in processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            end_group(process)

    def start(self, *command: str, stdout: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command, env=self._env, stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log, start_new_session=True
            )
        self._started.append(process)
        return process

    def all_alive(self) -> bool:
        return all(process.poll() is None for process in self._started)


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses at this moment, none of them given before; below those of outgoing connections and of `ims up`.

    Each process begins at a place of its own: another that looks at the same moment would find the same ones free.
    """
    found: list[int] = []
    while len(found) < count:
        port = 12_000 + (os.getpid() * 64 + next(_ports)) % 8_000
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            found.append(port)
    return found


@contextlib.contextmanager
def dead_url() -> Iterator[str]:
    """A URL where nobody listens, and nobody else can."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{s.getsockname()[1]}/dead"


def in_threads(jobs: Sequence[Callable[[], None]], timeout: float) -> None:
    """Run jobs side by side; the first failure is raised here."""
    failed: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if failed:
        raise failed[0]
    assert not any(thread.is_alive() for thread in threads), f"not done within {timeout} s"
