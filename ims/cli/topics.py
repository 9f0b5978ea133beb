"""`ims topics`: make the topics of a Kafka cluster, and say where they are not as the table has them (ims/adapters/kafka/layout.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ims.cli.show import show
from ims.config import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ims.adapters.kafka.topics import Difference

topics = typer.Typer(help="Topics of the event log on Kafka.", no_args_is_help=True)

Local = Annotated[bool, typer.Option("--local", help="For one machine: two partitions each.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(topics, name="topics")


@topics.command()
def apply(local: Local = False, as_json: AsJson = False) -> None:
    """Make topics, add partitions, change settings; never delete. Exit code 1 when something still differs."""
    from ims.adapters.kafka.topics import apply_topics
    from ims.wiring.production import kafka

    changed, left = apply_topics(kafka(load_settings()), local=local)
    show([*_rows(changed, "changed"), *_rows(left, "differs")], as_json)
    raise typer.Exit(1 if left else 0)


@topics.command()
def check(local: Local = False, as_json: AsJson = False) -> None:
    """Name what differs; exit code 1 when something does."""
    from ims.adapters.kafka.topics import check_topics
    from ims.wiring.production import kafka

    differences = check_topics(kafka(load_settings()), local=local)
    show(_rows(differences, "differs"), as_json)
    raise typer.Exit(1 if differences else 0)


def _rows(differences: Sequence[Difference], state: str) -> list[dict[str, Any]]:
    return [{"topic": d.topic, "what": d.what, "found": d.found, "wanted": d.wanted, "state": state} for d in differences]
