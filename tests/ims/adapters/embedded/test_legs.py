"""A lane that two processes read, each one leg of it: nobody else reads the same, and each hears of its own topics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ims import topics
from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.reader import EmbeddedReader
from ims.adapters.embedded.store import EmbeddedStore
from ims.errors import Misconfigured
from ims.lanes import Lane
from ims.ports.clock import system_clock
from ims.protocol.envelope import Envelopes
from ims.protocol.sealing import Keyring, Sealer
from ims.topics import Leg

LANE = Lane.MASS


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[EmbeddedStore]]:
    """Three processes' view of one home."""
    ring = Keyring.generate()
    made = [EmbeddedStore(tmp_path, Envelopes(Sealer(ring), "t"), system_clock(), Bells(tmp_path)) for _ in range(3)]
    yield made
    for store in made:
        store.close()


def reader(store: EmbeddedStore, home: Path) -> EmbeddedReader:
    return EmbeddedReader(store, home, system_clock(), 86_400_000)


async def test_each_leg_has_one_reader(stores, tmp_path):
    out, back, third = (reader(store, tmp_path) for store in stores)
    await out.take([LANE], topics.OUTWARD, 0.0)
    await back.take([LANE], topics.BACKWARD, 0.0)
    for stages in (topics.OUTWARD, topics.BACKWARD, topics.STAGES, ["callback"]):
        with pytest.raises(Misconfigured):
            await third.take([LANE], stages, 0.0)
    back.release()
    await third.take([LANE], ["report", "store"], 0.0)
    third.release()
    out.release()


async def test_one_process_looks_after_the_file(stores, tmp_path):
    out, back, both = (reader(store, tmp_path) for store in stores)
    assert out.upkeep([LANE], topics.OUTWARD)
    assert both.upkeep([LANE], topics.STAGES)
    assert not back.upkeep([LANE], topics.BACKWARD)


async def test_a_ring_reaches_the_leg_that_reads_the_topic(stores):
    heard: dict[Leg, set[str]] = {leg: set() for leg in Leg}
    for store, leg in zip(stores, Leg, strict=False):
        store.bells.listen(LANE, leg, heard[leg].update)
    everything = {t for stage in topics.STAGES for t in topics.consumed_by(stage, LANE)}
    stores[2].ring(LANE, everything)
    for _ in range(200):
        await asyncio.sleep(0.01)
        if heard[Leg.OUT] | heard[Leg.BACK] == everything:
            break
    assert heard[Leg.OUT] == {t for stage in topics.OUTWARD for t in topics.consumed_by(stage, LANE)}
    assert heard[Leg.BACK] == {t for stage in topics.BACKWARD for t in topics.consumed_by(stage, LANE)}


def test_no_topic_is_read_in_both_legs():
    for lane in Lane:
        outward = {t for stage in topics.OUTWARD for t in topics.consumed_by(stage, lane)}
        backward = {t for stage in topics.BACKWARD for t in topics.consumed_by(stage, lane)}
        assert outward
        assert not outward & backward
    assert {*topics.OUTWARD, *topics.BACKWARD} == set(topics.STAGES)
