"""A key's rate and cap while nobody can count: one-time codes go on, what can wait comes again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from functions.intake.desk import Desk
from ims.errors import Unavailable
from ims.lanes import Lane
from ims.telemetry import UNCOUNTED


class Away:
    async def draw(self, *_args: Any, **_named: Any) -> int:
        raise Unavailable("away")

    async def spend(self, *_args: Any) -> bool:
        raise Unavailable("away")


def desk() -> Desk:
    made = object.__new__(Desk)
    made._ctx = SimpleNamespace(shared=Away(), clock=lambda: 1_795_402_800_000)  # type: ignore[assignment]
    return made


def key(kind: Lane, rate: int, cap: int) -> Any:
    return SimpleNamespace(key="k", kind=kind, rate_per_s=rate, daily_cap=cap)


@pytest.mark.parametrize("kind", list(Lane))
async def test_a_rate_holds_nobody_up(kind: Lane) -> None:
    before = UNCOUNTED.labels("rate")._value.get()
    assert await desk().draw(key(kind, 10, 0), 3)
    assert UNCOUNTED.labels("rate")._value.get() - before == 3


@pytest.mark.parametrize("kind", [Lane.AUTH, Lane.REALTIME])
async def test_a_capped_key_of_the_reserved_lanes_is_let_through_and_counted_as_uncounted(kind: Lane) -> None:
    before = UNCOUNTED.labels("daily_cap")._value.get()
    assert await desk().draw(key(kind, 0, 10), 3)
    assert UNCOUNTED.labels("daily_cap")._value.get() - before == 3


@pytest.mark.parametrize("kind", [Lane.MASS, Lane.AD])
async def test_a_capped_key_of_the_other_lanes_comes_again(kind: Lane) -> None:
    with pytest.raises(Unavailable):
        await desk().draw(key(kind, 0, 10), 3)
