"""A send.requested event as route emits it, for tests of what is refused right before a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ims.lanes import TRAITS, Lane
from ims.protocol.envelope import Event
from ims.protocol.events import Row, SendRequested, Shared
from ims.protocol.ids import new_birth
from ims.runtime.stage import new_trace
from ims.topics import Channel, SendType


def send_requested(
    now_ms: int,
    recipients: Sequence[str],
    *,
    lane: Lane,
    channel: Channel = Channel.MT,
    attempt: int = 1,
    texts: Sequence[str | None] = (),
    **shared: Any,
) -> tuple[Event, SendRequested]:
    """The event and its data, for customer acme. `texts`: those of rows that have their own."""
    birth = new_birth(lane, now_ms)
    common = Shared(
        service_key="key", customer="acme", lane=lane, channel=channel, message_type="LMS", text="본문", callback="15441234",
    )  # fmt: skip
    own = [*texts, *[None] * (len(recipients) - len(texts))]
    rows = [Row(pos=n, message_id=f"m{n}", to=who, mapping={}, text=own[n]) for n, who in enumerate(recipients)]
    request = SendRequested(
        birth=birth, attempt=attempt, received_at=now_ms, send_by=now_ms + TRAITS[lane].send_within_s * 1_000, distributed_at=now_ms,
        send_type=SendType.BT if channel is Channel.BT else SendType.LMS, shared=msgspec.structs.replace(common, **shared), rows=rows,
    )  # fmt: skip
    return Event("event", "ims.send.requested.v1", birth, lane, channel, new_trace(), request), request
