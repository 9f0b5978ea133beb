"""`ims numbers`: what waits for an operator, and what becomes of it."""

from __future__ import annotations

import pytest

from ims.cli.numbers import claimed, decide
from ims.errors import Rejected
from ims.ports.registers import Author
from ims.testing.house import House

from .conftest import Street

ACME = Author("acme", "acme", "")
NUMBER = "025550123"


@pytest.fixture
async def house(street: Street) -> House:
    entry = {"number": NUMBER, "proof": "20270101-0123456789abcdef01234567"}
    await street.house.registry.registers.create("numbers", ACME, entry)
    return street.house


async def test_what_waits_is_listed_until_it_is_decided(house: House) -> None:
    [row] = await claimed(house.registry, None)
    assert (row["customer"], row["number"]) == ("acme", NUMBER)
    assert await claimed(house.registry, "another") == []
    assert (await decide(house.registry, "acme", "02-555-0123", approved=True))["state"] == "approved"
    assert await claimed(house.registry, None) == []
    assert (await house.registry.directory()).owns_callback("acme", NUMBER)


async def test_a_decision_again_changes_nothing_and_may_be_turned_round(house: House) -> None:
    first = await decide(house.registry, "acme", NUMBER, approved=False, reason="기간 경과")
    house.now += 1_000
    assert await decide(house.registry, "acme", NUMBER, approved=False, reason="기간 경과") == first
    assert (await decide(house.registry, "acme", NUMBER, approved=True))["reason"] == ""
    assert len(await house.registry.registers.audited("acme", None, 10)) == 3


@pytest.mark.parametrize("customer", ["acme", "nobody"])
async def test_a_number_that_nobody_claimed_is_unknown(house: House, customer: str) -> None:
    with pytest.raises(Rejected, match="1404"):
        await decide(house.registry, customer, "021112222", approved=True)
