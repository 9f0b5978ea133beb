"""A provider for tests: scripted answer by answer, and honest about what it delivered."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from ims.errors import NotSent, ProviderError, Unclear
from ims.ports.providers import Abilities, Answer, OutgoingCall, Polled
from ims.protocol.events import DeliveryReport


class ScriptedProvider:
    """Takes everything unless a script says otherwise.

    Script words, one per call, the oldest first: "ok", "lost" (delivered, then the answer is lost), "hung" (nothing
    delivered, no answer), "away" (surely not sent), or a ProviderError to raise, or a list of Answers to give.
    """

    def __init__(
        self,
        account: str = "fast",
        *,
        name: str = "scripted",
        keys: str = "call",
        max_members: int = 200,
        can_ask: bool = False,
        one_text: bool = False,
    ) -> None:
        self.name = name
        self.account = account
        self.abilities = Abilities(
            max_members=max_members, keys=keys, key_ttl_s=86_400, timeout_s=1.0, can_ask=can_ask, rate_per_s=0, one_text=one_text
        )
        self.script: deque[str | ProviderError | list[Answer]] = deque()
        self.calls: list[OutgoingCall] = []
        self.delivered: Counter[str] = Counter()  # by ref: more than once is a doubled message
        self.asked: list[OutgoingCall] = []
        self._keys: set[str] = set()
        self._taken: set[tuple[str, str]] = set()

    async def send(self, call: OutgoingCall) -> list[Answer]:
        self.calls.append(call)
        word = self.script.popleft() if self.script else "ok"
        if isinstance(word, ProviderError):
            raise word
        if isinstance(word, list):
            for member, answer in zip(call.members, word, strict=True):
                if answer.status == "accepted":
                    self.delivered[member.ref] += 1
            return word
        if word == "away":
            raise NotSent("8001")
        if word == "hung":
            raise Unclear("8002")
        self._deliver(call)
        if word == "lost":
            raise Unclear("8002")
        return [Answer("accepted", provider_id=f"p-{n}") for n, _ in enumerate(call.members)]

    def _deliver(self, call: OutgoingCall) -> None:
        if self.abilities.keys == "call" and call.key in self._keys:
            return
        self._keys.add(call.key)
        for member in call.members:
            taken = (call.key, member.ref)
            if self.abilities.keys == "recipient" and taken in self._taken:
                continue
            self._taken.add(taken)
            self.delivered[member.ref] += 1

    async def ask(self, call: OutgoingCall) -> list[Answer]:
        self.asked.append(call)
        known = {ref for key, ref in self._taken if key == call.key}
        return [Answer("accepted") if m.ref in known else Answer("failed", "8001") for m in call.members]

    async def poll(self) -> Polled | None:
        return None

    async def acknowledge(self, batch_id: str) -> None:
        del batch_id

    def webhook(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> list[DeliveryReport]:
        del headers, body, now_ms
        return []

    def webhook_answer(self, body: bytes) -> bytes:
        del body
        return b"{}"

    async def close(self) -> None:
        return None

    @property
    def refs(self) -> Sequence[str]:
        """Everything that was delivered, by ref."""
        return list(self.delivered)
