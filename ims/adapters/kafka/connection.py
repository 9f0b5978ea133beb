"""Where Kafka is and how it is spoken to: one value, made from a URL, that every client of ours is built from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ims.errors import Misconfigured

_SCHEMES = {"kafka": False, "kafka+ssl": True}
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PORT = 9092

MAX_RECORD_BYTES = 1_000_000  # an event holds 48 KiB (ims.lanes); topics take 1 MiB, which leaves room for keys and headers


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Servers, transport and credential."""

    servers: tuple[str, ...]
    tls: bool = False
    ca_file: Path | None = None
    sasl_mechanism: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    def client(self, client_id: str) -> dict[str, Any]:
        """Keyword arguments that producers, consumers and admin clients share."""
        _quieten()
        sasl = {
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }
        return {
            "bootstrap_servers": list(self.servers),
            "client_id": client_id,
            "security_protocol": ("SASL_" if self.sasl_mechanism else "") + ("SSL" if self.tls else "PLAINTEXT"),
            **({"ssl_cafile": str(self.ca_file)} if self.ca_file else {}),
            **(sasl if self.sasl_mechanism else {}),
            "bootstrap_timeout_ms": 5_000,  # the constructor blocks for as long without a broker (default: 30 s)
            "reconnect_backoff_ms": 50,
            "reconnect_backoff_max_ms": 1_000,  # the default of 30 s was seen as 33 s without a record after the broker was back
        }


def connect_to(
    url: str,
    *,
    setting: str = "IMS_LOG",
    ca_file: Path | None = None,
    sasl_mechanism: str = "",
    username: str = "",
    password: str = "",
) -> KafkaConnection:
    """The connection of `kafka://host:port,host:port` or `kafka+ssl://...`. Misconfigured names the setting and what is wrong in it."""
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        raise Misconfigured(f"{setting}: a Kafka URL begins with kafka:// or kafka+ssl://, not {scheme[:20]!r}")
    tls = _SCHEMES[scheme]
    if "@" in rest:
        raise Misconfigured(f"{setting}: user and password do not belong in the URL; they have settings of their own")
    hosts, _, path = rest.partition("/")
    if path or "?" in rest or "#" in rest:
        raise Misconfigured(f"{setting}: nothing may follow the servers in a Kafka URL")
    servers = tuple(_server(setting, one) for one in hosts.split(","))
    if ca_file is not None and not tls:
        raise Misconfigured(f"{setting}: a CA file is of use with kafka+ssl:// only")
    if ca_file is not None and not ca_file.is_file():
        raise Misconfigured(f"{setting}: the CA file {ca_file} is not there")
    if sasl_mechanism and sasl_mechanism not in _MECHANISMS:
        raise Misconfigured(f"{setting}: SASL mechanism {sasl_mechanism[:20]!r} is none of {', '.join(_MECHANISMS)}")
    if bool(sasl_mechanism) != bool(username) or bool(username) != bool(password):
        raise Misconfigured(f"{setting}: SASL needs a mechanism, a user and a password, all three")
    return KafkaConnection(servers, tls, ca_file, sasl_mechanism, username, password)


def _server(setting: str, text: str) -> str:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or _PORT
    except ValueError as exc:
        raise Misconfigured(f"{setting}: {text[:60]!r} is no host:port") from exc
    if not host or text != text.strip():
        raise Misconfigured(f"{setting}: {text[:60]!r} is no host:port")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _quieten() -> None:
    """The library logs up to 300 errors a second while a broker is away; our own lines say it once."""
    logger = logging.getLogger("kafka")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
