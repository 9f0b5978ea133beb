"""How the `ims` commands print what they found: JSON for a pipe, columns for a person."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import typer


def fail(message: str) -> NoReturn:
    """Say on standard error what is wrong and leave with exit code 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


def show(data: dict[str, Any] | list[dict[str, Any]], as_json: bool) -> None:
    """Print JSON, or columns for a list and lines for one thing."""
    if as_json:
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
    elif isinstance(data, dict):
        for name, value in data.items():
            typer.echo(f"{name:16}{_plain(value)}")
    elif not data:
        typer.echo("(none)")
    elif any(isinstance(value, list) and value and isinstance(value[0], dict) for row in data for value in row.values()):
        for row in data:  # too deep for columns
            show(row, as_json=False)
    else:
        _columns([list(data[0]), *([_plain(value) for value in row.values()] for row in data)])


def _columns(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _plain(value: Any) -> str:
    match value:
        case None | [] | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_plain, value))
        case dict():
            return " ".join(f"{name}={_plain(inner)}" for name, inner in value.items())
        case _:
            return str(value)
