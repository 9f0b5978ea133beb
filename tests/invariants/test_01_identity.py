"""Invariant 1: an id says where its message lives, and a ref that was made up finds nothing."""

from __future__ import annotations

import pytest

from functions.receipt.take import Taker
from ims.lanes import Lane
from ims.protocol.ids import Tracker, day_in, day_of, lane_of, new_birth


def test_a_ref_gives_back_birth_position_and_attempt():
    tracker = Tracker(b"k" * 32)
    for lane in Lane:
        birth = new_birth(lane, 1_795_402_800_000)
        assert len(birth) == 16
        for position in (0, 1, 31, 32, 199, 1023):
            tracking = tracker.tracking_id(birth, position)
            ref = tracker.ref(birth, position, 3)
            assert len(tracking) == 26
            assert len(ref) == 27
            parsed = tracker.parse(ref)
            assert (parsed.birth, parsed.position, parsed.attempt) == (birth, position, 3)
            assert lane_of(ref) is lane
            assert day_in(ref) == day_of(1_795_402_800_000)


def test_a_forged_tag_is_refused():
    tracker = Tracker(b"k" * 32)
    ref = tracker.ref(new_birth(Lane.AUTH, 0), 7, 1)
    other_key = Tracker(b"x" * 32)
    for bad in (ref[:18] + "0" * 8 + ref[26], ref[:-2], "", "?" * 27, ref[:16] + "00" + ref[18:]):
        with pytest.raises(ValueError):
            tracker.parse(bad)
    with pytest.raises(ValueError):
        other_key.parse(ref)


async def test_a_forged_report_changes_nothing(street):
    await street.send(1)
    await street.house.pump()
    ref = street.provider.refs[0]
    forged = ref[:18] + ("1" if ref[18] != "1" else "2") + ref[19:]
    await Taker(street.house.ctx).take("scripted", [street.about(forged)])
    await street.house.pump()
    assert await street.results() == {}
