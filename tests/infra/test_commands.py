"""`python -m infra` and the Makefile's targets, as a user meets them; on two small servers, elsewhere than the user's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.place import PORTS, ROOT, free_ports, place_of_environment
from infra.services import services

from .had import had, lives

pytestmark = pytest.mark.services
NAMES = ("redis", "smtp")


class Infra:
    """The command in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("IMS_")} | {
            "IMS_SERVICES_HOME": str(home),
            "IMS_SERVICES_PORTS": ",".join(f"{name}={port}" for name, port in self.ports.items()),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "infra", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120, check=False)

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "infra", *arguments], cwd=ROOT, env=self.env, stdout=subprocess.DEVNULL)

    def servers(self, *names: str) -> dict[str, dict[str, Any]]:
        rows = json.loads(self.run("status", "--json", *(names or NAMES)).stdout)["servers"]
        return {row["name"]: row for row in rows}


@pytest.fixture
def infra(tmp_path: Path) -> Iterator[Infra]:
    had(*(need for service in services(place_of_environment(), NAMES) for need in service.needs))
    made = Infra(tmp_path / "home")
    yield made
    assert made.run("down", *NAMES).returncode == 0


def test_up_starts_twice_is_harmless_and_down_leaves_no_process(infra: Infra) -> None:
    assert infra.run("status", *NAMES).returncode == 1
    assert infra.run("up", *NAMES).returncode == 0
    first = infra.servers()
    assert {row["state"] for row in first.values()} == {"ready"}
    assert all(row["memory_mb"] > 1 for row in first.values())
    assert infra.run("up", *NAMES).returncode == 0
    assert {name: row["pid"] for name, row in infra.servers().items()} == {name: row["pid"] for name, row in first.items()}
    assert infra.run("down", *NAMES).returncode == 0
    assert not any(lives(row["pid"]) for row in first.values())
    assert list((infra.home / "run").iterdir()) == []
    assert {row["state"] for row in infra.servers().values()} == {"stopped"}


def test_what_is_half_started_is_finished(infra: Infra) -> None:
    assert infra.run("up", *NAMES).returncode == 0
    before = infra.servers()
    os.kill(before["smtp"]["pid"], signal.SIGKILL)
    assert infra.run("up", *NAMES).returncode == 0
    after = infra.servers()
    assert after["redis"]["pid"] == before["redis"]["pid"]
    assert after["smtp"]["state"] == "ready"


def test_an_up_that_is_killed_is_finished_by_the_next_and_two_do_not_interleave(infra: Infra) -> None:
    killed = infra.begin("up", *NAMES)
    while not list(infra.home.glob("run/*.json")):
        assert killed.poll() is None
    killed.kill()
    killed.wait()
    both = [infra.begin("up", *NAMES) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert {row["state"] for row in infra.servers().values()} == {"ready"}


def test_settings_are_for_the_owner_only_and_name_where_the_servers_are(infra: Infra) -> None:
    assert infra.run("up", "redis").returncode == 0
    path = infra.home / "env"
    assert path.stat().st_mode & 0o777 == 0o600
    lines = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert lines == {"IMS_PROFILE": "production", "IMS_CACHE": f"redis://127.0.0.1:{infra.ports['redis']}/0"}


def test_a_pid_that_is_somebody_elses_by_now_is_left_alone(infra: Infra) -> None:
    assert infra.run("up", "redis").returncode == 0
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        path = infra.home / "run" / "redis.json"
        said = path.read_text()
        path.write_text(json.dumps(json.loads(said) | {"pid": stranger.pid}))
        assert infra.run("down", "redis").returncode == 0
        assert stranger.poll() is None
        path.write_text(said)  # so that ours ends too
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_of_somebody_else_is_named_with_what_moves_it(infra: Infra, tmp_path: Path) -> None:
    other = Infra(tmp_path / "other")
    other.env["IMS_SERVICES_PORTS"] = infra.env["IMS_SERVICES_PORTS"]
    assert infra.run("up", "redis").returncode == 0
    refused = other.run("up", "redis")
    assert refused.returncode == 1
    assert f"port {infra.ports['redis']} is somebody else's; IMS_SERVICES_PORTS=redis=... moves it" in refused.stderr
    assert other.servers("redis")["redis"]["state"] == "taken"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("IMS_SERVICES_PORTS", "oracle=1521", "oracle"),
        ("IMS_SERVICES_PORTS", "redis=x", "IMS_SERVICES_PORTS"),
        ("IMS_SERVICES_PORTS", "redis=3306", "mariadb, redis"),
        ("IMS_SERVICES_OFFSET", "60000", "no port"),
    ],
)
def test_a_wrong_setting_names_itself(tmp_path: Path, variable: str, value: str, said: str) -> None:
    wrong = Infra(tmp_path)
    wrong.env.pop("IMS_SERVICES_PORTS")
    wrong.env[variable] = value
    done = wrong.run("up", "redis")
    assert done.returncode == 1
    assert said in done.stderr


def test_make_run_takes_the_settings_and_what_is_set_already_stays(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(
        "IMS_PROFILE=production\nIMS_FILES=s3://ims?endpoint=http://127.0.0.1:1&x=*\nIMS_LOG=kafka://127.0.0.1:9\n"
    )
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "ims").write_text("#!/bin/sh\nexec env\n")
    (fake / "ims").chmod(0o755)

    def settings(**more: str) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("IMS_", "MAKE"))} | {"IMS_SERVICES_HOME": str(tmp_path)} | more
        command = ["make", "-s", "run", f"BIN={fake}", "READY="]
        said = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=True).stdout
        return dict(line.split("=", 1) for line in said.splitlines() if line.startswith("IMS_"))

    assert "IMS_LOG" not in settings()
    taken = settings(IMS_PROFILE="production", IMS_LOG="kafka://elsewhere:9092")
    assert taken["IMS_FILES"] == "s3://ims?endpoint=http://127.0.0.1:1&x=*"
    assert taken["IMS_LOG"] == "kafka://elsewhere:9092"
