"""Pages of a list: `cursor` says where the one before stopped, `next_cursor` where this one does. What it says is sealed."""

from __future__ import annotations

from typing import Any

from functions.center.desk import Desk
from ims.runtime.clients.query import Query

_CURSOR_CHARACTERS = 400


def place(desk: Desk, asked: Query, what: str) -> str:
    """Where the page before ended, of the same pages; empty: from the beginning. Whose rows are told is asked anew."""
    value = asked.word("cursor", _CURSOR_CHARACTERS)
    if not value:
        return ""
    try:
        return desk.opened(value, what)
    except ValueError:
        asked.wrong("cursor", "next_cursor 값이어야 합니다.", "It must be a next_cursor.")
        return ""


def told(desk: Desk, rows: list[dict[str, Any]], stopped_at: str | None, what: str) -> dict[str, Any]:
    """The answer; `stopped_at` none: there is nothing after it."""
    return {"next_cursor": None if stopped_at is None else desk.sealed(stopped_at, what), "list": rows}
