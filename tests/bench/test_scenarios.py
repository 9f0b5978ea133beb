"""Every scenario in its short form: all is accepted, each message sent once and told once, the books agree. No times are judged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    "singles", "bulk-accept", "bulk-e2e", "singles-e2e", "auth-alone", "auth-under-campaign", "memory", "backlog", "cold-start", "history",
]  # fmt: skip
COUNTED = set(NAMES) - {"cold-start", "history"}  # those that send
LIMIT_S = 300  # a bound for a busy machine; quiet, all of them take 45 s


def _bench(out: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A run whose homes lie beside its results."""
    command = [sys.executable, "-m", "bench", *arguments, "--short", "--out", str(out)]
    env = os.environ | {"TMPDIR": str(out)}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results files of `python -m bench all --short`."""
    out = tmp_path_factory.mktemp("results")
    process = _bench(out, "all")
    try:
        said, errors = process.communicate(timeout=LIMIT_S)
    finally:
        process.terminate()
        process.wait(60)
    results = {path.stem: json.loads(path.read_text()) for path in out.glob("*.json")}
    assert results, (said, errors)
    return results | {"": (process.returncode, said.decode(), errors.decode())}


@pytest.mark.parametrize("name", NAMES)
def test_books_agree(found: dict[str, Any], name: str) -> None:
    assert name in found, found[""][2]
    result = found[name]
    assert result["agree"], (result["books"], result["checks"])
    for books in result["books"].values():
        once = [books[n] for n in ("sent_once", "told_delivered", "history_delivered")]
        assert once == [books["accepted"]] * 3
    assert bool(result["books"]) == (name in COUNTED)


def test_the_command_says_so(found: dict[str, Any]) -> None:
    status, said, _ = found[""]
    assert status == 0
    assert said.count("the books agree") == len(NAMES)


def test_results_name_their_machine_and_no_place(found: dict[str, Any]) -> None:
    for name in NAMES:
        text = json.dumps(found[name])
        assert found[name]["machine"]["cores"] and found[name]["versions"]["sqlite"] and found[name]["method"]
        assert "/tmp" not in text and str(ROOT) not in text


def _children(parent: int) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def _descendants(pid: int) -> set[int]:
    found, new = set(), {pid}
    while new:
        new = set().union(*(_children(p) for p in new)) - found
        found |= new
    return found


def _while_it_starts(process: subprocess.Popen[bytes], sig: signal.Signals) -> None:
    """Send a signal when everything has been started, and see that everything ends."""
    try:
        deadline = time.monotonic() + 120
        while len(born := _descendants(process.pid)) < 7:  # up and its five, callback server
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(sig)
        process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 120
    while alive := [pid for pid in born if _alive(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)


def test_kill_9_leaves_no_process_behind(tmp_path: Path) -> None:
    _while_it_starts(_bench(tmp_path, "bulk-accept"), signal.SIGKILL)


def test_sigterm_leaves_nothing_behind(tmp_path: Path) -> None:
    _while_it_starts(_bench(tmp_path, "bulk-accept"), signal.SIGTERM)
    assert not list(tmp_path.glob("ims-bench-*"))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
