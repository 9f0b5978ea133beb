"""What the bodies of all channels have in common: forms and lengths of fields, fallback steps, rows (contract 1).

Lengths here are of what the client wrote, after NFC; what counts after substitution is in `texts.py`. The bodies
themselves are in `channels`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import TypedDict

from functions.intake.faults import refused
from ims.rules.text import normalise

MAX_ROWS = 50_000
MAX_FALLBACK_STEPS = 4
_RAW_CHARACTERS = 4_000  # of a text before substitution: room for long names of variables; a guess
_NUMBERS_BELOW = 10**15  # larger numbers lose digits in other people's JSON: they belong into strings

STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
LINE = r"^[^\x00-\x1F\x7F]*$"
LINES = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F]*$"
_NAME = r"^[A-Za-z0-9_.:-]+$"


def nfc(value: Any) -> Any:
    return normalise(value) if isinstance(value, str) else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


_OTHER_CHANNELS = frozenset({"MMS", "AT", "AI", "FT", "FI", "FW", "BT", "EMAIL", "EM", "PUSH", "RCS"})


def _served_step(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in _OTHER_CHANNELS:
        raise refused("1400", f"{kind} 대체발송은 아직 지원하지 않습니다.", f"A fallback to {kind} is not served yet.", ".type")
    return value


def line(limit: int, least: int = 0) -> Any:
    return Annotated[str, StringConstraints(min_length=least, max_length=limit, pattern=LINE), BeforeValidator(nfc)]


Id = Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=_NAME)]
Phone = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=LINE)]
Text = Annotated[str, StringConstraints(max_length=_RAW_CHARACTERS, pattern=LINES), BeforeValidator(nfc)]
Code20 = Annotated[str, StringConstraints(max_length=20, pattern=LINE), BeforeValidator(nfc)]
Code30 = Annotated[str, StringConstraints(max_length=30, pattern=LINE)]
Key40 = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=LINE)]
FileKey = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_NAME)]
Link = Annotated[str, StringConstraints(max_length=500, pattern=LINE)]
Flag = Literal["Y", "N"]
_Value = (
    Annotated[str, StringConstraints(max_length=1_300, pattern=LINES)]
    | Annotated[int, Field(ge=-_NUMBERS_BELOW, le=_NUMBERS_BELOW)]
    | Annotated[float, Field(ge=-_NUMBERS_BELOW, le=_NUMBERS_BELOW, allow_inf_nan=False)]
)
Mapping = Annotated[dict[Annotated[str, StringConstraints(min_length=1, max_length=1_300)], _Value], Field(max_length=40)]


class Body(BaseModel):
    model_config = STRICT

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return []  # fields hold numbers and texts of people


class FallbackStep(Body):
    """A text message that goes out when what was before it failed."""

    type: Literal["SMS", "LMS", "AUTO"]
    callback: Phone
    title: line(50) = ""  # type: ignore[valid-type]
    message: Text = ""
    after_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    on_unknown: Literal["", "Y", "N"] = ""


_Steps = Annotated[list[Annotated[FallbackStep, BeforeValidator(_served_step)]], Field(max_length=MAX_FALLBACK_STEPS)]


class _OneOrMany:
    """Tells the document that a single step may stand without its brackets."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


_Fallback = Annotated[_Steps, BeforeValidator(_as_list), _OneOrMany()]


class Common(Body):
    """What every channel takes."""

    template_code: Code30 = ""
    message: Text = ""
    mapping: Mapping = {}
    bill_code: Code20 = ""
    send_class: Literal["", "auth", "realtime", "mass", "ad"] = ""
    ad_flag: Flag = "N"
    expires_at: Annotated[str, StringConstraints(pattern=r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2}))?$")] = (
        ""
    )
    fallback: _Fallback = []
    callback_url: Annotated[str, StringConstraints(max_length=1_000, pattern=r"^(https?://[^\x00-\x20\x7F\\]+)?$")] = ""


class One(Body):
    """A single message's own fields. A channel adds how it names the recipient."""

    message_id: Id


class Campaign(Body):
    """A list's own fields, without its rows, which are checked slice by slice."""

    campaign_id: Id


class Row(TypedDict):
    """What every row of receiver_list has. A TypedDict: pydantic makes one in 1.4 us, and there may be 50,000."""

    message_id: Id
    mapping: NotRequired[Mapping]
    bill_code: NotRequired[Code20]


def partial(model: type[Common]) -> type[Common]:
    """The same model with nothing required: to check what can be checked of a body that has other faults."""
    optional: dict[str, Any] = {name: (Any, "") for name, field in model.model_fields.items() if field.is_required()}
    return create_model(f"Partial{model.__name__}", __base__=model, **optional)
