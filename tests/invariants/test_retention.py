"""What has had its time is forgotten; what the invariants need stays for a day after every send_by."""

from __future__ import annotations

import pytest

from functions.batch.jobs import retention
from ims.lanes import Lane

DAY_MS = 86_400_000


@pytest.mark.parametrize(("days", "kept"), [(89, True), (92, False)])
async def test_messages_are_found_by_their_id_as_long_as_history_is_kept(street, days, kept):
    from functions.intake import reading

    (entry,) = await street.send(1)
    await street.house.pump()
    await street.deliver_all()
    await street.house.pump()
    key = (await street.house.registry.directory()).service_key("keyrealtime")
    street.house.now += days * DAY_MS
    await retention(street.house.ctx, list(Lane), 90, 730)
    street.house.store._opened[Lane.REALTIME].clear()
    found = await reading.read(street.house.ctx, key, entry.row.message_id)
    assert (found is not None) is kept
    assert bool(await street.results()) is kept


async def test_a_short_history_keeps_what_protects_against_doubles(street):
    await street.send(2)
    await street.house.pump()
    street.house.now += int(1.5 * DAY_MS)
    await retention(street.house.ctx, list(Lane), 0, 730)
    await street.house.forget_positions()
    await street.house.pump()
    assert set(street.provider.delivered.values()) == {1}
