from __future__ import annotations

import asyncio
import contextlib

from ims.runtime import quiet as under_test
from ims.runtime.quiet import LONGEST_S, Quiet


class _Paused(Exception):
    pass


async def pauses(monkeypatch, quiet_s, least_s):
    """What a lane that was quiet for so long rests: with a bell, and without."""
    asked = []
    now = [0.0]
    monkeypatch.setattr(under_test.time, "monotonic", lambda: now[0])
    quiet = Quiet()
    now[0] = quiet_s

    def timeout(seconds):
        asked.append(("bell", seconds))
        raise _Paused

    async def sleep(seconds):
        asked.append(("sleep", seconds))
        raise _Paused

    monkeypatch.setattr(under_test.asyncio, "timeout", timeout)
    monkeypatch.setattr(under_test.asyncio, "sleep", sleep)
    with contextlib.suppress(_Paused):
        await quiet.rest(least_s)
    return asked


async def test_a_lane_that_was_busy_a_moment_ago_is_looked_at_as_often_as_ever(monkeypatch):
    assert await pauses(monkeypatch, 1.5, 0.2) == [("sleep", 0.2)]


async def test_the_longer_it_is_quiet_the_longer_the_pause_within_a_bound(monkeypatch):
    assert await pauses(monkeypatch, 10.0, 0.2) == [("bell", 1.0)]
    assert await pauses(monkeypatch, 3600.0, 0.2) == [("bell", LONGEST_S)]


async def test_a_commit_wakes_every_loop_that_rests():
    quiet = Quiet()
    quiet._since -= 3600
    resting = [asyncio.create_task(quiet.rest(0.0)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in resting)
    quiet.ends()
    for _ in range(5):
        await asyncio.sleep(0)
    assert all(task.done() for task in resting)
