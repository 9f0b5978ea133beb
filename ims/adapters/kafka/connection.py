"""Where Kafka is and how it is spoken to: one value, made from a URL, that every client of ours is built from."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ims.adapters.kafka.selector import DirectSelector
from ims.errors import Misconfigured

_SCHEMES = {"kafka": False, "kafka+ssl": True}
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PORT = 9092
_PREFIX = re.compile(r"[a-z0-9]{1,40}")

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
    prefix: str = ""  # of our topics and groups, where a cluster holds more than one installation

    def named(self, name: str) -> str:
        """What the cluster calls a topic or a group of ours."""
        return f"{self.prefix}-{name}" if self.prefix else name

    def ours(self, name: str) -> str:
        """What we call a topic of the cluster."""
        return name.removeprefix(f"{self.prefix}-") if self.prefix else name

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
            "selector": DirectSelector,
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
    """The connection of `kafka://host:port,host:port[/prefix]` or `kafka+ssl://...`. Misconfigured names the setting and its fault."""
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        raise Misconfigured(f"{setting}: a Kafka URL begins with kafka:// or kafka+ssl://, not {scheme[:20]!r}")
    tls = _SCHEMES[scheme]
    if "@" in rest:
        raise Misconfigured(f"{setting}: user and password do not belong in the URL; they have settings of their own")
    hosts, _, prefix = rest.partition("/")
    if prefix and not _PREFIX.fullmatch(prefix):
        raise Misconfigured(f"{setting}: what follows the servers is the prefix of our topics' names: small letters and digits")
    if "?" in rest or "#" in rest:
        raise Misconfigured(f"{setting}: nothing but a prefix may follow the servers in a Kafka URL")
    servers = tuple(_server(setting, one) for one in hosts.split(","))
    if ca_file is not None and not tls:
        raise Misconfigured(f"{setting}: a CA file is of use with kafka+ssl:// only")
    if ca_file is not None and not ca_file.is_file():
        raise Misconfigured(f"{setting}: the CA file {ca_file} is not there")
    if sasl_mechanism and sasl_mechanism not in _MECHANISMS:
        raise Misconfigured(f"{setting}: SASL mechanism {sasl_mechanism[:20]!r} is none of {', '.join(_MECHANISMS)}")
    if bool(sasl_mechanism) != bool(username) or bool(username) != bool(password):
        raise Misconfigured(f"{setting}: SASL needs a mechanism, a user and a password, all three")
    return KafkaConnection(servers, tls, ca_file, sasl_mechanism, username, password, prefix)


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
