"""E-mail from the POST to the signed callback, through the simulator; an ad, its link, and what opting out does."""

from __future__ import annotations

from typing import Any

import pytest
from callbacks import CallbackServer
from harness import Home, new_id

pytestmark = pytest.mark.e2e


def mail(home: Home, to: str, *, key: str = "realtime", **fields: Any) -> str:
    body = {
        "message_id": new_id("mail"), "message_type": "EM", "from_email": "no-reply@demo.example", "to_email": to,
        "subject": "#{item} 주문", "message": "<p>#{item} 주문이 접수되었습니다.</p>", "mapping": {"item": "꽃"}, **fields,
    }  # fmt: skip
    answer = home.post("email/sendMessage", body, key=key)
    assert answer.code == "0000", answer.json()
    return str(body["message_id"])


def test_every_type_is_told_by_callback_and_a_complaint_opts_out(ims: Home, callbacks: CallbackServer) -> None:
    url = callbacks.url("/mail")
    ad = {"subject": "(광고) 봄 세일", "message": "<a href='#{unsubscribe_url}'>수신거부</a>", "ad_flag": "Y", "mapping": {}, "key": "ad"}
    step = {"type": "SMS", "callback": ims.customers[0].callback, "message": "메일을 받지 못하셨습니다."}
    wanted = {
        mail(ims, "a@mail.example", callback_url=url): ("EM", "DELIVERED", "0000"),
        mail(ims, "a@mail.example", message_type="TEXT", message="#{item}", callback_url=url): ("EM", "DELIVERED", "0000"),
        mail(ims, "b@mail.example", **ad, callback_url=url): ("EM", "DELIVERED", "0000"),
        mail(ims, "5101@magic.example", callback_url=url): ("EM", "FAILED", "5101"),
        mail(ims, "5902@magic.example", callback_url=url): ("EM", "FAILED", "5902"),
        mail(ims, "5202@magic.example", fallback=step, phone_number="01055501234", callback_url=url): ("SMS", "DELIVERED", "0000"),
    }

    def results(expected: dict[str, tuple[str, str, str]]) -> None:
        told = callbacks.wait("/mail", lambda found: expected.keys() <= found.keys(), 20, "the results of mails")
        last = {message_id: told[message_id][-1] for message_id in expected}
        assert {m: (one["report_type"], one["result"], one["report_code"]) for m, one in last.items()} == expected

    results(wanted)
    results({mail(ims, "5902@MAGIC.example", callback_url=url): ("EM", "REJECTED", "7102")})
