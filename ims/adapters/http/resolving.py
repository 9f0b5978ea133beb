"""Names of customers' hosts, resolved once, judged, and remembered for at most 30 s.

aiohttp connects to exactly the addresses that come out of here, so a name that changes its answer between the check and
the call (DNS rebinding) gains nothing. Look-ups run on threads of their own: a customer's dead name server must not use
up the threads on which everybody else waits.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

from ims.adapters.http.destination import Refused, Unreachable, check_addresses

KEPT_S = 30.0  # the longest that an answer is believed
KEPT_FAILED_S = 5.0  # a guess: long enough that a dead name costs one thread, short enough to see it come back
_MOST_NAMES = 10_000  # then the memory is emptied: an attacker's names must not grow it without end
_THREADS = 32

Lookup = Callable[[str], Awaitable[list[str]]]


class NoSuchHost(Unreachable):
    """The name does not exist: not a passing fault."""


@dataclass(frozen=True, slots=True)
class _Answer:
    until: float  # monotonic seconds
    addresses: tuple[str, ...] = ()
    error: Unreachable | None = None


class CheckedResolver(AbstractResolver):
    """Gives out only addresses that a callback may go to; raises Refused, NoSuchHost or Unreachable otherwise."""

    def __init__(self, allow_loopback: bool, lookup: Lookup | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._allow_loopback = allow_loopback
        self._lookup = lookup or self._system_lookup
        self._monotonic = monotonic
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="callback-dns")  # starts none until used
        self._answers: dict[str, _Answer] = {}
        self._pending: dict[str, asyncio.Task[_Answer]] = {}

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The checked addresses of the name. Concurrent callers share one look-up, which outlives their own time-outs."""
        answer = self._answers.get(host)
        if answer is None or answer.until <= self._monotonic():
            task = self._pending.get(host)
            if task is None:
                task = self._pending[host] = asyncio.create_task(self._ask(host))
                task.add_done_callback(lambda _: self._pending.pop(host, None))
            answer = await asyncio.shield(task)
        if answer.error is not None:
            raise type(answer.error)(*answer.error.args)  # a fresh one: a shared exception would collect tracebacks
        return answer.addresses

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """aiohttp's side of it, called for every new connection to a name."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self.addresses(host)
        ]

    async def close(self) -> None:
        """Lets go of the threads without waiting for a name server that does not answer."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, host: str) -> _Answer:
        asked_at = self._monotonic()
        try:
            found = tuple(dict.fromkeys(await self._lookup(host)))
            if not found:
                raise NoSuchHost("the host has no address")
            check_addresses(host, found, self._allow_loopback)
            answer = _Answer(asked_at + KEPT_S, found)
        except Refused as exc:
            answer = _Answer(asked_at + KEPT_S, error=exc)
        except Unreachable as exc:
            answer = _Answer(self._monotonic() + KEPT_FAILED_S, error=exc)
        except (OSError, ValueError):
            answer = _Answer(self._monotonic() + KEPT_FAILED_S, error=Unreachable("the name server does not answer"))
        if len(self._answers) >= _MOST_NAMES:
            self._answers.clear()
        self._answers[host] = answer
        return answer

    async def _system_lookup(self, host: str) -> list[str]:
        def ask() -> list[str]:
            return [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except socket.gaierror as exc:
            if exc.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
                raise NoSuchHost("the host does not exist") from exc
            raise
