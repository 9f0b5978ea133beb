"""`ims why`: each decision and time of one message."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from ims.cli.home import existing_home
from ims.cli.show import show
from ims.errors import Rejected


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(why)


def why(
    message_id: str,
    service_key: Annotated[str, typer.Option(help="Whose message. Default: looked up under every service key.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what happened to a message, and what it waits for."""
    from ims.cli.story import story

    facts = asyncio.run(_facts(message_id, service_key))
    if as_json:
        show(facts, as_json)
    else:
        for line in story(facts):
            typer.echo(line)


async def _facts(message_id: str, service_key: str) -> dict[str, Any]:
    from ims.cli.explain import explain
    from ims.wiring import build, close, open_registry, store_of

    settings = existing_home()
    async with open_registry(settings) as registry:
        keys = [k for k in await registry.list_keys(None) if service_key in ("", k.key)]
    if not keys:
        raise Rejected("1100", "service-key", "there is no such service key" if service_key else "this home has none")
    ctx = build(settings, "why", with_providers=False)
    try:
        return await explain(ctx, store_of(ctx), keys, message_id)
    finally:
        await close(ctx)
