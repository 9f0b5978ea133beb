"""Whom a push reaches: which tokens a recipient has at this moment, and which of them may be sent this.

Asked when a call is fixed, never before: a token dies, moves to another user and changes its consents all day. What was
found words the call that is fixed in the same step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ims.lanes import Lane
from ims.ports.dispatch import FAILED, REJECTED, Call, CallStatus
from ims.ports.providers import OutgoingCall
from ims.ports.push import PushToken, Retirement
from ims.protocol.envelope import Event
from ims.protocol.events import Row, SendRequested
from ims.rules import law
from ims.rules.night import ad_window_closed, ad_window_left_s
from ims.runtime.composing import common_refusals, compose, night_word
from ims.runtime.context import Context
from ims.runtime.permission import Refusals
from ims.topics import Channel

NO_LIVE_TOKEN = "4040"  # noqa: S105 - a code
USER, TOKEN, TOPIC = "user", "token", "topic"


class Target(NamedTuple):
    """One token of a recipient, as the provider is given it."""

    digest: str  # keyed index in hex: how a dead one is named
    platform: str
    token: str

    def __repr__(self) -> str:
        return f"<Target {self.platform}>"


@dataclass(slots=True)
class Recipients:
    """Of one event: the tokens of each position as last looked up, and for how long an ad to them may wait for the device."""

    targets: dict[int, list[Target]] = field(default_factory=dict)
    most_ttl_s: dict[int, int] = field(default_factory=dict)

    async def check(self, event: Event, request: SendRequested, rows: Sequence[Row], ctx: Context) -> Refusals:
        """Who is refused; of the others the tokens are remembered. The night of ads is each token's own affair here."""
        refused = dict(await common_refusals(event, request, rows, ctx))
        left = [row for row in rows if row.pos not in refused]
        shared, now, ad = request.shared, ctx.clock(), event.lane is Lane.AD
        app = str(shared.fields.get("app_id", ""))
        index = {r.pos: ctx.sealer.index(r.to) for r in left}
        of_kind = {kind: [index[r.pos] for r in left if r.to_kind == kind] for kind in (TOKEN, USER)}
        known = {t.digest: t for t in await ctx.registry.push_tokens.known(shared.customer, app, of_kind[TOKEN])}
        live: dict[bytes, list[PushToken]] = {}
        for token in await ctx.registry.push_tokens.live_of(shared.customer, app, of_kind[USER]):
            live.setdefault(token.user, []).append(token)
        for row in left:
            if row.to_kind == TOPIC:
                if ad:  # whose consent that would be, nobody can say
                    refused[row.pos] = (REJECTED, law.CONSENT.result)
                continue
            one = known.get(index[row.pos])
            found = live.get(index[row.pos], []) if row.to_kind == USER else [one] if one else []
            if (why := _refusal(row, found, ad=ad, now=now)) is not None:
                refused[row.pos] = await night_word(request, ctx) if why[1] == law.NIGHT.result else why
                continue
            agreed = [t for t in found if _agreed(t, ad=ad, now=now)]
            if row.to_kind == USER:
                self.targets[row.pos] = [Target(t.digest.hex(), t.platform, t.token) for t in agreed]
            else:
                platform = str(row.fields.get("platform", "")) or (one.platform if one else "")
                self.targets[row.pos] = [Target(index[row.pos].hex(), platform, row.to)]
            if ad and not all(t.consents.night_ad for t in agreed):
                self.most_ttl_s[row.pos] = ad_window_left_s(Channel.PUSH, now)
        return refused

    def compose(self, call: Call, request: SendRequested, rows: Sequence[Row], ctx: Context) -> OutgoingCall:
        """The call with every member's tokens, and how long the services keep it for a device that is away.

        Without a time of its own a push is kept for as long as IMS itself would have tried; an ad never into the night.
        """
        outgoing = compose(call, request, rows, ctx)
        shared = request.shared
        left_s = max(0, (request.send_by - ctx.clock()) // 1_000)
        wanted_s = int(shared.fields.get("ttl", left_s))
        kept_s = min(wanted_s, left_s) if shared.expires_at else wanted_s
        members = [
            member._replace(
                fields={
                    **member.fields,
                    "tokens": [tuple(t) for t in self.targets.get(row.pos, [])],
                    "ttl": min(kept_s, self.most_ttl_s.get(row.pos, kept_s)),
                }
            )
            for member, row in zip(outgoing.members, rows, strict=True)
        ]
        return replace(outgoing, members=members, fields={**shared.fields, "customer": shared.customer})


async def retire(event: Event, request: SendRequested, ctx: Context) -> None:
    """Retire the tokens that stored outcomes call dead: after these are stored, and again whenever the event comes again."""
    key = (request.birth, request.attempt)
    dispatch = (await ctx.journal.dispatches(event.lane, [key])).get(key)
    wanted = {r.pos for r in request.rows}
    done = [c for c in dispatch.calls if c.status == CallStatus.DONE and wanted & set(c.members)] if dispatch else []
    dead = [Retirement(bytes.fromhex(digest), code, before) for c in done for o in c.outcomes for digest, code, before in o.dead]
    if dead:
        await ctx.registry.push_tokens.retire(request.shared.customer, str(request.shared.fields.get("app_id", "")), dead)


def _refusal(row: Row, found: Sequence[PushToken], *, ad: bool, now: int) -> tuple[str, str] | None:
    """Why nothing goes to this recipient; none: something does. A token that nobody registered is its sender's own business,
    but for ads."""
    if row.to_kind == USER and not found:
        return FAILED, NO_LIVE_TOKEN
    if row.to_kind == TOKEN and not found:
        return (REJECTED, law.CONSENT.result) if ad else None
    if row.to_kind == TOKEN and found[0].retired_code:
        code = found[0].retired_code
        return FAILED, code if code.isdigit() else NO_LIVE_TOKEN
    if any(_agreed(t, ad=ad, now=now) for t in found):
        return None
    at_another_hour = ad and any(t.consents.notification and t.consents.ad for t in found)
    return REJECTED, law.NIGHT.result if at_another_hour else law.CONSENT.result


def _agreed(token: PushToken, *, ad: bool, now: int) -> bool:
    consents = token.consents
    return consents.notification and (not ad or (consents.ad and (consents.night_ad or not ad_window_closed(Channel.PUSH, now))))
