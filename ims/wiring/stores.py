"""What a profile brings: the adapters behind the ports that keep something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ims.adapters.sql.database import Database
from ims.adapters.sql.lane_store import LaneStore
from ims.adapters.sql.retention import Aging
from ims.ports.files import Files
from ims.ports.log import Reader
from ims.ports.records import Acceptance, Journal, Outbox
from ims.ports.shared import Shared
from ims.ports.traces import Traces


@dataclass(frozen=True, slots=True)
class Stores:
    """One process's share of them. Nothing is connected yet."""

    lanes: LaneStore
    journal: Journal
    acceptance: Acceptance
    registry: Database
    shared: Shared
    traces: Traces
    files: Files
    reader: Reader
    outbox: Outbox | None
    aging: Sequence[Aging]
    restored_until: int  # what was accepted until then may have been sent since the backup that these were restored from
    close: Callable[[], Awaitable[None]]
