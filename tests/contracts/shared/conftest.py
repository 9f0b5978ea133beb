"""Every adapter of ims.ports.shared on a store of its own name space, and as many processes' views of it as a test wants."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.shared import EmbeddedShared, metadata
from ims.adapters.redis import RedisShared
from ims.ports.clock import system_clock
from ims.ports.shared import Shared

BUSY_S = 20.0  # a machine that is busy with other tests is not a Redis that is away


def opened(kind: str, where: str, prefix: str) -> Shared:
    """One process's view of the store."""
    if kind == "embedded":
        return EmbeddedShared(LaneFile(Path(where), metadata.create_all), system_clock())
    return RedisShared(where, system_clock(), prefix=prefix, time_limit_s=BUSY_S)


@dataclass
class Store:
    """Where it is, and who looks at it."""

    kind: str
    where: str
    prefix: str = field(default_factory=lambda: f"test-{secrets.token_hex(4)}")
    views: list[Shared] = field(default_factory=list)

    def view(self) -> Shared:
        self.views.append(opened(self.kind, self.where, self.prefix))
        return self.views[-1]


SERVED = pytest.mark.services


@pytest.fixture(params=["embedded", pytest.param("redis", marks=SERVED), pytest.param("redis cluster", marks=SERVED)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    fixtures = {"redis": "redis_single", "redis cluster": "redis_cluster"}
    kind = request.param
    where = str(tmp_path / "shared.db") if kind == "embedded" else request.getfixturevalue(fixtures[kind]).url
    made = Store(kind, where)
    yield made
    for view in made.views:
        await view.close()


@pytest.fixture
def shared(store: Store) -> Shared:
    return store.view()


@pytest.fixture
async def views() -> AsyncIterator[Callable[[str], RedisShared]]:
    """Views of a Redis that the test breaks."""
    made: list[RedisShared] = []

    def view(url: str) -> RedisShared:
        made.append(RedisShared(url, system_clock(), prefix=f"test-{secrets.token_hex(4)}"))
        return made[-1]

    yield view
    for one in made:
        await one.close()
