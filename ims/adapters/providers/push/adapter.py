"""App push as one provider: every token goes to the service that reaches its platform, under the keys of its app.

Services have no idempotency keys and report nothing: a push that one of a recipient's tokens took is delivered, and what
became of a call that was cut off nobody can tell. So one message is a call (design invariant 3: at most ten fixed at a time).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ims.adapters.providers.push_service import Errand, Service, Verdict
from ims.errors import CallRefused, NotSent, Rejected, Unclear
from ims.ports.clock import Clock
from ims.ports.providers import Abilities, Answer, Outgoing, OutgoingCall, Polled
from ims.ports.push import ApnsKey, FcmKey, PushApp, PushKeys
from ims.protocol.events import DeliveryReport
from ims.results import CREDENTIAL, INTERNAL, NO_ANSWER
from ims.rules import push as rules
from ims.rules.template import MissingVariable

KEYS_KEPT_MS = 60_000  # how long a replaced key of an app may still be signed with
_MOST_APPS = 1_000
NO_TOKEN, TOO_LARGE = "4040", "4131"
# Where no token took it, the code that says most: what somebody can put right, then what is wrong with the tokens.
_TELLING = (CREDENTIAL, "4032", "4011", TOO_LARGE, "4002", "4031", "4003", "4001", "4102", "4101", "4041")

KeysOf = Callable[[str, str], Awaitable[PushKeys]]  # (customer, app_id)


class PushServices:
    """FCM and APNs behind the provider port."""

    name = "push"

    def __init__(
        self, fcm: Service[FcmKey], apns: Service[ApnsKey], keys_of: KeysOf, clock: Clock, account: str, *, timeout_s: float
    ) -> None:
        self.account = account
        self.abilities = Abilities(max_members=1, keys="none", key_ttl_s=0, timeout_s=timeout_s, can_ask=False, rate_per_s=0)
        self._fcm = fcm
        self._apns = apns
        self._keys_of = keys_of
        self._clock = clock
        self._keys: dict[tuple[str, str], tuple[PushKeys, int]] = {}

    def __repr__(self) -> str:
        return f"<PushServices {self.account}>"

    async def send(self, call: OutgoingCall) -> list[Answer]:
        """As the port says."""
        keys = await self._app_keys(call.fields)
        try:
            async with asyncio.timeout(self.abilities.timeout_s):
                return list(await asyncio.gather(*(self._member(call, keys, member) for member in call.members)))
        except TimeoutError as exc:
            raise Unclear(NO_ANSWER) from exc

    async def ask(self, call: OutgoingCall) -> list[Answer]:
        """Nobody can say."""
        return [Answer("unknown", NO_ANSWER)] * len(call.members)

    async def poll(self) -> Polled | None:
        """Services report nothing."""
        return None

    async def acknowledge(self, batch_id: str) -> None:
        """As the port says; there are no batches."""
        del batch_id

    def webhook(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> list[DeliveryReport]:
        """Nobody posts reports of push."""
        raise Rejected("1404", "path", "push services post no reports")

    def webhook_answer(self, body: bytes) -> bytes:
        """As the port says."""
        del body
        return b"{}"

    async def close(self) -> None:
        """As the port says."""
        await self._fcm.close()
        await self._apns.close()

    async def _member(self, call: OutgoingCall, keys: PushKeys, member: Outgoing) -> Answer:
        """One recipient: every token of theirs side by side."""
        try:
            push = rules.rendered(call.title, member.text, call.fields, member.mapping)
        except MissingVariable as exc:
            raise CallRefused(INTERNAL, "variables") from exc
        errands = self._errands(call.fields, member, push)
        if not errands:
            return Answer("failed", NO_TOKEN)
        told = await asyncio.gather(*(self._one(keys, errand) for _, errand in errands), return_exceptions=True)
        return _answer([index for index, _ in errands], told)

    def _errands(self, fields: Mapping[str, Any], member: Outgoing, push: rules.Push) -> list[tuple[str, Errand]]:
        options: dict[str, Any] = {
            "push": push,
            "ttl_s": member.fields.get("ttl"),
            "high": fields.get("priority", "HIGH" if push.alert else "NORMAL") == "HIGH",
            "collapse_key": fields.get("collapse_key", ""),
        }
        if member.to_kind == "topic":
            return [("", Errand(member.ref, member.to, "", **options))]
        return [
            (index, Errand(f"{member.ref}/{n}", token, platform, **options))
            for n, (index, platform, token) in enumerate(member.fields.get("tokens", ()))
        ]

    async def _one(self, keys: PushKeys, errand: Errand) -> Verdict:
        service = PushApp("", keys.fcm is not None, keys.apns is not None).service(errand.platform)
        limit = rules.PAYLOAD_BYTES if errand.platform else rules.TOPIC_BYTES
        if rules.size(errand.push, service, errand.platform) > limit:
            return Verdict(TOO_LARGE, "ours")
        if service == "apns" and keys.apns is not None:
            return await self._apns.deliver(keys.apns, errand)
        if keys.fcm is not None:
            return await self._fcm.deliver(keys.fcm, errand)
        return Verdict(CREDENTIAL, "no key for the platform")

    async def _app_keys(self, fields: Mapping[str, Any]) -> PushKeys:
        name, now = (str(fields.get("customer", "")), str(fields.get("app_id", ""))), self._clock()
        kept = self._keys.get(name)
        if kept is None or not 0 <= now - kept[1] < KEYS_KEPT_MS:
            if len(self._keys) >= _MOST_APPS:
                self._keys.clear()
            kept = self._keys[name] = (await self._keys_of(*name), now)
        return kept[0]


def _answer(indexes: Sequence[str], told: Sequence[Verdict | BaseException]) -> Answer:
    """What all tokens of one recipient came to: one that took it is enough; where one may have, nobody knows."""
    verdicts = [t for t in told if isinstance(t, Verdict)]
    dead = tuple((index, t.code, t.dead_before) for index, t in zip(indexes, told, strict=True) if isinstance(t, Verdict) and t.dead_before)
    taken = next((v for v in verdicts if not v.code), None)
    if taken is not None:
        return Answer("delivered", "", taken.provider_code, taken.provider_id, dead)
    refused = [t for t in told if isinstance(t, CallRefused)]
    if failures := [t for t in told if isinstance(t, BaseException) and not isinstance(t, CallRefused)]:
        raise max(failures, key=_graver)
    verdicts += [Verdict(r.code, r.provider_code) for r in refused]
    worst = min(verdicts, key=lambda v: _TELLING.index(v.code) if v.code in _TELLING else len(_TELLING))
    return Answer("failed", worst.code, worst.provider_code, "", dead)


def _graver(failure: BaseException) -> tuple[int, float]:
    """What decides over a recipient with several failures: a fault of ours, then that nobody knows, then the longest wait."""
    if isinstance(failure, NotSent):
        return 0, failure.retry_after_s or 0.0
    return (1, 0.0) if isinstance(failure, Unclear) else (2, 0.0)
