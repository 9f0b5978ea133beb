"""Events too large for the log: put aside, found again, gone with their day; whole in the dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from functions.batch.jobs import retention
from ims import topics
from ims.adapters.embedded.folder import FolderFiles
from ims.errors import Unavailable
from ims.lanes import Lane
from ims.ports.records import Change
from ims.protocol.envelope import Emit, Record
from ims.protocol.events import StageTraced, Trace
from ims.protocol.ids import new_birth
from ims.runtime.claim_check import ATTRIBUTE, data_of, drop_old, put_aside, whole
from ims.runtime.stage import new_trace
from ims.testing.house import House

DAY_MS = 86_400_000
NOW = 1_795_402_800_000
RECORD = Record("T", {"id": "e1", "type": "t"}, b"sealed" * 1000)


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[FolderFiles]:
    made = FolderFiles(tmp_path / "files")
    yield made
    await made.close()


async def test_the_reference_is_small_and_leads_back(files: FolderFiles) -> None:
    light = await put_aside(files, RECORD, NOW)
    assert (light.data, light.topic, light.id) == (b"", "T", "e1")
    assert light.attributes[ATTRIBUTE].startswith("claims/2026-11-23/")
    assert await data_of(files, light.attributes, light.data) == RECORD.data
    assert await whole(files, light) == RECORD


async def test_the_same_again_is_the_same_file_and_one_sealed_anew_another(files: FolderFiles) -> None:
    light = await put_aside(files, RECORD, NOW)
    assert await put_aside(files, RECORD, NOW) == light
    assert await put_aside(files, light, NOW) is light
    anew = await put_aside(files, Record("T", RECORD.attributes, b"other nonce"), NOW)
    assert await data_of(files, light.attributes, b"") == RECORD.data
    assert await data_of(files, anew.attributes, b"") == b"other nonce"


async def test_what_carries_its_data_needs_no_store(files: FolderFiles) -> None:
    assert await data_of(None, RECORD.attributes, b"x") == b"x"
    assert await whole(files, RECORD) is RECORD


@pytest.mark.parametrize("key", ["claims/2026-11-23/none", "../../etc/passwd"])
async def test_a_file_that_is_not_there_may_come_back(files: FolderFiles, key: str) -> None:
    for store in (files, None):
        with pytest.raises(Unavailable):
            await data_of(store, {ATTRIBUTE: key}, b"")


async def test_files_go_with_their_day(files: FolderFiles) -> None:
    old = await put_aside(files, RECORD, NOW - 9 * DAY_MS)
    new = await put_aside(files, RECORD, NOW - 7 * DAY_MS)
    assert await drop_old(files, NOW, 8 * DAY_MS) == 1
    assert await data_of(files, new.attributes, b"") == RECORD.data
    with pytest.raises(Unavailable):
        await data_of(files, old.attributes, b"")


class Homestead:
    """A house whose log got a record with its data aside."""

    def __init__(self, house: House, files: FolderFiles) -> None:
        self.house, self.files = house, files
        house.ctx.files = files

    async def trace(self) -> Record:
        one = Trace(stage="route", event_id="e", event_type="t", birth="b", trace_id="", at=1, took_us=1, rows=1, outcome="done")
        id_ = new_birth(Lane.MASS, self.house.now)
        record = self.house.ctx.envelopes.seal(
            Emit(topics.ANALYZE, id_, StageTraced(traces=[one]), id_, Lane.MASS), new_trace(), self.house.now
        )
        light = await put_aside(self.files, record, self.house.now)
        await self.house.store.commit(Lane.MASS, Change(), [light])
        return light


@pytest.fixture
async def homestead(tmp_path: Path, files: FolderFiles) -> AsyncIterator[Homestead]:
    (tmp_path / "home").mkdir()
    house = await House.open(tmp_path / "home")
    yield Homestead(house, files)
    await house.close()


async def test_retention_drops_them(homestead: Homestead) -> None:
    light = await homestead.trace()
    for days, there in ((14, True), (17, False)):
        homestead.house.now = NOW + days * DAY_MS
        await retention(homestead.house.ctx, list(Lane), 90, 730)
        assert (await homestead.files.get(light.attributes[ATTRIBUTE]) is not None) is there


async def test_a_stage_handles_it_like_any_other(homestead: Homestead) -> None:
    await homestead.trace()
    await homestead.house.pump()
    assert len(await homestead.house.ctx.traces.about(Lane.MASS, "b", [])) == 1


async def test_without_its_file_it_comes_again_until_the_file_is_back(homestead: Homestead) -> None:
    light = await homestead.trace()
    key = light.attributes[ATTRIBUTE]
    kept = await homestead.files.get(key)
    assert kept
    await homestead.files.delete(key)
    await homestead.house.pump()
    assert homestead.house.statuses[-1] == ("analyze", 503)
    await homestead.files.put(key, kept)
    await homestead.house.pump()
    assert homestead.house.statuses[-1] == ("analyze", 200)


@pytest.mark.parametrize("there", [True, False])
async def test_a_dead_letter_is_kept_whole_or_else_with_its_reference(homestead: Homestead, there: bool) -> None:
    light = await homestead.trace()
    if not there:
        await homestead.files.delete(light.attributes[ATTRIBUTE])
    died = {**light.attributes, "imstopic": topics.ANALYZE, "knativeerrorcode": "500"}
    assert (await homestead.house.deliver("deadletter", died, b"")).status == 200
    [(attributes, size)] = await homestead.house.rows(Lane.MASS, "SELECT attributes, length(data) FROM dead")
    assert (ATTRIBUTE in attributes, size > 0) == (not there, there)
