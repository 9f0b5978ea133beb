"""One message or many, read from a body: everything is checked here before anything is accepted.

A body is decoded once by pydantic (depth, UTF-8, surrogates, sizes of numbers included). Of a key that stands twice in
an object the last one counts, as in every JSON parser that we and our clients use. The rows of a list stay raw and are
decoded a slice at a time, so that the interpreter is never held for longer than SLICE_ROWS take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec
from pydantic import ValidationError

from functions.intake.channels import FORMS
from functions.intake.content import Content, content_of, nested_variable, values_of
from functions.intake.faults import Fault, Rejections, faults_of, first_words
from functions.intake.fields import MAX_ROWS, Common
from functions.intake.form import Form, Recipient, WantedFile
from ims.lanes import Lane
from ims.protocol.events import Shared
from ims.rules import law
from ims.runtime.clients.callers import Asker
from ims.topics import Channel

SLICE_ROWS = 600  # three whole events of 200; 5 to 7 ms of decoding and checking between two turns of the event loop
_MOST_COMMAS = 64 * MAX_ROWS  # a list of 16 million zeros fits into 32 MiB and would cost a gigabyte as raw elements
_MOST_SHARED_BYTES = 1024 * 1024  # of a list's body without its rows: as for a single message


class AcceptedRow(msgspec.Struct, frozen=True):
    """A row of an event that has no position yet. `repr` shows nothing of it."""

    message_id: str
    to: str
    mapping: dict[str, str]
    bill_code: str
    text: str | None
    to_kind: str = ""
    fields: dict[str, Any] = {}
    also: dict[str, str] = {}

    def __repr__(self) -> str:
        return "<AcceptedRow>"


@dataclass(frozen=True, slots=True, repr=False)
class Accepted:
    """A single message, ready to be accepted."""

    shared: Shared
    row: AcceptedRow
    lane: Lane
    digest: bytes
    send_by_ms: int
    files: tuple[WantedFile, ...] = ()
    too_late: tuple[Fault, ...] = ()  # why it cannot be accepted any more; one that was accepted before is replayed


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row of a list was not accepted. Without a message the code's own sentence is meant."""

    index: int
    message_id: str
    code: str
    message: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Slice:
    """Some rows of a list, checked: the good ones with index and digest, and the others."""

    first_index: int
    rows: list[tuple[int, AcceptedRow, bytes]]
    errors: list[RowError]


@dataclass(frozen=True, slots=True, repr=False)
class Many:
    """A list of messages: what they share is checked, the rows are not yet."""

    shared: Shared
    lane: Lane
    campaign_id: str
    total: int
    send_by_ms: int
    _content: Content
    _raw: list[msgspec.Raw]
    _english: bool
    _seen: set[str] = field(default_factory=set)

    @property
    def files(self) -> tuple[WantedFile, ...]:
        return self._content.files

    def slices(self, max_rows: int = SLICE_ROWS) -> Iterator[Slice]:
        """The rows, checked as they are asked for. To be gone through once: it remembers the message_ids that it has seen."""
        for start in range(0, self.total, max_rows):
            yield self._slice(start, self._raw[start : start + max_rows])

    def _slice(self, start: int, raw: Sequence[msgspec.Raw]) -> Slice:
        out = Slice(start, [], [])
        good, bad = _decoded(self._content.form, raw)
        for offset, faults in bad.items():
            out.errors.append(self._error(start + offset, _id_of(raw[offset]), faults))
        for offset, receiver in good:
            message_id = receiver["message_id"]
            if message_id in self._seen:
                out.errors.append(self._error(start + offset, message_id, [_TWICE]))
                continue
            self._seen.add(message_id)
            read = self._row(receiver)
            if isinstance(read, list):
                out.errors.append(self._error(start + offset, message_id, read))
            else:
                out.rows.append((start + offset, *read))
        out.errors.sort(key=lambda error: error.index)
        return out

    def _row(self, receiver: dict[str, Any]) -> tuple[AcceptedRow, bytes] | list[Fault]:
        content = self._content
        read = _recipient_of(receiver, content)
        if isinstance(read, list):
            return read
        who, mapping = read
        if self.lane is not Lane.AD and content.texts.becomes_ad(mapping):
            ko, en = "광고 표기는 변수 값이 될 수 없습니다.", "The mark of an advertisement is no value of a variable."
            return [Fault("mapping", law.AD_MARK.answer, ko, en)]
        bill_code = receiver.get("bill_code", content.bill_code)
        row = AcceptedRow(receiver["message_id"], who.to, content.trimmed(mapping), bill_code, None, who.kind, who.fields, who.also)
        return row, content.digest(who, bill_code, mapping)

    def _error(self, index: int, message_id: str, faults: list[Fault]) -> RowError:
        return RowError(index, message_id, faults[0].code, first_words(faults, self._english))


_TWICE = Fault("message_id", "2030", "이 요청 안에 같은 message_id가 있습니다.", "It stands twice in this request.")


def read_single(channel: Channel, body: bytes, asker: Asker) -> Accepted:
    """One message. Rejections with all faults at once; faults of the hour alone are left in `too_late`."""
    form = FORMS[channel]
    model, faults, skip = _model(form, form.one, body)
    content, more = content_of(channel, model, asker, recipients=1, skip=skip)
    faults += more
    who = form.recipient_of(model)
    if isinstance(who, list):
        known = {fault.field for fault in faults}
        faults += [fault for fault in who if fault.field not in known]
    if "mapping" not in skip:
        faults += content.check(None if isinstance(who, list) else who, content.mapping)
    if isinstance(who, list) or not all(fault.passing for fault in faults):
        raise Rejections(faults)
    shared, mapping = content.shared, content.trimmed(content.mapping)
    text = None
    if form.written(model) and not content.texts.uses(shared.text or ""):
        # A one-time code, already rendered: with its text in the row it shares its event with others like it.
        shared, text = msgspec.structs.replace(shared, text=None), shared.text
    one: Any = model
    row = AcceptedRow(one.message_id, who.to, mapping, model.bill_code, text, who.kind, who.fields, who.also)
    digest = content.digest(who, model.bill_code, content.mapping)
    return Accepted(shared, row, shared.lane, digest, content.send_by_ms, content.files, tuple(faults))


def read_many(channel: Channel, body: bytes, asker: Asker, *, english: bool = False) -> Many:
    """What a list of messages shares, with its rows still raw. Rejections with all faults of the shared part."""
    raw, rest, faults = _split(body)
    form = FORMS[channel]
    model, more, skip = _model(form, form.campaign, rest)
    faults += more
    content, more = content_of(channel, model, asker, recipients=len(raw), skip=skip)
    faults += more
    if faults:
        raise Rejections(faults)
    shared = content.shared
    return Many(shared, shared.lane, shared.campaign_id, len(raw), content.send_by_ms, content, raw, english)


def shared_key(shared: Shared) -> bytes:
    """16 bytes that are equal when two requests may share an event."""
    return blake2b(_encoder.encode(shared), digest_size=16).digest()


_encoder = msgspec.json.Encoder(order="deterministic")


def _model(form: Form, kind: type[Common], body: bytes) -> tuple[Common, list[Fault], set[str]]:
    """The body as its model; if it has faults, as much of it as can still be checked, and the fields that have them."""
    try:
        return kind.model_validate_json(body), [], set()
    except ValidationError as exc:
        faults = faults_of(exc)
    broken = {fault.field.partition(".")[0] for fault in faults}
    if "" in broken:
        raise Rejections(faults)
    try:
        fields = {name: value for name, value in msgspec.json.decode(body).items() if name not in broken}
        return form.partial(kind).model_validate(fields), faults, broken
    except (ValidationError, msgspec.MsgspecError, ValueError, RecursionError):
        raise Rejections(faults) from None


class _Listed(msgspec.Struct):
    """A list's body with nothing decoded, and nothing kept of unknown fields, however many."""

    receiver_list: msgspec.Raw = msgspec.Raw(b"")


_NOT_JSON = Fault("", "1400", "본문이 올바른 JSON이 아닙니다.", "The body is not valid JSON.")
_LIST = "receiver_list"
_LISTED = msgspec.json.Decoder(_Listed)


def _split(body: bytes) -> tuple[list[msgspec.Raw], bytes, list[Fault]]:
    """The raw rows, and the body without them."""
    if body.count(b",") > _MOST_COMMAS:
        raise Rejections([_rows_fault()])
    try:
        listed = _LISTED.decode(body).receiver_list
        listed_bytes = memoryview(listed).nbytes
        if len(body) - listed_bytes > _MOST_SHARED_BYTES:
            raise Rejections([Fault("", "1400", "공통 항목이 1 MiB를 넘습니다.", "What the messages share is over 1 MiB.")])
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Rejections([_NOT_JSON]) from None
    members.pop(_LIST, None)
    rest = msgspec.json.encode(members)
    if not listed_bytes:
        return [], rest, [Fault(_LIST, "2020", "필수 항목입니다.", "It is required.")]
    try:
        raw = msgspec.json.decode(listed, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        return [], rest, [Fault(_LIST, "1400", "배열이어야 합니다.", "It must be an array.")]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Rejections([_NOT_JSON]) from None
    return raw, rest, [] if 1 <= len(raw) <= MAX_ROWS else [_rows_fault()]


def _rows_fault() -> Fault:
    return Fault(_LIST, "1400", f"1개 이상 {MAX_ROWS}개 이하여야 합니다.", f"It must hold 1 to {MAX_ROWS} rows.")


def _decoded(form: Form, raw: Sequence[msgspec.Raw]) -> tuple[list[tuple[int, dict[str, Any]]], dict[int, list[Fault]]]:
    """The rows of a slice: in one call while all are good, without the bad ones in a second, else one by one."""
    good = list(range(len(raw)))
    bad: dict[int, list[Fault]] = {}
    for _ in range(2):
        try:
            receivers = form.rows.validate_json(b"[" + b",".join(raw[i] for i in good) + b"]")
        except ValidationError as exc:
            named = {error["loc"][0] for error in exc.errors(include_url=False, include_input=False) if error["loc"]}
            if not named:
                break  # not JSON as pydantic reads it: bad UTF-8, a surrogate, a number of a thousand digits
            bad.update((good[int(i)], []) for i in named)
            good = [i for i in good if i not in bad]
        else:
            rows = list(zip(good, receivers, strict=True))
            return rows, {i: _faults_of_row(form, raw[i]) for i in bad}
    rows = []
    for i in range(len(raw)):
        try:
            rows.append((i, form.single_row.validate_json(bytes(raw[i]))))
        except ValidationError as exc:
            bad[i] = faults_of(exc)
    return rows, bad


def _faults_of_row(form: Form, raw: msgspec.Raw) -> list[Fault]:
    try:
        form.single_row.validate_json(bytes(raw))
    except ValidationError as exc:
        return faults_of(exc)
    return [_NOT_JSON]


def _id_of(raw: msgspec.Raw) -> str:
    """The message_id of a bad row as far as it can be told."""
    try:
        row = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    message_id = row.get("message_id") if isinstance(row, dict) else None
    return message_id[:30] if isinstance(message_id, str) else ""


def _recipient_of(receiver: dict[str, Any], content: Content) -> tuple[Recipient, dict[str, str]] | list[Fault]:
    """Recipient and values (the row's over the common ones), or the faults of a row."""
    mapping = content.mapping
    try:
        own = values_of(receiver["mapping"]) if "mapping" in receiver else {}
    except ValueError as exc:
        return [nested_variable(str(exc))]
    if own:
        mapping = {**mapping, **own} if mapping else own
    who = content.form.recipient(receiver)
    faults = content.check(None if isinstance(who, list) else who, mapping)
    if isinstance(who, list):
        return [*who, *faults]
    return faults or (who, mapping)
