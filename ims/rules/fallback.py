"""A fallback step as the shared fields of its attempt: what the customer wrote for it, else what the step before had."""

from __future__ import annotations

import msgspec

from ims.protocol.events import Shared
from ims.topics import Channel


def step_shared(shared: Shared, attempt: int) -> Shared:
    """The shared fields of attempt 2 and up, from the message as it was accepted."""
    for step in shared.fallback[: attempt - 1]:
        shared = msgspec.structs.replace(
            shared,
            channel=Channel.MT,
            message_type=step.type,
            callback=step.callback,
            text=shared.text if step.text is None else step.text,
            title=step.title,
            sender_key="",
            header="",
            attachment={},
            supplement={},
        )
    return shared
