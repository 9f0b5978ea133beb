"""`ims providers`: who sends what with which weight, and an operator's word over it, in force everywhere within 5 seconds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ims.adapters.sql.registry import SqlRegistry
from ims.cli.registry import on_registry
from ims.cli.show import fail, show
from ims.config import load_settings
from ims.wiring.providers import FAMILIES, configured

app = typer.Typer(no_args_is_help=True, help="Show, weigh, stop and start providers of messages.")
Family = Annotated[str, typer.Argument(help=f"Of which messages: {', '.join(FAMILIES)}.")]
Name = Annotated[str, typer.Argument(help="Which provider, as IMS_PROVIDERS_<FAMILY> names it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(root: typer.Typer) -> None:
    """Register the commands."""
    root.add_typer(app, name="providers")


@app.command("show")
def show_command(as_json: Json = False) -> None:
    """Show every provider that is configured, with the weight that counts."""
    show(on_registry(_rows), as_json)


@app.command("weigh")
def weigh_command(family: Family, provider: Name, weight: Annotated[int, typer.Argument(min=0, max=999)], as_json: Json = False) -> None:
    """Give it another share of new calls. 0: only while no other can be called."""
    _say(family, provider, as_json, weight=weight)


@app.command("stop")
def stop_command(family: Family, provider: Name, as_json: Json = False) -> None:
    """Give it nothing more; what it surely did not send goes to the others, or waits when there are none."""
    _say(family, provider, as_json, stopped=True)


@app.command("start")
def start_command(family: Family, provider: Name, as_json: Json = False) -> None:
    """Take it into service again."""
    _say(family, provider, as_json, stopped=False)


@app.command("reset")
def reset_command(family: Family, provider: Name, as_json: Json = False) -> None:
    """Forget what was said: it is as it is configured."""
    _checked(family, provider)

    async def act(registry: SqlRegistry) -> list[dict[str, Any]]:
        await registry.forget_word_of_provider(family, provider)
        return await _rows(registry)

    show(on_registry(act), as_json)


def _checked(family: str, provider: str) -> None:
    if family not in FAMILIES:
        fail(f"{family}: one of {', '.join(FAMILIES)}")
    names = configured(load_settings(), family)
    if provider not in names:
        fail(f"{provider}: IMS_PROVIDERS_{family.upper()} has {', '.join(names)}")


def _say(family: str, provider: str, as_json: bool, *, stopped: bool | None = None, weight: int | None = None) -> None:
    _checked(family, provider)

    async def act(registry: SqlRegistry) -> list[dict[str, Any]]:
        await registry.say_of_provider(family, provider, stopped=stopped, weight=weight)
        return await _rows(registry)

    show(on_registry(act), as_json)


async def _rows(registry: SqlRegistry) -> list[dict[str, Any]]:
    directory = await registry.directory()
    settings = load_settings()
    return [
        {
            "family": family,
            "provider": name,
            "weight": weight if (said := directory.provider_weight(family, name)) is None else said,
            "configured": weight,
            "stopped": directory.provider_stopped(family, name),
        }
        for family in FAMILIES
        for name, weight in configured(settings, family).items()
    ]
