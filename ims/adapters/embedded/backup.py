"""A consistent copy of a home while it runs, and a new home from such a copy.

Each database is copied as of one moment by SQLite's own backup; writers go on beside it. The moments differ from file to file:
acceptance rows lie in the file of their key's kind, the event in that of its lane, which is the same or a lower one. So files
are copied from the fastest lane down: an acceptance row never says 0000 to a message whose event the copy does not have.

A copy knows nothing of what was sent after it. `until` says up to when births may be such; a restored home puts none of them
into a new call (ims.runtime.sending, docs/decisions/0011-restored-from-a-backup.md).
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from ims.errors import Misconfigured
from ims.lanes import Lane

MANIFEST = "backup.json"
MARK = "restored.json"  # in a home that came from a backup
_DATABASES = ("registry.db", *(f"{lane}.db" for lane in Lane))  # shared.db holds what may be lost
_KEYS, _FILES = "keys.json", "files"


def backup(home: Path, into: Path, clock: Callable[[], int]) -> list[str]:
    """Copy a home into a new folder; the names of what was copied. Its manifest is written last: without one it is no backup."""
    if into.exists() and any(into.iterdir()):
        raise Misconfigured(f"{into} is not empty")
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = [name for name in _DATABASES if (home / name).exists()]
    for name in names:
        with closing(sqlite3.connect(f"file:{home / name}?mode=rw", uri=True, timeout=30)) as source:
            _copy(source, into / name)
    until = clock()  # after the last copy: whatever it does not have was accepted later, or may have been sent later
    if (home / _KEYS).exists():
        _copy_file(home / _KEYS, into / _KEYS)
        names.append(_KEYS)
    if (home / _FILES).is_dir():  # after the databases, whose events name them
        _copy_folder(home / _FILES, into / _FILES)
        names.append(_FILES)
    # a home that was restored itself: its mark is later than its own copies' only if its clock went back
    _write(into / MANIFEST, {"until": max(until, restored_until(home)), "names": names})
    return names


def restore(source: Path, home: Path, *, resend: bool = False) -> list[str]:
    """Make a new home of a backup; the names of what it holds. `resend`: without the mark, so that all of it goes on as if new."""
    manifest = _read(source / MANIFEST)
    if manifest is None:
        raise Misconfigured(f"{source} is no complete backup: it has no {MANIFEST}")
    if home.exists() and any(home.iterdir()):
        raise Misconfigured(f"{home} is not empty: a backup becomes a new home, the old one is kept aside")
    draft = home.with_name(f"{home.name}.restoring")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    names: list[str] = manifest["names"]
    for name in names:
        if name == _FILES:
            _copy_folder(source / name, draft / name)
            continue
        _copy_file(source / name, draft / name)
        if name.endswith(".db"):
            _check(draft / name)
    if not resend:
        _write(draft / MARK, {"until": int(manifest["until"])})
    _sync_folder(draft)
    draft.rename(home)  # an empty folder gives way; a kill before this line leaves no home, after it a whole one
    _sync_folder(home.parent)
    return names


def restored_until(home: Path) -> int:
    """Births up to then may have been sent by a life that this home does not remember; 0: it was never restored."""
    return int((_read(home / MARK) or {"until": 0})["until"])


def _copy(source: sqlite3.Connection, target: Path) -> None:
    """One read transaction: a copy in steps would begin anew whenever another process has written."""
    target.touch(0o600)
    with closing(sqlite3.connect(target)) as made:
        source.backup(made)
        made.execute("PRAGMA journal_mode=DELETE")  # no log beside it: a backup is one file each
    _check(target)
    _sync_file(target)


def _check(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as conn:
            said = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as exc:
        said = str(exc)
    if said != "ok":
        raise Misconfigured(f"{path.name} is damaged: ims fsck")


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as given:
        target.touch(0o600)
        with target.open("wb") as made:
            shutil.copyfileobj(given, made)
    _sync_file(target)


def _copy_folder(source: Path, target: Path) -> None:
    """Retention may take a file away meanwhile: nothing names that one any more."""

    def copy(path: str, to: str) -> None:
        with suppress(FileNotFoundError):
            _copy_file(Path(path), Path(to))

    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.part"), copy_function=copy)


def _write(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_name(f"{path.name}.tmp")
    draft.touch(0o600)
    draft.write_text(json.dumps(content))
    _sync_file(draft)
    draft.rename(path)
    _sync_folder(path.parent)


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
