"""A process of `ims up`: some functions, the dispatcher of some lanes, their workers and upkeep, on one event loop.

PLAN is the process model: after intake, auth and realtime share no process, no file and no lock with mass and ad.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import uvloop
from starlette.types import ASGIApp

from ims import topics
from ims.adapters.embedded.log import EmbeddedSubscription
from ims.adapters.embedded.upkeep import drop_old, trim_log
from ims.config import Settings, load_settings
from ims.errors import Later
from ims.lanes import Lane
from ims.runtime.context import Context, install
from ims.runtime.sinks import asgi_sink
from ims.runtime.source import Delivering, Sink, Source
from ims.runtime.tracing import Tracer
from ims.serve import workers
from ims.serve.app import FunctionApp, framework_app
from ims.serve.gateway import BehindGateway, Gateway
from ims.serve.http import DRAIN_S, server
from ims.telemetry import configure_logs, log
from ims.wiring import build, close, store_of

COMMIT_S = 1.0  # how often groups store how far they are: what a kill -9 makes come again
CHECKPOINT_S = 2.0
TRIM_S = 30.0
DROP_S = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process does."""

    http: str = ""  # the function that it serves over HTTP
    lanes: tuple[Lane, ...] = ()  # whose stages, workers and upkeep it runs


PLAN: dict[str, Plan] = {
    "edge": Plan(http="intake"),
    "intake-bulk": Plan(http="intake"),
    "fast": Plan(http="receipt", lanes=(Lane.AUTH, Lane.REALTIME)),
    "slow": Plan(lanes=(Lane.MASS, Lane.AD)),
}


class Host:
    """One running process."""

    def __init__(self, name: str, settings: Settings, port: int) -> None:
        self.name = name
        self.plan = PLAN[name]
        self.settings = settings
        self.port = port
        self.ctx: Context = build(settings, name)
        self.sources: list[Source] = []
        self._tasks: list[asyncio.Task[object]] = []
        self._stop = asyncio.Event()
        self._gateway: Gateway | None = None

    async def run(self) -> None:
        """Until SIGTERM, SIGINT or the end of the parent; then drain."""
        install(self.ctx)
        tracer = Tracer(self.ctx)
        self.ctx.trace = tracer.note
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self._stop.set)
        threading.Thread(target=self._die_with_parent, args=(loop,), daemon=True).start()
        if self.plan.lanes:
            self._start_lanes()
            self._task(tracer.run())
        gc.freeze()  # what start-up built stays; collections look at what requests made
        http = None
        if self.plan.http:
            http = server(self._application(), self.settings.host if self.name == "edge" else "127.0.0.1", self.port)
            http.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours stand
            serving = asyncio.create_task(_serve(http))
            serving.add_done_callback(lambda _t: self._stop.set())
        else:
            print("ready", flush=True)  # noqa: T201 - read by the parent
        await self._stop.wait()
        log.info("stopping")
        if http is not None:
            http.should_exit = True
            await serving
        for source in self.sources:
            await source.stop(DRAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.plan.lanes:
            with contextlib.suppress(Later):
                await tracer.flush()
        if self._gateway:
            await self._gateway.close()
        await close(self.ctx)

    def _application(self) -> ASGIApp:
        app: ASGIApp = FunctionApp(self.plan.http, self.settings, self.ctx)
        token = os.environ.get("IMS_INTERNAL_TOKEN", "")
        if self.name == "edge":
            self._gateway = Gateway(app, os.environ["IMS_INTAKE_BULK_URL"], token)
            return self._gateway
        return BehindGateway(app, token) if self.name == "intake-bulk" else app

    def _task(self, work: object) -> None:
        self._tasks.append(asyncio.create_task(work))  # type: ignore[arg-type]

    def _start_lanes(self) -> None:
        store = store_of(self.ctx)
        s = self.settings
        delivering = Delivering(s.delivery_retry, s.delivery_delay_s, s.delivery_timeout_s)
        subscriptions: dict[Lane, list[EmbeddedSubscription]] = {lane: [] for lane in self.plan.lanes}
        for stage in topics.STAGES:
            sink: Sink = asgi_sink(framework_app(stage))
            for lane in self.plan.lanes:
                names = topics.consumed_by(stage, lane)
                if not names:
                    continue
                subscription = EmbeddedSubscription(store, lane, stage, names)
                subscriptions[lane].append(subscription)
                source = Source(stage, lane, subscription=subscription, sink=sink, journal=store, delivering=delivering)
                self.sources.append(source)
                self._task(source.run())
        for lane, members in subscriptions.items():
            store.bells.listen(lane, _tell(members))
        for name in workers.NAMES:
            for lease, (step, idle_s) in workers.steps(name, list(self.plan.lanes), self.ctx, s.poll_idle_s).items():
                self._task(workers.loop(lease, step, idle_s, self.ctx))
        self._task(self._every(COMMIT_S, self._commit))
        self._task(self._every(CHECKPOINT_S, self._checkpoint))
        self._task(self._every(TRIM_S, self._trim))
        self._task(self._every(DROP_S, self._drop))

    async def _every(self, seconds: float, step: object) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await step()  # type: ignore[operator]
            except Later as exc:
                log.warning("upkeep_waits", error=type(exc).__name__)

    async def _commit(self) -> None:
        for source in self.sources:
            await source.commit()
            await source.measure()

    async def _checkpoint(self) -> None:
        for lane in self.plan.lanes:
            await store_of(self.ctx).files[lane].checkpoint()

    async def _trim(self) -> None:
        for lane in self.plan.lanes:
            groups = {s.stage: topics.consumed_by(s.stage, lane) for s in self.sources if s.lane is lane}
            while await trim_log(store_of(self.ctx), lane, self.ctx.clock, int(self.settings.log_retention_s * 1000), groups):
                await asyncio.sleep(0.05)

    async def _drop(self) -> None:
        for lane in self.plan.lanes:
            while await drop_old(store_of(self.ctx), lane, self.ctx.clock, self.settings.history_days):
                await asyncio.sleep(0.05)

    def _die_with_parent(self, loop: asyncio.AbstractEventLoop) -> None:
        """The parent holds the other end of our stdin: at its death, by whatever signal, this read ends."""
        if os.environ.get("IMS_CHILD") != "1":
            return
        while os.read(0, 1):
            pass
        loop.call_soon_threadsafe(self._stop.set)


def _tell(members: list[EmbeddedSubscription]) -> Callable[[set[str]], None]:
    def heard(names: set[str]) -> None:
        for member in members:
            member.heard(names)

    return heard


async def _serve(http: object) -> None:
    await http.serve()  # type: ignore[attr-defined]


def main(name: str, port: int) -> None:
    """Entry of a process that `ims up` starts: name and port."""
    settings = load_settings()
    configure_logs(name, settings.log_level)
    # A worker thread that has the disk's answer must not wait 5 ms for a busy event loop to let go of the interpreter.
    sys.setswitchinterval(0.001)

    async def run() -> None:
        await Host(name, settings, port).run()

    uvloop.run(run())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
