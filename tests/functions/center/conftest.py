"""A home with two customers, whose intake and center answer on one port."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from functions.center import desk as center
from functions.center.http import answer as centers_answer
from functions.intake.desk import Desk
from functions.intake.http import answer
from ims.rules.registration import parse_registration
from ims.serve.gateway import is_centers
from ims.testing.house import House


def headers(pair: str = "acme:0123456789abcdef") -> dict[str, str]:
    """Of a call by a username and its secret."""
    return {"x-ims-version": "version-1", "x-ims-key": base64.b64encode(pair.encode()).decode(), "accept-language": "en"}


@pytest.fixture
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """Parametrized indirectly: whether state and log are two systems."""
    house = await House.open(tmp_path, split=getattr(request, "param", False))
    other = {"name": "other", "username": "other", "secret": "fedcba9876543210", "service_keys": [{"key": "otherkey", "kind": "mass"}]}
    await house.registry.register(parse_registration(json.dumps({"customers": [other]})))
    yield house
    await house.close()


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    intake, desk = Desk(house.ctx), center.Desk(house.ctx)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await (await (centers_answer(request, desk) if is_centers(scope["path"]) else answer(request, intake)))(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ims", headers=headers()) as client:
        yield client
