"""Far more single requests than can be accepted: many connections, several requests on each before any answer is read.

A process of its own (`python flood.py JSON`), so that the one who floods is not held up by the one who looks. Writes what
came of it as JSON: ids and numbers that were answered 0000, how often each status and code came, refusals without
Retry-After, and how long refusals took.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any


class Flood:
    """One wave."""

    def __init__(self, wish: dict[str, Any]) -> None:
        self._wish = wish
        self._names = count(1)
        self._run = secrets.token_hex(4)
        self.answered: list[tuple[str, str]] = []
        self.codes: Counter[str] = Counter()
        self.silent = 0  # refusals without Retry-After
        self.refused_after_s: list[float] = []
        self.broken = 0

    def _request(self) -> tuple[bytes, tuple[str, str]]:
        n = next(self._names)
        id_, number = f"f-{self._run}-{n}", f"010{self._wish['first_number'] + n}"
        body = {"message_id": id_, "message_type": "SMS", "callback": self._wish["callback"], "phone_number": number, "message": "확인"}
        raw = json.dumps({**body, "callback_url": self._wish["callback_url"]}).encode()
        head = f"POST {self._wish['path']} HTTP/1.1\r\nhost: x\r\nx-ims-version: version-1\r\nx-ims-key: {self._wish['x_ims_key']}\r\n"
        return f"{head}content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n".encode() + raw, (id_, number)

    async def _connection(self, until: float) -> None:
        while time.monotonic() < until:
            try:
                reader, writer = await asyncio.open_connection(self._wish["host"], self._wish["port"])
            except OSError:
                self.broken += 1
                await asyncio.sleep(0.2)
                continue
            try:
                while time.monotonic() < until:
                    sent = [self._request() for _ in range(self._wish["pipeline"])]
                    began = time.monotonic()
                    writer.write(b"".join(raw for raw, _ in sent))
                    for _, one in sent:
                        await self._answer(reader, one, began)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                self.broken += 1
            finally:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, one: tuple[str, str], began: float) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        status = head[9:12]
        try:
            code = json.loads(body)["code"]
        except ValueError:
            code = ""
        self.codes[f"{status} {code}"] += 1
        if code == "0000":
            self.answered.append(one)
        else:
            self.refused_after_s.append(time.monotonic() - began)
            self.silent += "\r\nretry-after:" not in head

    async def run(self) -> None:
        until = time.monotonic() + self._wish["seconds"]
        waves = [asyncio.create_task(self._connection(until)) for _ in range(self._wish["connections"])]
        await asyncio.wait(waves, timeout=self._wish["seconds"] + 60)
        for wave in waves:
            wave.cancel()
        await asyncio.gather(*waves, return_exceptions=True)


def main() -> None:
    wish = json.loads(Path(sys.argv[1]).read_text())
    flood = Flood(wish)
    asyncio.run(flood.run())
    waits = sorted(flood.refused_after_s)
    Path(wish["out"]).write_text(
        json.dumps({
            "answered": flood.answered,
            "codes": flood.codes,
            "silent": flood.silent,
            "broken": flood.broken,
            "refused_p50_s": waits[len(waits) // 2] if waits else 0,
            "refused_p99_s": waits[len(waits) * 99 // 100] if waits else 0,
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
