"""`ims push-tokens`: one by one and from files; tokens are never printed whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ims.cli import push_tokens
from tests.ims.cli.test_registry_commands import Home, home
from tests.ims.push_keys import push_app

__all__ = ["home"]

TOKEN = "token-of-a-phone-0001"


@pytest.fixture
def shop(home: Home) -> Home:
    push_tokens.add_to(home.app)
    file = {"customers": [{"name": "acme", "username": "acme-api", "push_apps": [push_app()]}]}
    home.json("register", "-", stdin=json.dumps(file))
    return home


def test_a_token_is_added_listed_and_removed_and_never_shown_whole(shop: Home) -> None:
    words = ("push-tokens", "add", "acme", "shop-app", TOKEN, "--platform", "ANDROID", "--user", "u1", "--ad", "Y")
    assert shop.json(*words) == {"app": "shop-app", "token": "...e-0001", "new": True}
    assert shop.json(*words)["new"] is False
    (shown,) = shop.json("push-tokens", "list", "acme", "shop-app", "--user", "u1")
    assert shown["token"] == "...e-0001" and shown["ad"].startswith("Y since ") and shown["night_ad"] == "N"
    assert shop.json("push-tokens", "remove", "acme", "shop-app", "-", stdin=TOKEN) == {"app": "shop-app", "removed": 1}
    (counted,) = shop.json("push-tokens", "list", "acme")
    assert counted == {"app": "shop-app", "platform": "ANDROID", "state": "removed", "count": 1}


@pytest.mark.parametrize(
    "words",
    [("short", "--platform", "IOS"), (TOKEN, "--platform", "SYMBIAN"), (TOKEN, "--platform", "IOS", "--ad", "yes")],
)
def test_a_wrong_token_is_named_not_shown(shop: Home, words: tuple[str, ...]) -> None:
    result = shop.run("push-tokens", "add", "acme", "shop-app", *words)
    assert result.exit_code == 1 and TOKEN not in result.output


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_a_file_registers_its_good_rows_and_names_the_others(shop: Home, tmp_path: Path, kind: str) -> None:
    rows: list[dict[str, Any]] = [{"token": f"token-from-file-{n:04d}", "platform": "IOS", "app_user_id": f"u{n}"} for n in range(1_200)]
    rows[7]["platform"] = "PALM"
    rows[9]["night_ad"] = "Y"
    path = tmp_path / f"tokens.{kind}"
    if kind == "csv":
        columns = ["token", "platform", "app_user_id", "night_ad"]
        path.write_text("\n".join([",".join(columns), *(",".join(row.get(c, "") for c in columns) for row in rows)]))
    else:
        path.write_text("\n".join(map(json.dumps, rows)) + "\n[1]\n{")
    result = shop.run("push-tokens", "import", "acme", "shop-app", str(path), "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["registered"], found["new"]) == (1, 1_199, 1_199)
    assert [e["row"] for e in found["errors"]] == ([8] if kind == "csv" else [8, 1_201, 1_202])
    assert shop.json("push-tokens", "list", "acme", "shop-app", "--user", "u9")[0]["night_ad"].startswith("Y since")


def test_a_file_with_strange_columns_is_refused(shop: Home, tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text("token,phone\nx,y\n")
    assert shop.run("push-tokens", "import", "acme", "shop-app", str(path)).exit_code == 1
    path.write_bytes(b"token,platform\n\xff\xfe\n")
    assert shop.run("push-tokens", "import", "acme", "shop-app", str(path)).exit_code == 1


def test_an_app_that_is_not_registered_is_named(shop: Home) -> None:
    result = shop.run("push-tokens", "add", "acme", "other-app", TOKEN, "--platform", "IOS")
    assert result.exit_code == 1 and "no such app" in result.output
