"""The process model: every stage and worker of every lane has exactly one place, and fast lanes share none with slow ones."""

from __future__ import annotations

from collections import Counter

from ims import topics
from ims.lanes import TRAITS, Lane
from ims.serve import workers
from ims.serve.host import PLAN


def test_every_stage_and_worker_of_every_lane_runs_once():
    stages = Counter((lane, stage) for plan in PLAN.values() for lane in plan.lanes for stage in plan.stages)
    loops = Counter((lane, name) for plan in PLAN.values() for lane in plan.lanes for name in plan.workers)
    assert stages == Counter((lane, stage) for lane in Lane for stage in topics.STAGES)
    assert loops == Counter((lane, name) for lane in Lane for name in workers.NAMES)


def test_reserved_lanes_share_no_process_with_the_others():
    for plan in PLAN.values():
        assert len({TRAITS[lane].reserved for lane in plan.lanes}) <= 1


def test_a_process_has_whole_legs():
    """One reader a leg: two processes with a half of it each would hold one another off."""
    for plan in PLAN.values():
        if plan.lanes:
            legs = topics.legs(plan.stages)
            assert {s for s in topics.STAGES if topics.legs([s])[0] in legs} == set(plan.stages)
