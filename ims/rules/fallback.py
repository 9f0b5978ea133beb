"""A fallback step as the shared fields of its attempt: what the customer wrote for it, else what the step before had."""

from __future__ import annotations

import msgspec

from ims.errors import Poison
from ims.protocol.events import Row, Shared
from ims.topics import Channel

PHONE, USER, EMAIL, TOKEN, TOPIC = "phone", "user", "email", "token", "topic"
KINDS: dict[Channel, tuple[str, ...]] = {  # what a channel reaches people by, the preferred first (domain 1.3: the phone wins)
    Channel.AT: (PHONE, USER),
    Channel.FT: (PHONE, USER),
    Channel.BT: (PHONE, USER),
    Channel.MT: (PHONE,),
    Channel.RCS: (PHONE,),
    Channel.EMAIL: (EMAIL,),
    Channel.PUSH: (TOKEN, USER, TOPIC),
}


def step_shared(shared: Shared, attempt: int) -> Shared:
    """The shared fields of attempt 2 and up, from the message as it was accepted."""
    for step in shared.fallback[: attempt - 1]:
        shared = msgspec.structs.replace(
            shared,
            channel=step.channel,
            message_type=step.type,
            callback=step.callback,
            text=shared.text if step.text is None else step.text,
            title=step.title,
            sender_key=step.sender_key,
            template_code=step.template_code or shared.template_code,
            header="",
            attachment={},
            supplement={},
            fields=step.fields,
        )
    return shared


def step_row(row: Row, shared: Shared, *, reworded: bool) -> Row:
    """A recipient as the step's channel reaches it. `reworded`: a step had a text of its own, which stands for the row's.

    Poison when there is no such address: intake accepts no step whose recipients it cannot reach.
    """
    addresses = {**row.also, row.to_kind or PHONE: row.to}
    kind = next((kind for kind in KINDS[shared.channel] if addresses.get(kind)), None)
    if kind is None:
        raise Poison(f"a row has no address for {shared.channel}")
    to_kind = "" if kind == PHONE else kind
    fields = row.fields if to_kind == row.to_kind else {}
    return msgspec.structs.replace(row, to=addresses[kind], to_kind=to_kind, fields=fields, text=None if reworded else row.text)
