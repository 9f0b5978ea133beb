"""A change is written whole or not at all, and what two processes write at once moves once (invariants 3, 4, 9, 10)."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from functions.store.rows import history_rows
from ims.adapters.sql import changes, dead_letters, due
from ims.adapters.sql.lane_tables import daily, history
from ims.errors import Conflict
from ims.lanes import Lane
from ims.ports.dispatch import Dispatch
from ims.ports.records import Change, DeadLetter, HeldEvent, HistoryRow, ResultArray, Taken
from ims.protocol.envelope import Record
from ims.protocol.events import MessageSettled, Settled, SettledGroup
from ims.protocol.ids import derived, new_birth
from ims.protocol.sealing import Keyring, Sealer
from ims.topics import Channel
from tests.contracts.records.conftest import NOW

ROUNDS = 8


def births(n: int) -> list[str]:
    return [new_birth(Lane.REALTIME, NOW) for _ in range(n)]


def dispatch(birth: str, attempt: int = 0, version: int = 0) -> Dispatch:
    return Dispatch(birth, attempt, NOW, NOW + 1, version)


def record(id_: str, birth: str = "b", topic: str = "SEND-SMS-realtime") -> Record:
    return Record(topic, {"id": id_, "subject": birth}, b"sealed\xff")


def told(birth: str, pos: int, number: int, result: str, kind: str = "SMS") -> HistoryRow:
    times = (NOW, NOW, NOW, NOW, NOW)
    who = ("key", f"m{pos}", "")
    return HistoryRow(birth, pos, number, *who, kind, result, "0000", "simulator", "", 1, "010****0000", b"\x00" * 12, "", "", *times, "MT")


def apply(change: Change):
    return lambda conn: changes.apply(conn, change, NOW)


async def both(records, change_a: Change, change_b: Change) -> list[object]:
    """What two processes that write at once are answered: None or an error."""
    a, b = records.lane(), records.lane()
    return await asyncio.gather(a.write(apply(change_a)), b.write(apply(change_b)), return_exceptions=True)


async def versions(records, keys):
    return {key: d.version for key, d in (await records.lane().read(lambda conn: changes.read_dispatches(conn, keys))).items()}


async def counters(records) -> dict[tuple[str, str], int]:
    """Of results; what is taken out of RECEIVED is as much, under the channel that was asked for."""
    query = select(daily.c.report_type, daily.c.result, daily.c.count)
    rows = await records.lane().read(lambda conn: conn.execute(query).fetchall())
    found = {(kind, result): n for kind, result, n in rows if n}
    assert found.pop(("MT", "RECEIVED"), 0) == -sum(found.values())
    return found


# --- dispatch rows


async def test_rows_are_made_and_moved_by_their_version(records):
    ids = births(30)
    db = records.lane()
    await db.write(apply(Change(dispatches=[dispatch(b) for b in ids])))
    await db.write(apply(Change(dispatches=[dispatch(b, 0, 1) for b in ids] + [dispatch(ids[0], 1)])))
    assert await versions(records, [(b, 0) for b in ids] + [(ids[0], 1), (ids[1], 1)]) == {(b, 0): 2 for b in ids} | {(ids[0], 1): 1}


@pytest.mark.parametrize("version", [0, 1, 3])
@pytest.mark.parametrize("beside", [0, 5])
async def test_a_row_that_moved_on_undoes_the_whole_change(records, version, beside):
    """Alone, and among others of one event: then it is one statement on a server."""
    ids = births(beside + 1)
    db = records.lane()
    await db.write(apply(Change(dispatches=[dispatch(b) for b in ids])))
    await db.write(apply(Change(dispatches=[dispatch(ids[-1], 0, 1)])))  # the last is at 2
    change = Change(dispatches=[dispatch(b, 0, 1) for b in ids[:-1]] + [dispatch(ids[-1], 0, version)])
    change.dead.append(DeadLetter(record("e1"), "send", "9999", "", NOW))
    with pytest.raises(Conflict):
        await db.write(apply(change))
    assert await versions(records, [(b, 0) for b in ids]) == {(b, 0): 1 for b in ids[:-1]} | {(ids[-1], 0): 2}
    assert await db.read(lambda conn: dead_letters.page(conn, 0, 10, replayed=True)) == []


async def test_a_row_that_is_gone_is_not_made_again_by_a_change_of_it(records):
    ids = births(3)
    with pytest.raises(Conflict):
        await records.lane().write(apply(Change(dispatches=[dispatch(b, 0, 4) for b in ids])))
    assert await versions(records, [(b, 0) for b in ids]) == {}


@pytest.mark.parametrize("version", [0, 1])
async def test_of_two_writers_of_a_version_exactly_one_writes(records, version):
    for _ in range(ROUNDS):
        ids = births(20)
        if version:
            await records.lane().write(apply(Change(dispatches=[dispatch(b) for b in ids])))
        answers = await both(
            records,
            Change(dispatches=[dispatch(b, 0, version) for b in ids]),
            Change(dispatches=[dispatch(b, 0, version) for b in reversed(ids)]),
        )
        assert sorted(type(a).__name__ for a in answers) == ["Conflict", "NoneType"]
        assert set((await versions(records, [(b, 0) for b in ids])).values()) == {version + 1}


# --- history and counters


async def test_a_result_is_counted_once_however_often_it_comes(records):
    (birth,) = births(1)
    change = Change(history=[told(birth, pos, 1, "DELIVERED") for pos in range(50)])
    for _ in range(2):
        assert await both(records, change, change) == [None, None]
    assert await counters(records) == {("SMS", "DELIVERED"): 50}
    rows = await records.lane().read(lambda conn: conn.execute(select(history.c.pos, history.c.number)).fetchall())
    assert sorted(map(tuple, rows)) == [(pos, 1) for pos in range(50)]


async def test_a_later_result_moves_the_counter_from_what_is_stored(records):
    (birth,) = births(1)
    db = records.lane()
    await db.write(apply(Change(history=[told(birth, 0, 1, "FAILED", "AT")])))
    await db.write(apply(Change(history=[told(birth, 0, 3, "DELIVERED", "SMS")])))
    await db.write(apply(Change(history=[told(birth, 0, 2, "UNKNOWN", "SMS")])))  # comes late: changes nothing
    assert await counters(records) == {("SMS", "DELIVERED"): 1}
    await db.write(apply(Change(history=[told(birth, 1, 1, "UNKNOWN"), told(birth, 1, 2, "FAILED")])))
    assert await counters(records) == {("SMS", "DELIVERED"): 1, ("SMS", "FAILED"): 1}


async def test_a_provider_s_long_word_is_kept_in_part_by_a_first_and_by_a_later_result(records):
    (birth,) = births(1)
    db, word = records.lane(), "PROVIDER_SAYS_MORE_THAN_A_CODE"
    for number, result in ((1, "UNKNOWN"), (2, "FAILED")):
        how = {"report_type": "SMS", "report_code": "8002", "result": result, "report_at": NOW, "provider_code": word}
        one = Settled(pos=0, message_id="m", number=number, attempt=1, **how)
        group = SettledGroup(birth=birth, received_at=NOW, channel=Channel.MT, results=[one])
        rows = history_rows(MessageSettled(service_key="key", customer="c", groups=[group]), Sealer(Keyring.generate()))
        await db.write(apply(Change(history=rows)))
    kept = await db.read(lambda conn: conn.execute(select(history.c.result, history.c.provider_code)).fetchall())
    assert list(map(tuple, kept)) == [("FAILED", word[:20])]


async def test_two_results_of_a_message_at_once_count_as_one_message(records):
    for _ in range(ROUNDS):
        (birth,) = births(1)
        first = Change(history=[told(birth, pos, 1, "UNKNOWN") for pos in range(10)])
        second = Change(history=[told(birth, pos, 2, "DELIVERED") for pos in range(10)])
        assert await both(records, first, second) == [None, None]
    assert await counters(records) == {("SMS", "DELIVERED"): 10 * ROUNDS}


async def test_counters_of_many_events_at_once_add_up(records):
    """Every transaction moves the same row, and two more in another order."""
    db = [records.lane(), records.lane()]
    ids = births(40)

    def change(n: int) -> Change:
        results = ("DELIVERED", "FAILED") if n % 2 else ("FAILED", "DELIVERED")
        return Change(history=[told(ids[n], pos, 1, result) for pos, result in enumerate(results)])

    await asyncio.gather(*(db[n % 2].write(apply(change(n))) for n in range(40)))
    assert await counters(records) == {("SMS", "DELIVERED"): 40, ("SMS", "FAILED"): 40}


# --- held events


def held(id_: str, *, due_at: int = NOW, send_by: int = NOW + 60_000, topic: str = "SEND-SMS-realtime") -> HeldEvent:
    return HeldEvent(record(id_, f"birth-{id_}", topic), due_at, "away", NOW, send_by)


async def test_an_event_that_is_parked_twice_at_once_is_parked_once(records):
    for n in range(ROUNDS):
        ids = [f"e{n}-{i}" for i in range(5)]
        one, other = Change(held=[held(i, due_at=NOW + 1) for i in ids]), Change(held=[held(i, due_at=NOW + 2) for i in reversed(ids)])
        assert await both(records, one, other) == [None, None]
    parked = await records.lane().read(lambda conn: due.parked(conn, [f"e{n}-{i}" for n in range(ROUNDS) for i in range(5)]))
    assert len(parked) == 5 * ROUNDS


async def test_two_workers_never_take_the_same_event(records):
    ids = [f"e{n:02}" for n in range(40)]
    db = [records.lane(), records.lane()]
    await db[0].write(apply(Change(held=[held(i) for i in ids])))
    take = lambda conn: due.take_held(conn, NOW, NOW + 5_000, {"SEND-SMS-realtime": 10})  # noqa: E731
    taken: list[Taken] = [t for page in await asyncio.gather(*(db[n % 2].write(take) for n in range(6))) for t in page]
    got = [t.record.id for t in taken]
    assert len(got) == len(set(got)) and len(got) <= 40
    got += [t.record.id for _ in range(5) for t in await db[0].write(take)]
    assert sorted(got) == ids
    await db[1].write(lambda conn: changes.release(conn, taken))
    assert len(await db[0].read(lambda conn: due.parked(conn, ids))) == 40 - len(taken)


async def test_one_that_was_parked_anew_stays_when_the_older_rest_ends(records):
    db = records.lane()
    await db.write(apply(Change(held=[held("e1")])))
    (taken,) = await db.write(lambda conn: due.take_held(conn, NOW, NOW + 5_000, {"SEND-SMS-realtime": 10}))
    await db.write(apply(Change(held=[held("e1", due_at=NOW + 9_000)])))
    await db.write(lambda conn: changes.release(conn, [taken]))
    assert await db.read(lambda conn: due.parked(conn, ["e1"])) == {"e1": (NOW + 9_000, "away")}


# --- deadlines


async def test_two_workers_never_take_the_same_deadline(records):
    ids = sorted(births(60))
    db = [records.lane(), records.lane()]
    await db[0].write(apply(Change(dispatches=[dispatch(b) for b in ids])))
    await db[0].write(lambda conn: conn.exec_driver_sql("UPDATE dispatches SET due_at = 5"))
    take = lambda conn: due.take_deadlines(conn, 10, 1_000, 15)  # noqa: E731
    got = [birth for page in await asyncio.gather(*(db[n % 2].write(take) for n in range(6))) for birth, _, _ in page]
    assert len(got) == len(set(got))
    got += [birth for _ in range(6) for birth, _, _ in await db[1].write(take)]
    assert sorted(got) == ids
    assert not await db[0].read(lambda conn: due.any_deadline(conn, 10))
    assert await db[0].read(lambda conn: due.any_deadline(conn, 1_000))


# --- dead letters, arrays


async def test_a_letter_is_kept_once_and_is_a_letter_again_when_it_dies_again(records):
    db = records.lane()
    letter = Change(dead=[DeadLetter(record("e1"), "send", "9999", "x", NOW), DeadLetter(record("e1"), "report", "9999", "x", NOW)])
    assert await both(records, letter, letter) == [None, None]
    letters = await db.read(lambda conn: dead_letters.page(conn, 0, 10, replayed=False))
    assert sorted(found.stage for found in letters) == ["report", "send"]
    await db.write(lambda conn: dead_letters.replayed(conn, letters, NOW))
    assert await db.read(lambda conn: dead_letters.page(conn, 0, 10, replayed=False)) == []
    await db.write(apply(letter))
    assert len(await db.read(lambda conn: dead_letters.page(conn, 0, 10, replayed=False))) == 2


async def test_an_array_is_formed_once(records):
    array = ResultArray(derived("e1", "array"), "key", "https://acme.kr/", 3, NOW, b"\xffbody", "k1", NOW)
    assert await both(records, Change(arrays=[array]), Change(arrays=[array])) == [None, None]
    assert (await records.lane().read(lambda conn: conn.exec_driver_sql("SELECT COUNT(*) FROM arrays").fetchone()))[0] == 1
