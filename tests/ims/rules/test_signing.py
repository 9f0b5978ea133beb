"""Signatures are checked with the library that our customers use."""

from __future__ import annotations

import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from ims.rules.signing import new_secret, sign

BODY = '[{"message_id":"주문-1","result":"DELIVERED"}]'.encode()


def test_a_receiver_accepts_what_we_sign() -> None:
    secret = new_secret()
    headers = sign([secret], "wh_1", int(time.time()), BODY)
    assert Webhook(secret).verify(BODY, headers) == [{"message_id": "주문-1", "result": "DELIVERED"}]


def test_during_rotation_either_secret_verifies_and_the_newest_stands_first() -> None:
    newest, older = new_secret(), new_secret()
    now = int(time.time())
    headers = sign([newest, older], "wh_1", now, BODY)
    Webhook(newest).verify(BODY, headers)
    Webhook(older).verify(BODY, headers)
    assert headers["webhook-signature"].split(" ")[0] == sign([newest], "wh_1", now, BODY)["webhook-signature"]


@pytest.mark.parametrize("change", ["body", "id", "time", "secret"])
def test_a_changed_call_does_not_verify(change: str) -> None:
    secret = new_secret()
    now = int(time.time())
    headers = sign([secret], "wh_1", now, BODY)
    body = BODY
    match change:
        case "body":
            body = BODY.replace(b"DELIVERED", b"FAILED")
        case "id":
            headers["webhook-id"] = "wh_2"
        case "time":
            headers["webhook-timestamp"] = str(now - 1)
        case "secret":
            secret = new_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_the_same_call_signed_again_is_the_same() -> None:
    secret = new_secret()
    assert sign([secret], "wh_1", 1_790_000_000, BODY) == sign([secret], "wh_1", 1_790_000_000, BODY)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!not base64!!!", "c2hvcnQ=", "whsec_c2hvcnQ="])
def test_a_wrong_secret_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and the base64") as refused:
        sign([secret], "wh_1", 0, BODY)
    assert len(secret) < 7 or secret not in str(refused.value)


def test_no_secret_is_an_error_and_never_an_unsigned_call() -> None:
    with pytest.raises(ValueError, match="no callback secret"):
        sign([], "wh_1", 0, BODY)


def test_new_secrets_differ() -> None:
    assert len({new_secret() for _ in range(50)}) == 50
