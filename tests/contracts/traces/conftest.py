"""A store of traces of each kind, empty."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.store import create_lane
from ims.adapters.embedded.traces import EmbeddedTraces
from ims.adapters.mongo import MongoTraces
from ims.lanes import Lane
from ims.ports.traces import Traces


@contextmanager
def lane_files(home: Path) -> Iterator[dict[Lane, LaneFile]]:
    files = {lane: LaneFile(home / f"{lane}.db", create_lane) for lane in Lane}
    yield files
    for file in files.values():
        file.close()


@pytest.fixture(params=["lane files", pytest.param("mongodb", marks=pytest.mark.services)])
async def traces(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Traces]:
    if request.param == "lane files":
        with lane_files(tmp_path) as files:
            yield EmbeddedTraces(files)
        return
    made = MongoTraces(of_its_own(request.getfixturevalue("mongo").url))
    yield made
    await made.close()


def of_its_own(url: str) -> str:
    """The URL of a database that nobody else uses."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"/test-{secrets.token_hex(6)}", parts.query, ""))
