"""The simulator's HTTP server: `python -m ims.adapters.providers.simulator.server`. docs/simulator.md describes the API."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from ims.adapters.providers.simulator.calls import ACCOUNTS, BadCall, Desk
from ims.adapters.providers.simulator.faults import MODES, SLOW_S, Faults
from ims.adapters.providers.simulator.journal import Journal
from ims.adapters.providers.simulator.magic import HANG_S
from ims.adapters.providers.simulator.push import Pusher
from ims.adapters.providers.simulator.reports import Chunk, Waiting
from ims.adapters.providers.simulator.settings import Settings, parsed

LISTED_AT_ONCE = 10_000
_BODY_BYTES = 8 * 1024 * 1024  # 1,000 messages of 2,000 characters, all Korean, with room
_NOT_TAKEN = b'{"accepted":false}'  # the explicit word that nothing was taken


class Server:
    """One simulated provider."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._journal = Journal(settings.journal)
        self._desk = Desk(self._journal, settings.keys, settings.magic_scale)
        self._waiting = {name: Waiting(int(settings.lease_s * 1000), name) for name in ACCOUNTS}
        self._pushers: dict[str, Pusher] = {}
        self._faults = Faults()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_BODY_BYTES, middlewares=[self._gate])
        app.router.add_post("/v1/calls", self._post_call)
        app.router.add_get("/v1/calls/{key}", self._get_call)
        app.router.add_delete("/v1/calls/{key}", self._close_call)
        app.router.add_get("/v1/reports", self._get_reports)
        app.router.add_delete("/v1/reports/{batch_id}", self._acknowledge)
        app.router.add_get("/v1/sent", self._get_sent)
        app.router.add_get("/v1/sent/count", self._get_count)
        app.router.add_get("/v1/stats", self._get_stats)
        app.router.add_post("/v1/faults", self._post_faults)
        app.cleanup_ctx.append(self._life)
        return app

    async def _life(self, _: web.Application) -> AsyncIterator[None]:
        for account, chunks in self._desk.load():
            self._waiting[account].add(chunks)
        tasks = []
        for name, waiting in self._waiting.items():
            if self._settings.reports.get(name) == "webhook":
                pusher = self._pushers[name] = Pusher(waiting, self._settings.receipt_url, self._settings.secret, self._told)
                tasks.append(asyncio.create_task(pusher.run()))
        yield
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._journal.close()

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        if path.startswith(("/v1/calls", "/v1/reports")):
            wanted = self._settings.credential
            if wanted and not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted.encode()):
                return web.Response(status=401, body=_NOT_TAKEN)
            if self._faults.away():
                return web.Response(status=503, body=_NOT_TAKEN, content_type="application/json")
        return await handler(request)

    async def _post_call(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults.now()
        if fault == "away":
            return web.Response(status=503, body=_NOT_TAKEN, content_type="application/json")
        if fault == "429":
            return self._too_many()
        body = await request.read()
        try:
            plan = self._desk.plan(body, _now_ms())
        except BadCall as exc:
            return web.json_response({"accepted": False, "error": str(exc)}, status=400)
        magic = plan.behaviour
        does = magic.call if magic else ""
        scale = self._settings.magic_scale
        match does:
            case "429":
                return self._too_many()
            case "500":
                return web.Response(status=500, text="internal error")
            case "hang_before":
                await asyncio.sleep(HANG_S * scale)
                return _cut(request)
            case "close_before":
                return _cut(request)
        answer, chunks = self._desk.take(plan, _now_ms())
        account = plan.call.account
        self._waiting[account].add(chunks)
        if account in self._pushers:
            self._pushers[account].wake()
        wait_s = self._settings.latency_ms / 1000 + (SLOW_S * scale if fault == "slow" else 0)
        if magic:
            wait_s += magic.answer_after_s * scale + (HANG_S * scale if does == "hang_after" else 0)
        if wait_s:
            await asyncio.sleep(wait_s)
        if does in {"hang_after", "close_after"} or fault == "close_after":
            return _cut(request)
        if does == "garbage" or fault == "garbage":
            return web.Response(body=b"<html>\x00 not what was agreed", content_type="text/html")
        return _json(answer)

    def _too_many(self) -> web.Response:
        after = f"{self._settings.magic_scale:g}"  # whole seconds unless the scale cuts them
        return web.Response(status=429, headers={"retry-after": after}, body=_NOT_TAKEN, content_type="application/json")

    async def _get_call(self, request: web.Request) -> web.Response:
        answers = self._desk.look_up(request.match_info["key"])
        return _json(answers) if answers is not None else web.Response(status=404, body=_NOT_TAKEN)

    async def _close_call(self, request: web.Request) -> web.Response:
        self._desk.close_key(request.match_info["key"])
        return await self._get_call(request)

    async def _get_reports(self, request: web.Request) -> web.Response:
        name = request.query.get("account", "")
        if name not in ACCOUNTS or name in self._pushers:
            return web.json_response({"error": "account must be one whose reports are polled"}, status=400)
        batch = self._waiting[name].take(_now_ms(), _number(request, "limit", 1_000))
        if batch is None:
            return _json(b'{"batch_id":"","reports":[]}')
        return _json(b'{"batch_id":"%s","reports":%s}' % (batch.id.encode(), batch.json()))

    async def _acknowledge(self, request: web.Request) -> web.Response:
        for waiting in self._waiting.values():
            chunks = waiting.settle(request.match_info["batch_id"])
            if chunks is not None:
                self._told(chunks)
                return web.Response(status=204)
        return web.Response(status=404)

    def _told(self, chunks: list[Chunk]) -> None:
        if chunks:
            self._journal.add_acknowledged([chunk.id for chunk in chunks])

    async def _get_sent(self, request: web.Request) -> web.Response:
        limit = min(_number(request, "limit", 1_000), LISTED_AT_ONCE)
        sent = [
            {
                "number": number, "ref": member.ref, "to": member.to, "send_type": taken.call.send_type,
                "account": taken.call.account, "key": taken.call.key, "text": member.text, "at": taken.at,
            }
            for number, taken, member in self._journal.sent_after(_number(request, "after", 0), limit)
        ]  # fmt: skip
        return _json(msgspec.json.encode({"sent": sent, "next": sent[-1]["number"] if sent else None}))

    async def _get_count(self, _: web.Request) -> web.Response:
        return web.json_response({"count": self._journal.sent})

    async def _get_stats(self, _: web.Request) -> web.Response:
        return web.json_response({
            "calls": self._desk.calls,
            "sent": self._journal.sent,
            "duplicates_refused": self._desk.duplicates_refused,
            "reports_waiting": {name: waiting.count() for name, waiting in self._waiting.items()},
            "reports_given_up": sum(pusher.given_up for pusher in self._pushers.values()),
        })  # fmt: skip

    async def _post_faults(self, request: web.Request) -> web.Response:
        try:
            wish = msgspec.json.decode(await request.read(), type=_Wish)
        except msgspec.DecodeError:
            return web.json_response({"error": "mode, share, seconds"}, status=400)
        if wish.mode not in MODES:
            return web.json_response({"error": f"mode is one of {', '.join(MODES)}"}, status=400)
        self._faults.set(wish.mode, min(max(wish.share, 0.0), 1.0), wish.seconds)
        return web.Response(status=204)


class _Wish(msgspec.Struct):
    mode: str
    share: float = 1.0
    seconds: float = 3600.0


def create_app(settings: Settings) -> web.Application:
    """The server as an application; reads its journal when it starts."""
    return Server(settings).app()


def _cut(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else default


def _now_ms() -> int:
    return int(time.time() * 1000)


async def serve(settings: Settings, host: str, port: int) -> None:
    """Listen until SIGTERM (`with_parent`: or the end of standard input); says where on the first line of standard output."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if settings.with_parent:  # before the journal is opened: who is late for its end must not lock the next one out
        threading.Thread(target=_die_with_parent, args=(lambda: loop.call_soon_threadsafe(stop.set),), daemon=True).start()
    runner = web.AppRunner(create_app(settings), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        sys.stdout.write(f"http://{host}:{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


def _die_with_parent(end: Callable[[], object]) -> None:
    while os.read(0, 1):
        pass
    with contextlib.suppress(RuntimeError):  # the loop is closed: it ends anyway
        end()


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    settings, host, port = parsed(argv)
    import uvloop

    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, host, port))


if __name__ == "__main__":
    main()
