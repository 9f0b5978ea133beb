"""A customer's callback server: records every request, checks its signature with the receivers' own library, fails as told."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness import eventually
from standardwebhooks import Webhook, WebhookVerificationError

HANG = 0  # a status that is no status: the request is not answered


@dataclass(frozen=True, slots=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float  # monotonic
    answered: int
    secrets: tuple[str, ...]  # that verify its signature
    results: list[dict[str, Any]]

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class CallbackServer:
    """On loopback. A path answers 200 unless scripted."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.secrets: set[str] = set()
        self._scripts: dict[str, Callable[[int], int]] = {}
        self._counts: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._take(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_: object) -> None:
                pass  # a peer that was killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def script(self, path: str, answers: Iterable[int] | Callable[[int], int]) -> str:
        """The statuses of a path's first requests, or a function of the request's number (from 0); its URL."""
        if callable(answers):
            self._scripts[path] = answers
        else:
            first = list(answers)
            self._scripts[path] = lambda n: first[n] if n < len(first) else 200
        return self.url(path)

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        at = time.monotonic()
        headers = {k.lower(): v for k, v in request.headers.items()}
        path = request.path
        with self._lock:
            n = self._counts[path]
            self._counts[path] += 1
        status = self._scripts.get(path, lambda _: 200)(n)
        parsed = json.loads(body)
        results = parsed if isinstance(parsed, list) else [parsed]
        verified = tuple(secret for secret in sorted(self.secrets) if _verifies(secret, body, headers))
        with self._lock:
            self.heard.append(Heard(path, headers, body, at, status, verified, results))
        if status == HANG:
            self._closing.wait(30)
            request.close_connection = True
            return
        request.send_response(status)
        request.send_header("content-length", "0")
        request.end_headers()

    def at(self, path: str) -> list[Heard]:
        """The requests to a path, in order."""
        with self._lock:
            return [h for h in self.heard if h.path == path]

    def under(self, prefix: str) -> list[Heard]:
        with self._lock:
            return [h for h in self.heard if h.path.startswith(prefix)]

    def results(self, prefix: str) -> dict[str, list[dict[str, Any]]]:
        """Results that were told under a prefix by message_id, each event_id once, in the order in which they came."""
        found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for heard in self.under(prefix):
            for result in heard.results:
                found[result["message_id"]].setdefault(result["event_id"], result)
        return {id_: list(events.values()) for id_, events in found.items()}

    def wait(
        self, prefix: str, ready: Callable[[dict[str, list[dict[str, Any]]]], bool], timeout: float, what: str, every: float = 0.1
    ) -> dict[str, list[dict[str, Any]]]:
        """The results under a prefix, once they are what is waited for."""

        def probe() -> dict[str, list[dict[str, Any]]] | None:
            found = self.results(prefix)
            return found if ready(found) else None

        return eventually(probe, timeout, what, every)

    def unverified(self) -> list[Heard]:
        """Requests whose signature no known secret verifies."""
        with self._lock:
            return [h for h in self.heard if not h.secrets]


def _verifies(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True
