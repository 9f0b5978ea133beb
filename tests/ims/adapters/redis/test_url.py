"""What a Redis URL may say; nothing connects before the first call."""

from __future__ import annotations

import pytest

from ims.adapters.redis.connection import RedisConnection
from ims.errors import Misconfigured


@pytest.mark.parametrize(
    ("url", "hosts", "options"),
    [
        ("redis://cache", [("cache", 6379)], {"db": 0}),
        ("redis://cache:1/3", [("cache", 1)], {"db": 3}),
        ("rediss://ims:p%40ss@cache:1", [("cache", 1)], {"username": "ims", "password": "p@ss"}),
        ("redis+cluster://:secret@a:1,b:2", [("a", 1), ("b", 2)], {"username": None, "password": "secret"}),
        ("rediss+cluster://[::1]:7,b", [("::1", 7), ("b", 6379)], {}),
    ],
)
def test_it_is_read(url, hosts, options):
    made = RedisConnection(url)
    assert made._hosts == hosts
    assert options.items() <= made._options.items()


@pytest.mark.parametrize(
    "url", ["http://a", "redis://a,b", "redis+cluster://a/1", "redis://a/x", "redis://", "redis://a:port", "redis+cluster://a,,b"]
)
def test_a_wrong_one_is_refused_without_repeating_it(url):
    with pytest.raises(Misconfigured) as caught:
        RedisConnection(url)
    assert url not in str(caught.value)
