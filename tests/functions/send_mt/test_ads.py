"""send_mt: an advertisement without its marks goes to nobody, wherever its text came from (정보통신망법 제50조④, 시행령 별표 6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from functions.send_mt.main import refusals
from ims.lanes import Lane
from ims.testing.house import NOON, House
from ims.testing.requests import send_requested

MARKED, UNMARKED = "(광고)하나가게 봄 할인 무료수신거부 080-123-4567", "하나가게 봄 할인"
NIGHT = NOON + 10 * 3_600_000  # 22:00 in Seoul


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = await House.open(tmp_path)
    yield house
    await house.close()


async def refused(house: House, shared_text: str | None, *texts: str | None, lane: Lane = Lane.AD) -> dict[int, str]:
    """The codes by position, of one event whose rows have these texts, or its own."""
    people = [f"0105550{n:04d}" for n in range(len(texts))]
    event, request = send_requested(house.now, people, lane=lane, texts=texts, text=shared_text)
    found = await refusals(event, request, request.rows, house.ctx)
    return {pos: code for pos, (_, code) in found.items()}


@pytest.mark.parametrize(
    ("shared", "texts", "found"),
    [
        (MARKED, (None, None), {}),
        (UNMARKED, (None, None), {0: "7104", 1: "7104"}),
        (MARKED, (None, UNMARKED), {1: "7104"}),
        (UNMARKED, (MARKED, None), {1: "7104"}),
        (None, (MARKED, UNMARKED), {1: "7104"}),
        (MARKED.replace("하나가게", "#{shop}"), (None,), {0: "7104"}),
    ],
)
async def test_an_ad_without_its_marks_is_refused(house: House, shared: str | None, texts: tuple[str | None, ...], found: dict[int, str]):
    assert await refused(house, shared, *texts) == found


async def test_what_is_no_ad_needs_no_marks(house: House) -> None:
    assert await refused(house, UNMARKED, None, lane=Lane.MASS) == {}


async def test_one_that_waits_for_the_morning_has_its_marks(house: House) -> None:
    house.now = NIGHT
    assert await refused(house, MARKED, None, UNMARKED) == {0: "7101", 1: "7104"}
