"""`ims fsck`: are the files of this home whole, and if not, what can be had back.

Exit codes: 0 all is well, or was put right without loss; 1 something is damaged still, or the home is up; 2 put right, and
something was lost, which is said.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from ims.cli.home import Json, existing_home
from ims.cli.show import fail, show
from ims.ports.clock import system_clock


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(fsck)


def fsck(
    repair: Annotated[bool, typer.Option(help="Copy what can be read into fresh files; damaged ones are kept beside them.")] = False,
    resend: Annotated[bool, typer.Option(help="Also send what may have been sent already: where its calls were lost.")] = False,
    as_json: Json = False,
) -> None:
    """Check every file of the home; --repair while nothing runs in it."""
    from ims.adapters.embedded import fsck as files
    from ims.serve.up import AlreadyUp, take_home

    settings = existing_home()
    if resend and not repair:
        fail("--resend goes with --repair")
    now = system_clock(settings.clock_offset_s)()
    if repair:
        try:
            with take_home(settings.home):
                findings = files.repair(settings.home, now, resend=resend)
        except AlreadyUp:
            fail("stop it first (ims down): files are not replaced under a running IMS")
    else:
        findings = files.check(settings.home, now)
    show([dataclasses.asdict(finding) for finding in findings], as_json)
    keys = settings.keys or (settings.home / "keys.json").exists()
    if not keys:
        typer.echo("keys.json is gone: without it nothing in these files can be read; put its backup back", err=True)
    if not keys or any(f.damage and not f.repaired for f in findings):
        raise typer.Exit(1)
    if any(f.lost for f in findings):
        raise typer.Exit(2)
