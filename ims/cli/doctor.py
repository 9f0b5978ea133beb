"""`ims doctor`: what is wrong with the servers of the production profile, and what to do about it."""

from __future__ import annotations

import asyncio
import dataclasses

import typer

from ims.cli.home import Json
from ims.cli.show import fail, show
from ims.config import load_settings


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)


def doctor(as_json: Json = False) -> None:
    """Check every server, version, topic, table, clock and permission; exit code 1 when something is wrong."""
    from ims.wiring.doctor import examine

    settings = load_settings()
    if settings.profile != "production":
        fail("this is for IMS_PROFILE=production; the files of a home are looked at by ims fsck")
    findings = asyncio.run(examine(settings))
    show([dataclasses.asdict(finding) for finding in findings], as_json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
