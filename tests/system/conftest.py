"""What system tests share: the e2e harness, a callback server, where the counts of every round are written down."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))  # harness and callbacks: importlib mode puts nothing there
sys.path.insert(0, str(Path(__file__).parent))

from callbacks import CallbackServer
from form import LONG, SEED
from harness import spoken


def wanted(rounds: int) -> range:
    """Which of so many rounds to play: all, or those of IMS_SYSTEM_ROUNDS=40-79, so that a long form can be gone on with."""
    first, _, last = (os.environ.get("IMS_SYSTEM_ROUNDS") or f"0-{rounds - 1}").partition("-")
    return range(int(first), min(int(last), rounds - 1) + 1)


def pytest_report_header() -> str:
    return f"system tests: {'long' if LONG else 'short'} form, IMS_SYSTEM_SEED={SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:  # those of production/ say it themselves: a sample of them is none
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session", autouse=True)
def logs_say_nothing_personal() -> Iterator[None]:
    """Over the whole run, no log line of IMS holds a number, a text, a secret or a message_id that a test used."""
    yield
    leaks = spoken.leaks()
    assert not leaks, f"{len(leaks)} log lines, the first: {leaks[0]}"


@pytest.fixture(scope="module")
def callbacks() -> Iterator[CallbackServer]:
    server = CallbackServer()
    yield server
    server.close()
    assert not server.unverified(), f"{len(server.unverified())} callbacks were not signed with a secret of the customer"


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Drawn from the run's seed and the test's name: a test alone repeats what it did in the whole run."""
    print(f"IMS_SYSTEM_SEED={SEED}")
    return random.Random(f"{SEED}/{request.node.name}")


@pytest.fixture
def write_down(request: pytest.FixtureRequest) -> Callable[..., None]:
    """One line per round: what was done and what was counted; kept where IMS_SYSTEM_COUNTS says."""

    def write(**counts: Any) -> None:
        line = json.dumps({"test": request.node.name, "seed": SEED, **counts}, ensure_ascii=False)
        print(line)
        if path := os.environ.get("IMS_SYSTEM_COUNTS"):
            with open(path, "a") as file:
                file.write(line + "\n")

    return write
