"""A stub of an SMTP relay, for tests: speaks the protocol (RFC 5321, 3461), keeps what it took, and misbehaves by script."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_PATH = re.compile(rb"(?:FROM|TO):<([^>]*)>(.*)", re.IGNORECASE)
_HANG_S = 60


@dataclass(slots=True)
class Taken:
    """One mail that was taken."""

    sender: str
    to: str
    options: str  # of MAIL and RCPT
    content: bytes


@dataclass(slots=True)
class Stub:
    """State and script of one relay."""

    modes: list[str] = field(default_factory=list)  # one a mail: at which step it does what; the words are those of `_talk`
    replies: dict[str, str] = field(default_factory=dict)  # recipient: what RCPT is answered instead of 250
    login: tuple[str, str] | None = None
    dsn: bool = True
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Its port on loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=64 * 1024 * 1024)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            self.hang_up()

    def hang_up(self) -> None:
        """Close every connection, as a relay does with those that say nothing for long."""
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._talk(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")

        mode, sender, to, options, known = "ok", "", "", "", self.login is None
        say("220 stub ESMTP")
        while line := await reader.readline():
            verb = line[:4].upper().strip()
            if verb == b"EHLO":
                offered = ["stub", "SIZE 41943040", *(["DSN"] if self.dsn else []), *(["AUTH PLAIN"] if self.login else [])]
                say("\r\n".join(f"250-{word}" for word in offered) + "\r\n250 8BITMIME")
            elif verb == b"AUTH":
                given = base64.b64decode(line.split()[2]).decode().split("\0")[1:]
                known = self.login == (given[0], given[1])
                say("235 2.7.0 welcome" if known else "535 5.7.8 wrong")
            elif verb == b"MAIL":
                mode = self.modes.pop(0) if self.modes else "ok"
                if mode == "close_before":
                    return
                match = _PATH.search(line)
                sender, options = (match[1].decode(), match[2].decode().strip()) if match else ("", "")
                say("421 4.3.2 closing" if mode == "421" else "250 2.1.0 ok" if known else "530 5.7.0 log in")
                if mode == "421":
                    return
            elif verb == b"RCPT":
                match = _PATH.search(line)
                to, more = (match[1].decode(), match[2].decode().strip()) if match else ("", "")
                options += " | " + more
                say(self.replies.get(to, "250 2.1.5 ok"))
            elif verb == b"DATA":
                if mode == "close_at_data":
                    return
                say("354 go on")
                content = await reader.readuntil(b"\r\n.\r\n")
                if mode != "lose":
                    self.taken.append(Taken(sender, to, options, content[:-3].replace(b"\r\n..", b"\r\n.")))
                match mode:
                    case "close_after" | "lose":
                        return
                    case "garbage":
                        say("what?")
                    case "endless":
                        writer.write(b"250-" + b"x" * 3_000_000)
                    case "hang":
                        await asyncio.sleep(_HANG_S)
                    case "421_after":
                        say("421 4.3.2 closing")
                    case "refuse_after":
                        self.taken.pop()
                        say("554 5.7.1 no")
                    case "later_after":
                        self.taken.pop()
                        say("451 4.7.1 try again later")
                    case _:
                        say("250 2.0.0 taken")
            elif verb == b"QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say("250 2.0.0 ok")
            await writer.drain()
