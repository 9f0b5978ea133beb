"""An SMTP server that delivers nothing: what it takes is in a Maildir (`data/smtp/mail`)."""

from __future__ import annotations

import sys

from infra.place import HOST, Place
from infra.process import Process
from infra.service import Node, Service, ask


def service(place: Place) -> Service:
    """One server, without TLS and login."""
    port, folder = place.port("smtp"), place.data("smtp") / "mail"
    arguments = ["-n", "-l", f"{HOST}:{port}", "-c", "aiosmtpd.handlers.Mailbox", str(folder)]
    process = Process(place, "smtp", lambda: [sys.executable, "-m", "aiosmtpd", *arguments])
    return Service(
        name="smtp",
        nodes=[Node(process, port, f"smtp://{HOST}:{port}", lambda: ask(port, b"").startswith(b"220"))],
    )
