"""What end-to-end tests share: one running home, one customer's callback server, and the search through all logs at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # harness and callbacks: importlib mode puts nothing there

from callbacks import CallbackServer
from harness import Home, Profile, spoken
from profiles import PRODUCTION, SERVERS, on_servers

# Small enough to wait for, large enough for two busy cores. With the scale, number ...0005 is delivered after 2 s: within
# the report deadline of an SMS and of an AlimTalk, after that of an LMS.
FAST = {
    "simulator_magic_scale": 0.4,
    "report_deadline_sms_s": 6,
    "report_deadline_lms_s": 1.2,
    "report_deadline_at_s": 4,
    "provider_timeout_s": 1,
    "park_s": 0.5,
    "callback_retry_unit_s": 0.03,
    "poll_idle_s": 0.1,
}


@pytest.fixture(scope="session", autouse=True)
def profile(request: pytest.FixtureRequest) -> None:
    """Every home of the run is of this profile, unless its test chooses another."""
    if PRODUCTION:
        shared = [request.getfixturevalue(name) for name in SERVERS]
        Profile.own = staticmethod(on_servers({name: value for one in shared for name, value in one.settings.items()}))


@pytest.fixture(scope="session", autouse=True)
def logs_say_nothing_personal() -> Iterator[None]:
    """Over the whole run, no log line of IMS holds a number, a text, a secret or a message_id that a test used."""
    yield
    leaks = spoken.leaks()
    assert not leaks, f"{len(leaks)} log lines, the first: {leaks[0]}"


@pytest.fixture(scope="session")
def callbacks(logs_say_nothing_personal: None) -> Iterator[CallbackServer]:
    server = CallbackServer()
    yield server
    server.close()
    assert not server.unverified(), f"{len(server.unverified())} callbacks were not signed with a secret of the customer"


@pytest.fixture(scope="session")
def ims(tmp_path_factory: pytest.TempPathFactory, callbacks: CallbackServer) -> Iterator[Home]:
    """The home that tests share which need nothing special of theirs."""
    with Home(tmp_path_factory.mktemp("shared") / "home", **FAST) as home:
        callbacks.secrets |= {c.callback_secret for c in home.customers}
        yield home
