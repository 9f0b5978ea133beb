"""uvicorn as IMS runs it: uvloop and httptools (3 times the default), no access log (paths hold message ids)."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp

DRAIN_S = 20


def server(app: ASGIApp, host: str, port: int, *, lifespan: bool = True, trusted_proxies: str = "") -> uvicorn.Server:
    """A server ready to `serve()`. Behind proxies a client is the last address of X-Forwarded-For that is no trusted proxy's."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on" if lifespan else "off",
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=75,  # longer than a source's pause between events: a closed connection costs a retry
        backlog=2048,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies or [],  # said, or the library reads the environment
    )
    return uvicorn.Server(config)
