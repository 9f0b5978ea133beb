"""The texts of a request after substitution: rendered once to count and to refuse (2010, 2011, 2042, 2043), then sent unrendered.

What has no variables is checked once for all recipients; a text that stands in several places is rendered once a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto

from functions.intake.faults import Fault
from ims.rules.email import BODY_CHARACTERS, SUBJECT_CHARACTERS, breaks_header
from ims.rules.lane import AD_MARK, is_ad
from ims.rules.limits import Limit, beyond
from ims.rules.template import MissingVariable, render, variables
from ims.rules.text import LMS_BYTES, SMS_BYTES, TITLE_BYTES, Unencodable, byte_count


class Kind(Enum):
    """What a text is, which says how long it may be."""

    SMS = auto()
    LMS = auto()
    TITLE = auto()  # of an LMS
    SUBJECT = auto()
    MAIL = auto()


_BYTES = {Kind.SMS: SMS_BYTES, Kind.LMS: LMS_BYTES, Kind.TITLE: TITLE_BYTES}
_CHARACTERS = {Kind.SUBJECT: Limit(SUBJECT_CHARACTERS), Kind.MAIL: Limit(BODY_CHARACTERS)}
_BODIES = frozenset({Kind.SMS, Kind.LMS, Kind.MAIL})
_TEXTS = frozenset({"message", "body.description"})  # fields of the text itself, wherever a channel has it
# By field; others are 1400.
_CODES = {"message": "2010", "body.description": "2010", "attachment": "4002", "carousel": "4002", "supplement": "4003"}
Measure = Kind | Limit  # a kind of text, or its limit itself
Place = tuple[str, Measure]  # a field and how it is measured


def text_kind(message_type: str) -> Kind:
    """The kind of a text message's body; AUTO may become an LMS."""
    return Kind.SMS if message_type == "SMS" else Kind.LMS


def no_title(field: str) -> Fault:
    """The fault of a title on an SMS."""
    return Fault(field, "1400", "SMS에는 제목을 쓸 수 없습니다.", "An SMS has no title.")


def _fault(rendered: str, field: str, kind: Measure) -> Fault | None:
    if (kind in _BODIES or field in _TEXTS) and not rendered.strip():
        return Fault(field, "2020", "치환한 뒤 비어 있습니다.", "It is empty after substitution.")
    if kind is Kind.SUBJECT and breaks_header(rendered):
        return Fault(field, "1400", "제목에 줄바꿈이나 제어 문자를 쓸 수 없습니다.", "A subject holds no control characters.")
    characters = kind if isinstance(kind, Limit) else _CHARACTERS.get(kind)
    if characters is not None:
        wrong = beyond(rendered, characters)
        return Fault(field, _CODES.get(field) or _CODES.get(field.partition(".")[0], "1400"), *wrong) if wrong else None
    assert isinstance(kind, Kind)  # noqa: S101 - for the type checker
    try:
        limit, size = _BYTES[kind], byte_count(rendered)
    except Unencodable as exc:
        return Fault(field, "2011", f"{exc.position + 1}번째 글자입니다.", f"It is character {exc.position + 1}.")
    if size > limit:
        too_long = "2010" if kind in _BODIES else "1400"
        return Fault(field, too_long, f"{size}바이트, 최대 {limit}바이트입니다.", f"{size} bytes, at most {limit}.")
    return None


def _may_begin_as_ad(text: str) -> bool:
    """Whether values could make the beginning of this text that of an advertisement."""
    head = text.lstrip().partition("#{")[0]
    return "#{" in text and len(head) < len(AD_MARK) and AD_MARK.startswith(head)


class Texts:
    """All texts of one request. `faults` are those that every recipient would have."""

    def __init__(self, texts: Iterable[tuple[str, str, Measure]], *, empty_values: bool) -> None:
        """`texts` are (text, field, kind). Without `empty_values` (AlimTalk) an empty value counts as missing."""
        self._places: dict[str, list[Place]] = {}
        self.faults: list[Fault] = []
        self._empty_values = empty_values
        for text, field, kind in texts:
            if not text:
                continue
            if "#{" not in text:
                fault = _fault(text, field, kind)
            elif "#{" in render(text, dict.fromkeys(variables(text), "")):
                fault = Fault(field, "2042", "#{변수} 표기가 올바르지 않습니다.", "A #{variable} is not well formed.")
            else:
                self._places.setdefault(text, []).append((field, kind))
                continue
            if fault:
                self.faults.append(fault)
        self.names = frozenset(name for text in self._places for name in variables(text))
        self._suspects = [text for text in self._places if _may_begin_as_ad(text)]

    def uses(self, text: str) -> bool:
        """Whether this text has variables."""
        return text in self._places

    def becomes_ad(self, mapping: Mapping[str, str]) -> bool:
        """Whether these values make a text begin with the mark of an advertisement."""
        return any(is_ad(render(text, mapping)) for text in self._suspects if all(n in mapping for n in variables(text)))

    def check(self, mapping: Mapping[str, str]) -> list[Fault]:
        """What is wrong with the texts for this recipient."""
        if not self._places:
            return []
        if not self._empty_values and "" in mapping.values():
            mapping = {name: value for name, value in mapping.items() if value}
        faults: list[Fault] = []
        missing: dict[str, None] = {}
        for text, places in self._places.items():
            try:
                rendered = render(text, mapping)
            except MissingVariable as exc:
                missing.update(dict.fromkeys(exc.names))
                continue
            for field, kind in places:
                fault = _fault(rendered, field, kind)
                if fault:
                    faults.append(fault)
        if missing:
            names = ", ".join(name[:60] for name in missing)
            faults.insert(0, Fault("mapping", "2043", f"변수: {names}", f"Variables: {names}"))
        return faults
