"""The selector under every client of ours: the library asks for a socket that is not there before each wait, and that must cost nothing.

In the standard library such a question ends in an exception whose text names the socket, twice: four system calls and as many
hand-overs of the interpreter, before every wait of every connection. Here it is a look into a dictionary.
"""

from __future__ import annotations

import selectors
from typing import Any


class DirectSelector(selectors.DefaultSelector):
    """The default one, with its keys at hand."""

    def __init__(self) -> None:
        super().__init__()
        self._at_hand: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._at_hand[fileobj] = super().register(fileobj, events, data)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._at_hand[fileobj] = super().modify(fileobj, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        self._at_hand.pop(fileobj, None)
        return super().unregister(fileobj)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._at_hand.get(fileobj)
        if key is None:
            raise KeyError("not registered")
        return key
