"""CPU of intake's checks: microseconds a row of sendMessages, a single message, and the longest slice.

Run: python -m bench.intake_rows   (random numbers, ids and values in every row; best of 5)
"""

from __future__ import annotations

import gc
import json
import platform
import random
import time

from functions.intake.content import Asker
from functions.intake.validate import read_many, read_single
from ims.lanes import Lane
from ims.ports.registry import Customer, ServiceKey, Template
from ims.topics import Channel

ROWS = 50_000
TEXT = "안녕하세요 #{name}님 인증번호는 #{code}입니다."


class _Directory:
    def service_key(self, key: str) -> ServiceKey | None:
        return None

    def customer(self, name: str) -> Customer | None:
        return None

    def owns_callback(self, customer: str, number: str) -> bool:
        return True

    def owns_profile(self, customer: str, sender_key: str) -> bool:
        return True

    def template(self, customer: str, channel: str, code: str) -> Template | None:
        return Template(code, channel, TEXT)

    def stopped(self, *, customer: str, template: str, sender: str, campaign: str) -> bool:
        return False


ASKER = Asker(ServiceKey("k", "acme", Lane.MASS, True), Customer("acme", {}, "", (), ()), _Directory(), 1_800_000_000_000)


def _rows() -> list[dict[str, object]]:
    return [
        {
            "message_id": f"m-{random.randrange(10**8):08d}-{i}",
            "phone_number": f"010{random.randrange(20_000_000, 99_999_999)}",
            "mapping": {"name": f"홍길동{random.randrange(1000)}", "code": str(random.randrange(10**6))},
            "bill_code": "b1",
        }
        for i in range(ROWS)
    ]


def _many(name: str, channel: Channel, common: dict[str, object]) -> None:
    body = json.dumps({**common, "campaign_id": "c1", "receiver_list": _rows()}, ensure_ascii=False).encode()
    gc.freeze()  # as a server does after its start: else the longest slice is a collection of the modules (15 ms)
    heads, rows, slices = [], [], []
    for _ in range(5):
        begun = time.process_time()
        many = read_many(channel, body, ASKER)
        read = time.process_time()
        longest, last = 0.0, read
        for part in many.slices():
            assert not part.errors
            now = time.process_time()
            longest, last = max(longest, now - last), now
        heads.append(read - begun)
        rows.append(last - read)
        slices.append(longest)
    us, head_ms, slice_ms = min(rows) / ROWS * 1e6, min(heads) * 1e3, min(slices) * 1e3
    print(f"{name:34} {us:6.2f} us a row, head {head_ms:.1f} ms of {len(body) / 1e6:.1f} MB, longest slice {slice_ms:.1f} ms")


def _single(name: str, channel: Channel, message: dict[str, object]) -> None:
    body = json.dumps(message, ensure_ascii=False).encode()
    best = 1.0
    for _ in range(5):
        begun = time.process_time()
        for _ in range(2_000):
            read_single(channel, body, ASKER)
        best = min(best, (time.process_time() - begun) / 2_000)
    print(f"{name:34} {best * 1e6:6.2f} us a message")


if __name__ == "__main__":
    print(platform.python_version(), platform.machine())
    text = {"message_type": "LMS", "callback": "15441234", "message": TEXT}
    alimtalk = {"message_type": "AT", "sender_key": "p" * 40, "template_code": "T1", "fallback": {"type": "AUTO", "callback": "15441234"}}
    one = {"message_id": "m1", "phone_number": "01023456789"}
    _many("mt/sendMessages", Channel.MT, text)
    _many("at/sendMessages with fallback", Channel.AT, alimtalk)
    _single("mt/sendMessage, ready-made code", Channel.MT, {**one, **text, "message": "[회사] 인증번호 123456"})
    _single("at/sendMessage with fallback", Channel.AT, {**one, **alimtalk, "mapping": {"name": "홍길동", "code": "1"}})
