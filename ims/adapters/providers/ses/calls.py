"""The one call that sends, POST /v2/email/outbound-emails, with its signature, and what its errors mean.

Signed with botocore's own signer over our transport: half of what boto3's client costs, and no thread
(docs/decisions/dependencies.md).
"""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import msgspec

from ims.adapters.providers.mime import Mail
from ims.adapters.providers.transport import Reply
from ims.errors import CallRefused, Misconfigured, NotSent, ProviderError, Unclear
from ims.results import CREDENTIAL, INTERNAL, NO_ANSWER, NOT_CONNECTED, THROTTLED, UNREADABLE

PATH = "/v2/email/outbound-emails"
TAG = "ims_ref"  # letters, digits, _ and - are all that SES takes
THROTTLED_S = 1.0  # SES says no Retry-After; its rate is counted by the second
QUOTA_S = 60.0  # the quota of 24 hours rolls: a little comes free all the time
_KEPT_S = 60.0  # credentials of a role are asked for again: botocore renews them long before they end
_THROTTLE = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling"})
_PAUSED = frozenset({"SendingPausedException", "AccountSuspendedException", "NotFoundException"})  # of the account, not of the mail
_EXPIRED = frozenset({"ExpiredTokenException", "RequestExpired"})
_REFUSED = {"MessageRejected": "5000", "MailFromDomainNotVerifiedException": "5701", "BadRequestException": INTERNAL}


class _Sent(msgspec.Struct):
    message_id: str = msgspec.field(name="MessageId", default="")


_SENT = msgspec.json.Decoder(_Sent)


def body(mail: Mail, ref: str, configuration_set: str) -> bytes:
    """The request body."""
    copies = {"BccAddresses": list(mail.copies)} if mail.copies else {}  # the headers say who was copied openly
    content: dict[str, Any] = {
        "FromEmailAddress": mail.sender,
        "Destination": {"ToAddresses": [mail.to], **copies},
        "Content": {"Raw": {"Data": base64.b64encode(mail.content).decode()}},
        "EmailTags": [{"Name": TAG, "Value": ref}],
    }
    if configuration_set:
        content["ConfigurationSetName"] = configuration_set
    return msgspec.json.encode(content)


class Signer:
    """Signs requests, with given keys or with what botocore finds (environment, role of a pod or machine)."""

    def __init__(self, url: str, region: str, access_key_id: str, secret_access_key: str) -> None:
        self._url = url
        self._region = region
        self._given = (access_key_id, secret_access_key)
        self._source: Any = None
        self._keys: Any = None
        self._until = 0.0

    async def headers(self, content: bytes) -> dict[str, str]:
        """The headers of one request. NotSent where there are no credentials to be had."""
        if self._keys is None or time.monotonic() >= self._until:
            try:
                self._keys = await asyncio.to_thread(self._found)
            except Exception as exc:  # botocore's chain raises whatever its sources do
                raise NotSent(NOT_CONNECTED, "credentials") from exc
            self._until = time.monotonic() + _KEPT_S
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method="POST", url=self._url + PATH, data=content, headers={"content-type": "application/json"})
        SigV4Auth(self._keys, "ses", self._region).add_auth(request)
        return dict(request.headers.items())

    def forget(self) -> None:
        """The credentials were refused as too old."""
        self._until = 0.0

    def _found(self) -> Any:
        from botocore.credentials import Credentials
        from botocore.session import get_session

        if all(self._given):
            return Credentials(*self._given)
        if self._source is None:
            self._source = get_session().get_credentials()
        if self._source is None:
            raise Misconfigured("there are no credentials for SES")
        return self._source.get_frozen_credentials()


def message_id(reply: Reply) -> str:
    """SES's id of a mail that it took; raises what a refusal means."""
    if reply.status != 200:
        raise _error(reply)
    try:
        found = _SENT.decode(reply.body).message_id
    except (msgspec.DecodeError, RecursionError):
        found = ""
    if not found:
        raise Unclear(UNREADABLE)
    return found


def kind_of(reply: Reply) -> str:
    """The name of an error, as headers tell it: MessageRejected."""
    return reply.headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2][:60]


def expired(reply: Reply) -> bool:
    """Whether the credentials were right and are over."""
    return kind_of(reply) in _EXPIRED


def _error(reply: Reply) -> ProviderError:
    kind = kind_of(reply)
    given = kind or str(reply.status)
    if kind in _THROTTLE or reply.status == 429:
        return NotSent(THROTTLED, given, reply.retry_after_s or THROTTLED_S)
    if kind == "LimitExceededException":
        return NotSent(THROTTLED, given, QUOTA_S)
    if kind in _PAUSED or kind in _EXPIRED or reply.status == 404:
        return NotSent(NOT_CONNECTED, given)
    if reply.status in {401, 403}:
        return CallRefused(CREDENTIAL, given)
    if 400 <= reply.status < 500 and reply.status != 408:
        return CallRefused(_REFUSED.get(kind, INTERNAL), given)
    return Unclear(NO_ANSWER, given)
