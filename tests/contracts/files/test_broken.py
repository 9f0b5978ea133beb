"""Stores of files that are away or cannot write: Unavailable, nothing half done, and they work again by themselves."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from ims.adapters.embedded.folder import FolderFiles
from ims.adapters.s3 import S3Files
from ims.errors import Misconfigured, Unavailable
from ims.ports.files import Files
from infra import aws
from infra.place import temporary_place

from .conftest import in_bucket

HUNG_S = 60.0  # more than any limit


async def every_call_is_unavailable(files: Files) -> None:
    async with asyncio.timeout(HUNG_S):
        for call in (files.put("a", b"1"), files.get("a"), files.delete("a"), files.drop_page("a", "b", 1)):
            with pytest.raises(Unavailable):
                await call


async def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("")
    files = FolderFiles(tmp_path / "files")
    with pytest.raises(Unavailable):
        await files.put("a", b"1")
    (tmp_path / "files").unlink()
    await files.put("a", b"1")
    assert await files.get("a") == b"1"
    await files.close()


async def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = FolderFiles(tmp_path)
    await files.put("a", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Unavailable):
            await files.put("a", b"new")
    assert await files.get("a") == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    await files.close()


async def test_file_and_folders_are_synced_before_a_put_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    files = FolderFiles(tmp_path / "files")
    await files.put("claims/2026-11-25/x", b"1")
    part, *folders = [s for s in synced if ".part" in s] + [s for s in synced if ".part" not in s]
    assert part.startswith(str(tmp_path / "files/claims/2026-11-25/x"))
    assert {str(tmp_path), *(str(tmp_path / p) for p in ("files", "files/claims", "files/claims/2026-11-25"))} == set(folders)
    await files.close()


async def test_parts_of_a_process_that_died_are_dropped_with_their_day(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path)
    await files.put("claims/2026-11-20/x", b"1")
    (tmp_path / "claims/2026-11-20/y.0123.part").write_text("half")
    assert await files.drop_page("claims", "2026-11-21", 10) == 1
    assert await files.drop_page("claims", "2026-11-21", 10) == 0
    assert list((tmp_path / "claims").iterdir()) == []
    await files.close()


async def test_an_s3_that_is_not_there() -> None:
    files = S3Files("s3://bucket?endpoint=http://127.0.0.1:1")
    await every_call_is_unavailable(files)
    await files.close()


async def test_an_s3_that_never_answers_costs_its_limit() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        files = S3Files(f"s3://bucket?endpoint=http://127.0.0.1:{silent.getsockname()[1]}", time_limit_s=0.3)
        await every_call_is_unavailable(files)
    await files.close()


@pytest.mark.services
async def test_an_s3_that_died_and_came_back_with_nothing(tmp_path: Path) -> None:
    place = temporary_place(tmp_path)
    service = aws.service(place)
    service.start(place, bound=True)
    try:
        files = S3Files(in_bucket(next(iter(service.settings().values()))))
        await files.put("a", b"1")
        service.nodes[0].process.kill()
        await every_call_is_unavailable(files)
        service.start_node(service.nodes[0], bound=True, wait=True)
        end = time.monotonic() + HUNG_S
        while True:
            try:
                assert await files.get("a") is None
                await files.put("a", b"2")
                break
            except Unavailable:
                assert time.monotonic() < end
                await asyncio.sleep(0.2)
        assert await files.get("a") == b"2"
        await files.close()
    finally:
        service.stop()


@pytest.mark.parametrize("url", ["s3://", "http://bucket", "s3://bucket/folder", "s3://bucket?regoin=x"])
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        S3Files(url)


def test_localstack_is_found_by_its_client() -> None:
    files = S3Files("s3://bucket?endpoint=localstack")
    assert files._connect().meta.endpoint_url.endswith(":4566")
