"""A receiver of results, as a customer would write one: prints each call, checks its signature. Standard library only.

    python3 docs/receive.py [PORT] [SECRET]     port 9000; the secret of the first demo customer in .ims/up.json

Results are signed by the Standard Webhooks convention: HMAC-SHA256 over `id.timestamp.body`, keyed by the bytes in
`whsec_<base64>`; during a rotation the header holds one signature for each live secret. Answer 2xx within 5 seconds.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOLERANCE_S = 300  # older calls may have been recorded and played again


def verified(secret: str, headers: dict[str, str], body: bytes, now_s: float) -> bool:
    """Whether the one who knows the secret sent exactly this, just now. `headers` have lower-case names."""
    moment = headers.get("webhook-timestamp", "")
    if not moment.isdecimal() or abs(now_s - int(moment)) > TOLERANCE_S:
        return False
    signed = f"{headers.get('webhook-id', '')}.{moment}.".encode() + body
    wanted = base64.b64encode(hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)).decode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(f"v1,{wanted}".encode(), mark.encode()) for mark in given)


class Receiver(BaseHTTPRequestHandler):
    """One call: an object for one result, an array for several."""

    secret = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        good = verified(self.secret, headers, body, time.time())
        self.send_response(200 if good else 401)
        self.send_header("content-length", "0")
        self.end_headers()
        print("signature", "verified" if good else "WRONG", "of", headers.get("webhook-id"), body.decode(), flush=True)

    def log_message(self, *_: object) -> None:
        """Quiet: each call prints one line of its own."""


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    up = Path(os.environ.get("IMS_HOME", ".ims")) / "up.json"
    Receiver.secret = sys.argv[2] if len(sys.argv) > 2 else json.loads(up.read_text())["customers"][0]["callback_secret"]
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
