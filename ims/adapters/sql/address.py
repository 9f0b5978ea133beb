"""Where a MySQL or MariaDB server is, and the names of our databases on it: one for each lane, one for the registry."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy import URL

from ims.errors import Misconfigured
from ims.lanes import Lane

REGISTRY = "registry"
_TLS_OPTIONS = {"tls", "tls_ca", "tls_cert", "tls_key"}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """`mysql://user:password@host:3306/ims`: the path is the prefix of the databases' names."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    prefix: str
    tls: bool = False
    tls_ca: Path | None = None  # none: the system's
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @classmethod
    def parse(cls, url: str, setting: str = "IMS_RECORDS") -> ServerAddress:
        """Misconfigured names the setting, never what stands in it."""
        try:
            parts = urlsplit(url)
            port = parts.port or 3306
        except ValueError as exc:
            raise Misconfigured(f"{setting}: not a URL") from exc
        prefix = parts.path.strip("/")
        options = dict(parse_qsl(parts.query))
        if parts.scheme.partition("+")[0] not in ("mysql", "mariadb") or not parts.hostname or not parts.username:
            raise Misconfigured(f"{setting}: expected mysql://user:password@host:3306/ims")
        if not prefix.isidentifier() or not prefix.isascii() or len(prefix) > 40:
            raise Misconfigured(f"{setting}: the path is the prefix of our databases' names: letters, digits and _")
        if unknown := options.keys() - _TLS_OPTIONS:
            raise Misconfigured(f"{setting}: options are {', '.join(sorted(_TLS_OPTIONS))}, not {', '.join(sorted(unknown))}")
        if options.get("tls", "off") not in ("on", "off") or (options.get("tls", "off") == "off" and options.keys() - {"tls"}):
            raise Misconfigured(f"{setting}: tls is on or off, and its files are for tls=on")
        files = {name: Path(options[name]) for name in ("tls_ca", "tls_cert", "tls_key") if name in options}
        for name, path in files.items():
            if not path.is_file():
                raise Misconfigured(f"{setting}: {name} is no file")
        return cls(
            parts.hostname,
            port,
            unquote(parts.username),
            unquote(parts.password or ""),
            prefix,
            options.get("tls") == "on",
            **files,
        )

    def database(self, part: Lane | str) -> str:
        """The name of a lane's database, or of the registry's."""
        return f"{self.prefix}_{part}"

    def databases(self) -> list[str]:
        """Every database that is ours."""
        return [*(self.database(lane) for lane in Lane), self.database(REGISTRY)]

    def url(self, driver: str, database: str | None = None) -> URL:
        """What SQLAlchemy connects by. The dialect is always called mysql: statements are compiled by that name."""
        query = {"charset": "utf8mb4"}
        return URL.create(f"mysql+{driver}", self.user, self.password, self.host, self.port, database, query)

    def ssl_context(self) -> ssl.SSLContext | None:
        """The server's certificate and name are always checked."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.tls_ca)
        if self.tls_cert is not None:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        return context
