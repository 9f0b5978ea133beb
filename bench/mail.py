"""What a mail costs before it leaves: building it, signing it, and SES by our transport against boto3's client.

Run: python -m bench.mail   (microseconds of CPU a mail, best of 3; 8 KB of HTML, a stub in a process of its own)
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric import rsa

from ims.adapters.providers.mime import mail_of
from ims.adapters.providers.ses import calls
from ims.adapters.providers.smtp.dkim import Signer
from ims.adapters.providers.transport import Transport
from ims.ports.providers import Outgoing, OutgoingCall
from ims.rules.plain_text import plain_text
from ims.topics import SendType

_TIMES, _TRIES = 100, 3
HTML = "<h1>주문 안내</h1>" + "<p>#{name}님, 주문하신 상품이 <b>출발</b>했습니다. <a href='https://shop.example/1'>보기</a></p>" * 75
MEMBER = Outgoing("m01w2x000000000000000000001", "hong@example.com", HTML, {"name": "홍길동"}, "email")
CALL = OutgoingCall("k", 1, SendType.EMAIL, [MEMBER], message_type="HTML", fields={"from_email": "a@mail.acme.example", "subject": "주문"})


class _Stub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        answer = b'{"MessageId":"x"}'
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _serve(server: ThreadingHTTPServer) -> None:
    server.serve_forever()


def cpu_us(what: Callable[[], object]) -> float:
    """Microseconds of CPU of one run, best of some series."""
    what()
    found = []
    for _ in range(_TRIES):
        began = time.process_time()
        for _ in range(_TIMES):
            what()
        found.append((time.process_time() - began) / _TIMES * 1e6)
    return min(found)


async def ours(url: str, body: bytes) -> float:
    """SES by a signed request over our transport."""
    http, signer = Transport(url, {}, 10), calls.Signer(url, "us-east-1", "AKID", "secret")

    async def one() -> None:
        await http.request("POST", calls.PATH, body, await signer.headers(body))

    async def series(work: Callable[[], Awaitable[None]]) -> float:
        began = time.process_time()
        for _ in range(_TIMES):
            await work()
        return (time.process_time() - began) / _TIMES * 1e6

    await one()
    best = min([await series(one) for _ in range(_TRIES)])
    await http.close()
    return best


def main() -> None:
    import boto3

    mail = mail_of(CALL, MEMBER, 0)
    signer = Signer("mail.acme.example", "s1", rsa.generate_private_key(65537, 2048))
    print(f"text part of {len(HTML)} characters  {cpu_us(lambda: plain_text.__wrapped__(HTML)):8.0f} us (once per HTML)")
    print(f"mail of {len(mail.content)} bytes          {cpu_us(lambda: mail_of(CALL, MEMBER, 0)):8.0f} us")
    print(f"DKIM, RSA of 2048 bits       {cpu_us(lambda: signer.sign(mail.content, 0)):8.0f} us")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stub)
    url = f"http://127.0.0.1:{server.server_port}"
    stub = multiprocessing.get_context("fork").Process(target=_serve, args=(server,), daemon=True)
    stub.start()
    body = calls.body(mail, MEMBER.ref, "")
    print(f"SES, signed, our transport   {asyncio.run(ours(url, body)):8.0f} us")
    session = boto3.Session(aws_access_key_id="AKID", aws_secret_access_key="secret", region_name="us-east-1")
    client = session.client("sesv2", endpoint_url=url)
    asked = {"Destination": {"ToAddresses": ["a@b.kr"]}, "Content": {"Raw": {"Data": mail.content}}}
    print(f"SES, boto3, no thread        {cpu_us(lambda: client.send_email(**asked)):8.0f} us")
    stub.terminate()
    print(f"{os.cpu_count()} cores")


if __name__ == "__main__":
    main()
