"""`ims push-tokens`: the tokens of a customer's apps, one by one or from a file.

The async functions do the work and return what `--json` prints. A file is CSV with a header, or NDJSON: `token`,
`platform`, `app_user_id`, `notification`, `ad`, `night_ad`; the three consents are Y or N, or left out. Tokens are shown
by their last six characters only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ims.cli.imports import from_file, take_in, what_is_wrong
from ims.cli.registry import Json, on_registry
from ims.cli.show import fail, show
from ims.ports.push import MOST_WRITTEN, NewToken, PushToken

if TYPE_CHECKING:
    from ims.adapters.sql.registry import SqlRegistry

push_tokens = typer.Typer(help="Push tokens of apps, with what their users agreed to.", no_args_is_help=True)


class TokenRow(BaseModel):
    """A token as a file or a command gives it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7E]{8,1000}$")]
    platform: Literal["ANDROID", "IOS", "WEB"]
    app_user_id: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1F\x7F]{0,64}$")] = ""
    notification: Annotated[str, Field(pattern="^[YN]?$")] = ""
    ad: Annotated[str, Field(pattern="^[YN]?$")] = ""
    night_ad: Annotated[str, Field(pattern="^[YN]?$")] = ""

    def new_token(self) -> NewToken:
        """As the registry takes it."""
        said = {"Y": True, "N": False}
        return NewToken(
            self.token, self.platform, self.app_user_id, said.get(self.notification), said.get(self.ad), said.get(self.night_ad)
        )


def add_to(app: typer.Typer) -> None:
    """Give the `ims` command what this file serves."""
    app.add_typer(push_tokens, name="push-tokens")


# --- the work


async def add(registry: SqlRegistry, customer: str, app_id: str, row: TokenRow) -> dict[str, Any]:
    """Register one token, or renew it."""
    new = await registry.push_tokens.register(customer, app_id, [row.new_token()])
    return {"app": app_id, "token": _tail(row.token), "new": bool(new)}


async def remove(registry: SqlRegistry, customer: str, app_id: str, tokens: Sequence[str]) -> dict[str, Any]:
    """Send nothing more to these tokens."""
    return {"app": app_id, "removed": await registry.push_tokens.remove(customer, app_id, tokens)}


async def listed(registry: SqlRegistry, customer: str, app_id: str, app_user_id: str) -> list[dict[str, Any]]:
    """A user's tokens, or how many there are of each sort."""
    if app_user_id:
        return [_shown(token) for token in await registry.push_tokens.of_user(customer, app_id, app_user_id)]
    return [
        {"app": app, "platform": platform, "state": retired or "live", "count": count}
        for app, platform, retired, count in await registry.push_tokens.count(customer)
        if app_id in ("", app)
    ]


async def imported(registry: SqlRegistry, customer: str, app_id: str, lines: Iterable[str], *, ndjson: bool) -> dict[str, Any]:
    """Register a file's tokens, in writes of MOST_WRITTEN; again is harmless."""
    new = 0

    async def write(rows: list[TokenRow]) -> None:
        nonlocal new
        new += await registry.push_tokens.register(customer, app_id, [row.new_token() for row in rows])

    found = await take_in(TokenRow, lines, ndjson=ndjson, portion=MOST_WRITTEN, write=write)
    return {"app": app_id, "new": new, **found}


# --- the commands

Customer = Annotated[str, typer.Argument(help="Whose app.")]
AppId = Annotated[str, typer.Argument(help="The app_id, as registered.")]
Consent = Annotated[str, typer.Option(help="Y or N; left out: as it was.")]


@push_tokens.command("add")
def add_command(
    customer: Customer,
    app_id: AppId,
    token: str,
    *,
    platform: Annotated[str, typer.Option(help="ANDROID, IOS or WEB.")],
    user: Annotated[str, typer.Option(help="The app_user_id.")] = "",
    notification: Consent = "",
    ad: Consent = "",
    night_ad: Consent = "",
    as_json: Json = False,
) -> None:
    """Register a token, or renew it; - reads it from standard input."""
    given = {"token": _read(token), "platform": platform, "app_user_id": user, "notification": notification, "ad": ad, "night_ad": night_ad}
    try:
        row = TokenRow.model_validate(given)
    except ValidationError as exc:
        fail(what_is_wrong(exc))
    show(on_registry(lambda r: add(r, customer, app_id, row)), as_json)


@push_tokens.command("remove")
def remove_command(customer: Customer, app_id: AppId, tokens: list[str], as_json: Json = False) -> None:
    """Send nothing more to these tokens; - reads one from standard input."""
    show(on_registry(lambda r: remove(r, customer, app_id, [_read(token) for token in tokens])), as_json)


@push_tokens.command("list")
def list_command(
    customer: Customer,
    app_id: Annotated[str, typer.Argument(help="Only this app.")] = "",
    user: Annotated[str, typer.Option(help="The tokens of this app_user_id.")] = "",
    as_json: Json = False,
) -> None:
    """Show how many tokens there are, or those of one user."""
    if user and not app_id:
        fail("name the app of the user")
    show(on_registry(lambda r: listed(r, customer, app_id, user)), as_json)


@push_tokens.command("import")
def import_command(
    customer: Customer,
    app_id: AppId,
    file: Annotated[Path, typer.Argument(help="CSV with a header; NDJSON where its name ends in .ndjson or .jsonl.")],
    as_json: Json = False,
) -> None:
    """Register the tokens of a file."""
    from_file(file, lambda lines, ndjson: on_registry(lambda r: imported(r, customer, app_id, lines, ndjson=ndjson)), as_json)


# --- inside


def _read(token: str) -> str:
    return typer.get_text_stream("stdin").readline().strip() if token == "-" else token  # noqa: S105 - the name of standard input


def _tail(token: str) -> str:
    return f"...{token[-6:]}"


def _shown(token: PushToken) -> dict[str, Any]:
    consents = token.consents
    return {
        "token": _tail(token.token),
        "platform": token.platform,
        "state": token.retired_code or "live",
        "notification": _consent(consents.notification, consents.notification_at),
        "ad": _consent(consents.ad, consents.ad_at),
        "night_ad": _consent(consents.night_ad, consents.night_ad_at),
        "seen_at": _at(token.seen_at),
    }


def _consent(given: bool, at: int) -> str:
    return f"{'Y' if given else 'N'}{f' since {_at(at)}' if at else ''}"


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
