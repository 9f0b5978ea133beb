"""The audit log of a customer over HTTP: who changed what, when, from where, what it was before and after, the newest first."""

from __future__ import annotations

import re
from typing import Any

from functions.center import paging
from functions.center.desk import Desk
from ims.ports.registry import ServiceKey
from ims.rules.registers import MOST_ROWS, PAGE_ROWS
from ims.rules.result import iso
from ims.runtime.clients.query import Query

PATH = re.compile(r"/ims/([^/]+)/audit()")


async def read(desk: Desk, key: ServiceKey, _nothing: str, query: str) -> dict[str, Any]:
    """One page of it. All of the customer's changes, whichever of its keys they were made with."""
    asked = Query(query, ("cursor", "size"))
    what = f"audit/{key.customer}"
    before, size = paging.place(desk, asked, what), asked.number("size", MOST_ROWS, PAGE_ROWS)
    asked.done()
    found = await desk.registry.registers.audited(key.customer, int(before) if before else None, size + 1)
    rows = [
        {
            "at": iso(entry.at),
            "user": entry.user,
            "address": entry.address,
            "action": entry.action,
            "target": entry.target,
            "before": entry.before,
            "after": entry.after,
        }
        for entry in found[:size]
    ]
    return paging.told(desk, rows, str(found[size - 1].number) if len(found) > size else None, what)
