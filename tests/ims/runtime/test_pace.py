"""How fast parked events come back."""

from __future__ import annotations

from ims.runtime.pace import MOST_OUT, Out, Pace

PARK_MS = 1_000


def gone(pace: Pace, n: int) -> None:
    pace.out.update({str(i): Out(0, ("b", 1), [0]) for i in range(n)})


def test_what_comes_back_leaves_one_probe_and_a_rest():
    pace = Pace()
    gone(pace, MOST_OUT)
    assert pace.room(0) == 0
    pace.out.clear()
    pace.came(0, MOST_OUT, 5_000, 0, PARK_MS)
    assert pace.room(500) == 0
    assert pace.room(1_000) == 1


def test_a_rest_grows_and_has_an_end():
    pace, now, rests = Pace(), 0, []
    for _ in range(8):
        pace.came(0, 1, now + 10**9, now, PARK_MS)
        rests.append((pace.rest_until - now) // PARK_MS)
        now = pace.rest_until
    assert rests == [1, 2, 4, 8, 12, 12, 12, 12]


def test_nobody_rests_longer_than_the_one_that_came_back():
    pace = Pace()
    pace.came(0, 1, 300, 0, PARK_MS)
    assert pace.room(300) == 1


def test_it_doubles_while_all_get_through():
    pace = Pace(most=1, rest_until=10_000)
    seen = []
    for _ in range(8):
        pace.came(pace.most, 0, 0, 0, PARK_MS)
        seen.append(pace.most)
    assert seen == [2, 4, 8, 16, 32, MOST_OUT, MOST_OUT, MOST_OUT]
    assert pace.room(0) == MOST_OUT


def test_while_some_are_on_their_way_it_does_not_grow():
    pace = Pace(most=4)
    gone(pace, 1)
    pace.came(3, 0, 0, 0, PARK_MS)
    assert pace.most == 4
    assert pace.room(0) == 3


def test_it_halves_when_some_get_through():
    pace = Pace(most=8)
    pace.came(5, 3, 9_000, 0, PARK_MS)
    assert pace.most == 4
    assert pace.room(0) == 4
