"""The embedded profile: everything in files of one home."""

from __future__ import annotations

from pathlib import Path

from ims.adapters.embedded.backup import restored_until
from ims.adapters.embedded.bell import Bells
from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.folder import FolderFiles
from ims.adapters.embedded.reader import EmbeddedReader
from ims.adapters.embedded.shared import EmbeddedShared
from ims.adapters.embedded.shared import metadata as shared_metadata
from ims.adapters.embedded.store import EmbeddedStore
from ims.adapters.embedded.traces import AGING, EmbeddedTraces
from ims.adapters.sql.registry_tables import create as create_registry
from ims.config import Settings
from ims.ports.clock import Clock
from ims.protocol.envelope import Envelopes
from ims.wiring.stores import Stores


def registry_file(home: Path) -> LaneFile:
    """The registry of a home."""
    return LaneFile(home / "registry.db", create_registry, kept=False)


def stores(settings: Settings, name: str, envelopes: Envelopes, clock: Clock) -> Stores:
    """Opened at first use; several processes may share a home."""
    home = settings.home
    # who takes one-time codes in is also asked about messages of last month: its loop waits for no disk
    store = EmbeddedStore(home, envelopes, clock, Bells(home), apart=name == "edge" or "intake" in name)
    registry = registry_file(home)
    shared = LaneFile(home / "shared.db", shared_metadata.create_all, kept=False)

    async def close() -> None:
        store.close()
        registry.close()
        shared.close()

    return Stores(
        lanes=store,
        journal=store,
        acceptance=store,
        registry=registry,
        shared=EmbeddedShared(shared, clock),
        traces=EmbeddedTraces(store.files),
        files=FolderFiles(home / "files"),
        reader=EmbeddedReader(store, home, clock, int(settings.log_retention_s * 1000)),
        outbox=None,
        aging=AGING,
        restored_until=restored_until(home),
        close=close,
    )
