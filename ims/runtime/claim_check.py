"""An event that the log will not take: its sealed data lies in a file, and the log carries the reference.

The reference is the attribute `imsfile`, a key that follows from the data: the same record again is the same file, and one
that was sealed anew (under another key, say) is another. The file is durable before the record is appended. It begins with
its UTC day, and goes with it once nothing in the log can refer to it (`drop_old`).

A file that is not there is answered as one that cannot be had now (Later): only a person can tell a store that was
mistaken from one that lost it. When its retries are over the event is a dead letter with its reference, small enough for
every log, and a replay finds the file if it is back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

from ims.errors import Unavailable
from ims.ports.clock import Clock
from ims.ports.files import Files
from ims.ports.log import Appender
from ims.protocol.envelope import Record

ATTRIBUTE = "imsfile"
KEEP_MS = 15 * 86_400_000  # the log keeps an event for a week, and its dead letter's topic the letter for another
_FOLDER = "claims"
_PAGE = 500


async def put_aside(files: Files, record: Record, now_ms: int) -> Record:
    """The record with its data in a file. Unavailable when it cannot be put there."""
    if ATTRIBUTE in record.attributes:
        return record
    key = f"{_FOLDER}/{_day(now_ms)}/{blake2b(record.data, digest_size=20).hexdigest()}"
    await files.put(key, record.data)
    return Record(record.topic, {**record.attributes, ATTRIBUTE: key}, b"")


class PuttingAside:
    """An Appender over another (ims.ports.log): what is larger than `most_bytes` is put aside first."""

    def __init__(self, log: Appender, files: Files, clock: Clock, most_bytes: int) -> None:
        self._log = log
        self._files = files
        self._clock = clock
        self._most_bytes = most_bytes

    async def append(self, records: Sequence[Record]) -> None:
        large = any(len(r.data) > self._most_bytes for r in records)
        await self._log.append([await self._fitting(r) for r in records] if large else records)

    async def _fitting(self, record: Record) -> Record:
        return await put_aside(self._files, record, self._clock()) if len(record.data) > self._most_bytes else record

    async def close(self) -> None:
        await self._log.close()


async def data_of(files: Files | None, attributes: Mapping[str, str], data: bytes) -> bytes:
    """The sealed data of an event, wherever it lies. Unavailable when its file cannot be had."""
    key = attributes.get(ATTRIBUTE)
    if key is None:
        return data
    if files is None:
        raise Unavailable("an event's data lies in a file, and this process has no store of files")
    try:
        found = await files.get(key)
    except ValueError:
        found = None  # not a key of ours: nothing lies there
    if found is None:
        raise Unavailable("the file of an event is not there")
    return found


async def whole(files: Files | None, record: Record) -> Record:
    """The record with its data in itself, as the records keep it. Unavailable when its file cannot be had."""
    if ATTRIBUTE not in record.attributes:
        return record
    data = await data_of(files, record.attributes, record.data)
    return Record(record.topic, {k: v for k, v in record.attributes.items() if k != ATTRIBUTE}, data)


async def drop_old(files: Files, now_ms: int, keep_ms: int = KEEP_MS) -> int:
    """Delete the files of days that ended more than `keep_ms` ago; how many went."""
    before, gone = _day(now_ms - keep_ms), 0
    while page := await files.drop_page(_FOLDER, before, _PAGE):
        gone += page
    return gone


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
