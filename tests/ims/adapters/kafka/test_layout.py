from __future__ import annotations

from ims import topics
from ims.adapters.kafka.layout import COPIES, DAY_S, LOCAL_PARTITIONS, SIZES, layouts
from ims.lanes import TRAITS, Lane


def test_every_topic_has_a_layout_and_no_other():
    named = {topic for source in topics.sources() for topic in source.topics} | {topics.dead(stage) for stage in topics.STAGES}
    assert {layout.name for layout in layouts(3)} == named
    assert named >= {topic for lane in Lane for topic in topics.all_topics(lane)}


def test_the_log_outlives_what_may_still_be_sent_by_a_day():
    longest = max(traits.send_within_s for traits in TRAITS.values())
    for source in topics.sources():
        within = TRAITS[source.lane].send_within_s if source.lane else longest
        for layout in layouts(3):
            if layout.name in source.topics:
                assert layout.at_least["retention.ms"] >= (within + DAY_S) * 1000


def test_copies_are_as_many_as_there_are_brokers_up_to_three():
    for brokers, copies, in_sync in ((1, 1, 1), (2, 2, 1), (3, COPIES, 2), (7, COPIES, 2)):
        for layout in layouts(brokers):
            assert (layout.copies, layout.at_least["min.insync.replicas"]) == (copies, in_sync)


def test_lanes_have_their_own_number_of_partitions_and_one_machine_has_two():
    by_name = {layout.name: layout.partitions for layout in layouts(3)}
    assert all(by_name[topics.report(lane)] == SIZES[lane].partitions for lane in Lane)
    assert {layout.partitions for layout in layouts(3, local=True)} == {LOCAL_PARTITIONS}
