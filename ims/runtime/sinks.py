"""Ways to hand an event to a function in this process."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message

from ims.runtime.source import Answer, Sink


def asgi_sink(app: ASGIApp, path: str = "/") -> Sink:
    """Deliver to an ASGI application as a POST, without a socket."""

    async def deliver(headers: dict[str, str], body: bytes) -> Answer:
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
            "client": None,
            "server": None,
        }
        status, chunks = 0, []
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        await app(scope, receive, send)
        return Answer(status, b"".join(chunks))

    return deliver
