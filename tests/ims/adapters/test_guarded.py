"""The client for customers' URLs, against servers on loopback that behave badly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ims.adapters.http.guarded import GuardedClient, Refused, Unreachable
from ims.adapters.http.resolving import KEPT_S, CheckedResolver, NoSuchHost

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Endpoint:
    """A raw HTTP server: each request is read whole, noted, and answered by the script."""

    def __init__(self, answer: bytes | Handler = OK) -> None:
        self._answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                self.requests.append(head + await reader.readexactly(size))
                if isinstance(self._answer, bytes):
                    writer.write(self._answer)
                    await writer.drain()
                else:
                    await self._answer(reader, writer)
        writer.close()

    async def __aenter__(self) -> Endpoint:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/cb?token=sesame"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.close()
        await asyncio.sleep(0)


@pytest.fixture
async def client() -> AsyncIterator[GuardedClient]:
    made = GuardedClient(allow_loopback=True, timeout_s=0.5)
    yield made
    await made.close()


async def test_a_post_arrives_as_it_was_given(client: GuardedClient) -> None:
    async with Endpoint() as endpoint:
        assert await client.post(endpoint.url, b'{"a":1}', {"content-type": "application/json", "webhook-id": "w1"}) == 200
    request = endpoint.requests[0]
    assert request.startswith(b"POST /cb?token=sesame HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"a":1}')
    assert b"webhook-id: w1" in request.lower().replace(b"webhook-id:  ", b"webhook-id: ")
    assert b"content-type: application/json" in request.lower()


async def test_connections_are_kept_and_limited_per_host(client: GuardedClient) -> None:
    async with Endpoint() as endpoint:
        for _ in range(5):
            await client.post(endpoint.url, b"x", {})
        assert endpoint.connections == 1
        await asyncio.gather(*(client.post(endpoint.url, b"x", {}) for _ in range(60)))
        assert endpoint.connections <= 16
    assert len(endpoint.requests) == 65


async def test_an_idle_connection_closed_by_the_endpoint_is_not_an_error(client: GuardedClient) -> None:
    async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(endpoint.requests) % 2:  # answers the first on a connection, drops the second unanswered
            writer.write(OK)
            await writer.drain()
        else:
            raise ConnectionError

    async with Endpoint(once) as endpoint:
        assert await client.post(endpoint.url, b"1", {}) == 200
        assert await client.post(endpoint.url, b"2", {}) == 200
        assert endpoint.connections == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(client: GuardedClient, status: int) -> None:
    async with Endpoint() as inside:
        answer = f"HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:{inside.port}/\r\ncontent-length: 0\r\n\r\n".encode()
        async with Endpoint(answer) as endpoint:
            assert await client.post(endpoint.url, b"x", {}) == status
    assert inside.requests == []


async def test_cookies_are_not_kept(client: GuardedClient) -> None:
    async with Endpoint(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n") as endpoint:
        await client.post(endpoint.url, b"x", {})
        await client.post(endpoint.url, b"x", {})
    assert b"cookie" not in endpoint.requests[1].lower()


async def test_a_proxy_in_the_environment_is_not_used(client: GuardedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Endpoint() as proxy, Endpoint() as endpoint:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert await client.post(endpoint.url, b"x", {}) == 200
    assert proxy.requests == []
    assert len(endpoint.requests) == 1


async def test_a_silent_endpoint_is_cut_off_in_time(client: GuardedClient) -> None:
    async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async with Endpoint(silent) as endpoint:
        with pytest.raises(Unreachable, match="in time"):
            await asyncio.wait_for(client.post(endpoint.url, b"x", {}), 1.5)


async def test_slow_headers_are_cut_off_in_time(client: GuardedClient) -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in OK[:-10]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    async with Endpoint(trickle) as endpoint:
        with pytest.raises(Unreachable, match="in time"):
            await asyncio.wait_for(client.post(endpoint.url, b"x", {}), 1.5)


async def test_a_slow_body_is_cut_off_and_its_status_stands(client: GuardedClient) -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _second in range(100):
            writer.write(b".")
            await asyncio.sleep(0.05)

    async with Endpoint(trickle) as endpoint:
        assert await asyncio.wait_for(client.post(endpoint.url, b"x", {}), 1.5) == 200
        assert await asyncio.wait_for(client.post(endpoint.url, b"x", {}), 1.5) == 200
        assert endpoint.connections == 2  # the cut connection is not used again


@pytest.mark.parametrize("header", [b"content-length: 100000000", b"transfer-encoding: chunked"])
async def test_a_big_body_is_cut_off(header: bytes) -> None:
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 500 No\r\n" + header + b"\r\n\r\n")
        piece = b"." * 16_384
        framed = piece if b"length" in header else b"4000\r\n" + piece + b"\r\n"
        while sent < 100_000_000:
            writer.write(framed)
            await writer.drain()
            sent += len(piece)

    client = GuardedClient(allow_loopback=True, timeout_s=5)
    async with Endpoint(flood) as endpoint:
        assert await asyncio.wait_for(client.post(endpoint.url, b"x", {}), 2) == 500
        await asyncio.sleep(0.05)
    await client.close()
    assert sent < 20_000_000  # what the sockets' buffers hold, not the whole


@pytest.mark.parametrize(
    "answer",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n", b"HTTP/1.1 999999 X\r\n\r\n"],
)
async def test_an_answer_that_is_not_http_is_unreachable(client: GuardedClient, answer: bytes) -> None:
    async with Endpoint(answer) as endpoint:
        with pytest.raises(Unreachable) as unreachable:
            await client.post(endpoint.url, b"x", {})
    assert "sesame" not in str(unreachable.value)


async def test_nobody_there_is_unreachable_without_the_url(client: GuardedClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match="no connection") as unreachable:
        await client.post(f"http://127.0.0.1:{port}/cb?token=sesame", b"x", {})
    assert "sesame" not in str(unreachable.value)


async def test_plain_http_on_a_tls_port_is_unreachable(client: GuardedClient) -> None:
    async with Endpoint(b"HTTP/1.1 400 Bad\r\n\r\n") as endpoint:
        with pytest.raises(Unreachable):
            await client.post(endpoint.url.replace("http:", "https:"), b"x", {})


async def test_rebinding_is_refused_at_the_connection() -> None:
    """The name is public when the request is accepted and leads inside when the call is made."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def lookup(_: str) -> list[str]:
        return answers.pop(0)

    async with Endpoint() as endpoint:
        client = GuardedClient(allow_loopback=True, timeout_s=1, lookup=lookup)
        url = f"http://rebind.example.com:{endpoint.port}/cb"
        assert await client.check(url)
        client._resolver._answers.clear()  # 30 s later
        with pytest.raises(Refused, match="not public"):
            await client.post(url, b"x", {})
        await client.close()
    assert endpoint.connections == 0


async def test_the_last_gate_judges_the_address_even_if_the_resolver_were_fooled() -> None:
    async with Endpoint() as endpoint:
        client = GuardedClient(allow_loopback=False, timeout_s=1)
        client._resolver._allow_loopback = True
        url = f"http://localhost:{endpoint.port}/cb"
        with pytest.raises(Refused):
            await client.post(url, b"x", {})
        info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", endpoint.port))
        with pytest.raises(OSError, match="refused address"):
            client._socket(info)
        await client.close()
    assert endpoint.connections == 0


async def test_a_name_is_called_at_its_checked_address() -> None:
    """`localhost` is asked once, and the connection goes to the address of that answer."""
    asked = []

    async def lookup(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    client = GuardedClient(allow_loopback=True, timeout_s=1, lookup=lookup)
    async with Endpoint() as endpoint:
        url = f"http://localhost:{endpoint.port}/cb"
        assert await client.check(url)
        assert await client.post(url, b"x", {}) == 200
    await client.close()
    assert asked == ["localhost"]
    assert f"host: localhost:{endpoint.port}".encode() in endpoint.requests[0].lower()


async def test_check_of_names() -> None:
    async def lookup(host: str) -> list[str]:
        match host:
            case "good.example.com":
                return ["93.184.216.34"]
            case "inside.example.com":
                return ["93.184.216.34", "192.168.0.1"]
            case "none.example.com":
                raise NoSuchHost("the host does not exist")
            case _:
                raise socket.gaierror(socket.EAI_AGAIN, "try again")

    client = GuardedClient(allow_loopback=False, lookup=lookup)
    assert await client.check("https://good.example.com/cb")
    assert not await client.check("https://inside.example.com/cb")
    assert not await client.check("https://none.example.com/cb")
    assert not await client.check("http://169.254.169.254/")
    assert not await client.check("http://[::ffff:10.0.0.1]/")
    assert await client.check("http://8.8.8.8/")
    assert await client.check("https://dns-is-away.example.com/cb")  # judged again at the call, which then is refused
    with pytest.raises(Unreachable, match="name server"):
        await client.post("https://dns-is-away.example.com/cb", b"x", {})
    await client.close()


async def test_a_hanging_name_server_is_part_of_the_time(client: GuardedClient) -> None:
    async def hang(_: str) -> list[str]:
        await asyncio.sleep(60)
        return []

    hung = GuardedClient(allow_loopback=False, timeout_s=0.2, lookup=hang)
    with pytest.raises(Unreachable, match="in time"):
        await asyncio.wait_for(hung.post("http://slow.example.com/cb", b"x", {}), 1)
    await hung.close()


async def test_answers_are_shared_and_believed_for_30_s_at_most() -> None:
    now, asked = 1000.0, 0

    async def lookup(_: str) -> list[str]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return ["93.184.216.34"]

    resolver = CheckedResolver(False, lookup, lambda: now)
    assert set(await asyncio.gather(*(resolver.addresses("a.example.com") for _ in range(20)))) == {("93.184.216.34",)}
    assert asked == 1
    now += KEPT_S - 0.1
    await resolver.addresses("a.example.com")
    assert asked == 1
    now += 0.1
    await resolver.addresses("a.example.com")
    assert asked == 2
    await resolver.close()
