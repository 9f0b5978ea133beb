"""`ims consents`: files of what people said; numbers are never printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ims.cli import consents
from tests.ims.cli.test_registry_commands import Home, home

__all__ = ["home"]

NUMBER = "010-5550-0001"
AGREED: dict[str, Any] = {"recipient": NUMBER, "channel": "mt", "ad": "Y", "night": "Y", "at": "2026-01-02T10:00:00+09:00"}


@pytest.fixture
def shop(home: Home) -> Home:
    consents.add_to(home.app)
    home.json("register", "-", stdin=json.dumps({"customers": [{"name": "acme", "username": "acme-api", "consents": "required"}]}))
    return home


def file_of(tmp_path: Path, *rows: Any) -> str:
    path = tmp_path / "consents.ndjson"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def test_a_file_of_csv_is_recorded_and_counted(shop: Home, tmp_path: Path) -> None:
    path = tmp_path / "consents.csv"
    path.write_text(
        "recipient,channel,ad,night,at,source,wording\n"
        f"{NUMBER},mt,Y,Y,2026-01-02T10:00:00+09:00,가입 화면,v3\n"
        "01055500002,mt,Y,,2026-01-02T10:00:00+09:00,,\n"
        "01055500002,mt,N,,2026-02-02T10:00:00+09:00,,\n"
        "hong@example.com,email,Y,,2026-01-02T10:00:00Z,,\n"
    )
    for _ in range(2):  # again is harmless
        assert shop.json("consents", "import", "acme", str(path))["registered"] == 4
        assert [tuple(count.values()) for count in shop.json("consents", "list", "acme")] == [
            ("acme", "email", "ad", 1, 0),
            ("acme", "mt", "ad", 1, 1),
            ("acme", "mt", "night", 1, 0),
        ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"recipient": "02-555-0001"}, "recipient"),
        ({"channel": "fax"}, "channel"),
        ({"channel": "push"}, "push has its consents with its tokens"),
        ({"channel": "email"}, "does not reach people"),
        ({"ad": "", "night": ""}, "neither ad nor night"),
        ({"ad": "yes"}, "ad"),
        ({"at": "2026-01-02T10:00:00"}, "at"),
        ({"at": "2999-01-02T10:00:00+09:00"}, "not come yet"),
        ({"source": "s" * 61}, "source"),
        ({"phone": "1"}, "phone"),
    ],
)
def test_a_wrong_row_is_named_and_the_others_are_recorded(shop: Home, tmp_path: Path, change: dict[str, Any], what: str) -> None:
    result = shop.run("consents", "import", "acme", file_of(tmp_path, AGREED, AGREED | change), "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["registered"], found["rejected"]) == (1, 1, 1)
    assert found["errors"][0]["row"] == 2 and what in found["errors"][0]["what"]
    assert "5550001" not in result.output and "5550-0001" not in result.output


def test_a_customer_that_is_not_there_is_named(shop: Home, tmp_path: Path) -> None:
    result = shop.run("consents", "import", "nobody", file_of(tmp_path, AGREED))
    assert result.exit_code == 1 and "no such customer" in result.output
