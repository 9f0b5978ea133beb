"""`python -m bench SCENARIO|all|table`: runs scenarios, writes results files and pictures. Exit code 1: the books do not agree."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from bench import plots, results
from bench.machine import commit, machine, versions
from bench.rig import PROFILES, Rig, folder, rig
from bench.scenario import STUB, Bench, Scenario
from bench.scenarios import SCENARIOS
from bench.table import placed, table


def arguments(given: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenario", choices=[*SCENARIOS, "all", "table"])
    parser.add_argument("--short", action="store_true", help="small: for correctness only, its times mean nothing")
    parser.add_argument("--on", choices=PROFILES, default="embedded", help="production: with the servers that infra/ starts beside it")
    parser.add_argument("--servers", type=Path, help="a file that names running ones, as .services/env does: none is started")
    parser.add_argument("--out", type=Path, help="default: bench/results, of production bench/results/production")
    parser.add_argument("--preload", type=int, help="settled messages in the home beforehand")
    parser.add_argument("--profile", action="store_true", help="py-spy on every process; writes <scenario>.profile.txt and no figures")
    parser.add_argument("--into", type=Path, help="with `table`: the document whose table is to be replaced")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting of the scenario (JSON value)")
    args = parser.parse_args(given)
    args.out = args.out or results.folder_of(args.on)
    return args


def settings_of(scenario: Scenario, args: argparse.Namespace) -> dict[str, Any]:
    """The form's settings with what was asked for on top. Ends the program for a name that the scenario does not have."""
    settings = dict(scenario.short if args.short else scenario.full)
    if args.preload is not None and "preload" in settings:
        settings["preload"] = args.preload
    for entry in args.set:
        name, _, value = entry.partition("=")
        if name not in settings:
            sys.exit(f"{scenario.name} has no setting {name!r}: {', '.join(settings)}")
        settings[name] = json.loads(value)
    return settings


async def run(scenario: Scenario, args: argparse.Namespace, shared: Rig | None) -> bool:
    """One scenario; whether its books agree."""
    async with folder() as probed:
        place = machine(probed)
    seed = f"{scenario.name}/{args.seed}"
    bench = Bench(settings_of(scenario, args), seed, args.profile, shared, args.on, small=args.short, given=args.servers)
    try:
        async with asyncio.timeout(bench.settings["limit_s"] * 1.5 if args.short else scenario.limit_s):
            outcome = await scenario.run(bench)
    except Exception:  # the other scenarios still run
        print(f"{scenario.name}: did not end (seed {args.seed})\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        return False
    form = "profiled" if bench.profiled else "short" if args.short else "full"
    found = results.document(
        results.Header(scenario.name, args.on, form, scenario.method, bench.settings, args.seed, place, versions(), commit()), outcome
    )
    if bench.profiled:
        parts = [results.said(found), *(f"=== {scenario.name}, {name}\n\n{text}" for name, text in bench.profiled.items())]
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / f"{scenario.name}.profile.txt").write_text("\n\n".join(parts) + "\n")
    else:
        path = results.write(args.out, found)
        if not args.short and not plots.draw(path.with_suffix(".png"), scenario.name, outcome.series):
            print("no picture: matplotlib is not installed (requirements-bench.lock)", file=sys.stderr)
    print(results.said(found), flush=True)
    return outcome.agree


async def run_all(names: list[str], args: argparse.Namespace) -> bool:
    """Scenarios one after the other; in the short form those that can share a home do."""
    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, asyncio.current_task().cancel)  # type: ignore[union-attr]
    async with contextlib.AsyncExitStack() as stack:
        shared = None
        if args.short and any(SCENARIOS[name].shares for name in names):
            shared = await stack.enter_async_context(rig(profile=args.on, small=True, given=args.servers, **STUB))
        agree = [await run(SCENARIOS[name], args, shared if SCENARIOS[name].shares else None) for name in names]
    return all(agree)


def main() -> int:
    """The command."""
    args = arguments(sys.argv[1:])
    if args.scenario == "table":
        if args.into is None:
            print(table(args.out))
        else:
            args.into.write_text(placed(args.into.read_text(), {on: table(results.folder_of(on)) for on in PROFILES}))
        return 0
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    names = [args.scenario] if args.scenario != "all" else [n for n, s in SCENARIOS.items() if s.on_servers or args.on == "embedded"]
    if unfit := [name for name in names if args.on == "production" and not SCENARIOS[name].on_servers]:
        sys.exit(f"{', '.join(unfit)}: of the embedded profile only")
    return 0 if asyncio.run(run_all(names, args)) else 1


if __name__ == "__main__":
    sys.exit(main())
