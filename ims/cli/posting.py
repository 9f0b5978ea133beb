"""Calling intake as a customer's system does: every request is repeated under its own ids until it has an answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ims.errors import ImsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

T = TypeVar("T")

AT_ONCE = 4  # requests of one campaign
_TRIES = 12  # with the waits below a little over a minute: longer than a restart of IMS takes
_WAIT_MAX_S = 10.0
_TIMEOUT_S = 130.0  # intake's own time for a list is 120 s
_REPEATED = {429, 500, 502, 503, 504}


class Refused(ImsError):
    """IMS said no; the text holds its code and words."""


class NoAnswer(ImsError):
    """IMS did not answer, however often it was asked."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post, and as whom."""

    url: str  # scheme, host, port
    x_ims_key: str
    service_key: str

    def __repr__(self) -> str:
        return f"<Target {self.url}>"


class Poster:
    """An open connection to intake."""

    def __init__(self, target: Target, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session

    async def post(self, path: str, body: bytes) -> Any:
        """`data` of the answer to POST /ims/{serviceKey}/{path}."""
        return await self._ask("POST", path, body)

    async def get(self, path: str) -> Any:
        """`data` of the answer to a GET."""
        return await self._ask("GET", path, None)

    async def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        """Refused for an answer that repeating will not change, NoAnswer after the last try."""
        import aiohttp

        url = f"{self._target.url}/ims/{self._target.service_key}/{path}"
        why, wait_s = "", 0.0
        for attempt in range(_TRIES):
            await asyncio.sleep(wait_s)
            wait_s = min(_WAIT_MAX_S, 0.2 * 2**attempt) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
            try:
                async with self._session.request(method, url, data=body, allow_redirects=False) as response:
                    raw = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                why = type(exc).__name__
                continue
            if response.status == 200:
                return msgspec.json.decode(raw)["data"]
            why = _words(response.status, raw)
            if response.status not in _REPEATED:
                raise Refused(why)
            retry_after = response.headers.get("retry-after", "")
            if retry_after.isdecimal():
                wait_s = max(wait_s, min(60.0, float(retry_after)))
        raise NoAnswer(f"{self._target.url} did not take it in {_TRIES} tries: {why}")


def _words(status: int, raw: bytes) -> str:
    """What IMS said, a line for each fault; a proxy's HTML is only its status."""
    try:
        answer = msgspec.json.decode(raw)
        faults = answer.get("errors") or [{"field": "", "code": answer["code"], "message": answer.get("message", "")}]
        return "\n".join(f"{e['field']}{': ' if e['field'] else ''}{e['code']} {e['message']}" for e in faults)
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
        return f"HTTP {status}"


@asynccontextmanager
async def poster(target: Target) -> AsyncIterator[Poster]:
    """Connect."""
    import aiohttp

    headers = {"x-ims-version": "version-1", "x-ims-key": target.x_ims_key, "content-type": "application/json", "accept-language": "en"}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
        yield Poster(target, session)


async def at_once(items: Iterable[T], do: Callable[[T], Awaitable[None]], most: int = AT_ONCE) -> None:
    """`do` every item, `most` of them at a time, taking the next only when there is room. The first error ends all."""
    it = iter(items)

    async def worker() -> None:
        for item in it:
            await do(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(most):
                group.create_task(worker())
    except ExceptionGroup as exc:
        raise exc.exceptions[0] from None
