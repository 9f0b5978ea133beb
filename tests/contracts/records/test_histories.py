"""Statistics and histories read the same on files and on a server: sums, order, pages, filters, and nobody else's rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ims.adapters.sql import changes
from ims.adapters.sql.histories import SqlHistories
from ims.lanes import Lane
from ims.ports.histories import Counted, Place, Wanted
from ims.ports.records import Change, HistoryRow
from ims.protocol.ids import new_birth
from tests.contracts.records.conftest import NOW

DAY, HOUR = 86_400_000, 3_600_000
TODAY, YESTERDAY = "2026-09-21", "2026-09-20"  # in Seoul, where NOW is 23:13
MINE = Wanted("mine", ("MT",), NOW - 2 * DAY, NOW + HOUR)
HER, HIM = b"h" * 12, b"i" * 12


def row(lane: Lane, at: int, pos: int = 0, *, birth: str = "", number: int = 1, **other) -> HistoryRow:
    base = HistoryRow(
        birth or new_birth(lane, at), pos, number, "mine", f"m{at}-{pos}", "", "SMS", "DELIVERED", "0000", "simulator", "", 1,
        "010****0000", HER, "", "", at, at, at, at, at, "MT",
    )  # fmt: skip
    return base._replace(**other)


@pytest.fixture
async def kept(records):
    async def keep(*rows: HistoryRow, lane: Lane = Lane.REALTIME) -> list[HistoryRow]:
        await records.lane(lane).write(lambda conn: changes.apply(conn, Change(history=list(rows)), NOW))
        return list(rows)

    return keep


async def walked(histories: SqlHistories, wanted: Wanted, size: int) -> list[str]:
    """Message ids of all pages, one after the other; a page goes on even when it holds nothing."""
    found: list[str] = []
    after: Place | None = None
    for _ in range(100):
        page = await histories.page(wanted, after, size)
        assert len(page.rows) <= size
        found += [r["message_id"] for r in page.rows]
        if page.next is None:
            return found
        after = page.next
    raise AssertionError("the pages do not end")


async def told(histories: SqlHistories, key: str = "mine", first: str = YESTERDAY, last: str = TODAY) -> list[Counted]:
    """But for what was received: that is counted at acceptance."""
    return [c for c in await histories.counted(key, first, last) if c.result != "RECEIVED"]


async def test_counters_add_up_over_lanes_and_over_days_of_seoul(records, kept):
    await kept(row(Lane.REALTIME, NOW), row(Lane.REALTIME, NOW - DAY), row(Lane.REALTIME, NOW, service_key="other"))
    await kept(row(Lane.MASS, NOW), row(Lane.MASS, NOW, result="FAILED", report_type="LMS"), lane=Lane.MASS)
    await kept(row(Lane.MASS, NOW + HOUR), lane=Lane.MASS)  # 00:13 of the next day in Seoul, the same day in UTC
    histories = SqlHistories(records.lanes())
    assert await told(histories) == [Counted("LMS", "FAILED", 1), Counted("SMS", "DELIVERED", 3)]
    assert await told(histories, first=TODAY) == [Counted("LMS", "FAILED", 1), Counted("SMS", "DELIVERED", 2)]
    assert await told(histories, first="2026-09-22", last="2026-09-22") == [Counted("SMS", "DELIVERED", 1)]
    assert await told(histories, key="other") == [Counted("SMS", "DELIVERED", 1)]
    assert await told(histories, key="nobody") == []


async def test_a_later_result_moves_its_message_from_one_sum_to_another_once(records, kept):
    (first,) = await kept(row(Lane.REALTIME, NOW, result="UNKNOWN", report_code="8100"))
    for _ in range(2):  # a redelivery
        await kept(first._replace(number=2, result="DELIVERED", report_code="0000"))
    histories = SqlHistories(records.lanes())
    assert await told(histories) == [Counted("SMS", "DELIVERED", 1)]
    at = await histories.at("mine", Place(first.birth, 0))
    assert at is not None
    assert (at["number"], at["result"]) == (2, "DELIVERED")


async def test_a_row_is_found_by_its_place_and_only_by_its_own_key(records, kept):
    (mine,) = await kept(row(Lane.REALTIME, NOW))
    histories = SqlHistories(records.lanes())
    at = await histories.at("mine", Place(mine.birth, 0))
    assert at is not None
    assert tuple(at[name] for name in HistoryRow._fields) == mine
    assert await histories.at("other", Place(mine.birth, 0)) is None
    assert await histories.at("mine", Place(mine.birth, 1)) is None


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("looked_at", [2, 1_000], ids=["a page looks at two rows", "a page looks at all"])
async def test_pages_hold_every_row_once_the_newest_of_each_lane_first(records, kept, size, looked_at):
    batch = new_birth(Lane.MASS, NOW)
    mass = await kept(*(row(Lane.MASS, NOW, pos, birth=batch) for pos in range(4)), row(Lane.MASS, NOW - HOUR), lane=Lane.MASS)
    fast = await kept(*(row(Lane.REALTIME, NOW - n * HOUR) for n in range(3)))
    await kept(*(row(Lane.REALTIME, NOW - n, service_key="other") for n in range(5)))
    lanes = records.lanes()
    rows = {Lane.MASS: mass, Lane.REALTIME: fast}
    wanted = [r.message_id for lane in lanes for r in sorted(rows.get(lane, []), key=lambda r: (r.birth, r.pos), reverse=True)]
    assert await walked(SqlHistories(lanes, looked_at), MINE, size) == wanted


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, {"a", "b", "c"}),
        ({"recipient": HIM}, {"b"}),
        ({"recipient": b"n" * 12}, set()),
        ({"result": "FAILED"}, {"c"}),
        ({"report_code": "3000", "report_type": "LMS"}, {"c"}),
        ({"bill_code": "dept"}, {"a"}),
        ({"channels": ("EM",)}, {"mail"}),
        ({"channels": ("MT", "EM")}, {"a", "b", "c", "mail"}),
        ({"since": NOW - HOUR}, {"a", "b"}),  # its beginning is inside
        ({"until": NOW}, {"b", "c"}),  # and its end outside
    ],
)
async def test_what_is_asked_for_is_what_is_found(records, kept, asked, found):
    await kept(
        row(Lane.REALTIME, NOW, message_id="a", bill_code="dept"),
        row(Lane.REALTIME, NOW - HOUR, message_id="b", recipient_index=HIM),
        row(Lane.REALTIME, NOW - 2 * HOUR, message_id="c", result="FAILED", report_code="3000", report_type="LMS"),
        row(Lane.REALTIME, NOW - 3 * HOUR, message_id="mail", channel="EM", report_type="EM"),
    )
    wanted = replace(MINE, **asked)
    for size in (1, 10):
        assert set(await walked(SqlHistories(records.lanes()), wanted, size)) == found
