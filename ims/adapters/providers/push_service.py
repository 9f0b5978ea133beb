"""One push to one token at one service, and what the service said: shared by the services and by who deals between them."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

from ims.rules.push import Push

RETRY_S = 60.0  # after a 429 that names no time (domain 3.4: at least a minute)
UNAVAILABLE = "5031"

K_contra = TypeVar("K_contra", contravariant=True)


class Errand(NamedTuple):
    """What is to be delivered where."""

    trace: str  # of ours: a ref and which of the recipient's tokens
    address: str
    platform: str  # empty: a topic
    push: Push
    ttl_s: int | None = None
    high: bool = True
    collapse_key: str = ""

    def __repr__(self) -> str:
        return f"<Errand {self.trace}>"


class Verdict(NamedTuple):
    """What a service said: it took the push (no code), or it never will."""

    code: str = ""
    provider_code: str = ""
    provider_id: str = ""
    dead_before: int = 0  # the token is dead unless it was registered after this; 0: it lives


class Service(Protocol[K_contra]):
    """A push service."""

    async def deliver(self, key: K_contra, errand: Errand) -> Verdict:
        """NotSent when it surely was not taken and may be tried again, CallRefused when the app's key is of no use, Unclear when
        nobody knows."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
