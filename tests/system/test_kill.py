"""kill -9 of anything, at any moment, under load: the four books agree in every round."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from books import REST_S, Allowed, Books
from callbacks import CallbackServer
from conftest import wanted
from form import LONG
from harness import Home
from load import Load

ROUNDS = 200 if LONG else 12
MODES = ("call", "recipient", "none")
PROCESSES = ("edge", "intake-bulk", "fast", "slow-out", "slow-back", "simulator")
PLAYED = [(MODES[number * len(MODES) // ROUNDS], number) for number in wanted(ROUNDS)]  # a round is the same whichever are played
FAST = {
    "provider_timeout_s": 1,
    "park_s": 0.5,
    "callback_retry_unit_s": 0.2,
    "callback_timeout_s": 2,
    "poll_idle_s": 0.1,
    "simulator_magic_scale": 0.1,
}

# A call that times out is UNKNOWN there, whoever is to blame: on a machine with ten others at work a second is soon over.
WITHOUT_KEYS = {"report_deadline_sms_s": 12, "provider_timeout_s": 5}


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


class Homes:
    """A home for each key mode, made when its first round comes, ended with its last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mode = ""
        self._home: Home | None = None
        self._rounds: list[Books] = []

    def of(self, mode: str) -> Home:
        if mode != self._mode:
            self.end()
            more = WITHOUT_KEYS if mode == "none" else {}
            self._mode, self._home = mode, Home(self._folder / mode, **{**FAST, **more, "simulator_keys": mode})
        assert self._home is not None
        if self._home.process is None or self._home.process.poll() is not None:
            self._home.start()
        return self._home

    def begin(self, books: Books) -> Books:
        self._rounds.append(books)
        return books

    def end(self) -> None:
        """The books of all its rounds are looked at once more when all has come to rest."""
        home, rounds, mode = self._home, self._rounds, self._mode
        self._mode, self._home, self._rounds = "", None, []
        if home is None:
            return
        try:
            if home.process:
                time.sleep(REST_S + (4 if mode == "none" else 0))
                for books in rounds:
                    books.still_once()
        finally:
            home.stop()


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    made = Homes(tmp_path_factory.mktemp("kill"))
    yield made
    made.end()


@pytest.mark.parametrize(("mode", "number"), PLAYED)
def test_kill_9(
    homes: Homes, callbacks: CallbackServer, chance: random.Random, mode: str, number: int, write_down: Callable[..., None]
) -> None:
    ims = homes.of(mode)
    books = homes.begin(Books(ims, callbacks))
    victims = drawn(chance, number)
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
