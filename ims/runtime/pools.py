"""Several providers of one family: which of them a new call goes to, and how each of them fares.

Weights share calls out; a provider that is stopped by an operator, or left alone by a breaker, gets none while another can
take them. A breaker is of a provider, an account, a family of channels and a cause: a throttled account is not away.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ims import results
from ims.ports.providers import Provider
from ims.ports.registry import Directory
from ims.runtime.breaker import OPEN_MS, Breakers

CAUSES = ("away", "rate", "credential")
_CAUSE = {results.THROTTLED: "rate", results.CREDENTIAL: "credential"}
_SPAN = float(1 << 64)


class Weighed(NamedTuple):
    """A provider in its pool. Weight 0: only while no other can take the call."""

    provider: Provider
    weight: int = 1


Pool = Sequence[Weighed]


def named(pool: Pool, name: str) -> Provider | None:
    """The provider of that name, or none where it is no longer configured."""
    return next((w.provider for w in pool if w.provider.name == name), None)


def ranked(pool: Pool, seed: str, family: str, directory: Directory) -> list[Provider]:
    """Those that may be called, the one to be asked first in front: over many seeds each leads as often as its weight says.

    The same seed ranks the same way until a weight is changed, so an event that comes again goes where it went.
    """
    if len(pool) == 1:
        return [] if directory.provider_stopped(family, pool[0].provider.name) else [pool[0].provider]
    drawn: list[tuple[float, Provider]] = []
    for provider, configured in pool:
        if directory.provider_stopped(family, provider.name):
            continue
        said = directory.provider_weight(family, provider.name)
        weight = configured if said is None else said
        chance = (int.from_bytes(hashlib.blake2b(f"{seed}|{provider.name}".encode(), digest_size=8).digest()) + 0.5) / _SPAN
        drawn.append((-math.log(chance) / weight if weight else math.inf, provider))  # exponential clocks: the first to ring leads
    return [provider for _, provider in sorted(drawn, key=lambda pair: pair[0])]


def accounts(providers: Mapping[tuple[str, str], Pool]) -> list[Provider]:
    """Every provider account once, however many families it serves."""
    return list({id(w.provider): w.provider for pool in providers.values() for w in pool}.values())


def account_name(provider: Provider) -> str:
    """What its rate is counted under: one limit for all that the account sends."""
    return f"{provider.name}/{provider.account}"


class Health:
    """The breakers of a family's providers."""

    def __init__(self, breakers: Breakers, family: str) -> None:
        self._breakers = breakers
        self._family = family

    def _names(self, provider: Provider) -> list[str]:
        return [f"{account_name(provider)}/{self._family}/{cause}" for cause in CAUSES]

    def open_until(self, provider: Provider, now: int) -> int:
        """0: it may be called; else until when it is left alone. Only looks."""
        return max(self._breakers.open_until(name, now) for name in self._names(provider))

    def closed_at(self, provider: Provider, now: int) -> int:
        """As Breakers.closed_at: half open, it lets the one through that asked."""
        return max(self._breakers.closed_at(name, now) for name in self._names(provider))

    def succeeded(self, provider: Provider) -> None:
        """It answered: whatever it was left alone for is over."""
        for name in self._names(provider):
            self._breakers.succeeded(name)

    def failed(self, provider: Provider, code: str, now: int, *, first_ms: int = OPEN_MS) -> None:
        """A call failed as a whole with this result code."""
        cause = _CAUSE.get(code, "away")
        self._breakers.failed(f"{account_name(provider)}/{self._family}/{cause}", now, first_ms=first_ms)
