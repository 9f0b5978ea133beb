"""Center's ports on the context of the process that runs it."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor

from functions.center.content import find
from ims.errors import Misconfigured, Poison
from ims.ports.campaigns import Progresses
from ims.ports.histories import Histories, Place
from ims.ports.registry import Customer, Registry, ServiceKey
from ims.protocol.ids import acceptance_key
from ims.rules.files import Found
from ims.runtime.attachments import Attached
from ims.runtime.context import Context

OPEN_MOST = 12  # uploads whose bodies are held at once: 12 of the largest are 120 MiB
_THREADS = 1  # a decoder keeps a processor; the other ones have messages to carry


class Desk:
    """What an answer needs of its process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="content")
        self.room = asyncio.Semaphore(OPEN_MOST)

    @property
    def registry(self) -> Registry:
        return self._ctx.registry

    @property
    def files(self) -> Attached:
        if self._ctx.attached is None:
            raise Misconfigured("this process has no store of files")
        return self._ctx.attached

    @property
    def progresses(self) -> Progresses:
        return self._ctx.progresses

    @property
    def histories(self) -> Histories:
        return self._ctx.histories

    async def place(self, key: ServiceKey, message_id: str) -> Place | None:
        """Where the newest message of that id stands in the history."""
        found = await self._ctx.acceptance.find_ever(key.kind, acceptance_key(key.key, message_id))
        return Place(found.birth, found.pos) if found and found.accepted else None

    def sealed(self, place: str, what: str) -> str:
        """Where a page of `what` stopped, as its customer may hold it: it may be another customer's row."""
        sealer = self._ctx.sealer
        return base64.urlsafe_b64encode(sealer.key_id.encode() + b"." + sealer.seal(place.encode(), what)).decode().rstrip("=")

    def opened(self, cursor: str, what: str) -> str:
        """What `sealed` made of the same pages. ValueError when it is anything else."""
        key_id, _, body = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).partition(b".")
        try:
            return self._ctx.sealer.open(body, what, key_id.decode("ascii")).decode()
        except Poison as exc:
            raise ValueError("not a cursor of these pages") from exc

    def index(self, recipient: str) -> bytes:
        """What a recipient is found by; the recipient itself is not kept."""
        return self._ctx.sealer.index(recipient)

    def now(self) -> int:
        return self._ctx.clock()

    async def customer_of(self, username: str) -> Customer | None:
        return (await self._ctx.registry.directory()).customer_of(username)

    async def find(self, content: bytes, name: str) -> Found:
        """What a content is; on a thread, since a decoder holds it for tens of milliseconds."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, find, content, name)
