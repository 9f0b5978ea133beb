from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ims.adapters.kafka.progress import Partition, Progress

P, Q = Partition("t", 0), Partition("t", 1)


def test_stored_is_the_lowest_unfinished():
    progress = Progress()
    progress.took(P, [10, 11, 12, 13], 14)
    for offset in (13, 11, 10):
        progress.finish(P, offset)
    assert progress.moved() == {P: 12}
    progress.finish(P, 12)
    assert progress.moved() == {P: 14}
    progress.stored({P: 14})
    assert progress.moved() == {}


def test_gaps_count_as_finished():
    """Compaction, and the markers of transactions."""
    progress = Progress()
    progress.took(P, [10, 15], 16)
    progress.finish(P, 10)
    assert progress.moved() == {P: 15}
    progress.finish(P, 15)
    progress.took(P, [], 20)
    assert progress.moved() == {P: 20}


def test_what_is_lost_finishes_as_nothing():
    progress = Progress()
    progress.took(P, [1, 2], 3)
    progress.took(Q, [1], 2)
    progress.lost([P])
    progress.finish(P, 1)
    progress.finish(Q, 1)
    assert progress.moved() == {Q: 2}


def test_a_partition_that_came_back_begins_where_it_was_given_again():
    progress = Progress()
    progress.took(P, [5, 6], 7)
    progress.lost([P])
    progress.took(P, [5, 6], 7)
    progress.finish(P, 5)
    progress.finish(P, 5)
    assert progress.moved() == {P: 6}


def test_a_log_that_begins_anew_is_followed():
    progress = Progress()
    progress.took(P, [100, 101], 102)
    progress.took(P, [0, 1], 2)
    progress.finish(P, 101)
    progress.finish(P, 0)
    assert progress.moved() == {P: 1}


def test_only_some_partitions():
    progress = Progress()
    progress.took(P, [1], 2)
    progress.took(Q, [1], 2)
    progress.finish(P, 1)
    progress.finish(Q, 1)
    assert progress.moved([Q, Partition("other", 0)]) == {Q: 2}
    assert progress.unfinished([P, Q]) == 0


@given(st.lists(st.integers(0, 30), unique=True, min_size=1).map(sorted), st.data())
def test_no_unfinished_record_is_ever_passed_over(offsets, data):
    progress = Progress()
    progress.took(P, offsets, offsets[-1] + 1)
    done = data.draw(st.sets(st.sampled_from(offsets)))
    for offset in data.draw(st.permutations(sorted(done))):
        progress.finish(P, offset)
    open_ = [offset for offset in offsets if offset not in done]
    low = progress.lows()[P]
    assert low == (open_[0] if open_ else offsets[-1] + 1)
    assert progress.unfinished([P]) == len(open_)
