"""A consumer group that begins again from the beginning sends nothing old, and tells nothing new."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from callbacks import CallbackServer
from conftest import FAST
from harness import Home, eventually, new_id, new_number
from profiles import PRODUCTION, forget_groups

pytestmark = pytest.mark.e2e


def idle(home: Home) -> bool:
    return sum(entry["events"] for entry in home.ims("lag")) == 0


def forget_cursors(home: Path) -> int:
    """What consumer groups are on files; how many there were."""
    forgotten = 0
    for lane in ("auth", "realtime", "mass", "ad"):
        with sqlite3.connect(home / f"{lane}.db") as file:
            forgotten += file.execute("DELETE FROM cursors").rowcount
    return forgotten


def test_a_log_read_again_from_its_beginning_sends_nothing(tmp_path: Path, callbacks: CallbackServer) -> None:
    path = "/old"
    with Home(tmp_path / "old", **FAST | {"report_deadline_sms_s": 3}) as home:
        callbacks.secrets |= {c.callback_secret for c in home.customers}
        url = callbacks.url(path)
        rows = [(new_id("o"), new_number()) for _ in range(450)]
        assert home.campaign(rows, callback_url=url).code == "0000"
        keys = {id_: "mass" for id_, _ in rows}
        for key in ("auth", "realtime"):
            keys |= {home.sms(key=key, callback_url=url): key for _ in range(5)}
        step = {"type": "SMS", "callback": home.customers[0].callback, "message": "대신"}
        keys[home.alimtalk("01099997018", fallback=step, callback_url=url)] = "realtime"
        keys[home.alimtalk("01099997008", fallback=step, callback_url=url)] = "realtime"
        keys[home.sms("01099990501", key="mass", callback_url=url)] = "mass"  # never answered: parked again and again
        refused = new_number()
        home.ims("optout", "add", "demo", refused)
        keys[home.sms(refused, callback_url=url)] = "realtime"
        told = callbacks.wait(path, lambda found: len(found) == len(keys), 40, "all results")
        results = {id_: home.result(id_, key=key) for id_, key in keys.items()}
        sent = home.sent()
        home.stop()

        assert (forget_groups(home.env["IMS_LOG"]) if PRODUCTION else forget_cursors(home.path)) > 10

        home.start()
        handled = "ims_stage_events_total"
        eventually(lambda: home.metric(handled, stage="store", lane="mass") > 0 and idle(home), 40, "everything handled again", every=0.5)
        assert home.metric(handled, stage="route") > 0
        assert home.sent() == sent
        assert {id_: home.result(id_, key=key) for id_, key in keys.items()} == results
        assert callbacks.results(path) == told  # not one event_id that is new
        assert home.metric("ims_dead_letters_total") == 0
