"""S3, SES and SNS (moto): everything in memory, empty after a stop but for the bucket."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from infra.place import HOST, Place
from infra.process import Process
from infra.service import Node, NotStarted, Service

BUCKET = "ims"
_LIMIT_S = 5


def service(place: Place) -> Service:
    """One server for all of AWS, on the port where localstack-client looks."""
    port = place.port("aws")
    url = f"http://{HOST}:{port}"
    process = Process(place, "aws", lambda: [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)])
    return Service(
        name="aws",
        nodes=[Node(process, port, url, lambda: _says(f"{url}/moto-api/data.json"))],
        # moto asks for credentials and takes any; real ones of this machine are not for it.
        settings=lambda: (
            {"IMS_FILES": f"s3://{BUCKET}?endpoint={url}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
            | {"AWS_DEFAULT_REGION": "us-east-1"}
        ),
        finish=lambda: _make_bucket(url),
    )


def _says(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=_LIMIT_S) as answer:
        return bool(answer.status == 200)


def _make_bucket(url: str) -> None:
    request = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=_LIMIT_S):
            pass
    except urllib.error.URLError as exc:
        raise NotStarted(f"aws: the bucket {BUCKET} cannot be made: {exc}") from exc
