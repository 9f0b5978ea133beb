"""Registers on both databases: writers take turns, the audit log is of the same transaction, and nothing crosses customers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ims.adapters.sql.registry_tables import RECIPIENT_BYTES
from ims.errors import Rejected
from ims.ports.registers import Author, Record
from ims.rules.faults import Rejections
from ims.rules.registers import NUMBERS, REGISTERS
from tests.ims.adapters.test_registry import World, address, world

__all__ = ["address", "world"]  # fixtures

ACME, BOLT = Author("acme", "acme-api", "10.0.0.1"), Author("bolt", "bolt-api", "10.0.0.2")
NUMBER = "025550123"


async def claim(world: World, author: Author = ACME, number: str = NUMBER, proof: str = "proof-1") -> Record:
    return await world.registry.registers.create("numbers", author, {"number": number, "proof": proof})


async def test_of_many_claims_of_one_number_at_once_one_is_written(world: World) -> None:
    answers = await asyncio.gather(*(claim(world, proof=f"proof-{n}") for n in range(6)), return_exceptions=True)
    [kept] = [a for a in answers if isinstance(a, Record)]
    assert {a.code for a in answers if isinstance(a, Rejected)} == {"1409"}
    assert await world.other.registers.find("numbers", "acme", NUMBER) == kept
    assert [a.action for a in await world.registry.registers.audited("acme", None, 10)] == ["numbers.create"]


async def test_a_change_with_an_old_tag_leaves_neither_change_nor_audit(world: World) -> None:
    first = await claim(world)
    second = await world.registry.registers.change("numbers", ACME, NUMBER, first.tag, {"proof": "proof-2"})
    for write in (
        world.registry.registers.change("numbers", ACME, NUMBER, first.tag, {"proof": "proof-3"}),
        world.registry.registers.remove("numbers", ACME, NUMBER, first.tag),
    ):
        with pytest.raises(Rejected, match="1409"):
            await write
    assert await world.registry.registers.find("numbers", "acme", NUMBER) == second
    assert [a.action for a in await world.registry.registers.audited("acme", None, 10)] == ["numbers.change", "numbers.create"]


async def test_the_same_number_of_two_customers_is_two_things(world: World) -> None:
    await claim(world)
    await claim(world, BOLT)
    await world.registry.number_claims.decide("bolt", NUMBER, approved=True, reason="", proof="", user="operator")
    directory = await world.registry.directory()
    assert (directory.owns_callback("bolt", NUMBER), directory.owns_callback("acme", NUMBER)) == (True, False)
    await world.registry.registers.remove("numbers", ACME, NUMBER, None)
    assert await world.registry.registers.find("numbers", "bolt", NUMBER) is not None
    with pytest.raises(Rejected, match="1404"):
        await world.registry.registers.remove("numbers", ACME, NUMBER, None)


async def test_a_decision_is_in_force_in_the_other_process_within_half_a_second(world: World) -> None:
    await claim(world)
    await world.other.directory()
    await world.registry.number_claims.decide("acme", NUMBER, approved=True, reason="", proof="proof-1", user="operator")
    world.passes(0.6)
    assert (await world.other.directory()).owns_callback("acme", NUMBER)


async def test_no_more_claims_are_taken_than_a_customer_may_have(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTERS, "numbers", replace(NUMBERS, most=2))
    await claim(world, number="025550001")
    await claim(world, number="025550002")
    with pytest.raises(Rejections, match="1429"):
        await claim(world, number="025550003")
    await claim(world, number="025550002")  # again


async def test_opt_outs_are_counted_once_listed_in_order_and_removed_alone(world: World) -> None:
    people = [f"0105550{n:04d}" for n in range(30)]
    register = world.registry.registers
    entry = {"recipients": [*people, people[0]], "channels": ["mt", "rcs"]}
    assert (await register.create("optouts", ACME, entry)).fields == {"added": {"mt": 30, "rcs": 30}}
    more = {"recipients": [people[0], "a@example.com"], "channels": None}
    assert (await register.create("optouts", ACME, more)).fields["added"] == {"at": 1, "ft": 1, "bt": 1, "mt": 0, "rcs": 0, "email": 1}
    seen: list[Record] = []
    while page := await register.page("optouts", "acme", seen[-1].id if seen else "", 7, {}):
        seen += page
    assert len(seen) == len({r.id for r in seen}) == 64
    assert all(len(r.id.partition(".")[2]) == 2 * RECIPIENT_BYTES for r in seen)
    [one] = await register.page("optouts", "acme", "", 7, {"channel": "mt", "recipient": people[3]})
    await register.remove("optouts", ACME, one.id, None)
    indexed = [world.registry.index(person) for person in people]
    assert await world.registry.opted_out("acme", "mt", indexed) == set(indexed) - {world.registry.index(people[3])}
    assert await register.page("optouts", "bolt", "", 7, {}) == []


async def test_old_audits_go_by_page(world: World) -> None:
    for n in range(3):
        await claim(world, number=f"02555000{n}")
    world.passes(10)
    await claim(world, number="025550009")
    before = world.now_ms - 5_000
    register = world.registry.registers
    assert [await register.forget_audits(before, 2) for _ in range(3)] == [2, 1, 0]
    assert len(await register.audited("acme", None, 10)) == 1
