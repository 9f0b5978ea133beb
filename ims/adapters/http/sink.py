"""Events handed to functions in other processes, over HTTP as KafkaSource does it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import aiohttp

_ERROR_BYTES = 1_024  # of an answer's body: what a dead letter keeps


class HttpSinks:
    """The sinks of one dispatcher, on one pool of connections. Opened on the running loop at the first delivery."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, urls: Sequence[str], headers: dict[str, str], body: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Status and the start of the body; status 0 when there was no answer. Copies of a function are dealt to at random."""
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100), trust_env=False)
        url = random.choice(urls)  # noqa: S311 - dealing, not secrecy
        try:
            timeout = aiohttp.ClientTimeout(total=timeout_s)
            async with self._session.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False) as response:
                return response.status, await response.content.read(_ERROR_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, b""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
