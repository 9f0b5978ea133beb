"""kill -9 of the simulator loses nothing that it answered: keys, sent messages and unacknowledged reports survive."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from ims.adapters.providers.simulator.adapter import Simulator
from ims.adapters.providers.simulator.journal import Journal
from ims.errors import Misconfigured, ProviderError
from ims.ports.providers import Outgoing, OutgoingCall
from ims.topics import SendType

ROOT = Path(__file__).parents[4]


@asynccontextmanager
async def running(journal: Path, keys: str = "call", *more: str) -> AsyncIterator[tuple[Simulator, str, asyncio.subprocess.Process]]:
    """The real program; killed with -9 at the end, whatever happens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ims.adapters.providers.simulator.server", "--journal", str(journal), "--keys", keys,
        "--magic-scale", "0.1", *more, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        provider = Simulator(url, "bulk", keys=keys, timeout_s=5)
        yield provider, url, process
        await provider.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


def call(n: int, size: int = 3, number: str = "") -> OutgoingCall:
    members = [Outgoing(f"c{n}m{i}", number or f"0102345{i:04d}", f"안녕하세요 {n}\n둘째 줄", {}) for i in range(size)]
    return OutgoingCall(f"key{n}", 3600, SendType.LMS, members, callback="0212345678")


async def sent(url: str) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/sent?limit=10000") as response:
        return [entry["ref"] for entry in (await response.json())["sent"]]


@pytest.mark.parametrize("keys", ["call", "recipient"])
async def test_what_was_answered_survives_kill_9(tmp_path: Path, keys: str) -> None:
    journal = tmp_path / "home" / "simulator.journal"
    async with running(journal, keys) as (provider, _, _process):
        for n in range(4):
            await provider.send(call(n))
        await provider.send(call(4, 1, "01099990005"))
        await provider.ask(call(9))  # closes its key
        polled = await provider.poll()
        assert polled is not None and len(polled.reports) == 12
        await provider.acknowledge(polled.batch_id)
        await provider.send(call(5))
    assert oct(journal.stat().st_mode)[-3:] == "600"
    with journal.open("ab") as file:
        file.write(b'C 1 17 - {"account":"bulk","torn')
    async with running(journal, keys) as (provider, url, _process):
        assert len(await sent(url)) == 16
        for n in range(6):
            assert {a.status for a in await provider.send(call(n, 1 if n == 4 else 3))} == {"accepted"}
        assert {a.code for a in await provider.send(call(9))} == {"8001"}
        assert len(await sent(url)) == 16, "a key from before is still known"
        await provider.send(call(6))
        assert len(await sent(url)) == 19
        await asyncio.sleep(0.5)
        refs = []
        while (polled := await provider.poll()) is not None:
            refs += [r.ref for r in polled.reports]
            await provider.acknowledge(polled.batch_id)
        assert sorted(refs) == ["c4m0", *(f"c{n}m{i}" for n in (5, 6) for i in range(3))], "told ones stay told, others come"
    async with running(journal, keys) as (provider, url, _process):
        assert await provider.poll() is None
        assert len(await sent(url)) == 19, "the torn line was cut off"


@pytest.mark.parametrize("keys", ["call", "recipient"])
async def test_killed_while_calls_come_in_it_sends_each_message_once(tmp_path: Path, keys: str) -> None:
    journal = tmp_path / "journal"
    calls = [call(n, 50) for n in range(60)]
    answered: set[str] = set()

    async def feed(provider: Simulator, todo: list[OutgoingCall]) -> None:
        for fixed in todo:
            with contextlib.suppress(ProviderError):
                await provider.send(fixed)
                answered.add(fixed.key)

    async with running(journal, keys) as (provider, _, process):
        feeding = [asyncio.create_task(feed(provider, calls[n::4])) for n in range(4)]
        while len(answered) < 15:
            await asyncio.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.gather(*feeding)
    before = len(answered)
    async with running(journal, keys) as (provider, url, _process):
        went = await sent(url)
        assert {f"c{fixed.key[3:]}m0" for fixed in calls if fixed.key in answered} <= set(went)
        await feed(provider, calls)
        went = await sent(url)
        assert len(went) == len(set(went)) == 3000
        refs: list[str] = []
        while (polled := await provider.poll()) is not None:
            refs += [r.ref for r in polled.reports]
            await provider.acknowledge(polled.batch_id)
        assert sorted(refs) == sorted(went)
    assert 15 <= before < 60, "the kill came in the middle"


async def test_asked_to_stop_it_stops(tmp_path: Path) -> None:
    async with running(tmp_path / "journal") as (provider, _, process):
        await provider.send(call(1))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0


def test_two_simulators_do_not_share_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with pytest.raises(Misconfigured, match="journal"):
        Journal(tmp_path / "journal")
    journal.close()
    Journal(tmp_path / "journal").close()


async def test_it_says_what_is_missing(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ims.adapters.providers.simulator.server", "--reports-fast", "webhook",
        cwd=ROOT, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == 2 and b"--receipt-url" in errors
