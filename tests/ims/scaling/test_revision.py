"""Pods of one Service, second by second, against what was worked out by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ims.scaling.decider import Cluster
from ims.scaling.knobs import Knobs
from ims.scaling.revision import DRAIN_S, Revision, State, admit, leave

COLD_S = 3.0


def play(revision: Revision, loads: list[float | None], start: int = 0) -> list[int]:
    """Ready pods after each second; None: nobody asks for anything."""
    ready = []
    for second, load in enumerate(loads, start):
        revision.grow_ready(second)
        seen = load if load is not None else 0.0 if revision.ready else None
        revision.step(second + 1, seen)
        revision.grow_ready(second + 1)
        ready.append(len(revision.ready))
    return ready


def test_a_service_wakes_from_zero_after_one_cold_start() -> None:
    revision = Revision(Knobs(), COLD_S)
    # the request of second 2 is seen at its end (3); the pod is there 3 s later, at 6: after the sixth second
    assert play(revision, [None, None, 1, 1, 1, 1, 1]) == [0, 0, 0, 0, 0, 1, 1]
    assert revision.state is State.ACTIVE


def test_it_wakes_with_its_activation_scale() -> None:
    revision = Revision(Knobs(activation_scale=4), COLD_S)
    assert play(revision, [1] * 5)[-1] == 4


def test_from_idle_to_zero_it_takes_the_window_and_the_grace() -> None:
    revision = Revision(Knobs(target_burst_capacity=0), COLD_S)  # the activator comes into the path only when it goes
    play(revision, [1] * 10)
    ready = play(revision, [None] * 200, 10)
    # The window is full of zeros at second 70; active since 4, so longer than a window. Marked inactive then, gone after the grace of 30 s.
    gone = ready.index(0) + 10 + 1
    assert 70 + 30 <= gone <= 70 + 30 + 4


def test_behind_the_activator_already_there_is_no_grace_to_wait_for() -> None:
    revision = Revision(Knobs(target_burst_capacity=-1), COLD_S)
    play(revision, [1] * 10)
    gone = play(revision, [None] * 200, 10).index(0) + 10 + 1
    assert 70 <= gone <= 74


def test_the_last_pod_is_kept_as_long_as_it_is_told_to() -> None:
    revision = Revision(Knobs(target_burst_capacity=-1, zero_retention_s=120), COLD_S)
    play(revision, [1] * 10)
    gone = play(revision, [None] * 400, 10).index(0) + 10 + 1
    assert 70 + 120 <= gone <= 70 + 124


def test_without_scale_to_zero_one_pod_stays() -> None:
    revision = Revision(Knobs(), COLD_S, Cluster(scale_to_zero=False))
    assert play(revision, [1] * 10 + [None] * 300)[-1] == 1


def test_a_fresh_revision_reaches_its_initial_scale_before_its_minimum_counts() -> None:
    revision = Revision(Knobs(min_scale=1, initial_scale=5), COLD_S, fresh=True)
    ready = play(revision, [None] * 200)
    assert ready[:3] == [0, 0, 5]  # all at once, one cold start later, though nobody asks
    assert ready[3:8] == [2, 2, 1, 1, 1]  # with no load it is halved at every decision, each 2 s


def test_the_reserve_is_there_from_the_first_second_and_never_leaves() -> None:
    revision = Revision(Knobs(min_scale=3), COLD_S)
    assert set(play(revision, [None] * 100 + [1] * 50 + [None] * 400)) == {3}


def test_a_scale_down_delay_is_waited_for_at_every_halving() -> None:
    """Eight may become four at once, and what was wanted of eight stays in the delay's window: 8, 4, 2, 1 take three delays."""

    def first_second_of(pods: int, delay_s: int) -> int:
        revision = Revision(Knobs(min_scale=1, target=10.0, window_s=20, scale_down_delay_s=delay_s), COLD_S)
        ready = play(revision, [50] * 60 + [None] * 600)
        assert max(ready) == 8
        return next(i for i, found in enumerate(ready) if i > 60 and found == pods)

    for pods, delays in ((4, 1), (2, 2), (1, 3)):
        assert first_second_of(pods, 120) - first_second_of(pods, 0) in range(120 * delays - 20, 120 * delays + 5)


def test_what_rests_is_as_if_every_second_had_been_played() -> None:
    """Idle seconds are skipped; a burst afterwards must be answered as if they had not been."""
    knobs = Knobs(min_scale=2, target=10.0, window_s=20)
    skipped, played = Revision(knobs, COLD_S), Revision(knobs, COLD_S)
    quiet: list[float | None] = [None] * 500
    play(skipped, quiet)
    for second in range(500):
        played._rests = False
        played.step(second + 1, 0.0)
    assert skipped._rests
    burst: list[float | None] = [90] * 40 + [None] * 200
    assert play(skipped, burst, 500) == play(played, burst, 500)


def test_pods_are_paid_until_they_have_drained() -> None:
    revision = Revision(Knobs(target_burst_capacity=-1), COLD_S)
    ready = play(revision, [1] * 10 + [None] * 200)
    asked_at, gone_at = 1, 5 + ready[5:].index(0) + 1
    assert revision.pod_seconds == (gone_at - asked_at) + DRAIN_S


def test_requests_wait_for_a_place_and_share_the_processor() -> None:
    revision = Revision(Knobs(min_scale=1, container_concurrency=2), COLD_S)
    pod = revision.ready[0]
    assert admit(pod, 0.0, 0.1) == (0.0, 0.1)
    leave(pod, 1.0)  # it waits for a provider until 1.0
    assert admit(pod, 0.0, 0.1) == (0.0, 0.2)  # a second place, but the processor was busy until 0.1
    leave(pod, 1.2)
    begins, _ = admit(pod, 0.5, 0.1)
    assert begins == 1.0  # both places are taken until then


@given(
    st.integers(0, 4),
    st.integers(0, 12),
    st.integers(6, 40),
    st.integers(0, 30),
    st.floats(0.5, 50),
    st.lists(st.one_of(st.none(), st.floats(0, 400)), min_size=1, max_size=120),
)
def test_never_above_max_never_below_min(low: int, room: int, window: int, delay: int, target: float, loads: list[float | None]) -> None:
    high = low + room
    revision = Revision(Knobs(min_scale=low, max_scale=high, window_s=window, scale_down_delay_s=delay, target=target), COLD_S)
    for second, load in enumerate(loads):
        play(revision, [load], second)
        assert low <= len(revision.pods) <= (high or 10**9)
        assert len(revision.ready) <= len(revision.pods)
