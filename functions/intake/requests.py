"""The bodies of sendMessage and sendMessages: every field, length and form (contract 1). OpenAPI is made from these.

Lengths here are of what the client wrote, after NFC; what counts after substitution is in `texts.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints, TypeAdapter, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import TypedDict

from functions.intake.faults import refused
from ims.rules.text import normalise

MAX_ROWS = 50_000
MAX_FALLBACK_STEPS = 4
_RAW_CHARACTERS = 4_000  # of a text before substitution: room for long names of variables; a guess
_NUMBERS_BELOW = 10**15  # larger numbers lose digits in other people's JSON: they belong into strings

_STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
_LINE = r"^[^\x00-\x1F\x7F]*$"
_LINES = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F]*$"
_NAME = r"^[A-Za-z0-9_.:-]+$"


def _nfc(value: Any) -> Any:
    return normalise(value) if isinstance(value, str) else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


_OTHER_CHANNELS = frozenset({"MMS", "AT", "AI", "FT", "FI", "FW", "BT", "EMAIL", "EM", "PUSH", "RCS"})


def _served_step(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in _OTHER_CHANNELS:
        raise refused("1400", f"{kind} 대체발송은 아직 지원하지 않습니다.", f"A fallback to {kind} is not served yet.", ".type")
    return value


def _line(limit: int, least: int = 0) -> Any:
    return Annotated[str, StringConstraints(min_length=least, max_length=limit, pattern=_LINE), BeforeValidator(_nfc)]


_Id = Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=_NAME)]
_Phone = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=_LINE)]
_Text = Annotated[str, StringConstraints(max_length=_RAW_CHARACTERS, pattern=_LINES), BeforeValidator(_nfc)]
_Code20 = Annotated[str, StringConstraints(max_length=20, pattern=_LINE), BeforeValidator(_nfc)]
_Code30 = Annotated[str, StringConstraints(max_length=30, pattern=_LINE)]
_Key40 = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=_LINE)]
_Link = Annotated[str, StringConstraints(max_length=500, pattern=_LINE)]
_Flag = Literal["Y", "N"]
_Value = (
    Annotated[str, StringConstraints(max_length=1_300, pattern=_LINES)]
    | Annotated[int, Field(ge=-_NUMBERS_BELOW, le=_NUMBERS_BELOW)]
    | Annotated[float, Field(ge=-_NUMBERS_BELOW, le=_NUMBERS_BELOW, allow_inf_nan=False)]
)
_Mapping = Annotated[dict[Annotated[str, StringConstraints(min_length=1, max_length=1_300)], _Value], Field(max_length=40)]


class _Body(BaseModel):
    model_config = _STRICT

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return []  # fields hold numbers and texts of people


ButtonType = Literal["WL", "AL", "DS", "BK", "MD", "BC", "BT", "AC", "BF", "TN", "P1", "P2", "P3"]


class Button(_Body):
    """A button, or a quick reply, as Kakao's dealers take it (domain 1.3)."""

    type: ButtonType
    name: Annotated[str, StringConstraints(min_length=1, max_length=14, pattern=_LINE), BeforeValidator(_nfc)]
    url_mobile: _Link = ""
    url_pc: _Link = ""
    scheme_android: _Link = ""
    scheme_ios: _Link = ""
    target: Literal["", "out"] = ""
    chat_extra: Annotated[str, StringConstraints(max_length=50, pattern=_LINE), BeforeValidator(_nfc)] = ""
    chat_event: Annotated[str, StringConstraints(max_length=50, pattern=r"^[A-Za-z0-9_]*$")] = ""
    tel_number: _Code20 = ""
    plugin_id: _Code30 = ""
    biz_form_key: _Code30 = ""


class Attachment(_Body):
    """What hangs below an AlimTalk."""

    button: Annotated[list[Button], Field(max_length=5)] = []


class Supplement(_Body):
    """Quick replies (바로연결)."""

    quick_reply: Annotated[list[Button], Field(max_length=10)] = []


class FallbackStep(_Body):
    """A text message that goes out when what was before it failed."""

    type: Literal["SMS", "LMS", "AUTO"]
    callback: _Phone
    title: _line(50) = ""  # type: ignore[valid-type]
    message: _Text = ""
    after_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    on_unknown: Literal["", "Y", "N"] = ""


_Steps = Annotated[list[Annotated[FallbackStep, BeforeValidator(_served_step)]], Field(max_length=MAX_FALLBACK_STEPS)]


class _OneOrMany:
    """Tells the document that a single step may stand without its brackets."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


_Fallback = Annotated[_Steps, BeforeValidator(_as_list), _OneOrMany()]


class Common(_Body):
    """What every channel takes."""

    template_code: _Code30 = ""
    message: _Text = ""
    title: _line(50) = ""  # type: ignore[valid-type]
    mapping: _Mapping = {}
    bill_code: _Code20 = ""
    send_class: Literal["", "auth", "realtime", "mass", "ad"] = ""
    ad_flag: _Flag = "N"
    expires_at: Annotated[str, StringConstraints(pattern=r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2}))?$")] = (
        ""
    )
    fallback: _Fallback = []
    callback_url: Annotated[str, StringConstraints(max_length=1_000, pattern=r"^(https?://[^\x00-\x20\x7F\\]+)?$")] = ""


class AlimTalk(Common):
    """AlimTalk (알림톡)."""

    message_type: Literal["AT", "AI"]
    sender_key: _Key40
    template_code: Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=_LINE)]
    header: _line(16) = ""  # type: ignore[valid-type]
    attachment: Attachment = Attachment()
    supplement: Supplement = Supplement()
    country_code: Literal["", "82"] = ""


class TextMessage(Common):
    """A text message (문자)."""

    message_type: Literal["SMS", "LMS", "AUTO"]
    callback: _Phone


class _One(_Body):
    message_id: _Id
    phone_number: _Phone


class _Campaign(_Body):
    campaign_id: _Id


class AlimTalkOne(AlimTalk, _One):
    """at/sendMessage."""


class TextOne(TextMessage, _One):
    """mt/sendMessage."""


class AlimTalkCampaign(AlimTalk, _Campaign):
    """at/sendMessages without its rows, which are checked slice by slice."""


class TextCampaign(TextMessage, _Campaign):
    """mt/sendMessages without its rows."""


class Receiver(TypedDict):
    """A row of receiver_list. A TypedDict: pydantic makes one in 1.4 us, and there may be 50,000."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    message_id: _Id
    phone_number: _Phone
    mapping: NotRequired[_Mapping]
    bill_code: NotRequired[_Code20]


_Receivers = Annotated[list[Receiver], Field(min_length=1, max_length=MAX_ROWS)]


class AlimTalkMany(AlimTalkCampaign):
    """at/sendMessages, whole: what the document shows."""

    receiver_list: _Receivers


class TextMany(TextCampaign):
    """mt/sendMessages, whole: what the document shows."""

    receiver_list: _Receivers


RECEIVERS: TypeAdapter[list[Receiver]] = TypeAdapter(list[Receiver])
RECEIVER: TypeAdapter[Receiver] = TypeAdapter(Receiver)


def partial(model: type[Common]) -> type[Common]:
    """The same model with nothing required: to check what can be checked of a body that has other faults."""
    optional: dict[str, Any] = {name: (Any, "") for name, field in model.model_fields.items() if field.is_required()}
    return create_model(f"Partial{model.__name__}", __base__=model, **optional)
