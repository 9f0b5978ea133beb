"""Invariant 2: the key (service key, message_id) is decided once in 24 hours; 0000 only for accepted rows."""

from __future__ import annotations

import pytest

from ims.errors import Rejected
from ims.lanes import Lane
from ims.testing.house import NOON, Died

DAY_MS = 86_400_000
MIDNIGHT_UTC = NOON - NOON % DAY_MS + DAY_MS


async def test_same_content_is_replayed_and_other_content_refused(street):
    first = street.entry(message_id="x1")
    assert await street.accept(first) == ["fresh"]
    assert await street.accept(street.entry(message_id="x1")) == ["replayed"]
    (clash,) = await street.accept(street.entry(message_id="x1", digest=b"another!"))
    assert isinstance(clash, Rejected)
    assert clash.code == "2030"
    await street.house.pump()
    assert sum(street.provider.delivered.values()) == 1


async def test_new_replayed_and_clashing_in_one_commit(street):
    await street.accept(street.entry(message_id="a"), street.entry(message_id="b"))
    outcomes = await street.accept(
        street.entry(message_id="a"),
        street.entry(message_id="c"),
        street.entry(message_id="b", digest=b"another!"),
        street.entry(message_id="c"),
    )
    assert outcomes[:2] == ["replayed", "fresh"]
    assert outcomes[2].code == "2030"
    assert outcomes[3] == "replayed"
    await street.house.pump()
    assert sum(street.provider.delivered.values()) == 3


@pytest.mark.parametrize("offset_ms", [-240_000, -1, 0, 1, 240_000, 400_000])
async def test_midnight_does_not_forget(street, offset_ms):
    """A row of one side of midnight is found from the other side, whichever of two machines' clocks is ahead."""
    street.house.now = MIDNIGHT_UTC + offset_ms
    assert await street.accept(street.entry(message_id="n1")) == ["fresh"]
    for shift in (-200_000, -1_000, 1_000, 200_000, 3_600_000):
        street.house.now = MIDNIGHT_UTC + offset_ms + shift
        assert await street.accept(street.entry(message_id="n1")) == ["replayed"], shift


@pytest.mark.parametrize("at", [NOON, MIDNIGHT_UTC - 60_000, MIDNIGHT_UTC + 60_000])
async def test_after_24_hours_the_id_is_a_new_message(street, at):
    street.house.now = at
    assert await street.accept(street.entry(message_id="d1")) == ["fresh"]
    street.house.now = at + DAY_MS - 1
    assert await street.accept(street.entry(message_id="d1")) == ["replayed"]
    street.house.now = at + DAY_MS + 1
    assert await street.accept(street.entry(message_id="d1", digest=b"another!")) == ["fresh"]


async def test_a_message_of_another_lane_is_reserved_appended_accepted(street):
    """An ad from a mass key: the row lies with the key's kind, the event in its lane's file."""
    entry = street.entry(Lane.AD, kind=Lane.MASS, message_id="ad1")
    assert await street.accept(entry, kind=Lane.MASS) == ["fresh"]
    assert await street.accept(street.entry(Lane.AD, kind=Lane.MASS, message_id="ad1"), kind=Lane.MASS) == ["replayed"]
    await street.house.pump()
    assert sum(street.provider.delivered.values()) == 1


@pytest.mark.parametrize("store", ["embedded"], indirect=True)  # the other store: test_02_split_acceptance.py, at every step
async def test_a_reserved_row_found_again_appends_its_event(street, monkeypatch):
    """Death between reservation and append: repeating the request finishes it, once."""
    store = street.house.store
    real = type(store)._append_elsewhere

    async def dies(*_args):
        raise Died

    monkeypatch.setattr(type(store), "_append_elsewhere", dies)
    entry = street.entry(Lane.AD, kind=Lane.MASS, message_id="ad2")
    with pytest.raises(Died):
        await street.accept(entry, kind=Lane.MASS)
    monkeypatch.setattr(type(store), "_append_elsewhere", real)
    await street.house.reopen()
    await street.house.pump()
    assert sum(street.provider.delivered.values()) == 0, "nobody was told 0000"
    for _ in range(2):
        assert await street.accept(street.entry(Lane.AD, kind=Lane.MASS, message_id="ad2"), kind=Lane.MASS) == ["replayed"]
    await street.house.pump()
    assert sum(street.provider.delivered.values()) == 1


async def test_pending_is_countable(street):
    await street.send(3)
    rows = await street.house.rows(Lane.REALTIME, "SELECT result, count FROM daily")
    assert rows == [("RECEIVED", 3)]
