"""Consents on both databases: the latest word counts in whatever order it comes, and nothing crosses customers, channels or purposes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ims.errors import Rejected
from ims.ports.consents import AD, MOST_WRITTEN, NIGHT, Count, Statement
from tests.ims.adapters.test_registry import World, address, world

__all__ = ["address", "world"]  # fixtures

WHO, OTHER = b"w" * 12, b"o" * 12


def said(agreed: bool, at: int, recipient: bytes = WHO, channel: str = "mt", purpose: str = AD, **more: Any) -> Statement:
    return Statement(recipient, channel, purpose, agreed, at, **more)


async def given(world: World, customer: str = "acme", channel: str = "mt") -> dict[bytes, set[str]]:
    return dict(await world.other.consents.given(customer, channel, [WHO, OTHER, WHO]))


@pytest.mark.parametrize(
    ("words", "agrees"),
    [
        ([said(True, 10)], True),
        ([said(False, 10)], False),
        ([said(True, 10), said(False, 11)], False),
        ([said(True, 10), said(False, 10)], False),
        ([said(True, 11), said(False, 10)], True),
        ([said(True, 10), said(False, 11), said(True, 12)], True),
        ([said(True, 12), said(False, 11), said(False, 13), said(True, 10)], False),
    ],
)
async def test_the_latest_word_counts_however_it_comes(world: World, words: list[Statement], agrees: bool) -> None:
    for order in itertools.permutations(words):
        await world.registry.consents.record("acme", order)
        for word in order:
            await world.registry.consents.record("acme", [word])
        assert await given(world) == ({WHO: {AD}} if agrees else {})


async def test_a_consent_is_of_one_customer_channel_person_and_purpose(world: World) -> None:
    await world.registry.consents.record("acme", [said(True, 10), said(True, 10, OTHER, purpose=NIGHT), said(True, 10, channel="bt")])
    assert await given(world) == {WHO: {AD}, OTHER: {NIGHT}}
    assert await given(world, "bolt") == {} == await given(world, channel="email")
    assert await world.registry.consents.given("acme", "mt", []) == {}


async def test_all_of_a_full_event_are_found(world: World) -> None:
    people = [n.to_bytes(12, "big") for n in range(MOST_WRITTEN)]
    await world.registry.consents.record("acme", [said(True, 10, person) for person in people])
    assert set(await world.registry.consents.given("acme", "mt", people)) == set(people)


async def test_they_are_counted(world: World) -> None:
    words = [said(True, 10), said(True, 10, OTHER), said(False, 11, OTHER), said(True, 10, purpose=NIGHT)]
    await world.registry.consents.record("acme", words)
    await world.registry.consents.record("bolt", [said(True, 10)])
    assert await world.registry.consents.count("acme") == [Count("acme", "mt", AD, 1, 1), Count("acme", "mt", NIGHT, 1, 0)]
    assert len(await world.registry.consents.count()) == 3


async def test_a_customer_that_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(Rejected, match="1404"):
        await world.registry.consents.record("nobody", [said(True, 10)])
