"""Files in a bucket. boto3 blocks, so it runs on a few threads of its own; each call has a time limit and bounded retries.

`s3://bucket?region=ap-northeast-2`; `&endpoint=http://127.0.0.1:4566` for what is not Amazon's, `endpoint=localstack` for where
localstack-client finds it; `&tls_ca=FILE`: who signed its certificate, where the system does not know them. A bucket is made only
where the endpoint is this machine's own; credentials of the real cloud are never sent there. Nothing is asked of the server but
put, get, list and delete: no encryption, versions or rules of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from botocore.response import StreamingBody

from ims.adapters.trust import untrusted
from ims.errors import LoginRefused, Misconfigured, Unavailable, Untrusted
from ims.ports.files import MOST_BYTES, checked
from ims.telemetry import log

T = TypeVar("T")
TIME_LIMIT_S = 30.0  # of a call with its retries; 64 MiB take seconds
_THREADS = 8
_CONNECT_S = 2.0
_READ_S = 10.0
_TRIES = 3
_LOCAL = ("127.0.0.1", "::1", "localhost")
_LOCALSTACK = "localstack"
_PAGE = 1_000  # keys of one list, or one delete
_THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
_GONE = ("NoSuchKey", "404")
_LOGIN = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AccessDenied", "403")
_SETTINGS = {"region", "endpoint", "tls_ca"}


class S3Files:
    """ims.ports.files.Files. Nothing connects before the first call."""

    def __init__(self, url: str, *, time_limit_s: float = TIME_LIMIT_S) -> None:
        parts, given = urlsplit(url), parse_qs(urlsplit(url).query, keep_blank_values=True)
        if parts.scheme != "s3" or not parts.hostname or parts.path.strip("/") or set(given) - _SETTINGS:
            raise Misconfigured("a URL of files is s3://bucket?region=...&endpoint=...&tls_ca=...")
        self._bucket = parts.hostname
        self._region = given.get("region", [None])[0]
        self._endpoint = given.get("endpoint", [""])[0]
        self._tls_ca = given.get("tls_ca", [None])[0]
        if self._tls_ca is not None and not Path(self._tls_ca).is_file():
            raise Misconfigured("IMS_FILES: tls_ca is no file")
        self._local = self._endpoint == _LOCALSTACK or urlsplit(self._endpoint).hostname in _LOCAL
        self._limit_s = time_limit_s
        self._threads: ThreadPoolExecutor | None = None
        self._made: Any = None
        self._making = threading.Lock()

    async def put(self, key: str, data: bytes) -> None:
        checked(key)
        if len(data) > MOST_BYTES:
            raise ValueError("a file holds at most 64 MiB")
        await self._do(lambda s3: s3.put_object(Bucket=self._bucket, Key=key, Body=data))

    async def get(self, key: str) -> bytes | None:
        checked(key)

        def job(s3: Any) -> bytes | None:
            try:
                body: StreamingBody = s3.get_object(Bucket=self._bucket, Key=key)["Body"]
            except ClientError as exc:
                if _code(exc) in _GONE:
                    return None
                raise
            with body:
                return bytes(body.read())

        return await self._do(job)

    async def delete(self, key: str) -> None:
        checked(key)
        await self._do(lambda s3: s3.delete_object(Bucket=self._bucket, Key=key))

    async def drop_page(self, folder: str, before: str, limit: int) -> int:
        prefix, end = f"{checked(folder)}/", f"{folder}/{checked(before)}"

        def job(s3: Any) -> int:
            listed = s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=min(limit, _PAGE)).get("Contents", [])
            old = [{"Key": o["Key"]} for o in listed if o["Key"] < end]  # keys come in their order: the oldest first
            if old:
                answer = s3.delete_objects(Bucket=self._bucket, Delete={"Objects": old, "Quiet": True})
                if answer.get("Errors"):
                    raise Unavailable(f"S3 did not delete {len(answer['Errors'])} of {len(old)} files")
            return len(old)

        return await self._do(job)

    async def close(self) -> None:
        """Finish what is on its way, then let go."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.get_running_loop().run_in_executor(None, threads.shutdown)
        made, self._made = self._made, None
        if made is not None:
            made.close()

    async def _do(self, job: Callable[[Any], T]) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3")
        try:
            async with asyncio.timeout(self._limit_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: job(self._client()))
        except ClientError as exc:
            if self._local and _code(exc) == "NoSuchBucket":
                self._made = None  # a server that keeps all in memory was started again
            log.error("files_refused", error=_code(exc)[:40])  # NoSuchBucket, AccessDenied, SlowDown: an operator's to mend
            told = LoginRefused if _code(exc) in _LOGIN else Unavailable
            raise told(f"S3 answers {_code(exc)[:40]}") from exc
        except (NoCredentialsError, PartialCredentialsError) as exc:
            raise LoginRefused("there are no credentials for S3") from exc
        except (BotoCoreError, OSError, TimeoutError) as exc:
            if untrusted(exc):
                raise Untrusted("S3 shows a certificate that we do not trust") from exc
            raise Unavailable(f"S3 does not answer: {type(exc).__name__}") from exc

    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                client = self._connect()
                if self._local:
                    self._make_bucket(client)
                self._made = client
            return self._made

    def _make_bucket(self, client: Any) -> None:
        region = client.meta.region_name
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            client.create_bucket(Bucket=self._bucket, **where)
        except ClientError as exc:
            if _code(exc) not in _THERE:
                raise

    def _connect(self) -> Any:
        config = Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"mode": "standard", "total_max_attempts": _TRIES},
            max_pool_connections=_THREADS,
            s3={"addressing_style": "path"} if self._endpoint else {},
            request_checksum_calculation="when_required",  # not every server of the protocol knows the newer checksums
            response_checksum_validation="when_required",
        )
        if self._endpoint == _LOCALSTACK:
            from localstack_client.session import Session

            return Session(region_name=self._region or "us-east-1").client("s3", config=config)
        more: dict[str, Any] = {"endpoint_url": self._endpoint} if self._endpoint else {}
        if self._tls_ca:
            more["verify"] = self._tls_ca
        if self._local:
            more |= {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        region = self._region or ("us-east-1" if self._local else None)
        return boto3.session.Session(region_name=region).client("s3", config=config, **more)


def _code(exc: ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code", ""))
