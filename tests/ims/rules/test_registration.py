"""The registration file: what it may say, and that every problem is told at once, with its place, without its value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ims.errors import Rejected
from ims.rules.registration import RegistrationRefused, parse_registration

GOOD: dict[str, Any] = {
    "name": "acme",
    "username": "acme-api",
    "secret": "a-secret-of-acme-1",
    "endpoint": "https://hooks.acme.kr/ims",
    "callback_allowed": ["https://hooks.acme.kr", "https://b.acme.kr/x", "loopback:*"],
    "service_keys": [{"kind": "auth"}, {"key": "AcmeMass1", "kind": "mass", "rate_per_s": 100, "allowed_ips": ["10.1.2.3/8"]}],
    "sender_numbers": ["1544-1234", "+82 2 1234 5678"],
    "sender_profiles": ["a" * 40],
    "templates": [{"code": "WELCOME_01", "channel": "at", "text": "한\r\n글", "category": "mass"}],
}


def _parse(*customers: dict[str, Any]) -> Any:
    return parse_registration(json.dumps({"customers": list(customers)}))


def test_a_good_file_is_normalised() -> None:
    customer = _parse(GOOD).customers[0]
    assert customer.sender_numbers == ["15441234", "0212345678"]
    assert customer.callback_allowed == ["https://hooks.acme.kr/", "https://b.acme.kr/x", "loopback:*"]
    assert customer.service_keys[1].allowed_ips == ["10.0.0.0/8"]
    assert customer.templates[0].text == "한\n글"


def test_secrets_do_not_show() -> None:
    assert "a-secret-of-acme-1" not in repr(_parse(GOOD))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "a b"}, "customers[0].name"),
        ({"username": "a:b"}, "customers[0].username"),
        ({"secret": "too short"}, "customers[0].secret"),
        ({"secret": "a-secret-with\u0000a-nul"}, "customers[0].secret"),
        ({"endpoint": "ftp://x.y/z"}, "customers[0].endpoint"),
        ({"endpoint": "https://me:pw@x.y/z"}, "customers[0].endpoint"),
        ({"callback_allowed": ["*"]}, "customers[0].callback_allowed[0]"),
        ({"service_keys": [{"kind": "fast"}]}, "customers[0].service_keys[0].kind"),
        ({"service_keys": [{"kind": "ad", "key": "with-hyphen"}]}, "customers[0].service_keys[0].key"),
        ({"service_keys": [{"kind": "ad", "rate_per_s": -1}]}, "customers[0].service_keys[0].rate_per_s"),
        ({"service_keys": [{"kind": "ad", "allowed_ips": ["10.0.0.0/33"]}]}, "customers[0].service_keys[0].allowed_ips[0]"),
        ({"sender_numbers": ["15441234", "01012"]}, "customers[0].sender_numbers[1]"),
        ({"sender_profiles": ["a" * 41]}, "customers[0].sender_profiles[0]"),
        ({"templates": [{"code": "X", "channel": "fax"}]}, "customers[0].templates[0].channel"),
        ({"colour": "red"}, "customers[0].colour"),
    ],
)
def test_a_problem_is_told_with_its_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(RegistrationRefused) as refused:
        _parse(GOOD | change)
    assert place in {p.place for p in refused.value.problems}
    assert isinstance(refused.value, Rejected)


def test_all_problems_are_told_at_once_and_none_shows_a_value() -> None:
    other = GOOD | {"sender_numbers": ["0101234567890123"], "secret": "shorty-secret", "more": 1}
    with pytest.raises(RegistrationRefused) as refused:
        _parse(GOOD, other)
    places = {p.place for p in refused.value.problems}
    assert places == {
        *(f"customers[{i}].{field}" for i in (0, 1) for field in ("name", "username", "service_keys[1].key")),
        "customers[1].sender_numbers[0]",
        "customers[1].secret",
        "customers[1].more",
    }
    told = str(refused.value) + "".join(p.what for p in refused.value.problems)
    assert "shorty" not in told
    assert "0101234567890123" not in told


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "line 1, column 2"),
        (b"\xff{}", "file"),
        ("[]", "file"),
        ("null", "file"),
        ('{"customers": []}', "customers"),
        ('{"customers": [7]}', "customers[0]"),
        ("[" * 100_000, "file"),
    ],
)
def test_what_is_not_a_registration_at_all(text: str | bytes, place: str) -> None:
    with pytest.raises(RegistrationRefused) as refused:
        parse_registration(text)
    assert refused.value.problems[0].place == place
