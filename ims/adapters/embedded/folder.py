"""Files in a folder of this machine: a file and a folder for each part of its key, synced before they count."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ims.errors import Unavailable
from ims.ports.files import MOST_BYTES, checked
from ims.telemetry import log

T = TypeVar("T")
_THREADS = 4
_UNFINISHED = ".part"  # no key of ours holds a dot


class FolderFiles:
    """ims.ports.files.Files. The folder and threads are made at the first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads: ThreadPoolExecutor | None = None

    async def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        if len(data) > MOST_BYTES:
            raise ValueError("a file holds at most 64 MiB")
        await self._do(lambda: _put(self._folder, path, data))

    async def get(self, key: str) -> bytes | None:
        path = self._path(key)
        return await self._do(lambda: path.read_bytes() if path.is_file() else None)

    async def delete(self, key: str) -> None:
        path = self._path(key)
        await self._do(lambda: path.unlink(missing_ok=True))

    async def drop_page(self, folder: str, before: str, limit: int) -> int:
        root = self._path(folder)
        return await self._do(lambda: _drop(root, checked(before), limit))

    async def close(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.get_running_loop().run_in_executor(None, threads.shutdown)

    def _path(self, key: str) -> Path:
        return self._folder / checked(key)

    async def _do(self, job: Callable[[], T]) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="files")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, job)
        except OSError as exc:
            log.error("files_failed", error=os.strerror(exc.errno) if exc.errno else type(exc).__name__)
            raise Unavailable("the folder of files cannot be used") from exc


def _put(root: Path, path: Path, data: bytes) -> None:
    """Beside its place, synced, then renamed: a crash leaves the old one or the new one, and a `.part` at most."""
    new = [p for p in path.parents if p.is_relative_to(root) and not p.exists()]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for made in new:
        _sync(made.parent)
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{_UNFINISHED}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop(root: Path, before: str, limit: int) -> int:
    gone = 0
    for path in _older(root, before):
        path.unlink(missing_ok=True)
        gone += not path.name.endswith(_UNFINISHED)
        if gone >= limit:
            return gone
    for folder, _, _ in os.walk(root, topdown=False) if root.is_dir() else ():
        if Path(folder).relative_to(root).as_posix() < before and Path(folder) != root and not os.listdir(folder):
            os.rmdir(folder)
    return gone


def _older(root: Path, before: str) -> Iterator[Path]:
    """Files under the root whose names come before, unfinished ones too."""
    if not root.is_dir():
        return
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            if path.relative_to(root).as_posix() < before:
                yield path
