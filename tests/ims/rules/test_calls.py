"""What may become of a call that was surely not sent: it is made as it was fixed, but for who may not or need not get it."""

from __future__ import annotations

import pytest

from ims.ports.dispatch import CallStatus, Dispatch
from ims.ports.providers import Abilities
from ims.rules import calls
from ims.rules.calls import Next
from ims.topics import SendType

NOW = 1_795_402_800_000
ABILITIES = Abilities(max_members=200, keys="call", key_ttl_s=86_400, timeout_s=1, can_ask=True, rate_per_s=0)


@pytest.fixture
def row() -> Dispatch:
    """Four members in one call."""
    d = Dispatch(birth="r000000000000000", attempt=1, received_at=NOW, send_by=NOW + 60_000)
    assert calls.cut(d, [[0, 1, 2, 3]], SendType.AT, "p", ABILITIES, step_due=NOW + 5_000) == 0
    return d


def test_who_is_refused_now_leaves_a_call_that_was_not_sent(row: Dispatch) -> None:
    call = row.calls[0]
    key = call.key
    assert calls.drop(row, call, {1: ("REJECTED", "7102"), 9: ("REJECTED", "7102")})
    assert (call.members, call.key, call.status) == ([0, 2, 3], key, CallStatus.FIXED)
    assert [(r.pos, r.result, r.code) for r in row.refused] == [(1, "REJECTED", "7102")]
    assert calls.undecided(row, [0, 1, 2, 3]) == []
    assert not calls.drop(row, call, {})


def test_whose_next_step_has_begun_leaves_it_without_a_word(row: Dispatch) -> None:
    row.member(2).stepped = "event"
    assert calls.drop(row, row.calls[0], {2: ("REJECTED", "7130")})
    assert row.calls[0].members == [0, 1, 3]
    assert row.refused == []
    assert calls.undecided(row, [0, 1, 2, 3]) == []


def test_a_call_without_members_is_done(row: Dispatch) -> None:
    assert calls.drop(row, row.calls[0], dict.fromkeys(range(4), ("EXPIRED", "7120")))
    assert row.calls[0].status == CallStatus.DONE
    assert not calls.concerns(row.calls[0], {0, 1, 2, 3})
    assert row.due_at() == 0


def test_only_what_may_have_been_sent_waits_for_a_report(row: Dispatch) -> None:
    call = row.calls[0]
    calls.claim(call, "a", ABILITIES, 600_000, NOW)
    assert (call.first_at, call.report_due, row.due_at()) == (NOW, NOW + 600_000, NOW + 5_000)
    calls.not_sent(call)
    assert (call.first_at, call.report_due) == (0, 0)
    assert row.due_at() == NOW + 5_000, "the next step waits all the same"
    calls.claim(call, "a", ABILITIES, 600_000, NOW + 2_000)
    calls.unclear(call)
    assert (call.first_at, call.report_due) == (NOW + 2_000, NOW + 602_000)
    assert calls.next_for(call, row, ABILITIES, NOW + 3_000) is Next.REPEAT
    assert row.due_at() == NOW + 5_000, "its time runs from when the call was fixed"


def test_restored_records_make_nothing_for_the_first_time(row: Dispatch) -> None:
    """A call is repeated under its key as long as that surely lives, then asked for; members in none enter none."""
    call, unknown, now = row.calls[0], ("UNKNOWN", "8002"), NOW + 1_000
    assert calls.doubt(row, [0, 1, 2, 3, 4], unknown, 5_000, now)
    assert [(r.pos, r.result, r.code) for r in row.refused] == [(4, "UNKNOWN", "8002")]
    assert calls.undecided(row, [0, 1, 2, 3, 4]) == []
    assert calls.next_for(call, row, ABILITIES, now) is Next.REPEAT
    assert (call.first_at, call.report_due) == (NOW, now + 5_000)
    assert calls.next_for(call, row, ABILITIES, row.send_by + 1) is Next.ASK
    nobody_knows = Abilities(max_members=200, keys="none", key_ttl_s=0, timeout_s=1, can_ask=False, rate_per_s=0)
    assert calls.next_for(call, row, nobody_knows, now) is Next.GIVE_UP
    assert not calls.doubt(row, [0, 1, 2, 3, 4], unknown, 5_000, now), "once"
    calls.finish(call, [], now)
    assert not calls.doubt(row, [0, 1, 2, 3, 4], unknown, 5_000, now), "its outcome is stored"
