"""The registers that customers manage over HTTP: what a request may say of a thing, how many there may be, what the audit log masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ims.rules import optouts, phone
from ims.rules.files import well_formed
from ims.rules.masking import masked
from ims.rules.registration import ChannelName, network
from ims.rules.validation import refused

BODY_BYTES = 512 * 1024  # of any body
MOST_ROWS = 1_000  # of a page
PAGE_ROWS = 100  # unless it is asked for more
MOST_RECIPIENTS = 1_000  # of one request
MOST_NETWORKS = 50  # of one service key


def _number(given: str) -> str:
    number = phone.callback(given)
    if number is None:
        raise refused("2051", "발신번호로 쓸 수 없는 번호입니다.", "It is no number that texts may be sent from.")
    return number


def _file_key(given: str) -> str:
    if not well_formed(given):
        raise refused("2070", "", "")
    return given


def _recipient(given: str) -> str:
    found = optouts.recipient(given)
    if found is None:
        raise refused("2050", "전화번호 또는 메일 주소여야 합니다.", "It must be a telephone number or an e-mail address.")
    return found


FileKey = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_file_key)]


class Entry(BaseModel):
    """A body of a register."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class NumberClaim(Entry):
    """A sender number that a customer says is theirs. `proof`: file_key of its certificate of use (통신서비스 이용증명원)."""

    number: Annotated[str, Field(min_length=1, max_length=30), AfterValidator(_number)]
    proof: FileKey


class NumberProof(Entry):
    """Another proof for a number that is not approved: it is claimed anew."""

    proof: FileKey


class OptOutEntry(Entry):
    """People who want nothing more. Without `channels`: on every channel that reaches them by such an address."""

    recipients: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=254), AfterValidator(_recipient)]],
        Field(min_length=1, max_length=MOST_RECIPIENTS),
    ]
    channels: Annotated[list[ChannelName], Field(min_length=1, max_length=len(optouts.CHANNELS))] | None = None

    @model_validator(mode="after")
    def _reach_somebody(self) -> OptOutEntry:
        if not set(self.channels or ()) <= set(optouts.reaching(self.recipients)):
            raise refused("1400", "이 수신자에게 보낼 수 없는 채널입니다.", "A channel reaches none of these recipients.", at="channels")
        return self


def _network(given: str) -> str:
    try:
        return network(given)
    except ValueError:
        raise refused("1400", "IP 주소 또는 CIDR 대역이어야 합니다.", "It must be an IP address or a network in CIDR form.") from None


_Rate = Annotated[int, Field(ge=0, le=1_000_000)]
_Cap = Annotated[int, Field(ge=0, le=2_000_000_000)]
_Networks = Annotated[list[Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_network)]], Field(max_length=MOST_NETWORKS)]


class KeyIssue(Entry):
    """A service key of a kind. 0: no cap, in recipients; no networks: it may be used from anywhere."""

    kind: Literal["auth", "realtime", "mass", "ad"]
    rate_per_s: _Rate = 0
    daily_cap: _Cap = 0
    allowed_ips: _Networks = []


class KeyChange(Entry):
    """All that can change of a key. `active` false: refused from now on (1101)."""

    active: bool
    rate_per_s: _Rate
    daily_cap: _Cap
    allowed_ips: _Networks


@dataclass(frozen=True)
class Register:
    """One register. Its name is its place in the path: /ims/{serviceKey}/NAME."""

    name: str
    what: str  # for documents
    entry: type[Entry]  # body of POST
    example: Mapping[str, Any]
    change: type[Entry] | None = None  # body of PUT; none: nothing of a thing can change
    change_example: Mapping[str, Any] = field(default_factory=dict)
    removable: bool = True
    most: int = 0  # things of one customer; 0: no limit
    narrowed_by: tuple[str, ...] = ()  # what a list may be asked for, beside cursor and size
    masks: Mapping[str, Callable[[str], str]] = field(default_factory=dict)  # fields that the audit log shows masked
    masks_id: Callable[[str], str] = str


NUMBERS = Register(
    "numbers",
    "a sender number",
    NumberClaim,
    {"number": "02-555-0123", "proof": "20270101-0123456789abcdef01234567"},
    NumberProof,
    {"proof": "20270101-0123456789abcdef01234567"},
    most=1_000,  # a guess: the largest franchises have some hundred
    masks={"number": masked},
    masks_id=masked,
)
OPT_OUTS = Register(
    "optouts", "opt-outs", OptOutEntry, {"recipients": ["01055501234"], "channels": ["mt"]}, narrowed_by=("channel", "recipient")
)

KEYS = Register(
    "keys",
    "a service key",
    KeyIssue,
    {"kind": "mass", "rate_per_s": 100},
    KeyChange,
    {"active": False, "rate_per_s": 0, "daily_cap": 0, "allowed_ips": ["203.0.113.0/24"]},
    removable=False,
    most=100,  # a guess: one for each system of a large customer, and some that were rotated out
)

REGISTERS: Mapping[str, Register] = {register.name: register for register in (NUMBERS, OPT_OUTS, KEYS)}


def shown(register: Register, fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the audit log keeps of a thing."""
    if fields is None:
        return None
    return {name: register.masks[name](value) if name in register.masks else value for name, value in fields.items()}
