"""What the image runs, without an image: its environment made by its own steps, its command for each function, as its user.

The events are genuine: a home sends a text and an AlimTalk first, and its log keeps what each stage was given. Times from the
start to the first answer, with memory and processor time, are written to build/image/starts.json; nothing is asserted about them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import FAST
from harness import START_S, STOP_S, Customer, Home, call, environment, eventually, free_ports, new_number
from profiles import only_on_files

pytestmark = [pytest.mark.e2e, only_on_files("its events are taken from a lane's file, and the image is the same on servers")]

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "infra/image/Dockerfile").read_text()
# Each stage's topics, and what comes in over HTTP.
TOPICS = {
    "route": "RECV-%", "send_mt": "SEND-SMS-%", "send_kakao": "SEND-AT-%", "report": "REPORT-%", "callback": "RESULT-%",
    "store": "RESULT-%", "analyze": "ANALYZE-LOG", "deadletter": "RECV-%",
}  # fmt: skip
FUNCTIONS = ("intake", "receipt", *TOPICS)
_READ = (
    "SELECT l.attributes, COALESCE(l.data, p.data) FROM log l LEFT JOIN payloads p ON l.data IS NULL "
    "AND p.birth = json_extract(l.attributes, '$.id') WHERE l.topic LIKE ? ORDER BY l.seq LIMIT 1"
)


def command() -> list[str]:
    """The Dockerfile's CMD."""
    found: list[str] = json.loads(re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[1])  # type: ignore[index]  # there is one
    return found


def user() -> int:
    return int(re.search(r"^USER (\d+)", DOCKERFILE, re.MULTILINE)[1])  # type: ignore[index]  # there is one


def interpreter() -> Path:
    """A Python that the image's user can run: the system's, where ours lies in somebody's home."""
    ours = Path(sys.executable).resolve()
    candidates = [ours, *Path("/usr/bin").glob("python3.1[1-9]")]
    return next((p for p in candidates if all(folder.stat().st_mode & 0o005 == 0o005 for folder in p.parents)), ours)


def owner() -> dict[str, Any]:
    """The image's user, where we may become somebody else and it can run Python."""
    readable = all(folder.stat().st_mode & 0o005 == 0o005 for folder in interpreter().parents)
    return {"user": user(), "group": user(), "extra_groups": []} if os.getuid() == 0 and readable else {}


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The environment, where every user can read it."""
    folder = Path(tempfile.mkdtemp(prefix="ims-image-"))
    folder.chmod(0o755)
    (folder / "bin").mkdir()
    (folder / "bin/python3").symlink_to(interpreter())
    env = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    env |= {"UV": str(ROOT / ".venv/bin/uv"), "PATH": f"{folder}/bin:{env['PATH']}"}
    command = [ROOT / "infra/image/install.sh", folder / "ims"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    yield folder / "ims"
    shutil.rmtree(folder)


@dataclass(frozen=True)
class UsedHome:
    """What a home that has sent leaves, where the image's user can read and write it."""

    path: Path
    customer: Customer


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsedHome]:
    folder = Path(tempfile.mkdtemp(prefix="ims-image-home-"))
    with Home(tmp_path_factory.mktemp("image") / "home", **FAST, log_retention_s=3600) as home:
        for message_id in (home.sms(), home.alimtalk(new_number())):
            assert home.wait_result(message_id)["result"] == "DELIVERED"
        eventually(lambda: all(_logged(home.path, topic) for topic in TOPICS.values()), 20, "an event for every stage")
        home.stop()
        for path in (*home.path.glob("*.db*"), home.path / "keys.json"):
            shutil.copy(path, folder)
        if owner():
            for path in [folder, *folder.iterdir()]:
                os.chown(path, user(), user())
        yield UsedHome(folder, home.customers[0])
    shutil.rmtree(folder)


def _logged(home: Path, topic: str) -> tuple[dict[str, Any], bytes] | None:
    with closing(sqlite3.connect(f"file:{home / 'realtime.db'}?mode=ro", uri=True)) as connection:
        row = connection.execute(_READ, (topic,)).fetchone()
    return (json.loads(row[0]), row[1]) if row else None


def ask(base: str, name: str, home: UsedHome) -> int:
    """Send a function what it is there for; the status of its answer."""
    if name == "intake":
        who = home.customer
        headers = {"x-ims-version": "version-1", "x-ims-key": who.x_ims_key}
        return call("GET", f"{base}/ims/{who.service_keys['realtime']}/report", None, headers).status
    if name == "receipt":
        return call("POST", f"{base}/receipt/simulator", b"[]").status
    found = _logged(home.path, TOPICS[name])
    assert found
    attributes, data = found
    if name == "deadletter":
        attributes |= {"knativeerrordest": "ims:route", "knativeerrorcode": "500"}
    headers = {f"ce-{key}": str(value) for key, value in attributes.items() if key != "datacontenttype"}
    return call("POST", base, data, headers | {"content-type": str(attributes["datacontenttype"])}).status


def start(image: Path, home: UsedHome, port: int, log: Path, name: str, words: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """The image's command with the image's environment: nothing of ours but IMS_FUNCTION and where the data is."""
    said = dict(re.findall(r"^\s*(?:ENV )?(PYTHON\w+)=(\d)", DOCKERFILE, re.MULTILINE))
    env = {"PATH": f"{image}/bin:/usr/bin:/bin", **said}
    env |= {k: v for k, v in environment(home=home.path, function=name, **FAST).items() if k.startswith("IMS_")}
    words = words or [{"0.0.0.0": "127.0.0.1", "8080": str(port)}.get(word, word) for word in command()]
    program = shutil.which(words[0], path=env["PATH"])
    assert program
    with log.open("ab") as out:
        return subprocess.Popen([program, *words[1:]], env=env, cwd="/", stdout=out, stderr=out, start_new_session=True, **owner())


def spent(pid: int) -> dict[str, float]:
    """Memory at most and processor time so far."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return {"peak_mib": round(int(status["VmHWM"].split()[0]) / 1024, 1), "cpu_s": ticks / os.sysconf("SC_CLK_TCK")}


@pytest.mark.parametrize("name", [*FUNCTIONS, "route,send_mt,send_kakao,report,callback,store"])
def test_the_image_s_command_serves_a_function_and_drains(name: str, image: Path, used_home: UsedHome, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    base, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    began = time.monotonic()
    process = start(image, used_home, port, log, name)
    try:
        eventually(lambda: call("GET", f"{base}/readyz").status == 200, START_S, f"{name} is ready: {log.read_text()[-500:]}", 0.01)
        ready_s = time.monotonic() - began
        assert call("GET", f"{base}/healthz").status == 200
        assert b"ims_stage_events_total" in call("GET", f"{base}/metrics").body
        first = name.split(",")
        for each in first:
            status = ask(f"{base}/{each}" if len(first) > 1 else base, each, used_home)
            assert status == (401 if each == "receipt" else 200), f"{each}: {log.read_text()[-500:]}"
        answered_s = time.monotonic() - began
        _note(name, {"ready_s": round(ready_s, 3), "answered_s": round(answered_s, 3), **spent(process.pid)})
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) in {0, -signal.SIGTERM}  # uvicorn drains, then lets the signal do what it does
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text()


def loops() -> list[str]:
    """The command of the reserved lanes' Deployment."""
    text = (ROOT / "knative/generated/loops.yaml").read_text()
    (words,) = re.findall(r"name: work-reserved\n.*?command:\n(.*?)\n +ports:", text, re.DOTALL)[:1]
    return [re.sub(r"^ *- '?|'$", "", word) for word in words.splitlines()]


def test_the_loops_of_a_deployment_answer_for_their_health_and_stop(image: Path, used_home: UsedHome, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    words = [str(port) if word == "8080" else word for word in loops()]
    assert words[:2] == ["ims", "work"]
    log = tmp_path / "log"
    process = start(image, used_home, port, log, "", words)
    try:
        eventually(lambda: call("GET", f"http://127.0.0.1:{port}/healthz").status == 200, START_S, "the loops are well")
        assert b"ims_callbacks_total" in call("GET", f"http://127.0.0.1:{port}/metrics").body
        _note("work", spent(process.pid))
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text()


def test_a_job_of_the_clock_ends_well_and_runs_twice(image: Path, used_home: UsedHome, tmp_path: Path) -> None:
    for _ in range(2):
        assert start(image, used_home, 0, tmp_path / "log", "", ["ims", "batch", "retention"]).wait(START_S) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def _note(name: str, figures: dict[str, float]) -> None:
    path = ROOT / "build/image/starts.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {name: figures}, indent=2) + "\n")


def test_nothing_in_the_image_can_be_changed_by_what_runs_in_it(image: Path, used_home: UsedHome) -> None:
    del used_home  # the functions have run
    if owner():
        assert {path.lstat().st_uid for path in [image, *image.rglob("*")]} == {0}
    assert not (image / "bin/pip").exists()
    where = [image / "bin/python", "-c", "import ims, functions, sys; print(ims.__file__, sys.prefix)"]
    found = subprocess.run(where, cwd="/", capture_output=True, text=True, check=True)
    assert found.stdout.split() == [f"{image}/app/ims/__init__.py", str(image)]


def test_an_unknown_function_refuses_to_start(image: Path, used_home: UsedHome, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    process = start(image, used_home, port, tmp_path / "log", "fax")
    assert process.wait(START_S) == 1
    assert "no function is called fax" in (tmp_path / "log").read_text()
