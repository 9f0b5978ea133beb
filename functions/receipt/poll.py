"""Delivery reports by polling: taken in, appended durably, and only then acknowledged. The loop of `ims work reports`."""

from __future__ import annotations

from functions.receipt.take import Taker
from ims.ports.providers import Provider


async def poll_once(provider: Provider, taker: Taker) -> int:
    """One batch of one account; how many reports it held."""
    polled = await provider.poll()
    if polled is None:
        return 0
    await taker.take(provider.name, polled.reports)
    await provider.acknowledge(polled.batch_id)
    return len(polled.reports)
