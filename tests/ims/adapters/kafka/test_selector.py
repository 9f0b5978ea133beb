from __future__ import annotations

import selectors
import socket

import pytest

from ims.adapters.kafka.selector import DirectSelector


def test_it_knows_what_the_default_one_knows():
    ours, theirs = DirectSelector(), selectors.DefaultSelector()
    one, other = socket.socketpair()
    for selector in (ours, theirs):
        with pytest.raises(KeyError):
            selector.get_key(one)
        registered = selector.register(one, selectors.EVENT_READ, "reads")
        assert selector.get_key(one) == registered
        assert selector.get_key(selector.modify(one, selectors.EVENT_READ | selectors.EVENT_WRITE, "both").fileobj).data == "both"
        assert [key.data for key, _ in selector.select(0)] == ["both"]
        selector.unregister(one)
        with pytest.raises(KeyError):
            selector.get_key(one)
        with pytest.raises(KeyError):
            selector.unregister(one)
        selector.close()
    one.close()
    other.close()


def test_a_refused_question_does_not_ask_the_socket():
    class Asked(socket.socket):
        def __repr__(self) -> str:
            raise AssertionError("asked for its addresses")

    selector = DirectSelector()
    with Asked() as one, pytest.raises(KeyError):
        selector.get_key(one)
    selector.close()
