"""A store of traces of each kind, empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.store import create_lane
from ims.adapters.embedded.traces import EmbeddedTraces
from ims.lanes import Lane
from ims.ports.traces import Traces


@contextmanager
def lane_files(home: Path) -> Iterator[dict[Lane, LaneFile]]:
    files = {lane: LaneFile(home / f"{lane}.db", create_lane) for lane in Lane}
    yield files
    for file in files.values():
        file.close()


@pytest.fixture(params=["lane files"])
async def traces(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Traces]:
    del request
    with lane_files(tmp_path) as files:
        yield EmbeddedTraces(files)
