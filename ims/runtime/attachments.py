"""Uploaded files: sealed into the store of files, opened again for the calls that carry them, handed to each provider once.

The content is written before its record, so a record always has its content; content without a record goes with its day.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256

from ims.errors import CallRefused, NotSent, Poison, Unavailable
from ims.ports.attachments import Attachment, Given, Upload, Uploads
from ims.ports.clock import Clock
from ims.ports.files import Files
from ims.protocol.sealing import Sealer
from ims.results import FILE_GONE, NOT_CONNECTED
from ims.rules.files import Found, well_formed

_FOLDER = "uploads"
_PAGE = 500
_DAY_MS = 86_400_000
_NAME_BYTES = 2  # before the name, its length


class Attached:
    """ims.ports.attachments.Attachments over the two stores, and the writes of center."""

    def __init__(
        self, files: Files, uploads: Uploads, sealer: Sealer, clock: Clock, *, days: int = 40, most_bytes: int = 10 * 1024**3
    ) -> None:
        self._files = files
        self._uploads = uploads
        self._sealer = sealer
        self._clock = clock
        self._days = days
        self._most_bytes = most_bytes
        self._handing: dict[tuple[str, str], asyncio.Task[str]] = {}

    async def keep(self, customer: str, channel: str, found: Found, name: str, content: bytes) -> Upload | None:
        """Durable when it returns; none when the customer keeps too much already."""
        now = self._clock()
        ends = now + self._days * _DAY_MS
        key = f"{datetime.fromtimestamp(ends / 1000, UTC):%Y%m%d}-{secrets.token_hex(12)}"
        upload = Upload(
            key, customer, channel, found.content_type, len(content), sha256(content).hexdigest(),
            found.width, found.height, self._sealer.key_id, now, ends,
        )  # fmt: skip
        called = name.encode()
        plain = len(called).to_bytes(_NAME_BYTES) + called + content
        await self._files.put(_place(key), self._sealer.seal(plain, key))
        if await self._uploads.add(upload, self._most_bytes):
            return upload
        await self._files.delete(_place(key))
        return None

    async def look(self, customer: str, key: str) -> Upload | None:
        """What is known of a file; none for another customer's."""
        found = (await self._uploads.find([key], self._clock())).get(key) if well_formed(key) else None
        return found if found and found.customer == customer else None

    async def find(self, keys: Sequence[str]) -> dict[str, Upload]:
        """What is known of files, whosever they are."""
        return await self._uploads.find([key for key in keys if well_formed(key)], self._clock())

    async def remove(self, customer: str, key: str) -> bool:
        """Whether there was such a file. Its record goes first: what cannot be found is not sent any more."""
        if not well_formed(key) or not await self._uploads.remove(customer, key):
            return False
        await self._files.delete(_place(key))
        return True

    async def drop_old(self) -> int:
        """Forget what has outlived its day, and content that has no record; how many of all went."""
        now, gone = self._clock(), 0
        while page := await self._uploads.drop_page(now, _PAGE):
            gone += page
        today = f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d}"
        while page := await self._files.drop_page(_FOLDER, today, _PAGE):
            gone += page
        return gone

    async def fetch(self, key: str) -> Attachment:
        """As the port says."""
        try:
            upload = (await self._uploads.find([key], self._clock())).get(key) if well_formed(key) else None
            sealed = await self._files.get(_place(key)) if upload else None
        except Unavailable as exc:
            raise NotSent(NOT_CONNECTED, "files") from exc
        if upload is None or sealed is None:
            raise CallRefused(FILE_GONE)
        try:
            plain = self._sealer.open(sealed, key, upload.key_id)
        except Poison as exc:
            raise CallRefused(FILE_GONE) from exc
        start = _NAME_BYTES + int.from_bytes(plain[:_NAME_BYTES])
        return Attachment(upload, plain[_NAME_BYTES:start].decode(), plain[start:])

    async def handed(self, key: str, to: str, hand: Callable[[Attachment], Awaitable[Given]]) -> str:
        """As the port says; the calls of one process that need it at the same time hand it over together."""
        task = self._handing.get((key, to))
        if task is None:
            task = self._handing[key, to] = asyncio.create_task(self._hand(key, to, hand))
            task.add_done_callback(lambda done: self._done(key, to, done))
        return await asyncio.shield(task)  # a call that is given up must not take it from the others

    async def _hand(self, key: str, to: str, hand: Callable[[Attachment], Awaitable[Given]]) -> str:
        try:
            known = await self._uploads.handed(key, to, self._clock())
        except Unavailable as exc:
            raise NotSent(NOT_CONNECTED, "files") from exc
        if known is not None:
            return known
        given = await hand(await self.fetch(key))
        with suppress(Unavailable):  # it is handed over once more by the next call
            await self._uploads.keep_handed(key, to, given.name, given.until_ms)
        return given.name

    def _done(self, key: str, to: str, task: asyncio.Task[str]) -> None:
        self._handing.pop((key, to), None)
        if not task.cancelled():
            task.exception()  # seen, even when every caller has gone


def _place(key: str) -> str:
    day, _, rest = key.partition("-")
    return f"{_FOLDER}/{day}/{rest}"
