"""The operator's commands: what they change, what they print, what they never print."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from ims.adapters.embedded.files import LaneFile
from ims.adapters.sql.registry import SqlRegistry
from ims.adapters.sql.registry_tables import create
from ims.cli.demo import ensure_demo
from ims.cli.registry import add_to
from ims.protocol.sealing import Keyring, Sealer

NUMBER = "01022345678"
FILE = {
    "customers": [
        {
            "name": "acme",
            "username": "acme-api",
            "service_keys": [{"kind": "auth"}, {"key": "AcmeMass", "kind": "mass"}],
            "sender_numbers": ["1544-1234"],
            "templates": [{"code": "T1", "channel": "at", "text": "안녕"}],
        }
    ]
}


class Home:
    """A registry file in a folder, and the `ims` command on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ring = Keyring.generate()
        self.app = typer.Typer()
        add_to(self.app)

    @asynccontextmanager
    async def open(self, _settings: object = None) -> AsyncIterator[SqlRegistry]:
        file = LaneFile(self.folder / "registry.db", create)
        try:
            yield SqlRegistry(file, Sealer(self.ring))
        finally:
            file.close()

    def run(self, *words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(self.app, list(words), input=stdin)

    def json(self, *words: str, stdin: str | None = None) -> Any:
        result = self.run(*words, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = Home(tmp_path)
    wiring, config = ModuleType("ims.wiring"), ModuleType("ims.config")
    wiring.open_registry = made.open  # type: ignore[attr-defined]  # stands in for the one place that builds everything
    config.load_settings = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ims.wiring", wiring)
    monkeypatch.setitem(sys.modules, "ims.config", config)
    return made


@pytest.fixture
def registered(home: Home) -> tuple[Home, dict[str, Any]]:
    (home.folder / "acme.json").write_text(json.dumps(FILE, ensure_ascii=False))
    return home, home.json("register", str(home.folder / "acme.json"))[0]


def test_register_shows_generated_secrets_once(registered: tuple[Home, dict[str, Any]]) -> None:
    home, first = registered
    assert base64.b64decode(first["x_ims_key"]).decode() == f"acme-api:{first['secret']}"
    assert first["callback_secret"].startswith("whsec_")
    assert [k["kind"] for k in first["service_keys"]] == ["auth", "mass"]
    again = home.json("register", str(home.folder / "acme.json"))[0]
    assert again == {k: first[k] for k in ("customer", "username", "service_keys")}


def test_register_reads_standard_input_and_prints_for_people(home: Home) -> None:
    result = home.run("register", "-", stdin=json.dumps(FILE))
    assert result.exit_code == 0
    assert "callback_secret" in result.stdout
    assert "key=AcmeMass kind=mass" in result.stdout


def test_register_tells_every_problem_with_its_place(home: Home) -> None:
    bad = {"customers": [FILE["customers"][0] | {"sender_numbers": [NUMBER + "9"], "secret": "short"}, {"name": "x"}]}
    result = home.run("register", "-", stdin=json.dumps(bad))
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert {line.split(":")[0] for line in lines} == {"customers[0].sender_numbers[0]", "customers[0].secret", "customers[1].username"}
    assert NUMBER not in result.stderr


def test_register_of_a_missing_file(home: Home) -> None:
    result = home.run("register", str(home.folder / "none.json"))
    assert result.exit_code == 1
    assert "No such file" in result.stderr


def test_keys_issue_stop_start_list(registered: tuple[Home, dict[str, Any]]) -> None:
    home, _ = registered
    issued = home.json("keys", "issue", "acme", "ad", "--rate-per-s", "5", "--daily-cap", "100", "--allow-ip", "10.1.2.3/8")
    assert (issued["kind"], issued["rate_per_s"], issued["daily_cap"], issued["allowed_ips"]) == ("ad", 5, 100, ["10.0.0.0/8"])
    assert home.json("keys", "stop", issued["key"])["active"] is False
    assert [k["active"] for k in home.json("keys", "list", "acme") if k["key"] == issued["key"]] == [False]
    assert home.json("keys", "start", issued["key"])["active"] is True
    shown = home.run("keys", "list").stdout.splitlines()
    assert shown[0].split() == ["key", "customer", "kind", "active", "rate_per_s", "daily_cap", "allowed_ips"]
    assert len(shown) == 4
    assert home.run("keys", "list", "nobody").stdout == "(none)\n"


def test_keys_rotate(registered: tuple[Home, dict[str, Any]]) -> None:
    home, first = registered
    rotated = home.json("keys", "rotate", "acme", "--overlap-s", "60")
    assert rotated["secret"] != first["secret"]
    assert rotated["old_lives_s"] == 60
    signing = home.json("keys", "rotate", "acme", "--callback")
    assert signing["callback_secret"] != first["callback_secret"]


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "issue", "nobody", "auth"),
        ("keys", "issue", "acme", "auth", "--allow-ip", "300.0.0.1"),
        ("keys", "rotate", "nobody"),
        ("keys", "rotate", "acme", "--username", "other"),
        ("keys", "stop", "NoSuchKey"),
        ("optout", "add", "nobody", NUMBER),
        ("optout", "add", "acme", "021234567"),
        ("stop",),
        ("stop", "--template", "A", "--campaign", "B"),
        ("stop", "--customer", "nobody"),
        ("stop", "--lift", "--campaign", "never-stopped"),
        ("stop", "--list", "--campaign", "A"),
    ],
)
def test_a_mistake_ends_with_1_and_a_sentence(registered: tuple[Home, dict[str, Any]], words: tuple[str, ...]) -> None:
    result = registered[0].run(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert NUMBER not in result.stderr


BY_NUMBER = dict.fromkeys(("at", "ft", "bt", "mt", "rcs"), 1)


def test_optout_never_shows_a_number(registered: tuple[Home, dict[str, Any]]) -> None:
    home, _ = registered
    added = home.run("optout", "add", "acme", "+82 10-2234-5678", "--json")
    assert json.loads(added.stdout) == {"customer": "acme", "added": BY_NUMBER}
    assert home.json("optout", "add", "acme", "-", "--channel", "mt", stdin=f"{NUMBER}\n\n010 8765 4321\n")["added"] == {"mt": 1}
    listed = home.run("optout", "list", "acme")
    assert {o["channel"]: o["count"] for o in home.json("optout", "list")} == BY_NUMBER | {"mt": 2}
    assert home.json("optout", "remove", "acme", NUMBER)["removed"] == BY_NUMBER
    stored = b"".join(path.read_bytes() for path in home.folder.glob("registry.db*"))
    for number in (NUMBER, "5678", "87654321"):
        assert number not in added.output + listed.output
    assert NUMBER.encode() not in stored


def test_stop_lift_and_list(registered: tuple[Home, dict[str, Any]]) -> None:
    home, _ = registered
    home.json("stop", "--customer", "acme")
    home.json("stop", "--customer", "acme", "--template", "T1")
    home.json("stop", "--sender", "1544-1234")
    stops = {(s["kind"], s["value"], s["customer"]) for s in home.json("stop", "--list")}
    assert stops == {("customer", "acme", None), ("template", "T1", "acme"), ("sender", "15441234", None)}
    assert home.json("stop", "--customer", "acme", "--lift")["stopped"] is False
    home.json("stop", "--customer", "acme", "--template", "T1", "--lift")
    assert [s["kind"] for s in home.json("stop", "--list")] == ["sender"]


# --- the demo customers


async def test_demo_customers_survive_a_restart(tmp_path: Path) -> None:
    home = Home(tmp_path)
    async with home.open() as registry:
        first = await ensure_demo(registry)
    async with home.open() as registry:
        second = await ensure_demo(registry)
        directory = await registry.directory()
    assert first == second
    assert [c["name"] for c in first] == ["demo", "demo2"]
    for shown, number in zip(first, ("15441234", "15881234"), strict=True):
        assert {"name", "x_ims_key", "service_keys", "callback_secret", "sender_key", "template_code", "callback", "app_id"} <= set(shown)
        username, _, secret = base64.b64decode(shown["x_ims_key"]).decode().partition(":")
        customer = directory.customer(shown["name"])
        assert customer is not None
        assert customer.credentials == {username: (sha256(secret.encode()).digest(),)}
        assert customer.callback_secrets == (shown["callback_secret"],)
        assert customer.callback_allowed == ("loopback:*",)
        assert list(shown["service_keys"]) == ["auth", "realtime", "mass", "ad"]
        for kind, name in shown["service_keys"].items():
            key = directory.service_key(name)
            assert key is not None
            assert (key.customer, key.kind, key.active, key.rate_per_s, key.daily_cap) == (shown["name"], kind, True, 0, 0)
        assert len(shown["sender_key"]) == 40
        assert directory.owns_profile(shown["name"], shown["sender_key"])
        assert shown["callback"] == number
        assert directory.owns_callback(shown["name"], number)
        template = directory.template(shown["name"], "at", shown["template_code"])
        assert template is not None
        assert template.text
    assert not directory.owns_profile("demo", first[1]["sender_key"])
    assert not directory.owns_callback("demo2", first[0]["callback"])


async def test_a_rotated_demo_secret_is_the_one_that_is_shown(tmp_path: Path) -> None:
    home = Home(tmp_path)
    async with home.open() as registry:
        await ensure_demo(registry)
        username, secret = await registry.rotate_secret("demo")
        signing = await registry.rotate_callback_secret("demo")
        extra = await registry.issue_key("demo", (await registry.list_keys("demo"))[0].kind)
        shown = (await ensure_demo(registry))[0]
    assert base64.b64decode(shown["x_ims_key"]).decode() == f"{username}:{secret}"
    assert shown["callback_secret"] == signing
    assert extra.key not in shown["service_keys"].values()
