"""Power loss for SQLite as Python has it: what was written and not synced is thrown away.

A VFS under the very library that Python's sqlite3 uses (made with ctypes: apsw brings a library of its own, where ours
would not be seen). It passes everything on to the real one and keeps, for each file, what a disk would hold: an image as of
the last xSync, or sync of ours beside SQLite (ims.adapters.embedded.files.sync), and the writes since. At the cut the image
is what is left, with a drawn part of the writes that no sync had ordered, in sectors of 512 bytes: a disk may have written
any of them, in any order.
"""

from __future__ import annotations

import ctypes
import os
import random
import threading
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

from ims.adapters.embedded import files

SECTOR = 512
_NAME = b"power-loss"
_kept: list[Power] = []
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))  # names as pointers: SQLite keeps them, and reads on
_DELETE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("version", c_int), ("file_size", c_int), ("path_size", c_int), ("next", c_void_p), ("name", c_char_p), ("data", c_void_p),
        ("open", c_void_p), ("delete", c_void_p), ("rest", c_void_p * 16),
    ]  # fmt: skip


class _Methods(ctypes.Structure):
    _fields_ = [
        ("version", c_int), ("close", c_void_p), ("read", c_void_p), ("write", c_void_p), ("truncate", c_void_p), ("sync", c_void_p),
        ("rest", c_void_p * 13),
    ]  # fmt: skip


class _File:
    """One path: what the disk holds for sure, and what it was told since."""

    def __init__(self, durable: bytes = b"", *, known: bool = False) -> None:
        self.durable = bytearray(durable)
        self.pending: list[tuple[int, bytes | None]] = []  # (offset, bytes) or (size, None): cut to that size
        self.known = known  # whether the folder's entry is durable; SQLite syncs the folder with a journal's first sync

    def sync(self) -> None:
        for offset, data in self.pending:
            _apply(self.durable, offset, data)
        self.pending.clear()
        self.known = True

    def after(self, chance: random.Random) -> bytes | None:
        """What is found when the power is back; None: no such file."""
        if not self.known and chance.random() < 0.5:
            return None
        left = bytearray(self.durable)
        share = chance.choice((0.0, 0.0, 0.5, 0.9, 1.0))
        for offset, data in self.pending:
            if data is None:
                if chance.random() < share:
                    _apply(left, offset, None)
                continue
            for start in range(0, len(data), SECTOR):
                if chance.random() < share:
                    _apply(left, offset + start, data[start : start + SECTOR])
        return bytes(left)


def _apply(image: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class Power:
    """`with Power(folder)`: files of the folder are watched; `cut_at` events from now on the power goes."""

    def __init__(self, folder: Path, cut_at: int | None = None) -> None:
        self._folder = str(folder)
        self._files = {str(path): _File(path.read_bytes(), known=True) for path in folder.iterdir() if path.is_file()}
        self._paths: dict[int, str] = {}
        self._methods: dict[int, tuple[_Methods, _Methods]] = {}
        self._kept: list[object] = []
        self._lock = threading.Lock()
        self.cut_at = cut_at
        self.events = 0
        self.syncs = 0
        self.gone = False
        self._lib = ctypes.CDLL("libsqlite3.so.0")
        self._lib.sqlite3_vfs_find.restype = POINTER(_Vfs)

    def __enter__(self) -> Power:
        self._real = self._lib.sqlite3_vfs_find(None)
        self._vfs = _Vfs.from_buffer_copy(self._real.contents)
        self._vfs.name = _NAME
        real_open, real_delete = _OPEN(self._real.contents.open), _DELETE(self._real.contents.delete)

        def opened(_vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
            status = real_open(ctypes.addressof(self._vfs), name, file, flags, out)
            path = ctypes.string_at(name).decode() if name else ""
            if status == 0 and path.startswith(self._folder):
                self._watch(file, path)
            return int(status)

        def deleted(vfs: int, name: int, sync_folder: int) -> int:
            if not self.gone:
                self._files.pop(ctypes.string_at(name).decode(), None)
            return int(real_delete(vfs, name, sync_folder))

        self._kept += [_OPEN(opened), _DELETE(deleted), real_open, real_delete]
        self._vfs.open, self._vfs.delete = (ctypes.cast(f, c_void_p).value for f in self._kept[:2])
        assert self._lib.sqlite3_vfs_register(byref(self._vfs), 1) == 0
        self._real_sync = files.sync
        files.sync = self._synced
        return self

    def __exit__(self, *_: object) -> None:
        """What was opened through us may stay open, so what it calls stays too."""
        _kept.append(self)
        self.gone = True
        files.sync = self._real_sync
        self._lib.sqlite3_vfs_unregister(byref(self._vfs))
        assert self._lib.sqlite3_vfs_register(self._real, 1) == 0

    @property
    def paths(self) -> set[str]:
        """What is watched."""
        return set(self._files)

    def leave(self, into: Path, chance: random.Random) -> None:
        """What the disk holds after the cut, as a new folder."""
        into.mkdir()
        for path, file in self._files.items():
            if (left := file.after(chance)) is not None:
                (into / Path(path).name).write_bytes(left)

    def _watch(self, file: int, path: str) -> None:
        with self._lock:
            self._watch_one(file, path)

    def _watch_one(self, file: int, path: str) -> None:
        self._paths[file] = path
        self._files.setdefault(path, _File())
        place = ctypes.cast(file, POINTER(c_void_p))
        key = int(place[0] or 0)
        if key not in self._methods:
            real = _Methods.from_address(key)
            ours = _Methods.from_buffer_copy(real)
            self._replace(real, ours)
            self._methods[key] = (real, ours)
        place[0] = ctypes.addressof(self._methods[key][1])

    def _replace(self, real: _Methods, ours: _Methods) -> None:
        real_write, real_truncate, real_sync = _WRITE(real.write), _TRUNCATE(real.truncate), _SYNC(real.sync)

        def write(file: int, data: int, size: int, offset: int) -> int:
            if known := self._event(self._paths[file]):
                known.pending.append((offset, ctypes.string_at(data, size)))
            return int(real_write(file, data, size, offset))

        def truncate(file: int, size: int) -> int:
            if known := self._event(self._paths[file]):
                known.pending.append((size, None))
            return int(real_truncate(file, size))

        def sync(file: int, flags: int) -> int:
            self._sync(self._paths[file])
            return int(real_sync(file, flags))

        ours_now = (_WRITE(write), _TRUNCATE(truncate), _SYNC(sync))
        self._kept += [ours_now, real_write, real_truncate, real_sync]
        ours.write, ours.truncate, ours.sync = (ctypes.cast(f, c_void_p).value for f in ours_now)

    def _sync(self, path: str) -> None:
        if known := self._event(path):
            known.sync()
            self.syncs += 1
            if path.endswith("-wal"):  # its first sync is one of the folder too
                for other in self._files.values():
                    other.known = True

    def _synced(self, descriptor: int) -> None:
        self._sync(os.readlink(f"/proc/self/fd/{descriptor}"))
        self._real_sync(descriptor)

    def _event(self, path: str) -> _File | None:
        """Count it; the power goes before this one has reached the disk."""
        if self.gone:
            return None
        self.events += 1
        if self.cut_at is not None and self.events >= self.cut_at:
            self.gone = True
            return None
        return self._files.get(path)
