"""HTTP/2 to one host of Apple's, and what its failure means: surely not sent, or nobody knows.

httpx with h2, imported by the first push: aiohttp, which makes all our other calls, speaks HTTP/1.1 only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ims.adapters.providers.transport import CONNECT_S, Reply, seconds
from ims.errors import NotSent, Unclear
from ims.results import NO_ANSWER, NOT_CONNECTED, UNREADABLE

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 64 * 1024  # a reason and a time
CONNECTIONS = 4  # each carries as many pushes at once as Apple allows it
IDLE_S = 600.0  # Apple wants connections kept; it says GOAWAY when it has had enough


class Connection:
    """Keep-alive HTTP/2 connections to one base URL, of the running loop, opened at first use."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def request(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """NotSent when no connection came about, Unclear when one did and no whole answer came back."""
        import httpx

        try:
            async with self._opened().stream("POST", self._base_url + path, content=body, headers=dict(headers)) as response:
                content = b""
                async for part in response.aiter_raw():
                    content += part
                    if len(content) > MAX_ANSWER_BYTES:
                        raise Unclear(UNREADABLE)
                return Reply(response.status_code, content, seconds(response.headers.get("retry-after")))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            raise NotSent(NOT_CONNECTED) from exc
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as exc:
            raise Unclear(NO_ANSWER) from exc

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _opened(self) -> httpx.AsyncClient:
        import httpx

        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._loop = loop
            self._client = httpx.AsyncClient(
                http1=False,
                http2=True,
                timeout=httpx.Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s)),
                limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE_S),
                trust_env=False,
                follow_redirects=False,
            )
        return self._client
