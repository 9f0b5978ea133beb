"""Pictures for Bizgo: uploaded once to /file/mms or /file/rcs, then named by what it answered, for as long as it says.

Whatever goes wrong with an upload, the message itself was surely not sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

import msgspec

from ims.adapters.providers.transport import Transport
from ims.errors import CallRefused, NotSent, Unclear
from ims.ports.attachments import Attachment, Attachments, Given
from ims.ports.clock import Clock
from ims.results import CREDENTIAL, FILE_GONE, INTERNAL, NOT_CONNECTED, THROTTLED

PATHS = {"mms": "/api/comm/v1/file/mms", "rcs": "/api/comm/v1/file/rcs"}
UNTOLD_MS = 3_600_000  # how long a name is believed whose end Bizgo does not say; a guess, and uploading again is cheap
_EARLY_MS = 300_000  # a call on its way must not arrive with a name that has just ended
_WRONG_SIZE = {"mms": "3016", "rcs": "6003"}


class _Result(msgspec.Struct, rename="camel"):
    file_key: str | None = None
    media: str | None = None
    expired: str | None = None


class _Data(msgspec.Struct):
    code: str | None = None
    data: _Result | None = None


class _Envelope(msgspec.Struct):
    data: _Data | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)


class Pictures:
    """What one account has uploaded."""

    def __init__(self, http: Transport, attachments: Attachments | None, account: str, clock: Clock) -> None:
        self._http = http
        self._attachments = attachments
        self._account = account
        self._clock = clock

    async def names(self, keys: Sequence[str], use: str) -> list[str]:
        """Bizgo's names for files of ours, in order. NotSent or CallRefused for the call that needs them."""
        if not keys:
            return []
        if self._attachments is None:
            raise CallRefused(INTERNAL, "no store of files")

        async def hand(file: Attachment) -> Given:
            return await self._upload(file, use)

        return [await self._attachments.handed(key, f"bizgo/{self._account}/{use}", hand) for key in keys]

    async def _upload(self, file: Attachment, use: str) -> Given:
        boundary = secrets.token_hex(16)
        ending = file.upload.content_type.removeprefix("image/").replace("jpeg", "jpg")
        # The customer's own name for it is nobody else's business.
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="picture.{ending}"\r\n'
            f"Content-Type: {file.upload.content_type}\r\n\r\n"
        )
        body = head.encode() + file.content + f"\r\n--{boundary}--\r\n".encode()
        try:
            reply = await self._http.request("POST", PATHS[use], body, {"content-type": f"multipart/form-data; boundary={boundary}"})
        except Unclear as exc:
            raise NotSent(NOT_CONNECTED, "upload") from exc
        if reply.status == 429:
            raise NotSent(THROTTLED, "upload", reply.retry_after_s)
        if reply.status in {401, 403}:
            raise CallRefused(CREDENTIAL, str(reply.status))
        try:
            data = _ENVELOPE.decode(reply.body).data
        except (msgspec.DecodeError, RecursionError) as exc:
            raise NotSent(NOT_CONNECTED, str(reply.status)) from exc
        if 400 <= reply.status < 500 and reply.status not in {404, 408}:
            raise CallRefused(_WRONG_SIZE.get(use, FILE_GONE), (data.code if data else None) or str(reply.status))
        result = data.data if data and data.code == "A000" else None
        name = (result.file_key or result.media) if result else None
        if reply.status >= 300 or result is None or not name:
            raise NotSent(NOT_CONNECTED, (data.code if data else None) or str(reply.status))
        return Given(name, self._until(result.expired))

    def _until(self, expired: str | None) -> int:
        try:
            at = datetime.fromisoformat(expired or "")
        except ValueError:
            return self._clock() + UNTOLD_MS
        if at.tzinfo is None:
            return self._clock() + UNTOLD_MS
        return int(at.timestamp() * 1000) - _EARLY_MS
