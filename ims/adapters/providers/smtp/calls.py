"""One mail over one connection, and what its failure means: surely not sent, refused for good, or nobody knows.

A server has a mail when it has answered the end of its text. Before DATA nothing is sent; what is cut off after DATA began is
unclear, and so is an answer there that cannot be read. There are no keys: an unclear mail is never sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import aiosmtplib
from aiosmtplib import SMTP

from ims.adapters.providers.mail_status import of_reply
from ims.errors import CallRefused, NotSent, ProviderError, Unclear
from ims.results import CREDENTIAL, NO_ANSWER, NOT_CONNECTED, UNREADABLE

IDLE_S = 20.0  # servers wait 30 s and longer for the next mail; we close first
MAILS_PER_CONNECTION = 200  # then a new one, so that a relay of several machines shares the load: a guess
_CLOSING = 421


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in. `repr` holds no password."""

    host: str
    port: int
    tls: str  # starttls, tls, none
    username: str
    password: str
    ca_file: str
    greeting: str
    connections: int
    timeout_s: float

    def __repr__(self) -> str:
        return f"<Server {self.host}:{self.port} {self.tls}>"


class Posted(NamedTuple):
    """A mail that the server took."""

    said: str  # its answer, as far as it is a number
    reports: bool  # it promised to report success and failure (RFC 3461)


@dataclass(slots=True)
class _Line:
    smtp: SMTP
    used_at: float
    mails: int = 0


class Lines:
    """Connections to one server, kept for the next mail. They belong to the running loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[_Line] = []
        self._places: asyncio.Semaphore | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def line(self, *, fresh: bool = False) -> AsyncIterator[tuple[SMTP, bool]]:
        """A connection that is logged in, and whether it was used before. One that had a fault is not kept."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop or self._places is None:
            self._loop, self._places, self._idle = loop, asyncio.Semaphore(self._server.connections), []
        async with self._places:
            line = None if fresh else self._kept(loop.time())
            used = line is not None
            if line is None:
                line = _Line(await self._connected(), loop.time())
            try:
                yield line.smtp, used
            except BaseException:
                line.smtp.close()
                raise
            line.mails += 1
            line.used_at = loop.time()
            if line.mails < MAILS_PER_CONNECTION and line.smtp.is_connected:
                self._idle.append(line)
            else:
                line.smtp.close()

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for line in idle:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, RuntimeError):
                await line.smtp.quit(timeout=1)

    def _kept(self, now: float) -> _Line | None:
        while self._idle:
            line = self._idle.pop()  # the last used is the surest; the others grow old and are closed
            if line.smtp.is_connected and now - line.used_at < IDLE_S:
                return line
            line.smtp.close()
        return None

    async def _connected(self) -> SMTP:
        """NotSent, or CallRefused for a wrong password."""
        server = self._server
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
            tls_context=None if server.tls == "none" else ssl.create_default_context(cafile=server.ca_file or None),
            local_hostname=server.greeting,  # else the name of this machine, asked of the DNS
            timeout=server.timeout_s,
        )
        try:
            await smtp.connect()
            if server.username:
                await smtp.login(server.username, server.password)
            if smtp.is_ehlo_or_helo_needed:  # else the first mail would not know what the server offers
                await smtp.ehlo()
        except aiosmtplib.SMTPAuthenticationError as exc:
            smtp.close()
            if exc.code >= 500:
                raise CallRefused(CREDENTIAL, str(exc.code)) from None
            raise NotSent(NOT_CONNECTED, str(exc.code)) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as exc:  # TLS that fails is an OSError
            smtp.close()
            raise NotSent(NOT_CONNECTED) from exc
        except BaseException:
            smtp.close()
            raise
        return smtp


@dataclass(slots=True)
class Progress:
    """How far a mail came: what a time limit from outside means is told by it."""

    begun: bool = False  # its text may have left


async def post(lines: Lines, sender: str, to: str, content: bytes, ref: str, progress: Progress, *, reports: bool) -> Posted:
    """Hand in one mail for one recipient. NotSent, CallRefused or Unclear as the port says.

    A kept connection that the server has closed meanwhile is found at MAIL: then a new one is tried, once.
    """
    for fresh in (False, True):
        async with lines.line(fresh=fresh) as (smtp, used):
            ended = await _hand_in(smtp, sender, to, content, ref, progress, reports=reports)
        if isinstance(ended, Posted):
            return ended
        if ended is not None:
            raise ended
        if not used:
            break
    raise NotSent(NOT_CONNECTED)


async def _hand_in(
    smtp: SMTP, sender: str, to: str, content: bytes, ref: str, progress: Progress, *, reports: bool
) -> Posted | ProviderError | None:
    """What came of it; none when the connection was lost before anything was sent. The server's words may name people: not kept."""
    reports = reports and smtp.supports_extension("dsn")
    options = [f"SIZE={len(content)}"] if smtp.supports_extension("size") else []
    try:
        await smtp.mail(sender, options=[*options, "RET=HDRS", f"ENVID={ref}"] if reports else options)
        await smtp.rcpt(to, options=["NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;{_xtext(to)}"] if reports else [])
    except aiosmtplib.SMTPResponseException as exc:
        return await _refused(smtp, exc.code, exc.message)
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        smtp.close()
        return None
    progress.begun = True
    try:
        answer = await smtp.data(content)
    except aiosmtplib.SMTPDataError as exc:
        if exc.code == _CLOSING or not 400 <= exc.code < 600:
            smtp.close()
            return Unclear(NO_ANSWER, str(exc.code))
        return await _refused(smtp, exc.code, exc.message)
    except aiosmtplib.SMTPResponseException:  # not a line of SMTP, or one without an end
        smtp.close()
        return Unclear(UNREADABLE)
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        smtp.close()
        return Unclear(NO_ANSWER)
    return Posted(str(answer.code), reports)


async def _refused(smtp: SMTP, reply: int, said: str) -> ProviderError | None:
    """What a refusal means, and the connection made ready for the next mail."""
    if reply == _CLOSING or not 400 <= reply < 600:
        smtp.close()
        return NotSent(NOT_CONNECTED, str(reply)) if reply == _CLOSING else None
    try:
        await smtp.rset()
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        smtp.close()
    code, given = of_reply(reply, said)
    return CallRefused(code, given) if reply >= 500 else NotSent(code, given)


def _xtext(address: str) -> str:
    """RFC 3461: + and = stand for others."""
    return address.replace("+", "+2B").replace("=", "+3D")
