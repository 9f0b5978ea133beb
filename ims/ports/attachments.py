"""Files that customers uploaded for their messages: what is recorded of each, its content, and the keys that providers gave for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Upload(NamedTuple):
    """What the records keep of an uploaded file. Its name lies sealed with the content: it may be about a person."""

    key: str  # file_key, unguessable; begins with the day on which its life ends
    customer: str
    channel: str  # whose limits it was checked against (ims.rules.files.USES)
    content_type: str  # found from the content
    size: int
    sha256: str
    width: int  # pixels; 0: no picture
    height: int
    key_id: str  # under which the content is sealed
    created_at: int  # milliseconds
    expires_at: int


@dataclass(frozen=True, slots=True, repr=False)
class Attachment:
    """A file as it goes out."""

    upload: Upload
    name: str  # as the customer called it, without any path
    content: bytes


class Given(NamedTuple):
    """What a provider calls a file that it was given."""

    name: str
    until_ms: int  # how long that name is good


class Uploads(Protocol):
    """The records of uploaded files. Any of these may raise Unavailable."""

    async def add(self, upload: Upload, most_bytes: int) -> bool:
        """Durable when it returns. False: the customer's living files would take more than `most_bytes`."""
        ...

    async def find(self, keys: Sequence[str], now_ms: int) -> dict[str, Upload]:
        """Those that live."""
        ...

    async def remove(self, customer: str, key: str) -> bool:
        """Whether the customer had such a file; what providers called it is forgotten too."""
        ...

    async def drop_page(self, now_ms: int, limit: int) -> int:
        """Forget up to `limit` files whose life is over, and provider's keys with them; how many went."""
        ...

    async def handed(self, key: str, to: str, now_ms: int) -> str | None:
        """What a provider's account calls a file that it was given, while that name is good."""
        ...

    async def keep_handed(self, key: str, to: str, given: str, until_ms: int) -> None:
        """Remember it; the last one stands."""
        ...


class Attachments(Protocol):
    """Files for who makes provider calls. Both raise CallRefused when the file is gone, NotSent when it cannot be had now."""

    async def fetch(self, key: str) -> Attachment:
        """The file with its content."""
        ...

    async def handed(self, key: str, to: str, hand: Callable[[Attachment], Awaitable[Given]]) -> str:
        """What `to` (provider/account/use) calls the file: remembered, or `hand` gives it over now and it is remembered.

        Two processes may hand the same file over at once; both names are good. What `hand` raises is raised.
        """
        ...
