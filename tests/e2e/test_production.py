"""The production profile end to end: the same processes on a real Kafka, MariaDB, Redis cluster, MongoDB protocol and S3.

What is of this profile alone; with IMS_E2E_PROFILE=production all other tests of this folder run on it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from callbacks import CallbackServer
from conftest import FAST
from harness import Home, new_number
from test_kill9 import everything_dies_twice

from infra.fixtures import Shared

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def servers(kafka: Shared, mariadb: Shared, redis_cluster: Shared, mongo: Shared, aws: Shared) -> dict[str, str]:
    """Settings of the profile, in the harness's words."""
    named = {**kafka.settings, **mariadb.settings, **redis_cluster.settings, **mongo.settings, **aws.settings}
    wanted = ("IMS_LOG", "IMS_RECORDS", "IMS_CACHE", "IMS_TRACES", "IMS_FILES")
    return {"profile": "production"} | {name.removeprefix("IMS_").lower(): named[name] for name in wanted}


@pytest.fixture(scope="module")
def ims(tmp_path_factory: pytest.TempPathFactory, servers: dict[str, str], callbacks: CallbackServer) -> Iterator[Home]:
    with Home(tmp_path_factory.mktemp("production") / "home", **FAST | servers) as home:
        callbacks.secrets |= {c.callback_secret for c in home.customers}
        yield home


def test_one_message_from_the_post_to_the_signed_result(ims: Home, callbacks: CallbackServer) -> None:
    number = new_number()
    id_ = ims.sms(number, callback_url=callbacks.url("/production/one"))
    told = callbacks.wait("/production/one", lambda found: id_ in found, 60, "the result")
    assert told[id_][-1]["result"] == "DELIVERED"
    assert ims.result(id_) == told[id_][-1]
    assert len(ims.sent_to(number)) == 1
    story = ims.ims("why", id_)
    assert story["state"] == "DELIVERED"


def test_the_doctor_finds_nothing(ims: Home) -> None:
    findings = {f["what"]: f for f in ims.ims("doctor", timeout=90)}
    assert all(f["ok"] for f in findings.values())
    assert {"log: topics", "records: durable at commit", "cache: leases", "traces: read", "files: put, get, delete"} <= findings.keys()


def test_nothing_is_left_in_the_log(ims: Home) -> None:
    waiting = {(w["stage"], w["lane"]): w["events"] for w in ims.ims("lag", timeout=60)}
    assert ("send_mt", "auth") in waiting
    assert ("analyze", "all") in waiting


def test_everything_dies_twice(ims: Home, tmp_path: Path, callbacks: CallbackServer, servers: dict[str, str]) -> None:
    """kill -9 of every process in the middle of a campaign, twice: the four books agree, as on one machine."""
    ims.stop()
    own = servers | {"records": f"{servers['records']}_dies", "log": f"{servers['log']}/dies"}  # its own: it has keys of its own
    everything_dies_twice(tmp_path / "production", callbacks, "call", **own)
