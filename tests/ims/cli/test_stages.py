"""`ims stages`: what it makes of the statistics."""

from __future__ import annotations

from ims.cli.stages import rows
from ims.runtime.tracing import Tracer

from .conftest import Street


async def test_stages_stand_in_the_order_of_a_message_with_times_and_outcomes(street: Street) -> None:
    tracer = Tracer(street.house.ctx)
    street.house.ctx.trace = tracer.note
    for n in range(3):
        await street.accept(f"m{n}")
    await street.later()
    await tracer.flush()
    await street.later()
    found = rows(await street.house.ctx.traces.statistics(0, street.house.now + 1))
    assert [r["stage"] for r in found] == ["route", "send_mt", "report"]
    assert {r["lane"] for r in found} == {"realtime"}
    assert (found[0]["events"], found[0]["messages"], found[0]["outcomes"]) == (3, 3, {"done": 3})
    assert 0 < found[0]["p50_ms"] <= found[0]["p95_ms"] <= found[0]["p99_ms"]


def test_nothing_seen_is_nothing_shown() -> None:
    assert rows([]) == []
