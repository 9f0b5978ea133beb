"""Files of rows that a command takes in: CSV with a header, or NDJSON. Wrong rows are named and the others taken."""

from __future__ import annotations

import csv
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from ims.cli.show import fail, show
from ims.errors import Rejected

M = TypeVar("M", bound=BaseModel)

_LISTED_ERRORS = 100


async def take_in(
    model: type[M], lines: Iterable[str], *, ndjson: bool, portion: int, write: Callable[[list[M]], Awaitable[None]]
) -> dict[str, Any]:
    """Give the good rows to `write` in portions; how many were good, how many wrong, and why. The first field must be a column."""
    rows = _rows(model, lines, ndjson=ndjson)
    total = wrong = 0
    errors: list[dict[str, Any]] = []
    while some := list(islice(rows, portion)):
        good = []
        for number, row in some:
            if isinstance(row, model):
                good.append(row)
                continue
            wrong += 1
            if len(errors) < _LISTED_ERRORS:
                errors.append({"row": number, "what": row})
        await write(good)
        total += len(good)
    return {"registered": total, "rejected": wrong, "errors": errors}


def from_file(file: Path, work: Callable[[Iterable[str], bool], dict[str, Any]], as_json: bool) -> None:
    """Do the work with the file's lines (and whether they are NDJSON) and show what came of it. Exit code 1 when rows were wrong."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            found = work(lines, file.suffix in {".ndjson", ".jsonl"})
    except OSError as exc:
        fail(f"{file}: {exc.strerror}")
    except UnicodeDecodeError:
        fail(f"{file}: not UTF-8")
    except csv.Error as exc:
        fail(f"{file}: {exc}")
    show(found, as_json)
    if found["rejected"]:
        raise typer.Exit(1)


def what_is_wrong(exc: ValidationError) -> str:
    """In one line, without the values."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'row'}: {e['msg']}" for e in exc.errors(include_url=False, include_input=False))


def _rows(model: type[M], lines: Iterable[str], *, ndjson: bool) -> Iterator[tuple[int, M | str]]:
    """(row from 1, the row or what is wrong with it)."""
    if not ndjson:
        reader = csv.DictReader(lines, strict=True)
        columns = reader.fieldnames or ()
        if set(columns) - set(model.model_fields) or next(iter(model.model_fields)) not in columns:
            raise Rejected("1400", "file", f"the columns are {', '.join(model.model_fields)}")
        for number, fields in enumerate(reader, 1):
            yield number, "more values than columns" if None in fields else _row(model, {k: v for k, v in fields.items() if v})
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, _row(model, json.loads(line))
        except (ValueError, RecursionError):
            yield number, "not JSON"


def _row(model: type[M], fields: Any) -> M | str:
    try:
        return model.model_validate(fields)
    except ValidationError as exc:
        return what_is_wrong(exc)
