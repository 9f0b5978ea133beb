"""A Redis cluster for commands of one key: finds the key's master, follows it when it moves.

redis-py's own asyncio cluster client (7.4 to 8.1) mixes up connections when several calls open them at once: 32 of 40 fresh
clients failed the first 16 calls with an AttributeError of its own. Its client of a single server is sound; what one key
needs of a cluster is little: CLUSTER SLOTS, MOVED, ASK.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, TryAgainError

Address = tuple[str, int]
_HOPS = 4  # MOVED and ASK in one call: each names the next server, more is a cluster at odds with itself
_PAUSE_S = 0.05  # while a slot is between two masters


class ClusterClient:
    """The part of redis.asyncio.Redis that is needed; `connect` makes the client of one server, unconnected."""

    def __init__(self, startup: Sequence[Address], connect: Callable[[Address], Redis], ask_limit_s: float) -> None:
        self._startup = list(startup)
        self._connect = connect
        self._ask_limit_s = ask_limit_s
        self._servers: dict[Address, Redis] = {}
        self._starts: list[int] = []  # first slot of each stretch, ascending
        self._masters: list[Address] = []
        self._learning = asyncio.Lock()
        self._learned = 0  # how often

    async def execute_command(self, name: str, script: str, keys: int, key: str, *args: Any) -> Any:
        """EVAL or EVALSHA of one key. RedisError or OSError when its master cannot be found or does not answer."""
        command = (name, script, keys, key, *args)
        if not self._starts:
            await self._learn(0)
        known, address, asking = self._learned, self._master(key), False
        for hop in range(_HOPS):
            last = hop == _HOPS - 1
            try:
                return await self._run(address, command, asking=asking)
            except AskError as exc:
                if last:
                    raise
                address, asking = (exc.host, exc.port), True
                continue
            except MovedError as exc:
                if last:
                    raise
                address = (exc.host, exc.port)
                await self._learn(known)
            except (ClusterDownError, TryAgainError):
                if last:
                    raise
                await asyncio.sleep(_PAUSE_S)
            except (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError):
                await self._learn(known)
                if last or self._master(key) == address:
                    raise  # nobody has taken over yet
                address = self._master(key)
            known, asking = self._learned, False
        raise AssertionError("unreachable")

    async def _run(self, address: Address, command: tuple[Any, ...], *, asking: bool) -> Any:
        server = self._server(address)
        if not asking:
            return await server.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it so
        async with server.pipeline(transaction=False) as pipe:
            pipe.execute_command("ASKING")
            pipe.execute_command(*command)
            return (await pipe.execute())[-1]

    def _server(self, address: Address) -> Redis:
        found = self._servers.get(address)
        if found is None:
            found = self._servers[address] = self._connect(address)
        return found

    def _master(self, key: str) -> Address:
        return self._masters[bisect_right(self._starts, key_slot(key.encode())) - 1]

    async def _learn(self, known: int) -> None:
        """Ask who has which slots, unless somebody has asked since `known`. The error of the last one when nobody answers."""
        async with self._learning:
            if self._learned != known:
                return
            error: Exception = redis_errors.ConnectionError("no server of the cluster is known")
            for address in dict.fromkeys([*self._masters, *self._startup]):
                try:
                    async with asyncio.timeout(self._ask_limit_s):
                        stretches = await self._server(address).execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
                except (RedisError, OSError) as exc:
                    error = exc
                    continue
                if found := _read(stretches, address):
                    self._starts = [start for start, _ in found]
                    self._masters = [master for _, master in found]
                    self._learned += 1
                    await self._forget()
                    return
            raise error

    async def _forget(self) -> None:
        """Let go of servers that are no masters any more."""
        for address in [a for a in self._servers if a not in self._masters and a not in self._startup]:
            await self._servers.pop(address).aclose()

    async def aclose(self) -> None:
        servers, self._servers, self._starts = list(self._servers.values()), {}, []
        for server in servers:
            await server.aclose()


def _read(answer: Any, asked: Address) -> list[tuple[int, Address]]:
    """(first slot, master) in order. A host that is left out is the one that was asked."""
    if isinstance(answer, dict):  # redis-py has shaped it
        return sorted((start, (str(what["primary"][0] or asked[0]), int(what["primary"][1]))) for (start, _), what in answer.items())
    return sorted((int(start), (str(master[0] or asked[0]), int(master[1]))) for start, _end, master, *_replicas in answer)
