"""`python -m infra up|down|status [NAME...]`: the servers of the production profile as ordinary processes on loopback."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from infra.maven import NotFetched
from infra.needs import Missing, install
from infra.place import Place, Unplaced, place_of_environment
from infra.service import NotStarted, Service
from infra.services import services
from infra.settings import settings_file, write_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 when something did not start (up), or does not run (status)."""
    parser = argparse.ArgumentParser(prog="python -m infra", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="kafka, mariadb, ...; none: what IMS needs")
    parser.add_argument("--json", action="store_true", help="status for a program")
    options = parser.parse_intermixed_args(arguments)
    try:
        place = place_of_environment()
        chosen = services(place, options.names, all_of_them=options.command == "down")
        if options.command == "status":
            return status(place, chosen, as_json=options.json)
        with place.locked():
            return up(place, chosen) if options.command == "up" else down(chosen)
    except (Unplaced, Missing) as exc:
        print(exc, file=sys.stderr)
        return 1


def up(place: Place, chosen: Sequence[Service]) -> int:
    """Everything at once: Kafka takes longest, and the others start beside it."""
    begun = time.monotonic()
    install(need for service in chosen for need in service.needs)

    def start(service: Service) -> str:
        try:
            service.build()
            service.start(place)
        except (NotStarted, NotFetched, Missing, OSError, subprocess.SubprocessError) as exc:
            return f"{service.name} did not start: {exc}"
        took_s, where = time.monotonic() - begun, ", ".join(node.url for node in service.nodes)
        print(f"{service.name:14} ready after {took_s:.1f} s  {where}", flush=True)
        return ""

    with ThreadPoolExecutor(len(chosen)) as pool:
        faults = [fault for fault in pool.map(start, chosen) if fault]
    print(*faults, sep="\n", file=sys.stderr)
    write_settings(place, chosen)
    print(f"settings: {os.path.relpath(settings_file(place))}")
    return 1 if faults else 0


def down(chosen: Sequence[Service]) -> int:
    """Stop them; what they keep stays."""
    with ThreadPoolExecutor(len(chosen)) as pool:
        list(pool.map(Service.stop, chosen))
    return 0


def status(place: Place, chosen: Sequence[Service], *, as_json: bool) -> int:
    """A table of what runs, and the settings that name it."""
    rows: list[dict[str, Any]] = [
        {
            "name": node.name,
            "state": node.state(),
            "pid": node.process.pid(),
            "port": node.port,
            "url": node.url,
            "memory_mb": round(node.process.memory_mb(), 1),
            "log": str(node.process.log),
        }
        for service in chosen
        for node in service.nodes
    ]
    path = settings_file(place)
    if as_json:
        print(json.dumps({"servers": rows, "settings": str(path) if path.exists() else None}, indent=1))
    else:
        for row in rows:
            print(f"{row['name']:16} {row['state']:9} {row['pid'] or '-':>8} {row['port']:>6} {row['memory_mb']:>7} MB  {row['url']}")
        print(f"{sum(row['memory_mb'] for row in rows):.0f} MB in all. Settings: {_shown(path)}")
    return 0 if all(row["state"] == "ready" for row in rows) else 1


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.exists() else "none, as nothing was started yet"


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # `status | head` has seen enough
        sys.exit(main())
