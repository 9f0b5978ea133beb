"""`ims consents`: what people agreed to, brought from where they said it. Whose numbers they are is not kept, nor shown.

A file is CSV with a header, or NDJSON: `recipient` (a telephone number or e-mail address), `channel`, `ad` and `night` (Y
agreed, N withdrew, left out: nothing was said of it), `at` (ISO 8601 with an offset), `source`, `wording`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from ims.cli.imports import from_file, take_in
from ims.cli.registry import AnyCustomer, Json, on_registry
from ims.cli.show import show
from ims.ports.clock import system_clock
from ims.ports.consents import AD, MOST_WRITTEN, NIGHT, PURPOSES, Statement
from ims.rules import optouts
from ims.topics import Channel

if TYPE_CHECKING:
    from ims.adapters.sql.registry import SqlRegistry

consents = typer.Typer(help="Consents to advertisements, by channel, and to those of the night.", no_args_is_help=True)

_clock = system_clock()


def _normal(given: str) -> str:
    normal = optouts.recipient(given)
    if normal is None:
        raise ValueError("not a number that receives texts, nor an e-mail address")
    return normal


def _past(moment: datetime) -> datetime:
    if moment.timestamp() * 1_000 > _clock():
        raise ValueError("it has not come yet")
    return moment


class ConsentRow(BaseModel):
    """What one person said about one channel."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    recipient: Annotated[str, AfterValidator(_normal)]
    channel: Channel
    ad: Annotated[str, Field(pattern="^[YN]?$")] = ""
    night: Annotated[str, Field(pattern="^[YN]?$")] = ""
    at: Annotated[AwareDatetime, AfterValidator(_past)]
    source: Annotated[str, Field(pattern=r"^[^\x00-\x1F\x7F]{0,60}$")] = ""
    wording: Annotated[str, Field(pattern=r"^[^\x00-\x1F\x7F]{0,60}$")] = ""

    @model_validator(mode="after")
    def _says_something(self) -> ConsentRow:
        if self.channel not in optouts.reaching([self.recipient]):
            raise ValueError("this channel does not reach people by such an address; push has its consents with its tokens")
        if not self.ad and not self.night:
            raise ValueError("neither ad nor night is given")
        return self

    def statements(self, registry: SqlRegistry) -> Iterator[Statement]:
        """As the registry takes them, one for each purpose."""
        at, index = int(self.at.timestamp() * 1_000), registry.index(self.recipient)
        for purpose, said in ((AD, self.ad), (NIGHT, self.night)):
            if said:
                yield Statement(index, self.channel.value, purpose, said == "Y", at, self.source, self.wording)


def add_to(app: typer.Typer) -> None:
    """Give the `ims` command what this file serves."""
    app.add_typer(consents, name="consents")


async def imported(registry: SqlRegistry, customer: str, lines: Iterable[str], *, ndjson: bool) -> dict[str, Any]:
    """Record what a file says. Its moments decide, so the same file again, or an older one after it, changes nothing."""

    async def write(rows: list[ConsentRow]) -> None:
        await registry.consents.record(customer, [s for row in rows for s in row.statements(registry)])

    portion = MOST_WRITTEN // len(PURPOSES)
    return {"customer": customer, **await take_in(ConsentRow, lines, ndjson=ndjson, portion=portion, write=write)}


async def counted(registry: SqlRegistry, customer: str | None) -> list[dict[str, Any]]:
    """How many agree, and how many withdrew, by channel and purpose."""
    return [count._asdict() for count in await registry.consents.count(customer)]


@consents.command("import")
def import_command(
    customer: str,
    file: Annotated[Path, typer.Argument(help="CSV with a header; NDJSON where its name ends in .ndjson or .jsonl.")],
    as_json: Json = False,
) -> None:
    """Record the consents and withdrawals of a file."""
    from_file(file, lambda lines, ndjson: on_registry(lambda r: imported(r, customer, lines, ndjson=ndjson)), as_json)


@consents.command("list")
def list_command(customer: AnyCustomer = None, as_json: Json = False) -> None:
    """Show how many agree to what, and how many withdrew."""
    show(on_registry(lambda r: counted(r, customer)), as_json)
