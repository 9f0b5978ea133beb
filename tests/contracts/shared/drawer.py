"""A process that draws from a bucket as fast as it can: kind, where, prefix, rate, burst, seconds. Prints what it got."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from ims.adapters.embedded.files import LaneFile
from ims.adapters.embedded.shared import EmbeddedShared, metadata
from ims.adapters.redis import RedisShared
from ims.ports.clock import system_clock
from ims.ports.shared import Shared


async def main(kind: str, where: str, prefix: str, rate: float, burst: int, seconds: float) -> None:
    shared: Shared
    if kind == "embedded":
        shared = EmbeddedShared(LaneFile(Path(where), metadata.create_all), system_clock())
    else:
        shared = RedisShared(where, system_clock(), prefix=prefix, time_limit_s=20.0)
    got, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        got += sum(await asyncio.gather(*(shared.draw("account", 7, rate, burst) for _ in range(4))))
    await shared.close()
    print(got)


if __name__ == "__main__":
    kind, where, prefix, *numbers = sys.argv[1:]
    asyncio.run(main(kind, where, prefix, float(numbers[0]), int(numbers[1]), float(numbers[2])))
