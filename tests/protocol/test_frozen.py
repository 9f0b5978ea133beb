"""The published language: schemas equal the structs, every example ever published is still read, breaks are noticed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ims.lanes import Lane
from ims.protocol.envelope import Emit, Envelopes, decode, encode
from ims.protocol.events import TYPES
from ims.protocol.freeze import EXAMPLES, SCHEMAS, breaks, main, schema_of, text_of
from ims.protocol.ids import derived
from ims.protocol.sealing import Keyring, Sealer
from ims.topics import ANALYZE

NAMES = sorted(TYPES)
FILES = sorted(EXAMPLES.glob("*.json"))
NOON = 1_795_402_800_000
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def type_in(path: Path) -> str:
    return path.name.removesuffix(".json").rpartition(".")[0]


def frozen(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_frozen_schema_is_the_structs(name: str) -> None:
    assert (SCHEMAS / f"{name}.json").read_text() == text_of(schema_of(name, TYPES[name])), "python -m ims.protocol.freeze"


def test_nothing_frozen_is_forgotten() -> None:
    assert sorted(p.name.removesuffix(".json") for p in SCHEMAS.glob("*.json")) == NAMES
    assert {type_in(p) for p in FILES} == set(NAMES), "every type has an example"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_example_fits_its_schema(path: Path) -> None:
    schema = frozen(type_in(path))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(path.read_text()), schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_example_is_read_and_written_again_equally(path: Path) -> None:
    data = decode(path.read_bytes(), TYPES[type_in(path)])
    assert json.loads(encode(data)) == json.loads(path.read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_field_of_tomorrow_is_tolerated(path: Path) -> None:
    later = json.loads(path.read_text()) | {"added_later": {"x": 1}}
    jsonschema.validate(later, frozen(type_in(path)))
    assert decode(json.dumps(later).encode(), TYPES[type_in(path)]) == decode(path.read_bytes(), TYPES[type_in(path)])


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_repr_shows_nothing_of_a_person(path: Path) -> None:
    data = decode(path.read_bytes(), TYPES[type_in(path)])
    assert repr(data) == f"<{type(data).__name__}>"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_example_seals_and_opens_with_ascii_attributes(path: Path) -> None:
    envelopes = Envelopes(Sealer(Keyring.generate()), "test")
    data = decode(path.read_bytes(), TYPES[type_in(path)])
    emit = Emit(ANALYZE, derived("cause", "step"), data, "subject0birth000", Lane.MASS, "mt")
    record = envelopes.seal(emit, TRACE, NOON)
    assert all(k.isascii() and v.isascii() for k, v in record.attributes.items())
    assert path.read_bytes() not in record.data
    event = envelopes.open(record.attributes, record.data)
    assert (event.data, event.type, event.id, event.trace_id) == (data, type_in(path), emit.id, TRACE[3:35])


def breaking(change: Any) -> list[str]:
    old = frozen("ims.message.accepted.v1")
    new = copy.deepcopy(old)
    change(new["$defs"])
    return breaks(old, new)


def test_an_optional_field_breaks_nothing() -> None:
    assert breaking(lambda d: d["Row"]["properties"].update(later={"type": "string", "default": ""})) == []
    assert breaking(lambda d: d["Row"]["properties"]["to"].update(description="other words")) == []
    assert breaking(lambda d: d["Channel"]["enum"].append("rc")) == []


def test_what_breaks_old_events_is_named() -> None:
    assert breaking(lambda d: d["Row"]["properties"].pop("to")) == ["Row.to is gone"]
    assert breaking(lambda d: d["Row"]["properties"]["pos"].update(type="string")) == ["Row.pos changes its type"]
    assert breaking(lambda d: d["Row"]["required"].append("text")) == ["Row.text becomes required"]
    assert breaking(lambda d: d["Channel"]["enum"].remove("at")) == ["Channel loses the value at"]
    assert breaking(lambda d: d.pop("Step")) == ["Step is gone"]


def test_freezing_refuses_a_break_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ims.protocol.freeze.SCHEMAS", tmp_path)
    assert main() == 0
    assert len(list(tmp_path.iterdir())) == len(TYPES)
    path = tmp_path / "ims.deadline.passed.v1.json"
    old = json.loads(path.read_text())
    old["$defs"]["DeadlinePassed"]["properties"]["reason"] = {"type": "string"}
    path.write_text(text_of(old))
    assert main() == 1
    assert "ims.deadline.passed.v1: DeadlinePassed.reason is gone" in capsys.readouterr().err
    assert json.loads(path.read_text()) == old
