"""Invariant 13 and design 2: how many syncs stand between a POST and 0000, and between 0000 and the provider."""

from __future__ import annotations

import pytest

from ims.lanes import Lane

pytestmark = pytest.mark.parametrize("store", ["embedded"], indirect=True)  # elsewhere the databases and the log sync

async def test_one_sync_before_0000_and_one_before_the_call(street):
    file = street.house.store.files[Lane.AUTH]
    await street.send(1, lane=Lane.AUTH)  # the first one also makes the file
    await street.house.pump()
    before = file.syncs
    await street.send(1, lane=Lane.AUTH)
    assert file.syncs == before + 1, "acceptance: row, payload and event in one synced commit"
    await street.house.pump(stages=("route", "send_mt"))
    assert file.syncs == before + 2, "the call is fixed durably, route commits without a sync"


async def test_many_requests_share_a_sync(street):
    import asyncio

    from functions.intake.validate import Accepted

    file = street.house.store.files[Lane.REALTIME]
    await street.send(1)
    before = file.syncs
    entries = [street.entry() for _ in range(50)]
    accepted = [Accepted(e.shared, e.row, e.lane, e.digest, 0) for e in entries]
    outcomes = await asyncio.gather(*(street.acceptor.single(Lane.REALTIME, a, e.trace) for a, e in zip(accepted, entries, strict=True)))
    assert set(outcomes) == {"fresh"}
    assert file.syncs - before <= 3


async def test_a_reports_append_is_synced_before_it_is_acknowledged(street):
    from functions.receipt.take import Taker

    await street.send(1)
    await street.house.pump()
    file = street.house.store.files[Lane.REALTIME]
    before = file.syncs
    await Taker(street.house.ctx).take("scripted", [street.about(street.provider.refs[0])])
    assert file.syncs == before + 1
