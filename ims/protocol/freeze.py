"""Writes `schemas/<type>.json` from the structs: `python -m ims.protocol.freeze`. A change that breaks old events is refused.

What was published stays readable: a field that goes, changes its type or becomes required is a new type ending in v2
(docs/protocol.md). Adding optional fields is free, and so is adding a value to an enum that only we write.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ims.protocol.events import TYPES, EventData

SCHEMAS = Path(__file__).parent / "schemas"
EXAMPLES = Path(__file__).parent / "examples"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_PROSE = {"title", "description", "default"}  # may change: no reader depends on them

Schema = dict[str, Any]


def schema_of(name: str, data: type[EventData]) -> Schema:
    """The JSON Schema of one event type's data. Unknown fields are allowed: readers tolerate them."""
    return {"$schema": _DRAFT, "$id": name, **msgspec.json.schema(data)}


def text_of(schema: Schema) -> str:
    """As it lies in the file."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def breaks(old: Schema, new: Schema) -> list[str]:
    """What an event written under `old` would meet in a reader of `new`; empty when nothing."""
    return list(_breaks(old.get("$defs", {}), new.get("$defs", {})))


def _breaks(old: Schema, new: Schema) -> Iterator[str]:
    for name, was in old.items():
        now = new.get(name)
        if now is None:
            yield f"{name} is gone"
        elif "enum" in was:
            for value in sorted(set(map(str, was["enum"])) - set(map(str, now.get("enum", ())))):
                yield f"{name} loses the value {value}"
        else:
            yield from _fields(name, was, now)


def _fields(name: str, was: Schema, now: Schema) -> Iterator[str]:
    before, after = was.get("properties", {}), now.get("properties", {})
    for field, kind in before.items():
        if field not in after:
            yield f"{name}.{field} is gone"
        elif _bare(kind) != _bare(after[field]):
            yield f"{name}.{field} changes its type"
    for field in sorted(set(now.get("required", ())) - set(was.get("required", ()))):
        yield f"{name}.{field} becomes required"


def _bare(kind: Any) -> Any:
    """A type without what is only said about it."""
    return {k: _bare(v) for k, v in kind.items() if k not in _PROSE} if isinstance(kind, dict) else kind


def main() -> int:
    """Freeze every type, or none: exit code 1 names what would break."""
    fresh = {name: schema_of(name, data) for name, data in TYPES.items()}
    broken = []
    for name, schema in fresh.items():
        path = SCHEMAS / f"{name}.json"
        if path.exists():
            broken += [f"{name}: {what}" for what in breaks(json.loads(path.read_text()), schema)]
    if broken:
        sys.stderr.write("\n".join([*broken, "old events could not be read: make a type of the next version beside it", ""]))
        return 1
    SCHEMAS.mkdir(exist_ok=True)
    for name, schema in fresh.items():
        (SCHEMAS / f"{name}.json").write_text(text_of(schema))
    return 0


if __name__ == "__main__":
    sys.exit(main())
