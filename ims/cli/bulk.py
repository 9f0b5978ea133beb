"""A campaign on its way: requests out, several at once; results watched; a summary at the end."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ims.cli.campaign import Campaign, Line, Rejections
from ims.cli.posting import Poster, Target, at_once, poster

if TYPE_CHECKING:
    from ims.adapters.sql.progress import End
    from ims.cli.progress import Settling

_LOOK_S = 0.5
_STILL_S = 60.0  # nothing moved for so long: left to itself. Longer than a provider's lease (30 s) on reports that died with their poller
_NOT_SENT = "1400"  # rows that cannot even be put into a request


class Bars:
    """Two bars on standard error: what IMS accepted, and what became of it."""

    def __init__(self, rows: int, *, settles: bool, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), disable=quiet)
        self._accepted = self._progress.add_task("accepted", total=rows)
        self._settled = self._progress.add_task("settled ", total=rows, visible=settles)

    def accepted(self, count: int, of: int) -> None:
        """So many of all rows that are not rejected."""
        self._progress.update(self._accepted, completed=count, total=of)
        self._progress.update(self._settled, total=of)

    def settled(self, count: int) -> None:
        """So many have their result."""
        self._progress.update(self._settled, completed=count)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()


class Run:
    """What has come of the requests so far."""

    def __init__(self, campaign: Campaign, channel: str, intake: Poster, settling: Settling | None, bars: Bars) -> None:
        self._campaign = campaign
        self._path = f"{channel}/sendMessages"
        self._intake = intake
        self._settling = settling
        self._bars = bars
        self.accepted = 0
        self.rejections = Rejections(campaign.sheet)
        self.ends: Counter[End] = Counter()

    async def request(self, lines: list[Line]) -> None:
        """One request: what it accepts is watched, what it rejects is written down."""
        for line in lines:
            if line.fault:
                self.rejections.add(line, _NOT_SENT, line.fault)
        lines = [line for line in lines if not line.fault]
        if not lines:
            return
        receivers = self._campaign.receivers(lines)
        answer = await self._intake.post(self._path, self._campaign.body(receivers))
        for error in answer["errors"]:
            self.rejections.add(lines[error["index"]], error["code"], error["message"])
        self.accepted += answer["accepted"]
        self._bars.accepted(self.accepted, self._campaign.sheet.rows - self.rejections.count)
        if self._settling:
            bad = {error["index"] for error in answer["errors"]}
            await self._settling.accepted(r["message_id"] for i, r in enumerate(receivers) if i not in bad)

    async def look(self) -> int:
        """How many have their result."""
        if self._settling:
            self.ends = await self._settling.look()
        self._bars.settled(self.ends.total())
        return self.ends.total()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.look()

    async def until_settled(self) -> None:
        """Return when every accepted message has its result, or when nothing has moved for a while."""
        count, moved = -1, time.monotonic()
        while self.ends.total() < self.accepted and time.monotonic() - moved < _STILL_S:
            if self.ends.total() != count:
                count, moved = self.ends.total(), time.monotonic()
            await asyncio.sleep(_LOOK_S / 5)


async def send_campaign(
    target: Target, channel: str, campaign: Campaign, settling: Settling | None, *, wait: bool, quiet: bool
) -> dict[str, Any]:
    """Send all rows of a campaign. Refused or NoAnswer leave what was accepted accepted."""
    started = time.monotonic()
    with Bars(campaign.sheet.rows, settles=settling is not None, quiet=quiet) as bars:
        async with poster(target) as intake:
            run = Run(campaign, channel, intake, settling, bars)
            watching = asyncio.create_task(run.watch())
            try:
                await at_once(campaign.batches(), run.request)
                accepted_s = time.monotonic() - started
                if settling and wait:
                    with suppress(asyncio.CancelledError):  # Ctrl-C: enough seen, the summary is still wanted
                        await run.until_settled()
            finally:
                watching.cancel()
                run.rejections.close()
            await run.look()
    return _outcome(run, campaign, accepted_s, time.monotonic() - started, seen=settling is not None)


def _outcome(run: Run, campaign: Campaign, accepted_s: float, took_s: float, *, seen: bool) -> dict[str, Any]:
    from ims.cli.progress import rows_of

    outcome: dict[str, Any] = {
        "campaign_id": campaign.campaign_id,
        "rows": campaign.sheet.rows,
        "accepted": run.accepted,
        "accepted_in_s": round(accepted_s, 1),
        "rejected": run.rejections.count,
        "rejected_file": str(run.rejections.path) if run.rejections.count else None,
    }
    if seen:
        outcome |= {
            "settled": run.ends.total(),
            "open": run.accepted - run.ends.total(),
            "took_s": round(took_s, 1),
            "results": rows_of(run.ends),
        }
    return outcome
