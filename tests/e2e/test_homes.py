"""Homes: several on one machine, a second start, a death, an end under load."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import FAST
from harness import IMS, STOP_S, Answer, Home, alive, eventually, in_threads, new_id, new_number

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home beside the shared one. The deadline is longer than the 6 s for which a dead owner's call rests."""
    with Home(tmp_path_factory.mktemp("second") / "second", **FAST | {"report_deadline_sms_s": 60}) as home:
        yield home


def test_two_homes_know_nothing_of_each_other(ims: Home, second: Home) -> None:
    urls = ("intake", "receipt", "simulator", "metrics")
    assert not {ims.facts[name] for name in urls} & {second.facts[name] for name in urls}
    id_, numbers = new_id(), (new_number(), new_number())
    for home, number in zip((ims, second), numbers, strict=True):  # the same message_id is another message there
        home.sms(number, message_id=id_)
        assert home.wait_result(id_)["result"] == "DELIVERED"
        assert [entry["to"] for entry in home.sent() if entry["to"] in numbers] == [number]
    stranger = second.post("mt/sendMessage", {}, key=ims.customers[0].service_keys["realtime"])
    assert (stranger.status, stranger.code) == (404, "1100")


def test_a_second_start_says_so_and_leaves_the_first_alone(ims: Home) -> None:
    before = ims.facts
    done = subprocess.run([IMS, "up", "--port", "0"], env=ims.env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert str(before["pid"]) in done.stderr
    assert before["intake"] in done.stderr
    assert ims.pids() == before["processes"]
    assert ims.wait_result(ims.sms())["result"] == "DELIVERED"


def test_children_end_with_their_parent_and_a_new_start_goes_on(second: Home) -> None:
    """kill -9 of `ims up` alone, then of everything; up.json stays behind both times."""
    pids, customers = list(second.pids().values()), second.customers
    first = second.sms()
    second.kill9("up")
    eventually(lambda: not any(map(alive, pids)), 5, "the end of the children")
    assert (second.path / "up.json").exists()
    assert second.cli("down").returncode == 1  # stale: there is nothing to stop
    second.restart()
    assert second.customers == customers  # keys and secrets survive
    assert second.wait_result(first, 20)["result"] == "DELIVERED"
    last = second.sms()
    second.kill9("all")
    second.start()
    assert second.wait_result(last, 20)["result"] == "DELIVERED"
    assert len({entry["ref"] for entry in second.sent()}) == len(second.sent())


def test_down_under_load_drops_no_open_request(tmp_path: Path) -> None:
    """SIGTERM while lists are being read: every request whose body IMS has begun to read is answered, and all go out."""
    home = Home(tmp_path / "down", **FAST)
    lists = [[(new_id("t"), new_number()) for _ in range(3_000)] for _ in range(4)]
    with home:
        pids = [home.facts["pid"], *home.pids().values()]
        answers: list[Answer] = []

        def send(part: int) -> None:
            answers.append(home.campaign(lists[part], campaign_id=new_id("term")))

        def end() -> None:
            eventually(lambda: home.metric("ims_accepted_total") > 0, 20, "the first accepted slice", every=0.02)
            os.kill(home.facts["pid"], signal.SIGTERM)  # as `ims down` does, but without the second that its start takes
            done = home.cli("down", timeout=STOP_S)
            assert done.returncode == 0 or "not up" in done.stderr, done.stderr

        in_threads([lambda part=part: send(part) for part in range(4)] + [end], 60)
        assert [(a.status, a.code) for a in answers] == [(200, "0000")] * 4
        assert [a.json()["data"]["accepted"] for a in answers] == [3_000] * 4
        eventually(lambda: home.process is not None and home.process.poll() is not None, STOP_S, "the end of ims up")
        assert home.process is not None
        assert home.process.returncode == 0
        assert not any(map(alive, pids))
        assert not (home.path / "up.json").exists()
        assert home.cli("down").returncode == 1
        home.restart()
        wanted = sorted(number for part in lists for _, number in part)
        eventually(lambda: len(home.sent()) >= len(wanted), 40, "all messages at the provider", every=0.5)
        assert sorted(entry["to"] for entry in home.sent()) == wanted
        done = home.cli("down", timeout=STOP_S)
        assert (done.returncode, done.stdout.strip()) == (0, "stopped")
