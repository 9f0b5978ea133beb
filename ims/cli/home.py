"""Commands for a home: up, down, serve, work, batch, lag."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ims.cli.show import fail, show
from ims.config import Settings, load_settings
from ims.telemetry import configure_logs

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
HealthPort = Annotated[int, typer.Option(help="Answer /healthz and /metrics on this port of IMS_HOST; 0: nowhere.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(up)
    app.command()(down)
    app.command()(serve)
    app.command()(work)
    app.command()(dispatch)
    app.command()(batch)
    app.command()(lag)


def up(port: Annotated[int | None, typer.Option(help="Port of the intake URL; 0: a free one.")] = None) -> None:
    """Start everything on this machine and stay in the foreground."""
    from ims.serve.up import AlreadyUp, Up, take_home

    settings = load_settings(**({} if port is None else {"port": port}))
    configure_logs("up", settings.log_level)
    try:
        lock = take_home(settings.home)
    except AlreadyUp as exc:
        facts = facts_of(settings)
        fail(f"{exc}" + (f": {facts['intake']} (pid {facts['pid']})" if facts else ""))
    started = time.monotonic()

    if settings.profile == "production":
        from ims.wiring.production import prepare

        prepare(settings)

    async def run() -> None:
        customers = await _customers(settings)
        await Up(settings).run(lambda facts: announce(facts, time.monotonic() - started), customers)

    with lock:
        asyncio.run(run())


async def _customers(settings: Settings) -> list[dict[str, Any]]:
    from ims.cli.demo import ensure_demo
    from ims.wiring import open_registry

    async with open_registry(settings) as registry:
        return await ensure_demo(registry)


def facts_of(settings: Settings) -> dict[str, Any] | None:
    """up.json of a home that is up."""
    try:
        facts: dict[str, Any] = json.loads((settings.home / "up.json").read_text())
    except (OSError, ValueError):
        return None
    return facts


def running(settings: Settings) -> dict[str, Any]:
    """up.json, or an error that says what to do."""
    facts = facts_of(settings)
    if facts is None:
        fail(f"IMS is not up in {settings.home}: `make run`, or IMS_HOME")
    return facts


def existing_home() -> Settings:
    """Settings of a home that is there, for commands that only look: they must not make one."""
    settings = load_settings()
    if settings.profile == "embedded" and not (settings.home / "registry.db").exists():
        fail(f"there is nothing in {settings.home.resolve()} (IMS_HOME): `make run` makes it")
    return settings


def announce(facts: dict[str, Any], took_s: float) -> None:
    """What a newcomer needs to send the first message."""
    demo = facts["customers"][0]
    key = demo["service_keys"]["realtime"]
    ims = os.path.relpath(sys.argv[0])
    first = {"message_id": f"hello-{int(time.time())}", "message_type": "SMS", "callback": demo["callback"]}
    first |= {"phone_number": "01055501234", "message": "안녕하세요 IMS"}
    print(
        f"""
IMS is up ({took_s:.1f} s).

  intake     {facts["intake"]}/ims/{{serviceKey}}/mt/sendMessage    API: {facts["intake"]}/ims/openapi.json
  simulator  {facts["simulator"]}/v1/sent    (what the provider was asked to send)
  metrics    {facts["metrics"]}

  demo key   x-ims-key: {demo["x_ims_key"]}
             serviceKey {key} (realtime); more in up.json

Send the first message:

  curl -s {facts["intake"]}/ims/{key}/mt/sendMessage \\
    -H 'x-ims-version: version-1' -H 'x-ims-key: {demo["x_ims_key"]}' -H 'content-type: application/json' \\
    -d '{json.dumps(first, ensure_ascii=False)}'

Then, in another terminal:

  {ims} why {first["message_id"]}
  {ims} send --csv FILE --message '안녕하세요 #{{name}}'

Ctrl-C stops IMS.
""",
        flush=True,
    )


def down() -> None:
    """Stop what `ims up` started in this home."""
    settings = load_settings()
    facts = running(settings)
    from ims.serve.up import AlreadyUp, take_home

    try:
        take_home(settings.home).close()
    except AlreadyUp:
        os.kill(facts["pid"], signal.SIGTERM)
        for _ in range(600):
            time.sleep(0.1)
            if not Path(settings.home / "up.json").exists():
                print("stopped")
                return
        fail("it does not stop within 60 s")
    if not (settings.home / "up.json").exists():
        print("stopped")  # it ended between our look at it and our try to take its place
        return
    fail("it is not running (up.json is stale; the next `ims up` takes it over)")


def serve(
    function: Annotated[list[str] | None, typer.Argument(help="Empty: what IMS_FUNCTION says. Several are told apart by the path.")] = None,
    port: Annotated[int, typer.Option()] = 8080,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
) -> None:
    """Serve functions over HTTP, as a container does."""
    import uvloop

    from ims.serve.app import NAMES, FunctionApp
    from ims.serve.http import server

    settings = load_settings()
    names = function or [name for name in settings.function.split(",") if name]
    if not names or set(names) - set(NAMES):
        fail(f"no function is called {', '.join(sorted(set(names) - set(NAMES))) or 'nothing'}: {', '.join(NAMES)}")
    configure_logs("+".join(names), settings.log_level)
    uvloop.run(server(FunctionApp(names, settings), host, port, trusted_proxies=settings.trusted_proxies).serve())


def work(
    name: list[str],
    lane: Annotated[list[str] | None, typer.Option(help="Only these lanes.")] = None,
    health_port: HealthPort = 0,
) -> None:
    """Run some of the loops that run for ever: deadlines, held, callbacks, reports, outbox."""
    from ims.lanes import Lane
    from ims.runtime.breaker import share
    from ims.runtime.context import install
    from ims.serve import workers
    from ims.serve.health import health
    from ims.wiring import build, close

    if unknown := set(name) - set(workers.NAMES):
        fail(f"no worker is called {', '.join(sorted(unknown))}: {', '.join(workers.NAMES)}")
    settings = load_settings()
    process = f"work-{name[0]}" if len(name) == 1 else "work"
    configure_logs(process, settings.log_level)
    lanes = [Lane(entry) for entry in lane] if lane else list(Lane)

    async def run() -> None:
        ctx = build(settings, process)
        install(ctx)
        stop = asyncio.Event()
        for sig in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sig, stop.set)
        steps = {lease: step for each in name for lease, step in workers.steps(each, lanes, ctx, settings.poll_idle_s).items()}
        tasks = [asyncio.create_task(workers.loop(lease, step, rest, ctx)) for lease, (step, rest) in steps.items()]
        tasks.append(asyncio.create_task(share(ctx.breakers, ctx.shared, ctx.clock)))
        async with health(settings.host, health_port):
            await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close(ctx)

    asyncio.run(run())


def batch(name: str) -> None:
    """Run one job of the clock, as a CronJob does: retention."""
    from functions.batch.jobs import JOBS, retention
    from ims.lanes import Lane
    from ims.wiring import build, close

    if name not in JOBS:
        fail(f"no job is called {name!r}: {', '.join(JOBS)}")
    settings = load_settings()
    configure_logs(f"batch-{name}", settings.log_level)

    async def run() -> int:
        ctx = build(settings, f"batch-{name}", with_providers=False)
        gone = await retention(ctx, list(Lane), settings.history_days, settings.audit_days)
        await close(ctx)
        return gone

    print(f"{asyncio.run(run())} rows and slices dropped")


def dispatch(
    sink: Annotated[list[str], typer.Option(help="stage=url[,url...]: where a stage's events go; copies are dealt to at random.")],
    lane: Annotated[list[str] | None, typer.Option(help="Only these lanes.")] = None,
    health_port: HealthPort = 0,
) -> None:
    """Deliver the log's events to functions that run as processes of their own."""
    from ims import topics
    from ims.lanes import Lane
    from ims.serve.dispatch import dispatch as run

    urls: dict[str, list[str]] = {}
    for entry in sink:
        stage, _, targets = entry.partition("=")
        if stage not in topics.STAGES or not targets:
            fail(f"--sink is stage=url[,url...] with a stage of {', '.join(topics.STAGES)}")
        urls[stage] = targets.split(",")
    settings = load_settings()
    configure_logs("dispatch", settings.log_level)
    asyncio.run(run(settings, [Lane(entry) for entry in lane] if lane else list(Lane), urls, health_port))


def lag(as_json: Json = False) -> None:
    """Events waiting per stage and lane."""
    from ims import topics
    from ims.lanes import Lane
    from ims.wiring import build, close, reader_of

    async def run() -> list[dict[str, Any]]:
        ctx = build(existing_home(), "lag", with_providers=False)
        found = await reader_of(ctx).lags(list(Lane), topics.STAGES)
        await close(ctx)
        return [{"lane": of.lane.value if of.lane else "all", "stage": of.stage, "events": events} for of, events in found]

    show(asyncio.run(run()), as_json)
