"""What every send function needs to decide whom to leave out of a call, and to word the call for its members."""

from __future__ import annotations

from collections.abc import Sequence

from ims.lanes import Lane
from ims.ports import consents
from ims.ports.campaigns import State
from ims.ports.dispatch import CANCELLED, EXPIRED, FAILED, HELD, REJECTED, Call
from ims.ports.providers import Outgoing, OutgoingCall
from ims.protocol.envelope import Event
from ims.protocol.events import Row, SendRequested
from ims.rules import law
from ims.rules.night import ad_window_closed, kakao_closed
from ims.runtime.context import Context
from ims.runtime.permission import Refusals

KEY_TTL_S = 86_400  # as long as any lane's send_by: a call may be repeated under its key until nothing may be sent any more


def members(request: SendRequested, rows: Sequence[Row], ctx: Context) -> list[Outgoing]:
    """The rows as members of a call: our ref, the number, the text with its variables still in it."""
    text = request.shared.text or ""
    ref, birth, attempt = ctx.tracker.ref, request.birth, request.attempt
    return [Outgoing(ref(birth, r.pos, attempt), r.to, r.text or text, r.mapping, r.to_kind, r.fields) for r in rows]


def compose(call: Call, request: SendRequested, rows: Sequence[Row], ctx: Context) -> OutgoingCall:
    """The call in the provider port's words; texts stay unrendered. A provider's own fallback is never asked for."""
    shared = request.shared
    return OutgoingCall(
        key=call.key,
        key_ttl_s=KEY_TTL_S,
        send_type=call.send_type,
        members=members(request, rows, ctx),
        callback=shared.callback,
        title=shared.title,
        sender_key=shared.sender_key,
        template_code=shared.template_code,
        message_type=shared.message_type,
        header=shared.header,
        attachment=shared.attachment,
        supplement=shared.supplement,
        fields=shared.fields,
    )


async def refusals(event: Event, request: SendRequested, rows: Sequence[Row], ctx: Context) -> Refusals:
    """What may have changed since acceptance, for every channel: night and consents for ads, and what `common_refusals` looks at."""
    if event.lane is not Lane.AD:
        return await common_refusals(event, request, rows, ctx)
    now = ctx.clock()
    closed = ad_window_closed(request.shared.channel, now) and now <= request.send_by
    customer = (await ctx.registry.directory()).customer(request.shared.customer)
    if customer and law.requires_consents(customer.choices):
        return await _without_consent(event, request, rows, ctx, closed=closed)
    if closed:
        return dict.fromkeys((r.pos for r in rows), await night_word(request, ctx))
    return await common_refusals(event, request, rows, ctx)


async def _without_consent(event: Event, request: SendRequested, rows: Sequence[Row], ctx: Context, *, closed: bool) -> Refusals:
    """As `common_refusals`; and who did not agree to ads, or at night not to the night. Kakao's own night knows no consent."""
    refused = dict(await common_refusals(event, request, rows, ctx))
    index = {r.pos: ctx.sealer.index(r.to) for r in rows if r.pos not in refused}
    shared = request.shared
    given = await ctx.registry.consents.given(shared.customer, shared.channel, list(index.values()))
    shut = kakao_closed(shared.channel, ctx.clock())
    word = await night_word(request, ctx)
    for pos, digest in index.items():
        purposes = given.get(digest, ())
        if consents.AD not in purposes:
            refused[pos] = (REJECTED, law.CONSENT.result)
        elif closed and (shut or consents.NIGHT not in purposes):
            refused[pos] = word
    return refused


async def night_word(request: SendRequested, ctx: Context) -> tuple[str, str]:
    """What becomes at night of an ad that may not go out then: as its customer chose, it waits or is refused."""
    customer = (await ctx.registry.directory()).customer(request.shared.customer)
    return (HELD if customer and law.holds_night_ads(customer.choices) else REJECTED), law.NIGHT.result


async def common_refusals(event: Event, request: SendRequested, rows: Sequence[Row], ctx: Context) -> Refusals:
    """What every channel checks when a call is fixed: send_by, emergency stop, opt-outs (invariant 3)."""
    now = ctx.clock()
    if now > request.send_by:
        first = request.attempt == 1  # a later step's messages were in a call before: that is a failure, not an expiry
        return {r.pos: (EXPIRED if first else FAILED, law.EXPIRED.result) for r in rows}
    shared = request.shared
    directory = await ctx.registry.directory()
    sender = shared.sender_key or shared.callback
    if directory.stopped(customer=shared.customer, template=shared.template_code, sender=sender, campaign=shared.campaign_id):
        return {r.pos: (REJECTED, law.STOPPED.result) for r in rows}
    order = directory.campaign(shared.customer, shared.service_key, shared.campaign_id)
    if order is not None and order.state is State.CANCELLED:
        return {r.pos: (CANCELLED if request.attempt == 1 else FAILED, law.STOPPED.result) for r in rows}
    index = {r.pos: ctx.sealer.index(r.to) for r in rows}
    gone = await ctx.registry.opted_out(shared.customer, shared.channel, list(index.values()))
    return {pos: (REJECTED, law.OPTED_OUT.result) for pos, digest in index.items() if digest in gone} if gone else {}
