"""The file that `ims register` reads: customers with all that their messages are checked against.

JSON. Unknown fields are refused, and all problems are told at once, each with its place. Registering adds and updates,
it never removes: what a file leaves out stays as it is. A secret that is absent is generated and shown once.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from ims.errors import Rejected
from ims.lanes import Lane
from ims.rules import email, phone

LOOPBACK = "loopback:*"  # any loopback URL, where the profile allows those at all
ChannelName = Literal["at", "ft", "bt", "mt", "email", "push", "rcs"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the file. `what` never repeats the value: it may be a secret."""

    place: str  # customers[0].service_keys[1].kind
    what: str


class RegistrationRefused(Rejected):
    """The file was refused as a whole; nothing of it was registered."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("1400", problems[0].place, problems[0].what)
        self.problems = problems


def _sender_number(text: str) -> str:
    number = phone.callback(text)
    if number is None:
        raise ValueError("not a Korean sender number")
    return number


def _domain(text: str) -> str:
    name = email.domain(text)
    if name is None:
        raise ValueError("not a domain name")
    return name


def _chatbot_number(text: str) -> str:
    number = _sender_number(text)
    if number.startswith("010"):
        raise ValueError("a mobile number cannot send RCS")
    return number


def network(text: str) -> str:
    """An address or network in its one CIDR form; ValueError otherwise."""
    try:
        return str(ip_network(text.strip(), strict=False))
    except ValueError:
        raise ValueError("not an IP address or a network in CIDR form") from None


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isprintable() or " " in text:
        raise ValueError("not an http or https URL without a user name")
    return text


def _endpoint(text: str) -> str:
    return text and _url(text)


def _prefix(text: str) -> str:
    if text == LOOPBACK:
        return text
    parts = urlsplit(_url(text))
    # Without the slash https://hooks.acme.kr would also be a prefix of https://hooks.acme.kr.evil.com
    return text if parts.path else f"{text}/"


def _clean(text: str) -> str:
    """As texts are counted and compared everywhere (contract 1): NFC, LF."""
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n")


def _printable(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isprintable():
        raise ValueError("a secret is printable characters only")
    return secret


def _rsa(key: SecretStr) -> SecretStr:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if not isinstance(_loaded(key), RSAPrivateKey):
        raise ValueError("not a PEM private RSA key")  # noqa: TRY004 - pydantic reads this kind
    return key


def _p256(key: SecretStr) -> SecretStr:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    loaded = _loaded(key)
    if not isinstance(loaded, EllipticCurvePrivateKey) or loaded.curve.name != "secp256r1":
        raise ValueError("not a PEM private key on the curve P-256")
    return key


def _loaded(key: SecretStr) -> object:
    """Looked at when it is registered: a key that cannot sign would be found out by the first message."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(key.get_secret_value().encode(), None)
    except (ValueError, TypeError):
        raise ValueError("not a PEM private key") from None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServiceKeyEntry(_Entry):
    """One service key. Without `key` it stands for the customer's next key of that kind, generated when there is none."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,40}$")] | None = None
    kind: Lane
    rate_per_s: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    daily_cap: Annotated[int, Field(ge=0, le=2_000_000_000)] | None = None
    allowed_ips: list[Annotated[str, AfterValidator(network)]] | None = None


class TemplateEntry(_Entry):
    """One template code of a channel."""

    code: Annotated[str, Field(pattern=r"^[^\s]{1,30}$")]
    channel: ChannelName
    text: Annotated[str, Field(max_length=4_000), AfterValidator(_clean)] | None = None
    category: Lane | None = None


class ServiceAccountEntry(BaseModel):
    """The file that Google gives for a service account, as it is; what we do not need of it is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    project_id: Annotated[str, Field(pattern=r"^[a-z0-9.:-]{1,100}$")]  # it stands in the address that we call
    client_email: Annotated[str, Field(pattern=r"^[^\s@]{1,200}@[^\s@]{1,200}$")]
    private_key: Annotated[SecretStr, Field(max_length=10_000), AfterValidator(_rsa)]
    private_key_id: Annotated[str, Field(pattern=r"^[\w-]{0,100}$")] = ""


class ApnsEntry(_Entry):
    """What Apple gives for a team's signing key (.p8), and the app that it is used for."""

    team_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{10}$")]
    key_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{10}$")]
    private_key: Annotated[SecretStr, Field(max_length=10_000), AfterValidator(_p256)]
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,154}$")]  # the bundle id
    environment: Literal["production", "sandbox"] = "production"


class PushAppEntry(_Entry):
    """One app. A service that is left out keeps the keys it has."""

    app_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    fcm: ServiceAccountEntry | None = None
    apns: ApnsEntry | None = None


class RcsBrandEntry(_Entry):
    """A brand of RCS Biz Center, with the numbers of its chatbots."""

    brand_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
    chatbots: list[Annotated[str, AfterValidator(_chatbot_number)]] = []


class CustomerEntry(_Entry):
    """One customer."""

    name: Annotated[str, Field(pattern=r"^[\w][\w.-]{0,39}$"), AfterValidator(_clean)]
    username: Annotated[str, Field(pattern=r"^[^\s:]{1,40}$")]  # the header is Base64(username:secret)
    # Kept as a plain digest, which is safe only for secrets that nobody can guess.
    secret: Annotated[SecretStr, Field(min_length=16, max_length=200), AfterValidator(_printable)] | None = None
    endpoint: Annotated[str, Field(max_length=2_000), AfterValidator(_endpoint)] | None = None  # empty: polling only
    callback_allowed: list[Annotated[str, Field(max_length=2_000), AfterValidator(_prefix)]] | None = None
    service_keys: list[ServiceKeyEntry] = []
    sender_numbers: list[Annotated[str, AfterValidator(_sender_number)]] = []
    sender_profiles: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]] = []
    templates: list[TemplateEntry] = []
    push_apps: list[PushAppEntry] = []
    sending_domains: list[Annotated[str, Field(max_length=253), AfterValidator(_domain)]] = []  # of from_email
    rcs_brands: list[RcsBrandEntry] = []
    night_ads: Literal["refuse", "hold"] | None = None  # what becomes of an ad at night; hold: it waits until 08:00
    consents: Literal["own", "required"] | None = None  # required: an ad goes only to those whose consent IMS was told of
    approves_campaigns: bool | None = None  # whether nothing of a campaign leaves before it is approved


class RegistrationFile(_Entry):
    """The whole file."""

    customers: Annotated[list[CustomerEntry], Field(min_length=1)]


def parse_registration(text: str | bytes) -> RegistrationFile:
    """The file, checked. RegistrationRefused names every problem that can be seen without the registry."""
    try:
        raw = json.loads(text)
    except UnicodeDecodeError as exc:
        raise RegistrationRefused([Problem("file", "not UTF-8")]) from exc
    except json.JSONDecodeError as exc:
        raise RegistrationRefused([Problem(f"line {exc.lineno}, column {exc.colno}", f"not JSON: {exc.msg}")]) from None
    except RecursionError:
        raise RegistrationRefused([Problem("file", "nested too deep")]) from None
    problems = list(_repeats(raw))
    try:
        file = RegistrationFile.model_validate(raw)
    except ValidationError as exc:
        problems += [Problem(_place(error["loc"]), error["msg"].removeprefix("Value error, ")) for error in exc.errors(include_url=False)]
    if problems:
        raise RegistrationRefused(problems)
    return file


def _place(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".") or "file"


def _repeats(raw: Any) -> Iterator[Problem]:
    """What may stand only once in a file, looked for before anything is known to have its right type."""
    found: list[tuple[str, str, str]] = []
    customers = raw.get("customers") if isinstance(raw, dict) else None
    for i, customer in enumerate(customers if isinstance(customers, list) else []):
        if not isinstance(customer, dict):
            continue
        found += [
            (field, customer[field], f"customers[{i}].{field}") for field in ("name", "username") if isinstance(customer.get(field), str)
        ]
        keys = customer.get("service_keys")
        for j, entry in enumerate(keys if isinstance(keys, list) else []):
            if isinstance(entry, dict) and isinstance(entry.get("key"), str):
                found.append(("key", entry["key"], f"customers[{i}].service_keys[{j}].key"))
    count = Counter((field, value) for field, value, _ in found)
    return (Problem(place, f"this {field} stands more than once in the file") for field, value, place in found if count[field, value] > 1)
