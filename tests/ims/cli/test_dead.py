"""`ims dead`: what is listed, what a replay says it would do, and that it does that and nothing twice."""

from __future__ import annotations

import msgspec
import pytest

from ims import topics
from ims.cli.dead import listed, replayed, shown
from ims.errors import Rejected
from ims.lanes import Lane
from ims.ports.dispatch import Call, CallOutcome, CallStatus, Dispatch, Member, Told
from ims.ports.records import Change, DeadLetter
from ims.protocol.envelope import Emit, Record
from ims.protocol.events import MessageAccepted, MessageSettled, Row, Shared
from ims.protocol.ids import new_birth
from ims.runtime.stage import new_trace
from ims.topics import Channel, SendType

from .conftest import NUMBER, TEXT, Street

LANE = Lane.REALTIME


def accepted_event(street: Street, rows: int, send_by_in_ms: int = 3_600_000) -> tuple[str, Record]:
    house = street.house
    birth, now = new_birth(LANE, house.now), house.now
    shared = Shared(service_key="keyrealtime", customer="acme", lane=LANE, channel=Channel.MT, message_type="SMS", text=TEXT)
    data = MessageAccepted(
        birth=birth,
        attempt=1,
        received_at=now,
        send_by=now + send_by_in_ms,
        shared=shared,
        rows=[Row(pos=p, message_id=f"m{p}", to=NUMBER) for p in range(rows)],
    )
    return birth, house.ctx.envelopes.seal(Emit(topics.recv(Channel.MT, LANE), birth, data, birth, LANE, Channel.MT), new_trace(), now)


async def bury(street: Street, record: Record, stage: str = "route", dispatch: Dispatch | None = None) -> None:
    letter = DeadLetter(record, stage, "500", "KeyError", street.house.now)
    await street.house.store.commit(LANE, Change(dead=[letter], dispatches=[dispatch] if dispatch else []))


async def logged(street: Street, topic: str) -> list[str]:
    rows = await street.house.rows(LANE, "SELECT json_extract(attributes, '$.id') FROM log WHERE topic = ?", topic)
    return [row[0] for row in rows]


async def test_a_letter_is_listed_and_shown_with_its_cause(street: Street) -> None:
    birth, record = accepted_event(street, 3)
    await bury(street, record)
    [letter] = await listed(street.house.store, None, replayed=False)
    assert (letter["id"], letter["stage"], letter["code"], letter["error"]) == ("realtime-1", "route", "500", "KeyError")
    assert letter["type"] == "ims.message.accepted.v1"
    facts = await shown(street.house.ctx, street.house.store, "realtime-1")
    assert facts["would"] == "of 3 messages: 3 would be sent"
    assert facts["attributes"]["subject"] == birth
    assert NUMBER not in str(facts)
    assert TEXT not in str(facts)
    assert await listed(street.house.store, Lane.AUTH, replayed=False) == []


async def test_dry_run_says_who_would_not_be_sent_again_and_changes_nothing(street: Street) -> None:
    birth, record = accepted_event(street, 7)
    now = street.house.now
    calls = [
        Call("k0", "scripted", SendType.SMS, [0, 1, 2], CallStatus.DONE, first_at=now, outcomes=[CallOutcome("accepted")] * 3),
        Call("k1", "scripted", SendType.SMS, [3, 4], CallStatus.TRYING, first_at=now),
        Call("k2", "scripted", SendType.SMS, [5]),
    ]
    members = {p: Member(p, call=i) for i, call in enumerate(calls) for p in call.members}
    members[6] = Member(6, result="FAILED", told=[Told("c", 1, "FAILED", "9999", now)])
    await bury(street, record, dispatch=Dispatch(birth, 1, now, now + 3_600_000, calls=calls, members=members))
    [letter] = await replayed(street.house.ctx, street.house.store, [], dry_run=True)
    assert letter["would"].startswith("of 7 messages: 3 stand in a call that is done and would not be sent again, 2 stand in a call of ")
    assert "1 stand in a call that has not left: it would be made as it was fixed" in letter["would"]
    assert letter["would"].endswith("1 have their result (FAILED 9999) and would not be sent")
    assert await logged(street, record.topic) == []
    assert (await listed(street.house.store, None, replayed=False))[0]["replayed_at"] == ""


async def test_a_replay_puts_the_event_back_once_and_marks_the_letter(street: Street) -> None:
    birth, record = accepted_event(street, 1)
    await bury(street, record)
    await replayed(street.house.ctx, street.house.store, ["realtime-1"], dry_run=False)
    assert await logged(street, record.topic) == [birth]
    assert await listed(street.house.store, None, replayed=False) == []
    [letter] = await listed(street.house.store, None, replayed=True)
    assert letter["replayed_at"]
    assert await replayed(street.house.ctx, street.house.store, [], dry_run=False) == []
    assert await logged(street, record.topic) == [birth]


async def test_a_replayed_event_is_handled_as_any_other(street: Street) -> None:
    await street.accept("m1")
    [(attributes, data)] = await street.house.rows(LANE, "SELECT attributes, data FROM payloads")
    record = Record(topics.recv(Channel.MT, LANE), msgspec.json.decode(attributes), data)
    await street.house.store.lanes[LANE].write(lambda conn: conn.exec_driver_sql("DELETE FROM log"))
    await bury(street, record)
    await replayed(street.house.ctx, street.house.store, [], dry_run=False)
    await street.later()
    assert sum(street.house.provider.delivered.values()) == 1
    await replayed(street.house.ctx, street.house.store, ["realtime-1"], dry_run=False)
    await street.later()
    assert sum(street.house.provider.delivered.values()) == 1


async def test_messages_past_their_time_would_be_refused(street: Street) -> None:
    _, record = accepted_event(street, 2)
    await bury(street, record)
    street.house.now += 3_600_001
    assert "2 are past their time and would be refused" in (await shown(street.house.ctx, street.house.store, "realtime-1"))["would"]


async def test_results_are_told_again_only_as_they_are(street: Street) -> None:
    id_ = new_birth(LANE, street.house.now)
    data = MessageSettled(service_key="keyrealtime", customer="acme", groups=[])
    record = street.house.ctx.envelopes.seal(Emit(topics.result(LANE), id_, data, id_, LANE), new_trace(), street.house.now)
    await bury(street, record, "store")
    assert (await shown(street.house.ctx, street.house.store, "realtime-1"))["would"].startswith("tell 0 results")


async def test_what_cannot_be_opened_or_is_not_ours_is_named(street: Street) -> None:
    _, record = accepted_event(street, 1)
    await bury(street, Record(record.topic, record.attributes, b"garbage"))
    await bury(street, Record("", {"id": "foreign"}, b"x"), "unknown")
    first, second = await replayed(street.house.ctx, street.house.store, [], dry_run=False)
    assert first["would"] == "die again: the sealed data does not open"
    assert second["would"] == "nothing: it came from no topic of this lane"
    assert [x["id"] for x in await listed(street.house.store, None, replayed=False)] == ["realtime-2"]


@pytest.mark.parametrize("name", ["realtime-9", "nolane-1", "realtime", "", "realtime-x", "auth--1"])
async def test_a_letter_that_is_not_there(street: Street, name: str) -> None:
    with pytest.raises(Rejected, match="no dead letter"):
        await shown(street.house.ctx, street.house.store, name)
