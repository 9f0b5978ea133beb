"""The simulator's memory that survives kill -9: one line per call, written before the call is answered.

Lines: `C <time ms> <number in sent list> <left-out positions, or -> <request body>`, `A <report ids>` (acknowledged),
`K <key>` (closed: nothing more is taken under it). The body is kept as it came, so a call costs one write, and what
was sent is read back from here instead of being held in memory. Holds numbers and texts: made readable to its owner only.
No fsync: it is to survive the death of the process, not of the machine.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ims.errors import Misconfigured


class Member(msgspec.Struct):
    """One message of a call."""

    ref: str
    to: str
    text: str = ""


class Call(msgspec.Struct):
    """A call as it is posted."""

    account: str
    send_type: str
    messages: list[Member]
    key: str = ""
    key_ttl_s: int = 0
    callback: str = ""
    title: str = ""
    sender_key: str = ""
    template_code: str = ""
    message_type: str = ""
    header: str = ""


_CALL = msgspec.json.Decoder(Call)
decode_call = _CALL.decode


@dataclass(frozen=True, slots=True)
class Taken:
    """A journalled call."""

    index: int  # counted from 0; names the call in report ids
    at: int
    first: int  # number of its first sent message, counted from 1
    call: Call
    left_out: frozenset[int]  # positions that were not accepted

    def accepted(self) -> Iterator[tuple[int, Member]]:
        """Positions and members that were taken on."""
        return ((i, m) for i, m in enumerate(self.call.messages) if i not in self.left_out)


class Journal:
    """Append-only; holds nothing per message, two numbers per call."""

    def __init__(self, path: Path | None) -> None:
        if path is None:
            self._fd, name = tempfile.mkstemp()
            os.unlink(name)  # goes with the process
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise Misconfigured("--journal: another simulator writes this file") from exc
        self._end = 0
        self._offsets = array("Q")
        self._firsts = array("Q")
        self.sent = 0

    def load(self) -> Iterator[Taken | str | list[str]]:
        """All that was ever written: calls, closed keys, acknowledged report ids. Cuts off a torn last line."""
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    os.ftruncate(self._fd, self._end)
                    return
                if line[:1] == b"C":
                    taken = self._parse(line, len(self._offsets))
                    self._note(self._end, len(taken.call.messages) - len(taken.left_out))
                    yield taken
                elif line[:1] == b"K":
                    yield line[2:-1].decode()
                else:
                    yield line[2:-1].decode().split()
                self._end += len(line)

    def add_call(self, at: int, body: bytes, accepted: int, left_out: list[int]) -> tuple[int, int]:
        """Keep a call; its index, and the number of its first message. Nothing may be answered before this returns."""
        if b"\n" in body or b"\r" in body:  # white space between tokens: a line break inside a JSON string is escaped
            body = msgspec.json.format(body, indent=-1)
        index, first = len(self._offsets), self.sent + 1
        out = ",".join(map(str, left_out)) or "-"
        offset = self._end
        self._write(b"C %d %d %s %s\n" % (at, first, out.encode(), body))
        self._note(offset, accepted)
        return index, first

    def add_acknowledged(self, report_ids: list[str]) -> None:
        self._write(b"A " + " ".join(report_ids).encode() + b"\n")

    def add_closed(self, key: str) -> None:
        self._write(b"K " + key.encode() + b"\n")

    def call(self, index: int) -> Taken:
        """A call, read back."""
        offset = self._offsets[index]
        size = (self._offsets[index + 1] if index + 1 < len(self._offsets) else self._end) - offset
        line = os.pread(self._fd, size, offset)  # may hold A and K lines behind the call's own
        return self._parse(line[: line.index(b"\n") + 1], index)

    def sent_after(self, after: int, limit: int) -> Iterator[tuple[int, Taken, Member]]:
        """Sent messages with a number above `after`, oldest first, at most `limit`."""
        index = max(bisect_right(self._firsts, after + 1) - 1, 0)
        while limit > 0 and index < len(self._offsets):
            taken = self.call(index)
            for number, (_, member) in enumerate(taken.accepted(), taken.first):
                if number > after and limit > 0:
                    yield number, taken, member
                    limit -= 1
            index += 1

    def close(self) -> None:
        os.close(self._fd)

    def _note(self, offset: int, accepted: int) -> None:
        self._offsets.append(offset)
        self._firsts.append(self.sent + 1)
        self.sent += accepted

    def _write(self, line: bytes) -> None:
        written = os.pwrite(self._fd, line, self._end)
        if written != len(line):  # a full disk: undo, so that the next line does not join this one
            os.ftruncate(self._fd, self._end)
            raise OSError("the simulator's journal cannot be written")
        self._end += written

    def _parse(self, line: bytes, index: int) -> Taken:
        _, at, first, out, body = line.split(b" ", 4)
        left_out = frozenset() if out == b"-" else frozenset(map(int, out.split(b",")))
        return Taken(index, int(at), int(first), decode_call(body), left_out)
