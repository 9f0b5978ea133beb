"""Breakers, and what processes tell each other of them."""

from __future__ import annotations

from ims.errors import Unavailable
from ims.runtime.breaker import OPEN_AFTER, OPEN_MS, Breakers, share_once

PEER = "simulator/bulk"


class Board:
    """The shared store, as far as breakers need it."""

    def __init__(self) -> None:
        self.open: dict[str, int] = {}
        self.away = False

    async def announce_breaker(self, name: str, until: int) -> None:
        if self.away:
            raise Unavailable("away")
        self.open[name] = until
        if not until:
            del self.open[name]

    async def open_breakers(self) -> dict[str, int]:
        if self.away:
            raise Unavailable("away")
        return dict(self.open)


def broken(now: int = 0, name: str = PEER) -> Breakers:
    made = Breakers()
    for _ in range(OPEN_AFTER):
        made.failed(name, now)
    return made


async def round_of(board: Board, *several: Breakers, now: int = 0) -> None:
    for breakers in several:
        await share_once(breakers, board, lambda: now)  # type: ignore[arg-type]  # the part of the store that it needs


async def test_what_one_found_out_the_other_leaves_alone_and_then_probes_once():
    board, one, other = Board(), broken(), Breakers()
    await round_of(board, one, other)
    assert other.closed_at(PEER, 1) == OPEN_MS
    assert other.closed_at("simulator/fast", 1) == 0
    assert other.closed_at(PEER, OPEN_MS + 1) == 0, "its own probe"
    assert other.closed_at(PEER, OPEN_MS + 2) > 0
    other.failed(PEER, OPEN_MS + 3)
    assert other.closed_at(PEER, OPEN_MS + 4) > 2 * OPEN_MS, "a probe that failed opens it for longer, at once"


async def test_who_finds_it_back_lets_the_others_go_on():
    board, one, other = Board(), broken(), Breakers()
    await round_of(board, one, other)
    one.succeeded(PEER)
    await round_of(board, one, other)
    assert board.open == {}
    assert other.closed_at(PEER, 1) == 0


async def test_what_a_process_found_itself_is_not_closed_by_the_silence_of_others():
    board, mine = Board(), broken()
    await round_of(board, mine)
    board.open.clear()  # flushed
    await round_of(board, mine)
    assert mine.closed_at(PEER, 1) == OPEN_MS


async def test_a_store_that_is_away_changes_nothing_and_is_told_later():
    board, one, other = Board(), broken(), Breakers()
    board.away = True
    await round_of(board, one, other)
    assert (one.closed_at(PEER, 1), other.closed_at(PEER, 1)) == (OPEN_MS, 0)
    board.away = False
    await round_of(board, one, other)
    assert other.closed_at(PEER, 1) == OPEN_MS


async def test_a_customers_url_is_not_shown():
    board, name = Board(), "callback/auth/https://acme.example/?token=secret"
    one, other = broken(name=name), Breakers()
    await round_of(board, one, other)
    assert "secret" not in str(board.open)
    assert "acme" not in str(board.open)
    assert other.closed_at(name, 1) == OPEN_MS


async def test_an_end_that_has_passed_is_not_learned():
    board, other = Board(), Breakers()
    board.open[PEER] = 50
    await round_of(board, other, now=100)
    assert other.closed_at(PEER, 100) == 0


async def test_an_end_of_a_clock_that_was_set_back_is_not_believed():
    """It stays in the store for an hour, and the provider must not be left alone so long."""
    board, other = Board(), Breakers()
    board.open[PEER] = 3_600_000 + OPEN_MS
    for now in (0, 500, 1_000):
        await round_of(board, other, now=now)
        assert other.closed_at(PEER, now) == 0
