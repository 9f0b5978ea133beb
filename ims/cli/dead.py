"""`ims dead`: events that a stage gave up, what replaying them would do, and the replay.

A replay appends the event as it was to the topic in which it died. It sends nothing twice: members that stand in a call
stay there, and messages that have a result keep it (design invariants 3 and 6).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ims import topics
from ims.cli.home import existing_home
from ims.cli.show import show
from ims.errors import Poison, Rejected
from ims.lanes import Lane
from ims.ports.dispatch import CallStatus, Dispatch
from ims.ports.records import Change
from ims.protocol.events import DeliveryReported, EventData, MessageAccepted, MessageRefused, MessageSettled, SendFinished, SendRequested
from ims.rules.result import iso

if TYPE_CHECKING:
    from ims.adapters.sql.dead_letters import Letter
    from ims.adapters.sql.lane_store import LaneStore
    from ims.runtime.context import Context

T = TypeVar("T")
Facts = dict[str, Any]

_PAGE = 500

dead = typer.Typer(help="Events that a stage could not handle.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(dead, name="dead")


# --- the work


async def listed(store: LaneStore, lane: Lane | None, *, replayed: bool) -> list[Facts]:
    """All letters of a lane or of every lane."""
    return [_shown(each, letter) for each in ([lane] if lane else Lane) for letter in await _letters(store, each, replayed=replayed)]


async def shown(ctx: Context, store: LaneStore, name: str) -> Facts:
    """One letter with its cause and what its replay would do."""
    lane, letter = await _find(store, name)
    attributes = {k: v for k, v in letter.record.attributes.items() if k not in ("specversion", "datacontenttype")}
    return _shown(lane, letter) | {"would": await would(ctx, store, lane, letter), "attributes": attributes}


async def replayed(ctx: Context, store: LaneStore, names: list[str], *, dry_run: bool) -> list[Facts]:
    """Replay letters; with `dry_run` only say what would happen. No names: every letter that was not replayed yet."""
    chosen = [await _find(store, name) for name in names]
    if not names:
        chosen = [(lane, letter) for lane in Lane for letter in await _letters(store, lane, replayed=False)]
    out = [_shown(lane, letter) | {"would": await would(ctx, store, lane, letter)} for lane, letter in chosen]
    if not dry_run:
        for lane in Lane:
            letters = [letter for each, letter in chosen if each is lane and letter.record.topic in topics.all_topics(lane)]
            await _append(ctx, store, lane, letters)
    return out


async def _append(ctx: Context, store: LaneStore, lane: Lane, letters: list[Letter]) -> None:
    """Appended, then marked: one that dies between appends them again, which sends nothing twice."""
    from ims.adapters.sql import dead_letters

    for start in range(0, len(letters), _PAGE):
        part, at = letters[start : start + _PAGE], ctx.clock()
        await ctx.journal.commit(lane, Change(), [letter.record for letter in part], durable=True)
        await store.lanes[lane].write(lambda conn, part=part, at=at: dead_letters.replayed(conn, part, at))  # type: ignore[misc]


async def _letters(store: LaneStore, lane: Lane, *, replayed: bool) -> list[Letter]:
    from ims.adapters.sql import dead_letters

    found: list[Letter] = []
    while True:
        after = found[-1].seq if found else 0
        part = await store.lanes[lane].read(lambda conn, after=after: dead_letters.page(conn, after, _PAGE, replayed=replayed))  # type: ignore[misc]
        found += part
        if len(part) < _PAGE:
            return found


async def _find(store: LaneStore, name: str) -> tuple[Lane, Letter]:
    from ims.adapters.sql import dead_letters

    lane, _, number = name.rpartition("-")
    if lane in set(Lane) and number.isdecimal():
        letter = await store.lanes[Lane(lane)].read(lambda conn: dead_letters.one(conn, int(number)))
        if letter:
            return Lane(lane), letter
    raise Rejected("1404", "dead", f"there is no dead letter {name[:40]!r}")


def _shown(lane: Lane, letter: Letter) -> Facts:
    return {
        "id": f"{lane}-{letter.seq}",
        "at": iso(letter.at),
        "stage": letter.stage,
        "type": letter.record.attributes.get("type", "")[:60],
        "topic": letter.record.topic,
        "code": letter.error_code,
        "error": letter.error,
        "replayed_at": iso(letter.replayed_at),
    }


async def would(ctx: Context, store: LaneStore, lane: Lane, letter: Letter) -> str:
    """What a replay would bring about, from the rows as they are now."""
    if letter.record.topic not in topics.all_topics(lane):
        return "nothing: it came from no topic of this lane"
    try:
        data = ctx.envelopes.open(letter.record.attributes, letter.record.data).data
    except Poison as exc:
        return f"die again: {exc}"
    if isinstance(data, MessageAccepted | SendRequested):
        row = (await store.dispatches(lane, [(data.birth, data.attempt)])).get((data.birth, data.attempt))
        return _sending(data, row, ctx.clock())
    return _telling(data)


_NOT_LEFT = "stand in a call that has not left: it would be made as it was fixed, unless their time has passed or they are refused by now"
_IN_A_CALL = {
    CallStatus.DONE: "stand in a call that is done and would not be sent again",
    CallStatus.TRYING: "stand in a call of unknown outcome, which would be repeated under its key or asked about, never sent anew",
    CallStatus.NOT_SENT: _NOT_LEFT,
    CallStatus.FIXED: _NOT_LEFT,
}


def _sending(data: MessageAccepted | SendRequested, row: Dispatch | None, now: int) -> str:
    fates = Counter(_fate(row, r.pos, late=now > data.send_by) for r in data.rows)
    return f"of {len(data.rows)} messages: " + ", ".join(f"{n} {fate}" for fate, n in fates.most_common())


def _fate(row: Dispatch | None, pos: int, *, late: bool) -> str:
    member = row.members.get(pos) if row else None
    if row and member and member.call >= 0:
        return _IN_A_CALL[row.calls[member.call].status]
    if member and member.result:
        code = f" {member.told[-1].code}" if member.told else ""
        return f"have their result ({member.result}{code}) and would not be sent"
    if row and any(r.pos == pos for r in row.refused):
        return "are refused and would not be sent"
    return "are past their time and would be refused" if late else "would be sent"


def _telling(data: EventData) -> str:
    match data:
        case SendFinished():
            return f"fold the outcome of a call with {len(data.outcomes)} members; results that were told stay"
        case MessageRefused():
            return f"refuse {len(data.refusals)} messages, except those that stand in a call or have a result"
        case DeliveryReported():
            return f"fold {len(data.reports)} delivery reports; results that were told stay"
        case MessageSettled():
            count = sum(len(g.results) for g in data.groups)
            return f"tell {count} results: history that is written and arrays that exist stay as they are"
        case _:
            return f"be handled again: {type(data).__name__}"


# --- the commands

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dead.command("list")
def list_command(
    lane: Annotated[Lane | None, typer.Option(help="Only this lane.")] = None,
    everything: Annotated[bool, typer.Option("--replayed", help="Those that were replayed too.")] = False,
    as_json: Json = False,
) -> None:
    """List dead letters."""
    show(_run(lambda _ctx, store: listed(store, lane, replayed=everything)), as_json)


@dead.command("show")
def show_command(letter: str, as_json: Json = False) -> None:
    """Show one dead letter: why it died, and what its replay would do."""
    show(_run(lambda ctx, store: shown(ctx, store, letter)), as_json)


@dead.command("replay")
def replay_command(
    letters: Annotated[list[str] | None, typer.Argument(help="As `ims dead list` names them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter that was not replayed yet.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    as_json: Json = False,
) -> None:
    """Put events back into the topics in which they died."""
    if bool(letters) == everything:
        raise Rejected("1400", "dead", "name letters, or --all")
    show(_run(lambda ctx, store: replayed(ctx, store, letters or [], dry_run=dry_run)), as_json)


def _run(act: Callable[[Context, LaneStore], Awaitable[T]]) -> T:
    async def opened() -> T:
        from ims.wiring import build, close, store_of

        ctx = build(existing_home(), "dead", with_providers=False)
        try:
            return await act(ctx, store_of(ctx))
        finally:
            await close(ctx)

    return asyncio.run(opened())
