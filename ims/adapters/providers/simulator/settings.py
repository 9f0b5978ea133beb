"""How a simulator behaves, and the command line that says so."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ims.adapters.providers.simulator.calls import ACCOUNTS, KEY_MODES
from ims.adapters.providers.simulator.signed import DEVELOPMENT_SECRET


@dataclass(frozen=True, slots=True)
class Settings:
    """How this simulator behaves."""

    keys: str = "call"
    latency_ms: float = 0  # added before every answer to a call
    receipt_url: str = ""
    reports: Mapping[str, str] = field(default_factory=dict)  # account: webhook or polling (default)
    magic_scale: float = 1.0
    secret: str = field(default=DEVELOPMENT_SECRET, repr=False)
    credential: str = field(default="", repr=False)  # what the authorization header must be; empty: anything
    lease_s: float = 30.0  # how long a polled batch may stay unacknowledged
    journal: Path | None = None
    with_parent: bool = False  # whoever started it holds the other end of its standard input


def parsed(argv: Sequence[str] | None) -> tuple[Settings, str, int]:
    """Settings, host and port; ends the program with status 2 and the option's name when one is wrong."""
    parser = argparse.ArgumentParser(prog="simulator", description="The provider that delivers nothing; see docs/simulator.md.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--journal", type=Path, help="file that survives kill -9; without it everything goes with the process")
    parser.add_argument("--keys", choices=KEY_MODES, default="call")
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--receipt-url", default="", help="reports are posted to <url>/receipt/simulator")
    for account in ACCOUNTS:
        parser.add_argument(f"--reports-{account}", choices=("webhook", "polling"), default="polling")
    parser.add_argument("--magic-scale", type=float, default=1.0, help="factor for the seconds of magic numbers and faults")
    parser.add_argument("--lease-s", type=float, default=30.0, help="after so long an unacknowledged batch comes again")
    parser.add_argument("--secret-file", type=Path, help="holds the secret that signs posted reports")
    parser.add_argument("--with-parent", action="store_true", help="ends when its standard input does: with who started it, on kill -9 too")
    args = parser.parse_args(argv)
    reports = {"fast": args.reports_fast, "bulk": args.reports_bulk}
    if "webhook" in reports.values() and not args.receipt_url:
        parser.error("--receipt-url is needed for reports by webhook")
    secret = DEVELOPMENT_SECRET
    if args.secret_file:
        secret = args.secret_file.read_text().strip()
        if not secret:
            parser.error("--secret-file is empty")
    settings = Settings(
        keys=args.keys,
        latency_ms=args.latency_ms,
        receipt_url=args.receipt_url,
        reports=reports,
        magic_scale=args.magic_scale,
        secret=secret,
        lease_s=args.lease_s,
        journal=args.journal,
        with_parent=args.with_parent,
    )
    return settings, args.host, args.port
