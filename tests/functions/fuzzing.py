"""Schemathesis over the document: always a documented status and a JSON body with a code, never a 5xx.

IMS_FUZZ_SEED repeats a run; the seed is printed with a failure. IMS_FUZZ_TIMES asks for more.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from functions.intake.openapi import document

SEED = int(os.environ.get("IMS_FUZZ_SEED", secrets.randbits(32)))
TIMES = int(os.environ.get("IMS_FUZZ_TIMES", "1"))
BOUND_S = 55.0 * TIMES


def schema() -> Any:
    """The document, as schemathesis reads it."""
    return schemathesis.openapi.from_file(document().decode())


@dataclass
class Fuzz:
    """What is asked of whom. `known`: what the registry of the test knows, put in place of half of what is made up: without it
    hardly a body would come as far as being accepted."""

    app: Any
    headers: Mapping[str, str]
    service_key: str
    known: Mapping[str, Any]
    runner: asyncio.Runner  # the loop in which the application lives
    seen: dict[int, int] = field(default_factory=dict)  # answers by status
    started: float = field(default_factory=time.monotonic)

    @property
    def cases(self) -> int:
        return sum(self.seen.values())

    @property
    def in_time(self) -> bool:
        return time.monotonic() - self.started <= BOUND_S

    def all(self, cases: Mapping[str, int]) -> None:
        """Cases by operation, half of them valid by the schema and half not; none of an operation that is not named."""
        for operation in [result.ok() for result in schema().get_all_operations()]:
            wanted = cases.get(operation.definition.raw["operationId"], 0) * TIMES
            for mode in GenerationMode if wanted else ():
                self._one(operation, mode, wanted // 2)

    def _one(self, operation: Any, mode: GenerationMode, cases: int) -> None:
        documented = {int(status) for status in operation.definition.raw["responses"]} | {405}

        @hypothesis.seed(SEED)
        @settings(max_examples=cases, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case: Any) -> None:
            if not self.in_time:
                return
            response = self.runner.run(_ask(self.app, self._request(case)))
            self.seen[response.status_code] = self.seen.get(response.status_code, 0) + 1
            assert response.status_code in documented, (SEED, response.status_code)
            assert response.status_code < 500, SEED
            body = response.json()
            assert "code" in body or "openapi" in body
            assert len(response.headers["x-ims-trace"]) == 32

        run()

    def _request(self, case: Any) -> dict[str, Any]:
        """The case as a request with good credentials; everything else is as it was made up."""
        made = case.as_transport_kwargs(base_url="http://ims")
        own = {k: v for k, v in dict(made.get("headers") or {}).items() if k.lower() not in {"user-agent", "x-schemathesis-testcaseid"}}
        request: dict[str, Any] = {"method": made["method"], "url": made["url"], "headers": {**own, **self.headers}}
        if made.get("params"):
            request["params"] = made["params"]
        if made.get("json") is not None or "json" in made:
            request["json"] = made["json"]
        elif made.get("data") is not None:
            request["content"] = made["data"]
        number = self.cases
        if number % 8:
            request["url"] = re.sub(r"^http://ims/ims/[^/]*/", f"http://ims/ims/{self.service_key}/", request["url"])
        if number % 2 and isinstance(request.get("json"), dict):
            request["json"] = {name: self.known.get(name, value) for name, value in request["json"].items()}
        return request


async def _ask(app: Any, request: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ims") as client:
        return await client.request(**request)
