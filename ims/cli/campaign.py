"""A CSV as a campaign: checked once as a whole, then read as a stream, 1,000 rows a request.

Columns: phone_number, optional message_id and bill_code; every other column is a mapping variable. UTF-8 (with or without
BOM) or CP949, which Korean spreadsheets still write. Ids that are made up follow from the file's bytes, the message and the
row's number: the same command again repeats the same requests, and IMS answers what it has with what it said before.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import msgspec

from ims.errors import ImsError
from ims.protocol.ids import derived
from ims.rules.text import normalise

REQUEST_ROWS = 1_000
ERROR_COLUMNS = ("ims_row", "ims_code", "ims_error")  # what a file of rejected rows has on top; passed over when it is sent again
_FIXED = ("phone_number", "message_id", "bill_code")
_CHUNK_BYTES = 1 << 20
_deterministic = msgspec.json.Encoder(order="deterministic").encode


class BadFile(ImsError):
    """The file cannot be sent as it is; the text says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `number` counts from 1, as a spreadsheet without its header does."""

    number: int
    cells: dict[str, str]
    fault: str = ""  # why it is not sent at all

    def __repr__(self) -> str:
        return f"<Line {self.number}>"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was read once."""

    path: Path
    encoding: str
    columns: list[str]
    rows: int
    digest: str

    def lines(self) -> Iterator[Line]:
        """The rows, read as they are asked for."""
        with _open(self.path, self.encoding) as file:
            reader = csv.reader(file, strict=True)
            next(reader)
            number = 0
            for cells in reader:
                if not any(cells):
                    continue  # spreadsheets like to end with lines of commas
                number += 1
                fault = "it has more cells than the header" if len(cells) > len(self.columns) else ""
                yield Line(number, dict(zip(self.columns, cells, strict=False)), fault)


def read_sheet(path: Path) -> Sheet:
    """Look through the whole file once. BadFile says what is wrong with it."""
    try:
        encoding, digest = _encoding(path)
        with _open(path, encoding) as file:
            reader = csv.reader(file, strict=True)
            columns = [normalise(name).strip() for name in next(reader, [])]
            rows = sum(1 for cells in reader if any(cells))
    except OSError as exc:
        raise BadFile(f"{path}: {exc.strerror}") from exc
    except csv.Error as exc:
        raise BadFile(f"{path}: not a CSV file: {exc}") from exc
    if "phone_number" not in columns:
        raise BadFile(f"{path}: no column phone_number in its first line: {', '.join(columns)[:200] or 'it is empty'}")
    if twice := sorted({c for c in columns if columns.count(c) > 1}):
        raise BadFile(f"{path}: column {twice[0]!r} stands more than once")
    if not rows:
        raise BadFile(f"{path}: no rows")
    return Sheet(path, encoding, columns, rows, digest)


def _encoding(path: Path) -> tuple[str, str]:
    digest = blake2b(digest_size=16)
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8-sig", "cp949")}
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            digest.update(chunk)
            for name, decoder in list(decoders.items()):
                try:
                    decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError:
                    del decoders[name]
            if not decoders:
                raise BadFile(f"{path}: neither UTF-8 nor CP949")
            if not chunk:
                return next(iter(decoders)), digest.hexdigest()


def _open(path: Path, encoding: str) -> IO[str]:
    return path.open(encoding=encoding, newline="")


@dataclass(frozen=True, slots=True)
class Campaign:
    """A sheet with what all its messages share."""

    sheet: Sheet
    shared: Mapping[str, Any]  # the body without its rows
    campaign_id: str

    @classmethod
    def of(cls, sheet: Sheet, shared: Mapping[str, Any], campaign_id: str | None) -> Campaign:
        """Without an id of its own the campaign's follows from file and message: other words are another campaign."""
        made = derived(f"{sheet.digest}|{_deterministic(shared).hex()}", "campaign")[:12]
        return cls(sheet, shared, campaign_id or f"csv-{made}")

    def batches(self) -> Iterator[list[Line]]:
        """The rows of each request."""
        batch: list[Line] = []
        for line in self.sheet.lines():
            batch.append(line)
            if len(batch) == REQUEST_ROWS:
                yield batch
                batch = []
        if batch:
            yield batch

    def receivers(self, lines: Sequence[Line]) -> list[dict[str, Any]]:
        """The rows as sendMessages wants them."""
        prefix = derived(f"{self.sheet.digest}|{self.campaign_id}", "row")[:12]
        return [self._receiver(line, prefix) for line in lines]

    def _receiver(self, line: Line, prefix: str) -> dict[str, Any]:
        cells = line.cells
        receiver: dict[str, Any] = {
            "message_id": cells.get("message_id", "").strip() or f"{prefix}-{line.number:06d}",
            "phone_number": cells.get("phone_number", "").strip(),
        }
        if bill_code := cells.get("bill_code", "").strip():
            receiver["bill_code"] = bill_code
        mapping = {name: value for name, value in cells.items() if name and name not in _FIXED and name not in ERROR_COLUMNS}
        return {**receiver, "mapping": mapping} if mapping else receiver

    def body(self, receivers: Sequence[Mapping[str, Any]]) -> bytes:
        """One request."""
        return msgspec.json.encode({**self.shared, "campaign_id": self.campaign_id, "receiver_list": receivers})


class Rejections:
    """FILE.errors.csv: the rejected rows as they were, with why. Made only when there is one."""

    def __init__(self, sheet: Sheet) -> None:
        self.path = sheet.path.with_name(f"{sheet.path.name}.errors.csv")
        self.count = 0
        self._columns = [c for c in sheet.columns if c not in ERROR_COLUMNS]
        self._file: IO[str] | None = None

    def add(self, line: Line, code: str, why: str) -> None:
        """One row."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8-sig", newline="")  # with the BOM that spreadsheets look for
            csv.writer(self._file).writerow([*self._columns, *ERROR_COLUMNS])
        csv.writer(self._file).writerow([*(line.cells.get(c, "") for c in self._columns), line.number, code, why])
        self.count += 1

    def close(self) -> None:
        """Finish the file; one of an earlier run, which would be read as this run's, goes."""
        if self._file is not None:
            self._file.close()
        else:
            self.path.unlink(missing_ok=True)
