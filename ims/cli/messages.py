"""`ims send`: a message, or a campaign from a CSV, sent as a customer's own system would send it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ims.cli import dead, stages, why
from ims.cli.campaign import Campaign, read_sheet
from ims.cli.home import running
from ims.cli.posting import NoAnswer, Refused, Target, poster
from ims.cli.show import fail, show
from ims.config import Settings, load_settings
from ims.lanes import MASS_FROM_RECIPIENTS, Lane
from ims.ports.dispatch import DEFINITE, UNKNOWN

if TYPE_CHECKING:
    from ims.cli.progress import Settling

_ASK_S = 0.25
_MESSAGE_WAIT_S = 60.0


class MessageType(StrEnum):
    """What `ims send` can send."""

    SMS = "SMS"
    LMS = "LMS"
    AUTO = "AUTO"
    AT = "AT"

    @property
    def channel(self) -> str:
        """The path under which it is asked for."""
        return "at" if self is MessageType.AT else "mt"


def add_to(app: typer.Typer) -> None:
    """Register the commands about messages."""
    app.command()(send)
    why.add_to(app)
    stages.add_to(app)
    dead.add_to(app)


def send(
    *,
    to: Annotated[str, typer.Option(help="Recipient of one message.")] = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="A campaign: column phone_number, optional message_id, bill_code; the rest are variables.")
    ] = None,
    message: Annotated[str, typer.Option(help="The text, with #{variables}.")] = "",
    type_: Annotated[MessageType, typer.Option("--type", help="AUTO chooses SMS or LMS.")] = MessageType.AUTO,
    title: Annotated[str, typer.Option(help="Title of an LMS.")] = "",
    template: Annotated[str, typer.Option(help="A registered template code.")] = "",
    sender_key: Annotated[str, typer.Option(help="AlimTalk: the sender profile. Default: the demo customer's.")] = "",
    callback: Annotated[str, typer.Option(help="Texts: the sender number. Default: the demo customer's.")] = "",
    callback_url: Annotated[str, typer.Option(help="Where the result goes, instead of the customer's endpoint.")] = "",
    mapping: Annotated[list[str] | None, typer.Option(help="name=value of a variable; may be repeated.")] = None,
    key_kind: Annotated[Lane | None, typer.Option(help="Which of the customer's service keys. Default: realtime, with --csv mass.")] = None,
    message_id: Annotated[str, typer.Option(help="Default: a new one.")] = "",
    campaign_id: Annotated[str, typer.Option(help="With --csv. Default: made of file and message, so that repeating is harmless.")] = "",
    wait: Annotated[bool | None, typer.Option("--wait/--no-wait", help="Wait for the results. Default: with --csv.")] = None,
    customer: Annotated[str, typer.Option(help="Which customer of up.json. Default: the first.")] = "",
    url: Annotated[str, typer.Option(help="Another intake than the one of this home; then also --service-key and --x-ims-key.")] = "",
    service_key: Annotated[str, typer.Option()] = "",
    x_ims_key: Annotated[str, typer.Option(help="Or IMS_X_IMS_KEY.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send one message, or every row of a CSV."""
    if bool(to) == bool(csv):
        fail("give --to or --csv")
    settings = load_settings()
    kind = key_kind or (Lane.MASS if csv else Lane.REALTIME)
    x_ims_key = x_ims_key or settings.x_ims_key
    own: Mapping[str, Any] = {} if url else _customer(settings, customer)
    if url and not (service_key and x_ims_key):
        fail("--url needs --service-key and --x-ims-key (or IMS_X_IMS_KEY)")
    target = Target(url or own["intake"], x_ims_key or own["x_ims_key"], service_key or own["service_keys"][kind])
    given: dict[str, Any] = {
        "message_type": type_.value,
        "message": message,
        "title": title,
        "template_code": template,
        "callback_url": callback_url,
        "mapping": _variables(mapping or []),
    }
    if type_ is MessageType.AT:
        given["sender_key"] = sender_key or own.get("sender_key")
    else:
        given["callback"] = callback or own.get("callback")
    body = {name: value for name, value in given.items() if value}
    try:
        if csv is None:
            body |= {"message_id": message_id or f"cli-{secrets.token_hex(8)}", "phone_number": to}
            outcome = asyncio.run(send_one(target, type_.channel, body, wait=bool(wait)))
        else:
            sheet = read_sheet(csv)
            if sheet.rows >= MASS_FROM_RECIPIENTS and kind is Lane.REALTIME:
                body["send_class"] = Lane.MASS.value  # one lane: the last request may hold too few rows to be mass by itself
            campaign = Campaign.of(sheet, body, campaign_id or None)
            where = None if url else settings
            outcome = asyncio.run(send_file(target, type_.channel, campaign, kind, where, wait=wait is not False, quiet=as_json))
    except (Refused, NoAnswer) as exc:
        again = "\nRun the same command again: what was accepted is not sent twice." if csv and isinstance(exc, NoAnswer) else ""
        fail(f"{exc}{again}")
    if as_json:
        show(outcome, as_json)
    else:
        _tell(outcome)


def _customer(settings: Settings, name: str) -> dict[str, Any]:
    facts = running(settings)
    found = next((c for c in facts["customers"] if c["name"] == (name or facts["customers"][0]["name"])), None)
    if found is None:
        fail(f"up.json has no customer {name!r}: {', '.join(c['name'] for c in facts['customers'])}")
    return {**found, "intake": facts["intake"]}


def _variables(pairs: list[str]) -> dict[str, str]:
    if wrong := [p for p in pairs if "=" not in p]:
        fail(f"--mapping is name=value: {wrong[0]!r}")
    return dict(p.split("=", 1) for p in pairs)


async def send_one(target: Target, channel: str, body: Mapping[str, Any], *, wait: bool) -> dict[str, Any]:
    """Send, and with `wait` come back with the result."""
    import msgspec

    async with poster(target) as intake:
        outcome: dict[str, Any] = {"message_id": await intake.post(f"{channel}/sendMessage", msgspec.json.encode(body))}
        until = time.monotonic() + _MESSAGE_WAIT_S
        while wait:
            outcome = await intake.get(f"report/{outcome['message_id']}")
            if outcome["result"] in DEFINITE | {UNKNOWN} or time.monotonic() > until:
                break
            await asyncio.sleep(_ASK_S)
        return outcome


@asynccontextmanager
async def _settling(settings: Settings, kind: Lane, service_key: str) -> AsyncIterator[Settling]:
    from ims.cli.progress import Settling
    from ims.wiring import build, close, store_of

    ctx = build(settings, "send", with_providers=False)
    try:
        yield Settling(store_of(ctx), kind, service_key)
    finally:
        await close(ctx)


async def send_file(
    target: Target, channel: str, campaign: Campaign, kind: Lane, settings: Settings | None, *, wait: bool, quiet: bool
) -> dict[str, Any]:
    """Send every row. Without settings IMS is elsewhere: what became of the messages cannot be seen from here."""
    from ims.cli.bulk import send_campaign

    if settings is None:
        return await send_campaign(target, channel, campaign, None, wait=False, quiet=quiet)
    async with _settling(settings, kind, target.service_key) as settling:
        return await send_campaign(target, channel, campaign, settling, wait=wait, quiet=quiet)


def _tell(outcome: dict[str, Any]) -> None:
    """The summary for a person."""
    results = outcome.pop("results", None)
    show(outcome, as_json=False)
    if results:
        print()
        show(results, as_json=False)
