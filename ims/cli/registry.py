"""`ims keys`, `register`, `optout` and `stop`: what an operator changes in the registry while everything runs.

The async functions do the work and return what `--json` prints; the commands below them read options and show it.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ims.cli.show import fail, show
from ims.errors import ImsError, Rejected
from ims.lanes import Lane
from ims.ports.registry import ServiceKey
from ims.rules import optouts, phone
from ims.rules.registration import RegistrationRefused, parse_registration
from ims.topics import Channel

if TYPE_CHECKING:
    from ims.adapters.sql.registry import SqlRegistry

T = TypeVar("T")

_SEOUL = timezone(timedelta(hours=9), "KST")
OVERLAP_S = 86_400

keys = typer.Typer(help="Service keys and secrets of customers.", no_args_is_help=True)
optout = typer.Typer(help="Recipients who want nothing more of a customer.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Give the `ims` command what this file serves."""
    app.add_typer(keys, name="keys")
    app.add_typer(optout, name="optout")
    app.command("register")(register_command)
    app.command("stop")(stop_command)


# --- the work


async def issue_key(
    registry: SqlRegistry, customer: str, kind: Lane, *, rate_per_s: int = 0, daily_cap: int = 0, allowed_ips: Sequence[str] = ()
) -> dict[str, Any]:
    """A new service key."""
    return _key(await registry.issue_key(customer, kind, rate_per_s=rate_per_s, daily_cap=daily_cap, allowed_ips=allowed_ips))


async def rotate_secret(registry: SqlRegistry, customer: str, username: str | None, overlap_s: int) -> dict[str, Any]:
    """A new secret for calling IMS; the only time that it is shown."""
    name, secret = await registry.rotate_secret(customer, username, overlap_s)
    return {"customer": customer, "username": name, "secret": secret, "x_ims_key": x_ims_key(name, secret), "old_lives_s": overlap_s}


async def rotate_callback_secret(registry: SqlRegistry, customer: str, overlap_s: int) -> dict[str, Any]:
    """A new secret for checking results; both sign until the overlap ends."""
    return {"customer": customer, "callback_secret": await registry.rotate_callback_secret(customer, overlap_s), "old_lives_s": overlap_s}


async def set_active(registry: SqlRegistry, key: str, active: bool) -> dict[str, Any]:
    """Stop or start a key; an operator need not know whose it is."""
    found = (await registry.directory()).service_key(key)
    if found is None:
        raise Rejected("1100", "key", "no such service key")
    await (registry.start_key if active else registry.stop_key)(found.customer, key)
    return _key(found) | {"active": active}


async def list_keys(registry: SqlRegistry, customer: str | None) -> list[dict[str, Any]]:
    """All keys, or one customer's."""
    return [_key(key) for key in await registry.list_keys(customer)]


async def register(registry: SqlRegistry, text: bytes) -> list[dict[str, Any]]:
    """Register a file; secrets that were generated are shown this once."""
    shown = []
    for issued in await registry.register(parse_registration(text)):
        entry: dict[str, Any] = {"customer": issued.customer, "username": issued.username}
        if issued.secret is not None:
            entry |= {"secret": issued.secret, "x_ims_key": x_ims_key(issued.username, issued.secret)}
        if issued.callback_secret is not None:
            entry["callback_secret"] = issued.callback_secret
        shown.append(entry | {"service_keys": [{"key": key.key, "kind": str(key.kind)} for key in issued.service_keys]})
    return shown


async def add_opt_outs(registry: SqlRegistry, customer: str, channels: Sequence[Channel] | None, numbers: Sequence[str]) -> dict[str, Any]:
    """Only the keyed index of a number or address is kept."""
    channels = channels or optouts.reaching(numbers)
    recipients = _indexed(registry, numbers)
    added = [await registry.add_opt_outs(customer, str(channel), recipients) for channel in channels]
    return {"customer": customer, "added": dict(zip(map(str, channels), added, strict=True))}


async def remove_opt_outs(
    registry: SqlRegistry, customer: str, channels: Sequence[Channel] | None, numbers: Sequence[str]
) -> dict[str, Any]:
    """The recipients take messages again."""
    channels = channels or optouts.reaching(numbers)
    recipients = _indexed(registry, numbers)
    removed = [await registry.remove_opt_outs(customer, str(channel), recipients) for channel in channels]
    return {"customer": customer, "removed": dict(zip(map(str, channels), removed, strict=True))}


async def list_opt_outs(registry: SqlRegistry, customer: str | None) -> list[dict[str, Any]]:
    """Counts and dates, never numbers."""
    return [
        {"customer": o.customer, "channel": o.channel, "count": o.count, "first_at": _at(o.first_at), "last_at": _at(o.last_at)}
        for o in await registry.list_opt_outs(customer)
    ]


async def stop(registry: SqlRegistry, kind: str, value: str, customer: str, lift: bool) -> dict[str, Any]:
    """Put or lift an emergency stop; `customer` narrows it, empty means whoever sends."""
    if not lift:
        await registry.put_stop(kind, value, customer)
    elif not await registry.lift_stop(kind, value, customer):
        raise Rejected("1404", kind, "there is no such stop")
    return {"kind": kind, "value": value, "customer": customer or None, "stopped": not lift}


async def list_stops(registry: SqlRegistry) -> list[dict[str, Any]]:
    """What is stopped now."""
    return [{"kind": s.kind, "value": s.value, "customer": s.customer or None, "since": _at(s.since)} for s in await registry.list_stops()]


def x_ims_key(username: str, secret: str) -> str:
    """The header with which a customer calls."""
    return base64.b64encode(f"{username}:{secret}".encode()).decode()


# --- the commands

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Overlap = Annotated[int, typer.Option("--overlap-s", min=0, max=90 * 86_400, help="Seconds for which the old secret lives on.")]
Channels = Annotated[
    list[Channel] | None,
    typer.Option("--channel", help="Only this channel; may be repeated. Default: every one that reaches such an address."),
]
Numbers = Annotated[
    list[str], typer.Argument(help="Telephone numbers or e-mail addresses, or - to read them from standard input, one a line.")
]
AnyCustomer = Annotated[str | None, typer.Argument(help="Only this customer.")]


@keys.command("issue")
def issue_command(
    customer: str,
    kind: Lane,
    *,
    rate_per_s: Annotated[int, typer.Option(min=0, help="Recipients a second; 0: no cap.")] = 0,
    daily_cap: Annotated[int, typer.Option(min=0, help="Recipients a day; 0: no cap.")] = 0,
    allow_ip: Annotated[list[str] | None, typer.Option(help="A network that may call with it; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Issue a service key."""
    allowed = allow_ip or ()
    show(on_registry(lambda r: issue_key(r, customer, kind, rate_per_s=rate_per_s, daily_cap=daily_cap, allowed_ips=allowed)), as_json)


@keys.command("rotate")
def rotate_command(
    customer: str,
    username: Annotated[str | None, typer.Option(help="Which user's secret, when the customer has several.")] = None,
    callback: Annotated[bool, typer.Option("--callback", help="The secret that signs results, not the one for calling.")] = False,
    overlap_s: Overlap = OVERLAP_S,
    as_json: Json = False,
) -> None:
    """Make a new secret; the old one lives on for an overlap."""
    if callback:
        show(on_registry(lambda r: rotate_callback_secret(r, customer, overlap_s)), as_json)
    else:
        show(on_registry(lambda r: rotate_secret(r, customer, username, overlap_s)), as_json)


@keys.command("stop")
def stop_key_command(key: str, as_json: Json = False) -> None:
    """Refuse a service key from now on."""
    show(on_registry(lambda r: set_active(r, key, False)), as_json)


@keys.command("start")
def start_key_command(key: str, as_json: Json = False) -> None:
    """Take a stopped service key into service again."""
    show(on_registry(lambda r: set_active(r, key, True)), as_json)


@keys.command("list")
def list_keys_command(customer: AnyCustomer = None, as_json: Json = False) -> None:
    """List service keys."""
    show(on_registry(lambda r: list_keys(r, customer)), as_json)


def register_command(
    file: Annotated[Path, typer.Argument(help="A JSON file, or - for standard input.", allow_dash=True)], as_json: Json = False
) -> None:
    """Register customers, keys, sender numbers and profiles, templates, push apps, RCS brands and endpoints from a file."""
    try:
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as exc:
        fail(f"{file}: {exc.strerror}")
    show(on_registry(lambda r: register(r, text)), as_json)


@optout.command("add")
def add_opt_outs_command(customer: str, numbers: Numbers, channel: Channels = None, as_json: Json = False) -> None:
    """Send these recipients nothing more."""
    show(on_registry(lambda r: add_opt_outs(r, customer, channel, _given(numbers))), as_json)


@optout.command("remove")
def remove_opt_outs_command(customer: str, numbers: Numbers, channel: Channels = None, as_json: Json = False) -> None:
    """Send to these recipients again."""
    show(on_registry(lambda r: remove_opt_outs(r, customer, channel, _given(numbers))), as_json)


@optout.command("list")
def list_opt_outs_command(customer: AnyCustomer = None, as_json: Json = False) -> None:
    """Show how many opted out, and when."""
    show(on_registry(lambda r: list_opt_outs(r, customer)), as_json)


def stop_command(
    *,
    customer: Annotated[str, typer.Option(help="Everything of this customer; with another option: only this customer's.")] = "",
    template: Annotated[str, typer.Option(help="Messages made from this template code.")] = "",
    sender: Annotated[str, typer.Option(help="Messages from this sender number or sender key.")] = "",
    campaign: Annotated[str, typer.Option(help="Messages of this campaign.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Lift the stop.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show what is stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Stop sending at once, what is already accepted included."""
    named = [
        (kind, value)
        for kind, value in (("template", template), ("sender", phone.callback(sender) or sender), ("campaign", campaign))
        if value
    ]
    if listed:
        if named or customer or lift:
            fail("--list stands alone")
        show(on_registry(list_stops), as_json)
        return
    if len(named) > 1 or not (named or customer):
        fail("name one of --template, --sender and --campaign, with or without --customer, or --customer alone")
    kind, value = named[0] if named else ("customer", customer)
    show(on_registry(lambda r: stop(r, kind, value, customer if named else "", lift)), as_json)


# --- inside


def on_registry(act: Callable[[SqlRegistry], Awaitable[T]]) -> T:
    """Open the registry, act, close it. Exit code 1 with what is wrong."""

    async def opened() -> T:
        from ims.config import load_settings
        from ims.wiring import open_registry

        async with open_registry(load_settings()) as registry:
            return await act(registry)

    try:
        return asyncio.run(opened())
    except RegistrationRefused as exc:
        fail("\n".join(f"{problem.place}: {problem.what}" for problem in exc.problems))
    except Rejected as exc:
        fail(f"{exc.field}: {exc.detail}")
    except ImsError as exc:
        fail(str(exc))


def _key(key: ServiceKey) -> dict[str, Any]:
    return {
        "key": key.key,
        "customer": key.customer,
        "kind": str(key.kind),
        "active": key.active,
        "rate_per_s": key.rate_per_s,
        "daily_cap": key.daily_cap,
        "allowed_ips": list(key.allowed_ips),
    }


def _given(numbers: list[str]) -> list[str]:
    return [line.strip() for line in sys.stdin if line.strip()] if numbers == ["-"] else numbers


def _indexed(registry: SqlRegistry, numbers: Sequence[str]) -> list[bytes]:
    normal = [optouts.recipient(given) for given in numbers]
    if None in normal:
        raise Rejected("2050", "number", f"number {normal.index(None) + 1} of {len(normal)} is not one that receives texts")
    return [registry.index(number) for number in normal if number is not None]


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(_SEOUL).isoformat(timespec="seconds")
