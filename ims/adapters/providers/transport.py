"""One HTTP request to a provider, and what its failure means: surely not sent, or nobody knows.

Shared by the providers that speak JSON over HTTP. The session belongs to the running loop and is opened at first use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from ims.errors import NotSent, Unclear
from ims.results import NO_ANSWER, NOT_CONNECTED, UNREADABLE

CONNECT_S = 5.0  # the SDK of Bizgo waits as long
IDLE_S = 15.0  # below every server's keep-alive, so that we close first: a POST on a dying connection is Unclear
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_RETRY_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `repr` leaves the body out: it may hold numbers."""

    status: int
    body: bytes
    retry_after_s: float | None
    headers: Mapping[str, str] = field(default_factory=dict)  # names in any case

    def __repr__(self) -> str:
        return f"<Reply {self.status}>"


class Transport:
    """Keep-alive connections to one base URL."""

    def __init__(self, base_url: str, headers: Mapping[str, str], timeout_s: float, connections: int = 32) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_S, timeout_s))
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def request(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """NotSent when no connection came about, Unclear when one did and no whole answer came back."""
        try:
            async with self._opened().request(
                method, self._base_url + path, data=body, headers=headers, allow_redirects=False
            ) as response:
                content = await response.content.read(MAX_ANSWER_BYTES + 1)
                while not response.content.at_eof() and len(content) <= MAX_ANSWER_BYTES:
                    content += await response.content.read(MAX_ANSWER_BYTES + 1 - len(content))
                if len(content) > MAX_ANSWER_BYTES:
                    raise Unclear(UNREADABLE)
                return Reply(response.status, content, seconds(response.headers.get("retry-after")), response.headers)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise NotSent(NOT_CONNECTED) from exc
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as exc:
            raise Unclear(NO_ANSWER) from exc

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=IDLE_S),
                timeout=self._timeout,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session


def seconds(text: str | None) -> float | None:
    """Retry-After as seconds; a date or nonsense is as good as none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return min(value, MAX_RETRY_AFTER_S) if value >= 0 else None  # nan is not
