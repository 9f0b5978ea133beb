"""A provider with every fault that it can have, under load: late is allowed, lost and doubled are not."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from books import REST_S, Allowed, Books
from callbacks import CallbackServer
from form import LONG
from harness import Home
from load import Load

FAST = {"park_s": 0.5, "callback_retry_unit_s": 0.2, "poll_idle_s": 0.1, "simulator_magic_scale": 0.1, "report_deadline_sms_s": 25}
AWAY_S = 60 if LONG else 5
SLOW = {"simulator_magic_scale": 20 / 3, "provider_timeout_s": 10} if LONG else {"simulator_magic_scale": 0.7, "provider_timeout_s": 1}

PATIENT = {"provider_timeout_s": 5}  # without keys a call that times out is UNKNOWN, and a busy machine takes its second

# name: simulator's mode, share of the calls, seconds; keys; settings; whether UNKNOWN is excused
FAULTS = {
    "away": ("away", 1.0, AWAY_S, "call", {}, False),
    "errors": ("garbage", 0.05, 3600, "call", {}, False),
    "refusals": ("away", 0.05, 3600, "none", PATIENT, False),
    "slow": ("slow", 1.0, AWAY_S, "call", SLOW, False),
    "slow_no_keys": ("slow", 1.0, AWAY_S, "none", SLOW, True),
    "garbage": ("garbage", 1.0, AWAY_S, "recipient", {}, False),
    "close_after": ("close_after", 0.5, AWAY_S, "call", {}, True),
    "close_after_no_keys": ("close_after", 0.3, AWAY_S, "none", {}, True),
    "429": ("429", 1.0, AWAY_S, "none", PATIENT, False),
}


@pytest.mark.parametrize("name", FAULTS)
def test_provider(name: str, tmp_path: Path, callbacks: CallbackServer, write_down: Callable[..., None]) -> None:
    mode, share, seconds, keys, settings, unknown = FAULTS[name]
    with Home(tmp_path / "home", **{**FAST, "provider_timeout_s": 1, **settings, "simulator_keys": keys}) as home:
        books = Books(home, callbacks)
        started = time.monotonic()
        home.fault(mode, share=share, seconds=seconds)
        with Load(books, campaigns=4, rows=500, singles=100):
            pass
        accepted = time.monotonic() - started
        counts = books.check(90 + 3 * AWAY_S, Allowed(unknown=unknown))
        assert counts.answered >= 2_000
        if mode in ("slow", "garbage", "close_after"):  # taken, and not said so: what is tried again shows only later
            time.sleep(REST_S)
            books.still_once()
        took = time.monotonic() - started
        write_down(fault=name, share=share, accepted_in_s=round(accepted, 1), took_s=round(took, 1), **dataclasses.asdict(counts))
