"""Whether a callback_url is one that the customer was allowed to use. Where it leads to is checked at the edge, and again at every call."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PORTS = {"http": 80, "https": 443}


def _parts(url: str) -> tuple[SplitResult, int] | None:
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return None
    if split.scheme not in _PORTS or not split.hostname or split.username is not None or split.password is not None or "\\" in url:
        return None
    return split, port or _PORTS[split.scheme]


def allowed(url: str, prefixes: Iterable[str]) -> bool:
    """Scheme, host and port must be those of a prefix, and the path must continue its path at a `/`.

    Not a comparison of strings: https://hook.example.com is no prefix of https://hook.example.com.evil.net.
    """
    parts = _parts(url)
    if parts is None:
        return False
    split, port = parts
    for prefix in prefixes:
        if prefix == "loopback:*":
            if split.hostname in _LOOPBACK:
                return True
            continue
        known = _parts(prefix)
        if known is None or (known[0].scheme, known[0].hostname, known[1]) != (split.scheme, split.hostname, port):
            continue
        base = known[0].path
        if split.path == base or split.path.startswith(base if base.endswith("/") else f"{base}/") or base in {"", "/"}:
            return "/../" not in f"{split.path}/"
    return False
