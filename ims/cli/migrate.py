"""`ims migrate`: the tables of an installation brought to what this IMS needs."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from ims.cli.home import Json
from ims.cli.show import show
from ims.config import load_settings
from ims.ports.clock import system_clock


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(migrate)


def migrate(
    down: Annotated[bool, typer.Option(help="Back by one step; what the step had added is gone with its data.")] = False,
    as_json: Json = False,
) -> None:
    """Make the databases of IMS_RECORDS and their tables, or bring them to the newest step. Repeating it changes nothing."""
    from ims.adapters.sql.address import ServerAddress
    from ims.adapters.sql.migrate import migrate_server
    from ims.protocol.ids import day_of

    settings = load_settings()
    if settings.profile == "embedded":
        typer.echo("the files of a home are brought up to date when they are opened", err=True)
        return
    done = migrate_server(ServerAddress.parse(settings.records), day_of(system_clock(settings.clock_offset_s)()), down=down)
    show([dataclasses.asdict(one) for one in done], as_json)
