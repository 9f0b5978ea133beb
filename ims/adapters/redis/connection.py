"""Scripts run on Redis, single or cluster: with a time limit, a bounded number of connections, and one kind of error.

A server that is away costs its time limit once a second, not once a call: until then calls of that part of the key space fail
at once. Connections are opened when they are needed, and again by themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError, RedisError, ResponseError

from ims.adapters.redis.cluster import ClusterClient
from ims.adapters.trust import untrusted
from ims.errors import LoginRefused, Misconfigured, Unavailable, Untrusted
from ims.telemetry import log

TIME_LIMIT_S = 1.0  # of a call, waiting for a connection included
CONNECTIONS = 16  # of a process, to each server
AWAY_S = 1.0  # how long nobody asks a server that did not answer
_PORT = 6379
_PARTS = 16  # of a cluster's key space: masters have stretches of it, and one that is away says nothing about the others
_SLOTS = 16_384
_LOGIN = (AuthenticationError, NoPermissionError)


class Script:
    """A Lua script that touches one key, so that it runs on a cluster too."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - how Redis names scripts


class RedisConnection:
    """`redis://[user:password@]host[:port][/db]`, `redis+cluster://[user:password@]host:port,host:port`; `rediss` for TLS."""

    def __init__(self, url: str, *, ca_file: str = "", time_limit_s: float = TIME_LIMIT_S, monotonic: Callable[[], float] = time.monotonic):
        scheme, _, _ = url.partition("://")
        if scheme not in ("redis", "rediss", "redis+cluster", "rediss+cluster"):
            raise Misconfigured("a Redis URL begins with redis://, rediss://, redis+cluster:// or rediss+cluster://")
        self._cluster = scheme.endswith("+cluster")
        self._tls = scheme.startswith("rediss")
        self._hosts, self._options = _read(url, cluster=self._cluster)
        self._ca_file = ca_file
        self._limit_s = time_limit_s
        self._monotonic = monotonic
        self._client: Any = None
        self._away: dict[int, float] = {}  # part of the key space -> until when it is left alone

    def _open(self) -> Any:
        if self._cluster:
            return ClusterClient(self._hosts, self._server, self._limit_s / 3)
        return self._server(self._hosts[0])

    def _server(self, address: tuple[str, int]) -> Redis:
        host, port = address
        tls: dict[str, Any] = {"connection_class": SSLConnection, "ssl_ca_certs": self._ca_file or None} if self._tls else {}
        pool = BlockingConnectionPool(
            max_connections=CONNECTIONS,
            timeout=self._limit_s,
            host=host,
            port=port,
            retry=Retry(NoBackoff(), 1),  # a connection that died while it rested
            socket_timeout=self._limit_s,
            socket_connect_timeout=self._limit_s,
            decode_responses=True,
            protocol=2,
            **tls,
            **self._options,
        )
        return Redis.from_pool(pool)

    async def run(self, script: Script, key: str, *args: str | int | float) -> Any:
        """What the script returns. Unavailable when there is no answer in time; whether it ran is then unknown."""
        part = key_slot(key.encode()) * _PARTS // _SLOTS if self._cluster else 0
        if (until := self._away.get(part)) is not None and self._monotonic() < until:
            raise Unavailable("Redis is away")
        try:
            async with asyncio.timeout(self._limit_s):
                if self._client is None:
                    self._client = self._open()
                try:
                    answer = await self._client.execute_command("EVALSHA", script.digest, 1, key, *args)
                except NoScriptError:  # a server that is new, flushed or promoted
                    answer = await self._client.execute_command("EVAL", script.text, 1, key, *args)
        except (RedisError, OSError, TimeoutError) as exc:
            self._away[part] = self._monotonic() + AWAY_S
            word = str(exc).split(" ", 1)[0] if isinstance(exc, ResponseError) else ""  # OOM, NOPERM, READONLY, CLUSTERDOWN
            log.warning("redis_away", error=type(exc).__name__, word=word[:20])
            if isinstance(exc, _LOGIN):
                raise LoginRefused("Redis does not let us in") from exc
            if untrusted(exc):
                raise Untrusted("Redis shows a certificate that we do not trust") from exc
            raise Unavailable("Redis does not answer") from exc
        self._away.pop(part, None)
        return answer

    async def close(self) -> None:
        """Let go of connections; the next call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _read(url: str, *, cluster: bool) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    _, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    login, _, addresses = authority.rpartition("@")
    user, _, password = login.partition(":")
    try:
        hosts = [_address(urlsplit(f"//{a}")) for a in addresses.split(",")]
        db = int(path or "0")
    except ValueError as exc:
        raise Misconfigured("a Redis URL names host:port, and a number as the database") from exc
    if not cluster and len(hosts) != 1:
        raise Misconfigured("several Redis servers are a cluster: redis+cluster://")
    if cluster and db:
        raise Misconfigured("a Redis cluster has no numbered databases")
    options: dict[str, Any] = {"username": unquote(user) or None, "password": unquote(password) or None}
    return hosts, options if cluster else options | {"db": db}


def _address(parts: SplitResult) -> tuple[str, int]:
    if not parts.hostname or parts.path or parts.query:
        raise ValueError
    return parts.hostname, parts.port or _PORT
