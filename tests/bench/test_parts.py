"""The measuring itself: percentiles, numbers that do not meet, answers that come in pieces, profiles, the table."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from bench.children import ROOT
from bench.far_end import Books
from bench.histogram import Histogram
from bench.load import SLOTS, bulk_bodies, rows, single_bodies
from bench.profiles import table as profile_table
from bench.results import Figure, Outcome, folder_of
from bench.rig import PROFILES
from bench.table import placed, table
from bench.wire import Connection, request


@pytest.mark.parametrize("spread", [1, 300, 70_000, 90_000_000])
def test_percentiles_are_never_flattering_and_within_a_percent(spread: int) -> None:
    rng = random.Random(spread)
    values = sorted(rng.randrange(spread) for _ in range(5_000))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    for share in (0.5, 0.9, 0.99, 1.0):
        exact = values[max(0, round(share * len(values)) - 1)]
        assert exact <= histogram.percentile(share) <= exact * 1.01 + 1
    assert histogram.summary()["max"] == values[-1] / 1000


def test_numbers_are_mobile_not_magic_and_different_everywhere() -> None:
    numbers = [number for slot in range(SLOTS) for _, number in rows(7, slot, 2_000)]
    assert len(set(numbers)) == SLOTS * 2_000
    assert all(re.fullmatch(r"010[2-9]\d{7}", n) and not n.startswith("0109999") for n in numbers)
    ids = [id_ for id_, _ in rows(7, 0, 2_000)]
    assert len(set(ids)) == 2_000
    assert all(re.fullmatch(r"[0-9a-f]{30}", id_) for id_ in ids)


def test_the_same_seed_is_the_same_load() -> None:
    assert rows(1, 0, 10) == rows(1, 0, 10) != rows(2, 0, 10)


def test_bodies_are_what_the_contract_takes() -> None:
    fields = '"message_type":"SMS","callback":"15441234"'
    single = [json.loads(body) for body in single_bodies(3, 0, 50, fields, rendered=False)]
    assert [(s["message_id"], s["phone_number"]) for s in single] == rows(3, 0, 50)
    assert len({json.dumps(s["mapping"]) for s in single}) == 50
    codes = [json.loads(body) for body in single_bodies(3, 0, 50, fields, rendered=True)]
    assert all("#{" not in c["message"] and "mapping" not in c for c in codes)
    bulk = [(json.loads(body), size) for body, size in bulk_bodies(3, 0, 50, fields, 20)]
    assert [size for _, size in bulk] == [20, 20, 10] == [len(body["receiver_list"]) for body, _ in bulk]
    assert [(r["message_id"], r["phone_number"]) for body, _ in bulk for r in body["receiver_list"]] == rows(3, 0, 50)


class _Wire:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


def _connection() -> tuple[Connection, list[tuple[int, int, bytes]]]:
    heard: list[tuple[int, int, bytes]] = []
    connection = Connection(lambda _, tag, status, body: heard.append((tag, status, body)))
    connection.connection_made(_Wire())  # type: ignore[arg-type]
    return connection, heard


@pytest.mark.parametrize("cut", [1, 9, 20, 39, 45, 1_000])
def test_an_answer_in_pieces_is_one_answer(cut: int) -> None:
    connection, heard = _connection()
    connection.send(4, request("POST", "/x", {}, b"{}"))
    assert not connection.usable
    answer = b"HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nhello"
    for start in range(0, len(answer), cut):
        connection.data_received(answer[start : start + cut])
    assert heard == [(4, 503, b"hello")]
    assert connection.usable


def test_a_broken_connection_is_told_once() -> None:
    connection, heard = _connection()
    connection.send(4, b"")
    connection.connection_lost(None)
    connection.connection_lost(None)
    assert heard == [(4, 0, b"")]
    assert not connection.usable


def test_unknown_is_not_told() -> None:
    good = Books(accepted=3, sent_once=3, told_delivered=3, history_delivered=3)
    assert good.agree
    assert not Books(accepted=3, sent_once=3, told_delivered=2, told_otherwise=1, history_delivered=3).agree
    assert not Books(accepted=3, sent_once=3, sent_unasked=1, told_delivered=3, history_delivered=3).agree
    assert not Outcome(books={"load": good}, checks={"something": False}).agree


@pytest.mark.parametrize(
    ("value", "lower", "said"), [(5, False, "missed"), (10, False, "reach"), (20, False, "goal"), (5, True, "goal"), (15, True, "missed")]
)
def test_figures_know_what_they_reach(value: float, lower: bool, said: str) -> None:
    bounds: dict[str, Any] = {"reach": 10, "goal": 5 if lower else 20}
    assert Figure("x", value, "/s", **bounds, lower_is_better=lower).reached == said


def test_a_profile_counts_a_recursive_function_once() -> None:
    text = profile_table("slow", "thread (1);outer (a.py);inner (b.py);outer (a.py) 30\nthread (1);outer (a.py) 10\n", 100)
    assert "40% of a core" in text
    assert re.search(r"40\.0%  outer \(a\.py\)", text)
    assert re.search(r"30\.0%  inner \(b\.py\)", text)


def test_the_document_has_the_figures_of_the_results_files() -> None:
    text = (ROOT / "docs/performance.md").read_text()
    assert placed(text, {on: table(folder_of(on)) for on in PROFILES}) == text, "python -m bench table --into docs/performance.md"
