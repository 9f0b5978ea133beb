"""Two copies of every function as separate processes, events dealt to them at random: nothing may live in a process's
memory that the other copy needs."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from callbacks import CallbackServer
from conftest import FAST
from harness import (
    IMS,
    START_S,
    Api,
    Customer,
    Processes,
    Profile,
    call,
    environment,
    eventually,
    free_ports,
    in_threads,
    new_id,
    new_number,
    text,
)  # fmt: skip
from profiles import PRODUCTION

pytestmark = pytest.mark.e2e

STAGES = ("route", "send_mt", "send_kakao", "report", "callback", "store", "analyze", "deadletter")
WORKERS = ("deadlines", "held", "callbacks", "reports")


class Dealer:
    """What stands before two copies of an HTTP function: every request goes to one of them at random."""

    def __init__(self, targets: list[str]) -> None:
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


class Copies(Api):
    """All processes of an installation. `functions`: name -> the URLs of its two copies."""

    functions: dict[str, list[str]]


def ready(url: str) -> bool:
    return call("GET", f"{url}/readyz").status == 200


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory, callbacks: CallbackServer) -> Iterator[Copies]:
    """Everything that `ims up` is, in pairs: no process holds two functions, no function is in one process."""
    path = tmp_path_factory.mktemp("copies")
    home = path / "home"
    [simulator_port, *ports] = free_ports(1 + 2 * (2 + len(STAGES)))
    simulator = f"http://127.0.0.1:{simulator_port}"
    settings = Profile.own() | FAST | {"home": home, "simulator_url": simulator, "callback_allow_loopback": "true"}
    urls = {name: [f"http://127.0.0.1:{port}" for port in (ports.pop(), ports.pop())] for name in ("intake", "receipt", *STAGES)}
    with ExitStack() as stack:
        processes = stack.enter_context(Processes(environment(**settings), path / "copies.log"))
        receipts = stack.enter_context(Dealer(urls["receipt"]))
        arguments = ["--port", str(simulator_port), "--journal", str(path / "journal"), "--receipt-url", receipts.url]
        arguments += ["--reports-fast", "webhook", "--reports-bulk", "polling", "--magic-scale", str(FAST["simulator_magic_scale"])]
        processes.start(sys.executable, "-m", "ims.adapters.providers.simulator.server", *arguments)
        api = Copies()
        api.customers = [register(path, settings)]
        for name, pair in urls.items():
            for url in pair:
                processes.start(IMS, "serve", name, "--port", url.rpartition(":")[2])
        everything = [url for pair in urls.values() for url in pair]
        eventually(lambda: all(map(ready, everything)), 2 * START_S, "all functions", every=0.3)
        for name in WORKERS:
            for _ in range(2):
                processes.start(IMS, "work", name)
        sinks = [f"--sink={stage}={','.join(urls[stage])}" for stage in STAGES]
        dispatchers = [
            processes.start(IMS, "dispatch", "--lane", a, "--lane", b, *sinks) for a, b in (("auth", "realtime"), ("mass", "ad"))
        ]
        callbacks.secrets |= {c.callback_secret for c in api.customers}
        api.intakes, api.simulator, api.functions = urls["intake"], simulator, urls
        yield api
        assert processes.all_alive()
        processes.end(*dispatchers)  # first of all, or they would try functions that are gone


def register(path: Path, settings: dict[str, object]) -> Customer:
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
    for command in (["migrate"], ["topics", "apply", "--local"]) if PRODUCTION else ():
        subprocess.run([IMS, *command], env=environment(**settings), capture_output=True, timeout=60, check=True)
    file = path / "acme.json"
    file.write_text(json.dumps({"customers": [entry]}))
    done = subprocess.run(
        [IMS, "register", str(file), "--json"], env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    [issued] = json.loads(done.stdout)
    keys = {k["kind"]: k["key"] for k in issued["service_keys"]}
    return Customer("acme", issued["x_ims_key"], keys, issued["callback_secret"], "15441234", key, "T1")


def test_a_thousand_go_once_and_are_told_once(copies: Copies, callbacks: CallbackServer) -> None:
    parts = [[(new_id("tc"), new_number()) for _ in range(250)] for _ in range(4)]
    campaign = new_id("camp")

    def send(part: list[tuple[str, str]]) -> None:
        answer = copies.campaign(part, campaign_id=campaign, callback_url=callbacks.url("/copies/bulk"))
        assert answer.json()["data"]["accepted"] == len(part)

    in_threads([lambda part=part: send(part) for part in parts], 60)
    # the same request again, to whichever copy of intake it comes: replayed, not sent
    assert copies.campaign(parts[0], campaign_id=campaign, callback_url=callbacks.url("/copies/bulk")).json()["data"]["accepted"] == 250
    told = callbacks.wait("/copies/bulk", lambda found: len(found) == 1_000, 60, "1,000 results")
    assert {tuple(r["result"] for r in results) for results in told.values()} == {("DELIVERED",)}
    numbers = {number for part in parts for _, number in part}
    assert sorted(e["to"] for e in copies.sent() if e["to"] in numbers) == sorted(numbers)


# number -> results told, accepted by the simulator, by a text of its own service key kind
MAIN = {
    "01099990005": ("DELIVERED", "0000", 1),
    "01099990001": ("UNKNOWN", "8100", 1),
    "01099990002": ("DELIVERED", "0000", 1),
    "01099990004": ("DELIVERED", "0000", 1),
    "01099990006": ("DELIVERED", "0000", 1),
    "01099990007": ("FAILED", "3050", 0),
    "01099993003": ("FAILED", "3003", 1),
    "01099990429": ("DELIVERED", "0000", 1),
    "01099990500": ("DELIVERED", "0000", 1),
    "01099990601": ("DELIVERED", "0000", 1),
    "01099990602": ("DELIVERED", "0000", 1),
    "01099990604": ("DELIVERED", "0000", 1),
}


def test_magic_numbers_over_two_copies(copies: Copies, callbacks: CallbackServer) -> None:
    marks = {}
    for key in ("auth", "mass"):
        for number in MAIN:
            mark = new_id("x")
            url = callbacks.url(f"/copies/magic/{mark}")
            marks[copies.sms(number, key=key, message=text(mark), callback_url=url)] = (number, mark)
    step = {"type": "SMS", "callback": "15441234", "message": "대신"}
    fallback = copies.alimtalk("01099997018", fallback=step, callback_url=callbacks.url("/copies/magic/at"))
    late = copies.sms("01099990005", message_type="LMS", callback_url=callbacks.url("/copies/magic/late"))
    told = callbacks.wait(
        "/copies/magic/",
        lambda found: found.keys() >= marks.keys() | {fallback, late} and found[late][-1]["result"] == "DELIVERED",
        60,
        "every result",
    )
    texts = [entry["text"] for entry in copies.sent()]
    for id_, (number, mark) in marks.items():
        result, code, sent = MAIN[number]
        assert [(r["result"], r["report_code"]) for r in told[id_]] == [(result, code)], number
        assert sum(mark in t for t in texts) == sent, number
    assert [(r["result"], r["report_type"], r["attempts"]) for r in told[fallback]] == [("DELIVERED", "SMS", 2)]
    assert [r["result"] for r in told[late]] == ["UNKNOWN", "DELIVERED"]


def test_polling_and_reading_through_either_copy(copies: Copies) -> None:
    ids = {copies.sms() for _ in range(6)}
    for id_ in ids:
        assert copies.wait_result(id_)["result"] == "DELIVERED"
    seen: list[str] = []

    def all_seen() -> bool:
        while (batch := copies.get("report?limit=2").json()["data"])["batch_id"]:
            seen.extend(r["message_id"] for r in batch["results"])
            assert copies.delete(f"report/{batch['batch_id']}").code == "0000"
        return ids <= set(seen)

    eventually(all_seen, 10, "all polled")
    assert sorted(set(seen)) == sorted(seen)


def test_both_copies_of_every_stage_were_at_work(copies: Copies) -> None:
    ids = [copies.sms(key=key) for key in ("auth", "mass") for _ in range(10)]
    ids += [copies.alimtalk(new_number(), key="auth") for _ in range(10)]
    for n, id_ in enumerate(ids):
        copies.wait_result(id_, key="mass" if 10 <= n < 20 else "auth")
    for name, pair in copies.functions.items():
        for url in pair:
            metrics = call("GET", f"{url}/metrics").body.decode()
            handled = re.findall(r"^ims_(?:stage_events|accepted)_total\{.*\} (\S+)", metrics, re.MULTILINE)
            # dead letters there are none, and receipt hands its reports on
            assert sum(map(float, handled)) > 0 or name in {"deadletter", "receipt"}, f"this copy of {name} had nothing to do"
