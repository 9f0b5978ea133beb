"""`ims`: one command for everything that an operator or a newcomer types."""

from __future__ import annotations

import sys

import typer

from ims.cli import backup, consents, doctor, fsck, home, messages, migrate, numbers, providers, push_tokens, registry, scale, topics
from ims.errors import ImsError, Rejected

app = typer.Typer(
    name="ims",
    help="IMS: one POST, any channel, one signed result.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
home.add_to(app)
messages.add_to(app)
registry.add_to(app)
push_tokens.add_to(app)
consents.add_to(app)
numbers.add_to(app)
providers.add_to(app)
fsck.add_to(app)
backup.add_to(app)
migrate.add_to(app)
doctor.add_to(app)
scale.add_to(app)
topics.add_to(app)


def run() -> None:
    """Entry point: an error of ours is one line and exit code 1, never a stack trace."""
    try:
        app()
    except Rejected as exc:
        sys.exit(f"{exc.field}: {exc.detail}")
    except ImsError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    run()
