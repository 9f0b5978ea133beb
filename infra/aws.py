"""S3, SES and SNS (moto): everything in memory, empty after a stop but for the bucket."""

from __future__ import annotations

import ssl
import sys
import urllib.error
import urllib.request

from infra.place import HOST, Place
from infra.process import Process
from infra.service import Node, NotStarted, Service
from infra.tls import certificates

BUCKET = "ims"
_LIMIT_S = 5


def service(place: Place, *, secure: bool = False) -> Service:
    """One server for all of AWS, on the port where localstack-client looks. `secure`: TLS; it believes every login."""
    port, files = place.port("aws"), certificates(place) if secure else None
    url = f"{'https' if secure else 'http'}://{HOST}:{port}"
    trusted = ssl.create_default_context(cafile=files.authority) if files else None
    tls = ["-s", "-c", str(files.certificate), "-k", str(files.key)] if files else []
    process = Process(place, "aws", lambda: [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port), *tls])
    return Service(
        name="aws",
        nodes=[Node(process, port, url, lambda: _says(f"{url}/moto-api/data.json", trusted))],
        # moto asks for credentials and takes any; real ones of this machine are not for it.
        settings=lambda: (
            {"IMS_FILES": f"s3://{BUCKET}?endpoint={url}" + (f"&tls_ca={files.authority}" if files else "")}
            | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        ),
        finish=lambda: _make_bucket(url, trusted),
    )


def _says(url: str, trusted: ssl.SSLContext | None) -> bool:
    with urllib.request.urlopen(url, timeout=_LIMIT_S, context=trusted) as answer:
        return bool(answer.status == 200)


def _make_bucket(url: str, trusted: ssl.SSLContext | None) -> None:
    request = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=_LIMIT_S, context=trusted):
            pass
    except urllib.error.URLError as exc:
        raise NotStarted(f"aws: the bucket {BUCKET} cannot be made: {exc}") from exc
