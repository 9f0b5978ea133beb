"""`ims backup` and `ims restore`: a copy of a running home, and a new home from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ims.cli.home import existing_home
from ims.cli.show import fail
from ims.config import load_settings
from ims.ports.clock import system_clock


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(into: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Copy this home while it runs; a part of it for each lane, its keys among them."""
    from ims.adapters.embedded import backup as copies

    settings = existing_home()
    if settings.profile == "production":
        fail("servers are backed up by their own means: docs/operate.md")
    names = copies.backup(settings.home, into, system_clock(settings.clock_offset_s))
    print(f"{into}: {', '.join(names)}")
    if "keys.json" not in names:
        typer.echo("the keys are not in it (IMS_KEYS): without them nothing of it can be read", err=True)


def restore(
    source: Annotated[Path, typer.Argument(help="What `ims backup` made.")],
    resend: Annotated[bool, typer.Option(help="Also send what may have been sent after the backup: a second time, then.")] = False,
) -> None:
    """Make a new home of a backup. What was on its way then is repeated under its key, asked for, or told UNKNOWN; not sent anew."""
    from ims.adapters.embedded import backup as copies

    settings = load_settings()
    if settings.profile == "production":
        fail("servers are restored by their own means, and IMS_RESTORED_UNTIL says when: docs/operate.md")
    names = copies.restore(source, settings.home, resend=resend)
    print(f"{settings.home}: {', '.join(names)}")
