"""The client for URLs that customers chose: it can not be led inside, held up or flooded.

Every call is bounded in time (the look-up of the name included), in what it reads and in connections to one host. No
redirects, no proxies from the environment, no cookies. Only the status of an answer means anything.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from ims.adapters.http.destination import Refused, Unreachable, check_addresses, destination, literal
from ims.adapters.http.resolving import CheckedResolver, Lookup, NoSuchHost

__all__ = ["GuardedClient", "Refused", "Unreachable"]

CONNECTIONS = 256  # a guess: far below the usual 1,024 descriptors of a process
CONNECTIONS_PER_HOST = 16  # a guess: a healthy endpoint answers in 0.1 s, so 160 arrays of 100 results a second
KEEP_ALIVE_S = 4.0  # uvicorn and Node close idle connections after 5 s; be the first
CHECK_S = 2.0  # a request waits for this look-up before it is accepted


class GuardedClient:
    """One per process. The session opens on the running loop at the first call; `close` it there."""

    def __init__(
        self, allow_loopback: bool, timeout_s: float = 5.0, max_response_bytes: int = 65_536, *, lookup: Lookup | None = None
    ) -> None:
        self._allow_loopback = allow_loopback
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._resolver = CheckedResolver(allow_loopback, lookup)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The HTTP status. Refused: the URL may not be called. Unreachable: no answer; the other side may still have read it.

        A status counts as soon as it is there: a body too long or too slow is cut off with its connection, and changes nothing.
        """
        target = destination(url, self._allow_loopback)
        status = 0
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._answered(target, body, headers)
                try:
                    status = response.status
                    await self._drain(response)
                finally:
                    response.close()  # a connection whose body was read to its end is back in the pool by now
        except Unreachable:
            raise
        except TimeoutError as exc:
            if not status:
                raise Unreachable("no answer in time") from exc
        except aiohttp.ClientSSLError as exc:
            raise Unreachable("TLS failed") from exc
        except aiohttp.ClientConnectorError as exc:
            raise Unreachable("no connection") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            if not status:
                raise Unreachable("the connection broke or the answer was not HTTP") from exc
        return status

    async def check(self, url: str) -> bool:
        """Whether a request naming this URL may be accepted.

        False for what may never be called and for a name that does not exist. A name server that is away is no reason to
        refuse a message, so then the answer is True: `post` judges the addresses again at every call.
        """
        try:
            target = destination(url, self._allow_loopback)
            host = target.raw_host or ""
            if literal(host) is None:
                async with asyncio.timeout(CHECK_S):
                    await self._resolver.addresses(host)
        except (Refused, NoSuchHost):
            return False
        except (Unreachable, TimeoutError):
            return True
        return True

    async def close(self) -> None:
        """Closes connections and look-ups; calls under way end as Unreachable."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self._resolver.close()

    async def _answered(self, target: URL, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """The answer with its headers.

        An idle connection may be closed by the other side just as we use it. That says nothing about the endpoint and would
        cost the customer the 60 s of a retry, so the call is repeated until it ran on a connection of its own; the receiver
        knows repeats by their webhook-id.
        """
        session = self._open()
        while True:
            trace = SimpleNamespace(reused=False)
            try:
                return await session.post(target, data=body, headers=headers, allow_redirects=False, trace_request_ctx=trace)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not trace.reused:
                    raise

    async def _drain(self, response: aiohttp.ClientResponse) -> None:
        left = self._max_response_bytes
        async for chunk in response.content.iter_any():
            left -= len(chunk)
            if left < 0:
                return

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_connection_reuseconn.append(_note_reuse)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=self._resolver,
                    use_dns_cache=False,  # the resolver remembers, and `check` shares it
                    limit=CONNECTIONS,
                    limit_per_host=CONNECTIONS_PER_HOST,
                    keepalive_timeout=KEEP_ALIVE_S,
                    socket_factory=self._socket,
                ),
                timeout=aiohttp.ClientTimeout(total=None),  # `post` keeps the time
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,  # nobody reads the body, so nobody unpacks a bomb
                headers={"user-agent": "IMS-callback/1", "accept-encoding": "identity"},
                trace_configs=[tracing],
            )
        return self._session

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last gate, right before connecting: whatever way an address came here, it is judged once more."""
        family, kind, protocol, _, address = info
        try:
            check_addresses(str(address[0]), [str(address[0])], self._allow_loopback)
        except Refused as exc:
            raise OSError("refused address") from exc
        return socket.socket(family, kind, protocol)


async def _note_reuse(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.reused = True
