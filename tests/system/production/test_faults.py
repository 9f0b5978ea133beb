"""The production profile on real servers that are killed, frozen, emptied and shared out anew under load: the four books agree.

`make test-services` runs a sample, drawn by the printed IMS_SYSTEM_SEED; `make test-system` runs each fault, five times with
IMS_SYSTEM_LONG=1.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable

import pytest
from books import Allowed
from faults import APART, BEYOND_DELIVERY_S, EXPIRING, LONG_AWAY, TOGETHER, Scene, mongo_away
from form import LONG
from harness import eventually
from load import Stream
from world import World

ROUNDS = 5 if LONG else 1
SETTLED_S = 400.0  # a bound: after a group was deleted the whole log is handled again first
FAULTS = TOGETHER | LONG_AWAY | APART


def suffer(world: World, name: str, chance: random.Random, write_down: Callable[..., None]) -> None:
    """Load, the fault in the middle of it, the books; then one line of the table."""
    installation = world.apart() if name in APART else world.together()
    servers, fault = world.servers, FAULTS[name]
    books, letters = world.books(installation), world.dead_letters()
    dropped = world.traces_dropped()
    if fault is mongo_away:
        servers.mongo.kill()
    began = time.monotonic()
    with Stream(books, bulk_keys=("mass", "capped"), repeat_for_s=BEYOND_DELIVERY_S) as load:
        load.wait_for(chance.randrange(50, 1500))
        done = fault(Scene(servers, installation, books, load, chance))
        answers_s, tells_s = world.at_work_again(books)
        time.sleep(2)
    # a one-time code that waited three minutes is told EXPIRED instead of being sent
    results = {"DELIVERED"} | ({"EXPIRED"} if name in EXPIRING else set())
    counts = books.check(SETTLED_S, Allowed(results=frozenset(results)))
    eventually(lambda: books.outbox() == 0, 60, "an empty outbox", every=0.5)
    if fault is mongo_away:
        assert world.traces_dropped() > dropped, "it says that traces are dropped"
        servers.mongo.start()
    dead = world.dead_letters() - letters
    write_down(
        fault=name,
        done=done,
        answers_again_s=round(answers_s, 1),
        tells_again_s=round(tells_s, 1),
        took_s=round(time.monotonic() - began, 1),
        dead_letters=dead,
        **dataclasses.asdict(counts),
    )
    assert not dead, "an event was given up because a server was away"


@pytest.mark.system
@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("name", FAULTS)
def test_fault(world: World, chance: random.Random, write_down: Callable[..., None], name: str, number: int) -> None:
    suffer(world, name, chance, write_down)


def test_a_drawn_sample(world: World, chance: random.Random, write_down: Callable[..., None]) -> None:
    for name in [*chance.sample(sorted(TOGETHER), 3), chance.choice(sorted(APART))]:
        suffer(world, name, chance, write_down)
