"""Sending a campaign: several requests at once, each repeated whole until it is answered, rows that come back written down."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ims.cli import posting
from ims.cli.bulk import send_campaign
from ims.cli.campaign import Campaign, read_sheet
from ims.cli.posting import NoAnswer, Refused, Target, at_once, poster

SHARED = {"message_type": "SMS", "message": "안녕하세요", "callback": "15441234"}
Answer = Callable[[dict[str, Any]], web.Response]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await real(min(seconds, 0.001))

    monkeypatch.setattr(posting.asyncio, "sleep", sleep)


class Intake:
    """An intake that remembers every body and answers as told, else as if it took everything."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Answer] = []
        self.open = self.most_open = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        body = await request.read()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        await asyncio.sleep(0.02)
        self.open -= 1
        data = json.loads(body)
        return self.answers.pop(0)(data) if self.answers else taken(data)


def taken(body: dict[str, Any], bad: tuple[int, ...] = ()) -> web.Response:
    errors = [{"index": i, "message_id": body["receiver_list"][i]["message_id"], "code": "2050", "message": "no number"} for i in bad]
    rows = len(body["receiver_list"])
    return answer({"campaign_id": body["campaign_id"], "accepted": rows - len(bad), "rejected": len(bad), "errors": errors})


def answer(data: Any) -> web.Response:
    return web.json_response({"code": "0000", "data": data})


def busy(status: int = 503) -> Answer:
    return lambda _body: web.json_response({"code": "9998", "message": "busy"}, status=status, headers={"retry-after": "1"})


def refusal(_body: dict[str, Any]) -> web.Response:
    errors = [{"field": "callback", "code": "2051", "message": "The sender number is not registered."}]
    return web.json_response({"code": "2051", "message": "x", "errors": errors}, status=400)


def cut(_body: dict[str, Any]) -> web.Response:
    raise ConnectionResetError  # the connection ends without an answer


@asynccontextmanager
async def running(intake: Intake) -> AsyncIterator[Target]:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/ims/key1/{rest:.*}", intake.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield Target(f"http://127.0.0.1:{port}", "credential", "key1")
    finally:
        await runner.cleanup()


def campaign_of(folder: Path, rows: int) -> Campaign:
    path = folder / "list.csv"
    path.write_text("phone_number,name\n" + "".join(f"0105550{i % 10_000:04d},이름{i}\n" for i in range(rows)))
    return Campaign.of(read_sheet(path), SHARED, None)


async def run(target: Target, campaign: Campaign) -> dict[str, Any]:
    return await send_campaign(target, "mt", campaign, None, wait=False, quiet=True)


async def test_every_row_goes_once_four_requests_at_a_time(tmp_path: Path) -> None:
    intake = Intake()
    async with running(intake) as target:
        outcome = await run(target, campaign_of(tmp_path, 7_500))
    assert (outcome["rows"], outcome["accepted"], outcome["rejected"], outcome["rejected_file"]) == (7_500, 7_500, 0, None)
    sent = [r["message_id"] for body in intake.bodies for r in json.loads(body)["receiver_list"]]
    assert len(sent) == len(set(sent)) == 7_500
    assert intake.most_open == 4
    assert intake.headers[0]["x-ims-key"] == "credential"
    assert intake.headers[0]["x-ims-version"] == "version-1"


@pytest.mark.parametrize("fault", [busy(503), busy(429), busy(502), cut])
async def test_what_was_not_answered_is_repeated_whole(tmp_path: Path, fault: Answer) -> None:
    intake = Intake()
    intake.answers = [fault, fault]
    async with running(intake) as target:
        outcome = await run(target, campaign_of(tmp_path, 10))
    assert outcome["accepted"] == 10
    assert len(intake.bodies) >= 2
    assert len(set(intake.bodies)) == 1


async def test_a_second_run_makes_the_same_requests(tmp_path: Path) -> None:
    first, second = Intake(), Intake()
    for intake in (first, second):
        async with running(intake) as target:
            await run(target, campaign_of(tmp_path, 2_500))
    assert sorted(first.bodies) == sorted(second.bodies)


async def test_rejected_rows_are_written_beside_the_file(tmp_path: Path) -> None:
    intake = Intake()
    intake.answers = [lambda body: taken(body, (0, 9))]
    async with running(intake) as target:
        outcome = await run(target, campaign_of(tmp_path, 10))
    assert (outcome["accepted"], outcome["rejected"]) == (8, 2)
    with open(outcome["rejected_file"], encoding="utf-8-sig", newline="") as file:
        assert [row[1:] for row in csv.reader(file)][1:] == [["이름0", "1", "2050", "no number"], ["이름9", "10", "2050", "no number"]]


async def test_a_refusal_ends_the_run_with_its_words(tmp_path: Path) -> None:
    intake = Intake()
    intake.answers = [refusal] * 4
    async with running(intake) as target:
        with pytest.raises(Refused, match="callback: 2051 The sender number is not registered"):
            await run(target, campaign_of(tmp_path, 9_000))
    assert len(intake.bodies) <= 4


async def test_an_intake_that_never_answers_is_given_up() -> None:
    intake = Intake()
    intake.answers = [busy()] * 50
    async with running(intake) as target, poster(target) as post:
        with pytest.raises(NoAnswer, match="9998 busy"):
            await post.post("mt/sendMessage", b"{}")
    assert len(intake.bodies) == 12


async def test_nobody_listens() -> None:
    async with poster(Target("http://127.0.0.1:9", "c", "k")) as post:
        with pytest.raises(NoAnswer, match="ClientConnectorError"):
            await post.get("report/x")


async def test_at_once_takes_items_only_when_there_is_room_and_stops_at_the_first_error() -> None:
    taken_items: list[int] = []

    def items() -> Any:
        for i in range(100):
            taken_items.append(i)
            yield i

    async def do(item: int) -> None:
        await asyncio.sleep(0)
        if item == 5:
            raise Refused("no")

    do_it: Callable[[int], Awaitable[None]] = do
    with pytest.raises(Refused):
        await at_once(items(), do_it, 3)
    assert len(taken_items) < 12
