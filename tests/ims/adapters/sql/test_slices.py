"""A day's slice is asked for by the writers of several lanes at once."""

from __future__ import annotations

from ims.adapters.sql.lane_tables import acceptance_slice


def test_two_writers_may_make_the_same_days_table():
    """functools.cache lets both in when neither is done; seen as 9999 in the first requests of a process that started anew."""
    one, other = acceptance_slice.__wrapped__(7), acceptance_slice.__wrapped__(7)
    assert one is not other
    assert one.columns.keys() == other.columns.keys()
    assert (one.name, one.metadata is other.metadata) == ("acceptance_7", False)
