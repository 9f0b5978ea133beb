"""Customers do not feel each other's endpoints, and a customer's campaign does not feel like anything to its own codes."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator

import pytest
from books import Books
from callbacks import HANG, CallbackServer
from harness import Customer, Home, dead_url, eventually, in_threads

CUSTOMERS = 50
DEAD, HANGING = 7, 23
FAST = {"provider_timeout_s": 1, "park_s": 0.5, "callback_retry_unit_s": 0.5, "poll_idle_s": 0.1, "simulator_magic_scale": 0.1}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("customers")
    with Home(folder / "home", **FAST) as made:
        entries = [
            {
                "name": f"c{n}",
                "username": f"c{n}",
                "callback_allowed": ["loopback:*"],
                "service_keys": [{"kind": "auth"}, {"kind": "realtime"}, {"kind": "mass"}],
                "sender_numbers": [f"1600{n:04d}"],
            }
            for n in range(CUSTOMERS)
        ]
        (folder / "customers.json").write_text(json.dumps({"customers": entries}))
        made.customers = [
            Customer(f"c{n}", one["x_ims_key"], {k["kind"]: k["key"] for k in one["service_keys"]}, one["callback_secret"], f"1600{n:04d}")
            for n, one in enumerate(made.ims("register", str(folder / "customers.json")))
        ]
        time.sleep(5)  # a registry is read again at least every 5 s
        yield made


def test_one_dead_and_one_hanging_endpoint_among_fifty(home: Home, callbacks: CallbackServer, write_down: Callable[..., None]) -> None:
    """All results of the healthy 48 are told while the others hold what they can: counted, and only then are they healed."""
    books = [Books(home, callbacks) for _ in range(CUSTOMERS)]
    hanging = True
    callbacks.script(books[HANGING].path, lambda _: HANG if hanging else 200)
    with dead_url() as dead:
        urls = {DEAD: dead}

        def work(first: int) -> None:
            for n in range(first, CUSTOMERS, 5):
                for _ in range(10 if n in (DEAD, HANGING) else 3):
                    books[n].single("realtime", time.monotonic() + 30, customer=n, url=urls.get(n))
                books[n].bulk(100, time.monotonic() + 30, customer=n, url=urls.get(n))

        in_threads([lambda first=first: work(first) for first in range(5)], 120)
        healthy = [b for n, b in enumerate(books) if n not in (DEAD, HANGING)]
        counts = [b.check(60) for b in healthy]
        assert sum(c.told for c in counts) == 48 * 103
        assert not books[DEAD].told()
        for n in (DEAD, HANGING):  # they were sent to like everybody else; only telling them waits
            eventually(lambda n=n: books[n].answered.keys() <= books[n].history().keys(), 30, "their results in history")
            assert set(books[n].sent().values()) == {1}
        hanging = False
    healed = books[HANGING].check(60)
    write_down(
        customers=CUSTOMERS, healthy_told=sum(c.told for c in counts), healthy_calls=sum(c.calls for c in counts),
        hanging_told_after_it_woke=healed.told, hanging_calls=healed.calls,
    )  # fmt: skip


def test_a_hanging_campaign_beside_its_own_codes(home: Home, callbacks: CallbackServer, write_down: Callable[..., None]) -> None:
    """One customer, one host: results of its campaign hang, results of its codes are told all the while."""
    campaign, codes = Books(home, callbacks), Books(home, callbacks)
    hanging = True
    callbacks.script(campaign.path, lambda _: HANG if hanging else 200)
    campaign.bulk(3_000, time.monotonic() + 60, customer=1)
    for _ in range(40):
        codes.single("auth", time.monotonic() + 30, customer=1)
    counts = codes.check(60)
    calls_in_vain = len(callbacks.under(campaign.path))
    assert calls_in_vain, "the campaign was not even tried: nothing is shown"
    hanging = False
    after = campaign.check(90)
    write_down(codes=dataclasses.asdict(counts), calls_in_vain=calls_in_vain, **dataclasses.asdict(after))
