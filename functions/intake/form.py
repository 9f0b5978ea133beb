"""What a channel brings to intake: its bodies, how a recipient is read from a row, and its own part of the content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter

from functions.intake.faults import Fault
from functions.intake.fields import Common, partial
from functions.intake.texts import Measure
from ims.ports.registry import Template
from ims.runtime.clients.callers import Asker


class Recipient(NamedTuple):
    """Whom a row is for. `fields` and `also` as in ims.protocol.events.Row."""

    to: str
    kind: str = ""
    fields: dict[str, Any] = {}  # noqa: RUF012 - a tuple's default, never written
    also: dict[str, str] = {}  # noqa: RUF012


class WantedFile(NamedTuple):
    """A file that a message refers to; whether its customer has it is asked when everything else is right."""

    key: str
    field: str
    use: str  # one of ims.rules.files.USES: as what it was uploaded


class Ads(Enum):
    """When a channel may carry advertisements."""

    NEVER = auto()  # AlimTalk [Kakao]
    BY_DAY = auto()  # not at night (ims.rules.night)
    ALWAYS = auto()  # e-mail, the medium that the law excepts


Check = Callable[[Recipient, Mapping[str, str]], list[Fault]]


@dataclass(slots=True)
class Own:
    """A channel's part of the content. Texts stay unrendered; `places` are those to be counted after substitution."""

    title: str = ""
    callback: str = ""
    sender_key: str = ""
    header: str = ""
    attachment: dict[str, Any] = field(default_factory=dict)
    supplement: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    places: Sequence[tuple[str, str, Measure]] = field(default_factory=list)  # (text, field, how it is measured)
    files: list[WantedFile] = field(default_factory=list)
    is_ad: bool = False  # an advertisement by its nature, whatever the text says
    needs_text: bool = True
    check: Check | None = None  # of one recipient with its values, for what no single text shows; after the texts were found good


Read = Callable[[Any, str, Template | None, Asker, list[Fault]], Own]  # model, text (message or the template's), template, asker, faults
ReadRecipient = Callable[[Mapping[str, Any]], Recipient | list[Fault]]  # the recipient fields that were given


@dataclass(frozen=True)
class Form:
    """One channel. `one` is the body of sendMessage, `campaign` of sendMessages without its rows, `many` the whole for the document."""

    one: type[Common]
    campaign: type[Common]
    many: type[BaseModel]
    row: type[Any]  # a TypedDict: what a row of receiver_list holds
    recipient_fields: tuple[str, ...]
    read: Read
    recipient: ReadRecipient
    example: Mapping[str, Any]  # a body of sendMessage that is accepted
    name: tuple[str, str]  # for operation ids and summaries: ("Text", "a text")
    written: Callable[[Any], str] = attrgetter("message")  # the text as the client wrote it, before any template
    ads: Ads = Ads.BY_DAY
    empty_values: bool = True  # whether a variable's value may be empty; where not, it counts as missing

    @cached_property
    def rows(self) -> TypeAdapter[list[dict[str, Any]]]:
        """Validates a slice of rows at once."""
        return TypeAdapter(list[self.row])  # type: ignore[name-defined]

    @cached_property
    def single_row(self) -> TypeAdapter[dict[str, Any]]:
        """Validates one row, where a slice had bad ones."""
        return TypeAdapter(self.row)

    @cached_property
    def _partials(self) -> dict[type[Common], type[Common]]:
        return {model: partial(model) for model in (self.one, self.campaign)}

    def partial(self, model: type[Common]) -> type[Common]:
        """`model` with nothing required."""
        return self._partials[model]

    def recipient_of(self, model: Any) -> Recipient | list[Fault]:
        """The recipient of a single message. Nothing given is a fault of the recipient field."""
        return self.recipient({name: value for name in self.recipient_fields if (value := getattr(model, name, ""))})
