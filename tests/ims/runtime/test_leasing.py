"""Whose turn a loop's is, with and without the store of leases."""

from __future__ import annotations

from ims.errors import Unavailable
from ims.runtime.leasing import LEASE_S, Lease, Turn


class Leases:
    def __init__(self) -> None:
        self.owner = ""
        self.away = False
        self.asked = 0

    async def lease(self, name: str, owner: str, ttl_s: float) -> bool:
        del name, ttl_s
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        self.owner = self.owner or owner
        return self.owner == owner


async def test_one_has_it_and_asks_only_to_renew():
    leases, now = Leases(), [0.0]
    mine, theirs = (Lease(leases, "held/auth", who, lambda: now[0]) for who in ("me", "them"))  # type: ignore[arg-type]
    assert [await mine.turn() for _ in range(5)] == [Turn.MINE] * 5
    assert leases.asked == 1
    assert await theirs.turn() is Turn.OTHERS
    now[0] = LEASE_S / 2
    leases.owner = "them"
    assert await mine.turn() is Turn.OTHERS


async def test_without_the_store_who_had_it_goes_on_and_the_others_wait_until_it_would_have_ended():
    leases, now = Leases(), [0.0]
    mine, theirs = (Lease(leases, "held/auth", who, lambda: now[0]) for who in ("me", "them"))  # type: ignore[arg-type]
    assert (await mine.turn(), await theirs.turn()) == (Turn.MINE, Turn.OTHERS)
    leases.away = True
    now[0] = 20.0
    assert (await mine.turn(), await theirs.turn()) == (Turn.MINE, Turn.OTHERS)
    now[0] = 20.0 + LEASE_S
    assert (await mine.turn(), await theirs.turn()) == (Turn.MINE, Turn.ALONE)
    leases.away = False
    now[0] += 5.0
    assert (await mine.turn(), await theirs.turn()) == (Turn.MINE, Turn.OTHERS)
