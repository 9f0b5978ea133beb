"""Schemathesis over center's part of the document (tests/functions/fuzzing.py), on a real home."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from starlette.requests import Request

from functions.center.desk import Desk
from functions.center.http import answer
from functions.intake.management import paths
from ims.testing.house import House
from tests.functions.fuzzing import SEED, Fuzz

from .conftest import headers

CASES = 60  # of an operation
_KNOWN = {"number": "02-555-0123", "recipients": ["01055501234"], "channels": ["mt"]}


def test_nothing_made_up_from_the_document_gets_anything_undocumented(tmp_path: Path, capsys: Any) -> None:
    with capsys.disabled():
        print(f"\nschemathesis seed {SEED} (IMS_FUZZ_SEED repeats it)")

    operations = [operation["operationId"] for found in paths().values() for operation in found.values()]
    with asyncio.Runner() as runner:
        house = runner.run(House.open(tmp_path))
        desk = Desk(house.ctx)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await (await answer(Request(scope, receive), desk))(scope, receive, send)

        fuzz = Fuzz(app, headers(), "keymass", _KNOWN, runner)
        fuzz.all(dict.fromkeys(operations, CASES))
        runner.run(house.close())
    with capsys.disabled():
        print(f"{fuzz.cases} cases, by status: {dict(sorted(fuzz.seen.items()))}")
    if fuzz.in_time:
        assert {200, 400, 404} <= fuzz.seen.keys()
