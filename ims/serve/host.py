"""A process of `ims up`: some functions, the dispatcher of some lanes, their workers, on one event loop.

PLAN is the process model: after intake, auth and realtime share no process, no file and no lock with mass and ad. These
have two processes, since one core is not enough for a campaign: the way to the provider, and the way back to the customer.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable
from dataclasses import dataclass

import uvicorn
import uvloop
from starlette.types import ASGIApp

from ims import topics
from ims.config import Settings, load_settings
from ims.errors import ImsError, Later
from ims.lanes import Lane
from ims.runtime.breaker import share
from ims.runtime.context import Context, install
from ims.runtime.sinks import asgi_sink
from ims.runtime.tracing import Tracer
from ims.serve import workers
from ims.serve.admission import Admission, kinds
from ims.serve.app import FunctionApp, framework_app
from ims.serve.gateway import BehindGateway, Beside, Gateway
from ims.serve.http import server
from ims.serve.lanes import Lanes
from ims.telemetry import configure_logs, log
from ims.wiring import build, close


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process does."""

    http: str = ""  # the function that it serves over HTTP
    center: bool = False  # whether it serves center too, by the path: what is large and can wait has one process
    lanes: tuple[Lane, ...] = ()  # whose stages, workers and upkeep it runs
    stages: tuple[str, ...] = topics.STAGES  # which of them
    workers: tuple[str, ...] = workers.NAMES
    nice: int = 0  # what can wait leaves the processors to what cannot: a one-time code is not behind a campaign


_SLOW = (Lane.MASS, Lane.AD)

PLAN: dict[str, Plan] = {
    "edge": Plan(http="intake"),
    "intake-bulk": Plan(http="intake", center=True, nice=5),
    "fast": Plan(http="receipt", lanes=(Lane.AUTH, Lane.REALTIME)),
    "slow-out": Plan(lanes=_SLOW, stages=topics.OUTWARD, workers=("held", "outbox"), nice=10),
    "slow-back": Plan(lanes=_SLOW, stages=topics.BACKWARD, workers=("deadlines", "callbacks", "reports"), nice=10),
}


class Host:
    """One running process."""

    def __init__(self, name: str, settings: Settings, port: int) -> None:
        self.name = name
        self.plan = PLAN[name]
        self.settings = settings
        self.port = port
        self.ctx: Context = build(settings, name)
        self._tasks: list[asyncio.Task[None]] = []
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
        lanes = await self._lanes() if self.plan.lanes else None
        if lanes:
            self._task(tracer.run())
            self._task(share(self.ctx.breakers, self.ctx.shared, self.ctx.clock))
        gc.freeze()  # what start-up built stays: collections look only at what requests made
        gc.set_threshold(50_000, 20, 20)  # decoding a batch makes thousands of objects that die with it
        http, serving = None, None
        if self.plan.http:
            http = server(self._application(), self.settings.host if self.name == "edge" else "127.0.0.1", self.port)
            serving = asyncio.create_task(_serve(http))
            serving.add_done_callback(lambda _: self._stop.set())
        await self._stop.wait()
        log.info("stopping")
        if http and serving:
            http.should_exit = True
            await serving
        if lanes:
            await lanes.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if lanes:
            with contextlib.suppress(Later):
                await tracer.flush()
            lanes.release()
        if self._gateway:
            await self._gateway.close()
        await close(self.ctx)

    async def _lanes(self) -> Lanes:
        sinks = {stage: asgi_sink(framework_app(stage)) for stage in self.plan.stages}
        lanes = Lanes(self.ctx, self.settings, self.plan.lanes, sinks)
        await lanes.take()
        for work in lanes.work():
            self._task(work)
        for name in self.plan.workers:
            for lease, (step, rest) in workers.steps(name, list(self.plan.lanes), self.ctx, self.settings.poll_idle_s).items():
                # Who has the lanes is the only one of its name, so a restart after kill -9 need not wait for its own old lease.
                self._task(workers.loop(lease, step, rest, self.ctx, owner=self.name))
        return lanes

    def _application(self) -> ASGIApp:
        app: ASGIApp = FunctionApp([self.plan.http], self.settings, self.ctx)
        if self.plan.center:
            app = Beside(app, FunctionApp(["center"], self.settings, self.ctx))
        token = os.environ.get("IMS_INTERNAL_TOKEN", "")
        if self.name == "edge":
            self._gateway = Gateway(app, os.environ["IMS_INTAKE_BULK_URL"], token)
            return Admission(self._gateway, kinds(self.ctx))
        return BehindGateway(app, token) if self.name == "intake-bulk" else app

    def _task(self, work: Awaitable[None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    def _die_with_parent(self, loop: asyncio.AbstractEventLoop) -> None:
        """The parent holds the other end of our stdin: at its death, by whatever signal, this read ends."""
        if os.environ.get("IMS_CHILD") != "1":
            return
        while os.read(0, 1):
            pass
        loop.call_soon_threadsafe(self._stop.set)


async def _serve(http: uvicorn.Server) -> None:
    await http.serve()


def main(name: str, port: int) -> None:
    """Entry of a process that `ims up` starts: name and port."""
    try:
        settings = load_settings()
        configure_logs(name, settings.log_level)
        os.nice(PLAN[name].nice)
        # A worker thread that has the disk's answer must not wait 5 ms for a busy event loop to let go of the interpreter.
        sys.setswitchinterval(0.001)

        async def run() -> None:
            await Host(name, settings, port).run()

        uvloop.run(run())
    except ImsError as exc:
        log.error("cannot_start", why=str(exc))
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
