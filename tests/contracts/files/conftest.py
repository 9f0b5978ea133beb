"""A store of files of each kind, with nothing in it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ims.adapters.embedded.folder import FolderFiles
from ims.adapters.s3 import S3Files
from ims.ports.files import Files


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.services)])
async def files(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Files]:
    in_folder = request.param == "folder"
    made = FolderFiles(tmp_path / "files") if in_folder else S3Files(in_bucket(request.getfixturevalue("aws").url))
    yield made
    await made.close()


def in_bucket(url: str) -> str:
    """The URL with a bucket that nobody else uses, and that is not there yet."""
    return f"s3://test-{secrets.token_hex(6)}?{url.partition('?')[2]}"
