"""kill -9 of anything, at any moment, under load: the four books agree in every round."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from books import REST_S, Allowed, Books
from callbacks import CallbackServer
from conftest import LONG
from harness import Home
from load import Load

ROUNDS = 200 if LONG else 12
MODES = ("call", "recipient", "none")
PROCESSES = ("edge", "intake-bulk", "fast", "slow-out", "slow-back", "simulator")
FAST = {
    "provider_timeout_s": 1,
    "park_s": 0.5,
    "callback_retry_unit_s": 0.2,
    "callback_timeout_s": 2,
    "poll_idle_s": 0.1,
    "simulator_magic_scale": 0.1,
}


def blow(home: Home, chance: random.Random, victims: list[str]) -> None:
    """Kill them, a few milliseconds apart or all at once."""
    if victims == ["all"]:
        home.kill9("all")
    elif victims == ["up"]:
        home.kill9("up")
        home.process = None
    else:
        pids = home.pids()
        for name in victims:
            os.kill(pids[name], signal.SIGKILL)
            time.sleep(chance.choice((0, 0, 0.02, 0.2)))


def drawn(chance: random.Random, number: int) -> list[str]:
    """Who dies in a round. Every process, some, up and all come round by turns, so that a short form has each of them."""
    kinds = [[name] for name in PROCESSES] + [["all"], chance.sample(PROCESSES, 2), ["up"], chance.sample(PROCESSES, 3)]
    return kinds[number % len(kinds)]


@pytest.fixture(scope="module", params=MODES)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Home, list[Books]]]:
    """A home and the books of its rounds, which are looked at once more when all has come to rest."""
    more = {"report_deadline_sms_s": 12} if request.param == "none" else {}
    with Home(tmp_path_factory.mktemp(request.param) / "home", simulator_keys=request.param, **FAST, **more) as made:
        rounds: list[Books] = []
        yield request.param, made, rounds
        if made.process:
            time.sleep(REST_S)
            for books in rounds:
                books.still_once()


@pytest.mark.parametrize("number", range(ROUNDS // len(MODES)))
def test_kill_9(
    home: tuple[str, Home, list[Books]], callbacks: CallbackServer, chance: random.Random, number: int, write_down: Callable[..., None]
) -> None:
    mode, ims, rounds = home
    if ims.process is None:
        ims.start()
    books = Books(ims, callbacks)
    rounds.append(books)
    victims = drawn(chance, number + (ROUNDS // len(MODES)) * MODES.index(mode))
    campaigns, rows, singles = chance.choice(((8, 500, 120), (4, 1_000, 160), (13, 300, 100)))
    started = time.monotonic()
    with Load(books, campaigns=campaigns, rows=rows, singles=singles) as load:
        load.wait_for(chance.randrange(50, campaigns * rows))
        time.sleep(chance.choice((0, 0, 0.02, 0.1)))
        blow(ims, chance, victims)
        if ims.process is None:
            ims.start()
    counts = books.check(90, Allowed(unknown=mode == "none"))
    write_down(keys=mode, killed="+".join(victims), took_s=round(time.monotonic() - started, 1), **dataclasses.asdict(counts))
    assert counts.unknown <= counts.answered / 2
