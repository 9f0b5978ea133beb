"""send_email: fixes and makes the calls for e-mail.

Consumes send.requested from SEND-EMAIL-*; emits send.finished and message.refused. Never changes a message's state: it
writes calls and refusals into the dispatch row, `report` does the rest. Every ad, and every text that asks for it, gets a link
by which its recipient, and nobody else, refuses what comes next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import functions_framework.aio
from cloudevents.http import CloudEvent

from ims.lanes import Lane
from ims.ports.dispatch import REJECTED, Call
from ims.ports.providers import Outgoing, OutgoingCall
from ims.protocol.envelope import Event
from ims.protocol.events import Row, SendRequested
from ims.rules import law, unsubscribe
from ims.rules.email import OPT_OUT_LINK, UNSUBSCRIBE
from ims.runtime import composing
from ims.runtime.context import Context
from ims.runtime.permission import Refusals
from ims.runtime.sending import Sending, send
from ims.runtime.stage import Decision, run
from ims.topics import Channel


async def refusals(event: Event, request: SendRequested, rows: Sequence[Row], ctx: Context) -> Refusals:
    """As for every channel; and no ad goes out without its way to refuse."""
    if not ctx.public_url and (without := {r.pos: (REJECTED, law.AD_OPT_OUT.result) for r in rows if _wants_link(request, r)}):
        return without | await composing.refusals(event, request, [r for r in rows if r.pos not in without], ctx)
    return await composing.refusals(event, request, rows, ctx)


def compose(call: Call, request: SendRequested, rows: Sequence[Row], ctx: Context) -> OutgoingCall:
    """The call, with the link of each recipient who gets one."""
    outgoing = composing.compose(call, request, rows, ctx)
    members = [_linked(m, request, r, ctx) if _wants_link(request, r) else m for m, r in zip(outgoing.members, rows, strict=True)]
    return dataclasses.replace(outgoing, members=members)


def _wants_link(request: SendRequested, row: Row) -> bool:
    shared = request.shared
    return shared.lane is Lane.AD or OPT_OUT_LINK in ((row.text if row.text is not None else shared.text) or "")


def _linked(member: Outgoing, request: SendRequested, row: Row, ctx: Context) -> Outgoing:
    """With the link as a field, for headers, and as a value like any other, so that every provider can render the text."""
    token = unsubscribe.token(ctx.sealer, request.shared.customer, Channel.EMAIL, row.to)
    link = {UNSUBSCRIBE: unsubscribe.link(ctx.public_url, token)}
    return member._replace(fields={**member.fields, **link}, mapping={**member.mapping, **link})


async def handle(event: Event, ctx: Context) -> Decision:
    """Send one event's messages."""
    return await send(event, ctx, Sending("email", refusals, compose))


@functions_framework.aio.cloud_event
async def main(event: CloudEvent) -> None:
    """Entry point."""
    await run("send_email", handle, event)
