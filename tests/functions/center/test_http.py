"""Files over HTTP: the order of checks, the limits of channels, whose file it is, and what is forgotten when."""

from __future__ import annotations

import httpx
import pytest

from functions.batch.jobs import retention
from ims.errors import CallRefused
from ims.ports.attachments import Attachment, Given
from ims.results import FILE_GONE
from ims.runtime.attachments import Attached
from ims.testing.house import House

from .conftest import headers
from .pictures import jpeg_bomb, picture

JPG = picture()
DAY_MS = 86_400_000
FILES = "/ims/keymass/files"


def attached(house: House) -> Attached:
    assert house.ctx.attached is not None
    return house.ctx.attached


def said(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["x-ims-trace"]
    return response.status_code, response.json()["code"]


async def test_an_upload_is_kept_read_and_deleted(house: House, client: httpx.AsyncClient) -> None:
    response = await client.post(f"{FILES}?channel=mms", content=JPG, headers={"content-type": "image/jpeg"})
    kept = response.json()["data"]
    assert said(response) == (200, "0000")
    assert (kept["content_type"], kept["size"], kept["width"], kept["height"]) == ("image/jpeg", len(JPG), 640, 480)
    seen = await client.get(f"{FILES}/{kept['file_key']}")
    assert seen.json()["data"] == kept
    found = await attached(house).fetch(kept["file_key"])
    assert (found.content, found.name) == (JPG, "file.jpg")
    assert said(await client.delete(f"{FILES}/{kept['file_key']}")) == (200, "0000")
    for again in (client.get, client.delete):
        assert said(await again(f"{FILES}/{kept['file_key']}")) == (404, "1404")
    with pytest.raises(CallRefused, match=FILE_GONE):
        await attached(house).fetch(kept["file_key"])


async def test_a_form_carries_the_name(house: House, client: httpx.AsyncClient) -> None:
    response = await client.post(f"{FILES}?channel=email", files={"file": ("견적서.txt", "안녕".encode(), "text/plain")})
    found = await attached(house).fetch(response.json()["data"]["file_key"])
    assert (found.name, found.content, found.upload.content_type) == ("견적서.txt", "안녕".encode(), "text/plain")


async def test_what_lies_on_disk_shows_neither_content_nor_name(house: House, client: httpx.AsyncClient) -> None:
    await client.post(f"{FILES}?channel=email&name=somebody.txt", content=b"a text about somebody")
    for path in house.home.rglob("*"):
        if path.is_file():
            assert b"somebody" not in path.read_bytes(), path.name


@pytest.mark.parametrize(
    ("query", "content", "code"),
    [
        ("", JPG, "2020"),
        ("channel=fax", JPG, "1400"),
        ("channel=mms&channel=mms", JPG, "1400"),
        ("channel=mms&size=3", JPG, "1400"),
        ("channel=mms", b"", "2070"),
        ("channel=mms", picture("PNG"), "2070"),
        ("channel=mms", picture(size=(1600, 400)), "2070"),
        ("channel=mms", JPG + bytes(301 * 1024), "2070"),
        ("channel=mms", jpeg_bomb(), "2070"),
        ("channel=mms&name=../../a.jpg", JPG, "2070"),
        ("channel=mms&name=a.png", JPG, "2070"),
        ("channel=email&name=a.txt", b"MZ" + bytes(10), "2070"),
    ],
)
async def test_what_a_channel_does_not_take_is_refused(client: httpx.AsyncClient, query: str, content: bytes, code: str) -> None:
    response = await client.post(f"{FILES}?{query}", content=content)
    assert said(response) == (400, code)
    assert response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x-ims-version": "version-9"}, 400, "1402"),
        ({"x-ims-key": "nonsense"}, 401, "1401"),
        ({"content-encoding": "gzip"}, 415, "1415"),
        ({"content-type": "multipart/form-data"}, 400, "1400"),
        ({"content-type": "multipart/form-data; boundary=x"}, 400, "1400"),
    ],
)
async def test_headers_are_checked_as_everywhere(client: httpx.AsyncClient, headers: dict[str, str], status: int, code: str) -> None:
    assert said(await client.post(f"{FILES}?channel=mms", content=JPG, headers=headers)) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", FILES, 405, "1405"),
        ("POST", f"{FILES}/20270101-{'0' * 24}", 405, "1405"),
        ("GET", f"{FILES}/a/b", 404, "1404"),
        ("GET", f"{FILES}/..%2Fetc", 404, "1404"),
        ("GET", f"{FILES}/20270101-{'0' * 24}", 404, "1404"),
        ("GET", "/ims/nobody/files/x", 404, "1100"),
    ],
)
async def test_paths_and_methods_that_are_none(client: httpx.AsyncClient, method: str, path: str, status: int, code: str) -> None:
    assert said(await client.request(method, path)) == (status, code)


@pytest.mark.parametrize("parts", [[("file", b"a"), ("file", b"b")], [("other", b"a")], []])
async def test_a_form_holds_one_part_called_file(client: httpx.AsyncClient, parts: list[tuple[str, bytes]]) -> None:
    body = b"".join(b'--x\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), data) for name, data in parts)
    response = await client.post(
        f"{FILES}?channel=mms", content=body + b"--x--\r\n", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert said(response) == (400, "1400")


async def test_a_foreign_file_is_answered_as_an_unknown_one(client: httpx.AsyncClient) -> None:
    mine = (await client.post(f"{FILES}?channel=mms", content=JPG)).json()["data"]["file_key"]
    theirs = headers("other:fedcba9876543210")
    unknown = f"20270101-{'0' * 24}"
    for method in ("GET", "DELETE"):
        foreign = await client.request(method, f"/ims/otherkey/files/{mine}", headers=theirs)
        none = await client.request(method, f"/ims/otherkey/files/{unknown}", headers=theirs)
        assert (foreign.status_code, foreign.content) == (none.status_code, none.content)
    assert said(await client.get(f"{FILES}/{mine}")) == (200, "0000")


async def test_files_end_with_their_life_and_retention_forgets_them(house: House, client: httpx.AsyncClient) -> None:
    key = (await client.post(f"{FILES}?channel=mms", content=JPG)).json()["data"]["file_key"]
    house.now += 39 * DAY_MS
    assert await attached(house).drop_old() == 0
    assert said(await client.get(f"{FILES}/{key}")) == (200, "0000")
    house.now += 2 * DAY_MS
    assert said(await client.get(f"{FILES}/{key}")) == (404, "1404")
    assert await retention(house.ctx, [], 90, 730) >= 2, "the record and the content"
    assert not [p for p in (house.home / "files").rglob("*") if p.is_file()]


async def test_a_customer_keeps_so_much_and_no_more(house: House, client: httpx.AsyncClient) -> None:
    attached(house)._most_bytes = len(JPG) + 10
    assert said(await client.post(f"{FILES}?channel=mms", content=JPG)) == (200, "0000")
    assert said(await client.post(f"{FILES}?channel=mms", content=JPG)) == (429, "1429")


async def test_a_provider_is_handed_a_file_once(house: House, client: httpx.AsyncClient) -> None:
    key = (await client.post(f"{FILES}?channel=mms", content=JPG)).json()["data"]["file_key"]
    handed = []

    async def hand(file: Attachment) -> Given:
        handed.append(file.content)
        return Given(f"theirs-{len(handed)}", house.now + 60_000)

    files = attached(house)
    assert [await files.handed(key, "bizgo/fast/mms", hand) for _ in range(3)] == ["theirs-1"] * 3
    assert await files.handed(key, "bizgo/bulk/mms", hand) == "theirs-2"
    house.now += 61_000
    assert await files.handed(key, "bizgo/fast/mms", hand) == "theirs-3"
    assert handed == [JPG] * 3
    await client.delete(f"{FILES}/{key}")
    with pytest.raises(CallRefused, match=FILE_GONE):
        await files.handed(key, "bizgo/other/mms", hand)
