"""What every store of files does."""

from __future__ import annotations

import asyncio
import random

import pytest

from ims.ports.files import MOST_BYTES, Files

KEY = "claims/2026-11-25/0a1b"


async def test_what_was_put_is_there_until_it_is_deleted(files: Files) -> None:
    assert await files.get(KEY) is None
    await files.put(KEY, b"sealed")
    assert await files.get(KEY) == b"sealed"
    await files.delete(KEY)
    await files.delete(KEY)
    assert await files.get(KEY) is None


async def test_the_same_key_again_replaces(files: Files) -> None:
    await files.put(KEY, b"one, and longer")
    await files.put(KEY, b"two")
    assert await files.get(KEY) == b"two"


@pytest.mark.parametrize("size", [0, 1, 5 * 1024 * 1024 + 1])
async def test_bytes_come_back_as_they_were(files: Files, size: int) -> None:
    data = random.Random(size).randbytes(size)
    await files.put(KEY, data)
    assert await files.get(KEY) == data


@pytest.mark.parametrize(
    "key", ["", "/", "/etc/passwd", "../up", "a/../../b", "a//b", "a/", "A", "한글", "a b", "a.b", "a\x00b", "a/.", "x" * 201]
)
async def test_a_key_that_is_none_of_ours_is_refused_everywhere(files: Files, key: str) -> None:
    for call in (files.put(key, b""), files.get(key), files.delete(key), files.drop_page(key, "z", 1), files.drop_page("a", key, 1)):
        with pytest.raises(ValueError):
            await call


async def test_keys_as_long_as_they_may_be(files: Files) -> None:
    key = "/".join(["x" * 66] * 3)
    assert len(key) == 200
    await files.put(key, b"1")
    assert await files.get(key) == b"1"


async def test_more_than_the_limit_is_refused(files: Files) -> None:
    with pytest.raises(ValueError):
        await files.put(KEY, bytes(MOST_BYTES + 1))
    assert await files.get(KEY) is None


async def test_many_at_once(files: Files) -> None:
    keys = [f"lists/{n}" for n in range(60)]
    await asyncio.gather(*(files.put(key, key.encode()) for key in keys))
    assert await asyncio.gather(*(files.get(key) for key in keys)) == [key.encode() for key in keys]


async def test_writers_of_one_key_leave_one_of_theirs_whole(files: Files) -> None:
    each = [bytes([n]) * 300_000 for n in range(6)]
    await asyncio.gather(*(files.put(KEY, data) for data in each))
    assert await files.get(KEY) in each


async def test_days_are_dropped_in_pages_and_nothing_else(files: Files) -> None:
    old = [f"claims/2026-11-{day}/{n}" for day in (20, 21) for n in range(4)]
    kept = ["claims/2026-11-22/0", "lists/2026-11-20/0", "claimsx/2026-11-20/0"]
    for key in [*old, *kept]:
        await files.put(key, b"1")
    pages = []
    while page := await files.drop_page("claims", "2026-11-22", 3):
        pages.append(page)
    assert pages == [3, 3, 2]
    assert [await files.get(key) for key in old] == [None] * 8
    assert [await files.get(key) for key in kept] == [b"1"] * 3
    assert await files.drop_page("nothing-there", "2026-11-22", 3) == 0
