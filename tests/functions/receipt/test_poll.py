"""Polling takes several batches at once only while it must, and only where the provider hands out several."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from functions.receipt.poll import Poller
from functions.receipt.take import Taker
from ims.errors import Unclear
from ims.ports.providers import Polled
from ims.protocol.events import DeliveryReport
from ims.testing.provider import ScriptedProvider


class Account(ScriptedProvider):
    """Hands out batches of one report under numbers; counts how many were out at once."""

    def __init__(self, batches: int, polls: int) -> None:
        super().__init__()
        self.abilities = replace(self.abilities, polls=polls)
        self.left = batches
        self.acknowledged: list[str] = []
        self.out = self.most_out = 0

    async def poll(self) -> Polled | None:
        if not self.left:
            return None
        self.left -= 1
        number = self.left
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        await asyncio.sleep(0)
        return Polled(f"b{number}", [DeliveryReport(ref=f"r{number}", status="delivered", code="", reported_at=1)])

    async def acknowledge(self, batch_id: str) -> None:
        self.out -= 1
        self.acknowledged.append(batch_id)


class Log(Taker):
    """Takes everything, but for refs of which it says that the store is away."""

    def __init__(self, away: Sequence[str] = ()) -> None:
        self.taken: list[str] = []
        self._away = away

    async def take(self, provider: str, reports: Sequence[DeliveryReport]) -> None:
        await asyncio.sleep(0)
        if any(report.ref in self._away for report in reports):
            raise Unclear("8002")
        self.taken += [report.ref for report in reports]


async def test_more_batches_are_asked_for_while_none_comes_back_empty():
    account, log = Account(batches=9, polls=4), Log()
    poller = Poller(account, log)
    assert [await poller.poll_once() for _ in range(5)] == [1, 2, 4, 2, 0]
    assert account.most_out == 4
    assert sorted(log.taken) == sorted(f"r{n}" for n in range(9))
    assert account.left == account.out == 0


async def test_a_provider_that_hands_out_one_batch_is_asked_for_one():
    account, log = Account(batches=3, polls=1), Log()
    poller = Poller(account, log)
    assert [await poller.poll_once() for _ in range(4)] == [1, 1, 1, 0]
    assert account.most_out == 1


async def test_what_was_not_appended_is_not_acknowledged_and_the_others_are():
    account, log = Account(batches=3, polls=2), Log(away=["r0"])
    poller = Poller(account, log)
    assert await poller.poll_once() == 1
    with pytest.raises(Unclear):
        await poller.poll_once()
    assert account.acknowledged == ["b2", "b1"]
    assert log.taken == ["r2", "r1"]
    assert await poller.poll_once() == 0
