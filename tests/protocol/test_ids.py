"""Invariant 1: ids say where a message lives, are computed from their cause, and cannot be made up."""

from __future__ import annotations

import itertools

import pytest

from ims.lanes import Lane
from ims.protocol.ids import MAX_ATTEMPTS, MAX_POSITIONS, Ref, Tracker, day_in, day_of, derived, lane_of, new_birth

NOON = 1_795_402_800_000
ALPHABET = set("0123456789abcdefghjkmnpqrstvwxyz")
tracker = Tracker(b"k" * 32)


@pytest.mark.parametrize("lane", Lane)
def test_a_birth_id_names_lane_and_day(lane: Lane) -> None:
    birth = new_birth(lane, NOON)
    assert len(birth) == 16
    assert set(birth[1:]) <= ALPHABET
    assert (lane_of(birth), day_in(birth)) == (lane, day_of(NOON))
    assert birth != new_birth(lane, NOON)


def test_births_of_one_moment_stand_together_and_days_in_order() -> None:
    def made(at: int) -> list[str]:
        return [new_birth(Lane.MASS, at) for _ in range(50)]

    day = NOON - NOON % 86_400_000
    moments = [made(day), made(day + 3_000), made(NOON), made(NOON + 3_000), made(day + 86_399_999), made(day + 86_400_000)]
    assert all(max(before) < min(after) for before, after in itertools.pairwise(moments))


def test_lengths_stay_within_what_providers_take() -> None:
    birth = new_birth(Lane.AUTH, NOON)
    for pos in (0, 199, MAX_POSITIONS - 1):
        assert len(tracker.tracking_id(birth, pos)) == 26
        assert len(tracker.ref(birth, pos, MAX_ATTEMPTS)) == 27
        assert tracker.ref(birth, pos, 1).startswith(tracker.tracking_id(birth, pos))
    assert len(derived("cause", "step")) == 26


def test_a_ref_comes_back_as_what_it_was() -> None:
    birth = new_birth(Lane.MASS, NOON)
    for pos in (0, 1, 31, 32, MAX_POSITIONS - 1):
        for attempt in range(1, MAX_ATTEMPTS + 1):
            assert tracker.parse(tracker.ref(birth, pos, attempt)) == Ref(birth, pos, attempt)


def test_the_same_cause_makes_the_same_id() -> None:
    assert derived("a", "b", 1) == derived("a", "b", 1)
    assert len({derived("a", "b", 1), derived("a", "b", 2), derived("a", "c", 1), derived("b", "b", 1)}) == 4


birth = new_birth(Lane.REALTIME, NOON)
good = tracker.ref(birth, 7, 1)
FORGED = {
    "empty": "",
    "short": good[:-1],
    "long": good + "1",
    "another installation's key": Tracker(b"x" * 32).ref(birth, 7, 1),
    "another position under the same tag": good[:16] + "08" + good[18:],
    "another birth": new_birth(Lane.REALTIME, NOON) + good[16:],
    "another tag": good[:18] + ("0" if good[18] != "0" else "1") + good[19:],
    "a letter of no lane": "z" + good[1:],
    "letters that the alphabet leaves out": good[:16] + "il" + good[18:],
    "an attempt that is none": good[:-1] + "!",
    "a tag in Korean": good[:18] + "가" * 8 + good[26:],
    "all Korean": "가" * 27,
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_ref_is_refused(how: str) -> None:
    with pytest.raises(ValueError, match=r"not a ref|does not fit|not an id"):
        tracker.parse(FORGED[how])


def test_the_attempt_is_not_part_of_the_tag() -> None:
    """The tag covers birth and position; a changed attempt finds a row that does not hold the member, or none."""
    birth = new_birth(Lane.AUTH, NOON)
    ref = tracker.ref(birth, 0, 1)
    assert tracker.parse(ref[:-1] + "2") == Ref(birth, 0, 2)
