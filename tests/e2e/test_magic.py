"""Every magic number of docs/simulator.md, from the POST to the callback. A number without an expectation here fails.

Everything is sent first, then every case waits for its own result: the whole file takes as long as its slowest number.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from callbacks import CallbackServer
from conftest import FAST
from harness import Home, in_threads, new_id, text

pytestmark = pytest.mark.e2e

DOCUMENT = Path(__file__).parents[2] / "docs" / "simulator.md"
RESULT_S = 40  # bound; most come at once, the slowest at its expiry
EXPIRES_S = 3

DELIVERED = (("DELIVERED", "0000"),)
NO_REPORT = (("UNKNOWN", "8100"),)
NOT_SENT = (("FAILED", "8001"),)

Told = tuple[tuple[str, str], ...]


def failed(code: str) -> Told:
    return (("FAILED", code),)


@dataclass(frozen=True, slots=True)
class Sms:
    """A text to a number: the results told, in order, and how often the simulator accepted it."""

    told: Told
    sent: int = 1
    expires: bool = False  # such a call never ends by itself
    unclear: bool = False  # so it may be UNKNOWN for a while, if the breaker keeps us from asking before the deadline
    without_keys: tuple[Told, int] | None = None  # where a provider that knows no keys makes a difference

    def tellings(self) -> tuple[Told, ...]:
        return (self.told, NO_REPORT + self.told) if self.unclear else (self.told,)


# A call that was surely not sent is tried until it expires and is then FAILED, for it stood in a call. One that nobody
# knows about is repeated under its key and in the end asked about; without keys it is never repeated, and stays UNKNOWN.
SMS = {
    "01099990005": Sms(DELIVERED),
    "01099990001": Sms(NO_REPORT),
    "01099990002": Sms(DELIVERED),
    "01099990003": Sms(DELIVERED),
    "01099990004": Sms(DELIVERED),
    "01099990006": Sms(DELIVERED),
    "01099990007": Sms(failed("3050"), sent=0),
    "01099990008": Sms(NO_REPORT),
    "01099992003": Sms(failed("2003")),
    "01099993003": Sms(failed("3003")),
    "01099993006": Sms(failed("3006")),
    "01099993011": Sms(failed("3011")),
    "01099993012": Sms(failed("3012")),
    "01099993017": Sms(failed("3017")),
    "01099993018": Sms(failed("3018")),
    "01099997000": Sms(DELIVERED),
    "01099997005": Sms(DELIVERED),
    "01099997008": Sms(DELIVERED),
    "01099997016": Sms(DELIVERED),
    "01099997018": Sms(DELIVERED),
    "01099997019": Sms(DELIVERED),
    "01099997020": Sms(DELIVERED),
    "01099997003": Sms(failed("3003")),
    **{f"0109999{other}": Sms(DELIVERED) for other in (5101, 5202, 5902, 4041, 4031, 6001, 6004, 6007)},  # of other channels
    "01099990429": Sms(DELIVERED),
    "01099990430": Sms(NOT_SENT, 0, expires=True),
    "01099990500": Sms(DELIVERED, without_keys=(NO_REPORT, 0)),
    "01099990501": Sms(NOT_SENT, 0, expires=True, unclear=True, without_keys=(NO_REPORT, 0)),
    "01099990600": Sms(NOT_SENT, 0, expires=True, unclear=True, without_keys=(NO_REPORT, 0)),
    "01099990601": Sms(DELIVERED),
    "01099990602": Sms(DELIVERED),
    "01099990603": Sms(NOT_SENT, 0, expires=True, unclear=True, without_keys=(NO_REPORT, 0)),
    "01099990604": Sms(DELIVERED),
}
WHOLE_CALL = ("0006", "0429", "0430", "0500", "0501", "0600", "0601", "0602", "0603", "0604")


@dataclass(frozen=True, slots=True)
class At:
    """An AlimTalk to a number: what is told at last, of which attempt and type, and what the simulator accepted."""

    number: str
    told: tuple[str, str]
    report_type: str = "AT"
    attempts: int = 1
    sent: tuple[str, ...] = ("AT",)
    key: str = "realtime"
    steps: tuple[dict[str, Any], ...] = ()

    @property
    def name(self) -> str:
        steps = "-".join("_".join(f"{v}" for v in s.values()) for s in self.steps)
        return f"{self.key}-{self.number[-4:]}-{steps or 'alone'}"


def step(kind: str = "SMS", **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


BY_TEXT: dict[str, Any] = {"report_type": "SMS", "attempts": 2, "sent": ("AT", "SMS"), "steps": (step(),)}
AT = [
    # nobody to fall back to
    At("01099993003", ("DELIVERED", "0000")),
    At("01099990001", ("UNKNOWN", "8100")),
    At("01099990003", ("DELIVERED", "0000")),
    At("01099990005", ("DELIVERED", "0000")),
    At("01099990007", ("FAILED", "3015"), sent=()),
    At("01099990008", ("UNKNOWN", "8100")),
    At("01099997000", ("FAILED", "3000")),
    At("01099997005", ("UNKNOWN", "8100")),
    At("01099997008", ("FAILED", "3008")),
    At("01099997016", ("FAILED", "3016")),
    At("01099997018", ("FAILED", "3018")),
    At("01099997019", ("FAILED", "3019")),
    At("01099997020", ("FAILED", "3020")),
    At("01099997003", ("FAILED", "3019")),
    # a text steps in, or not, by the class of the failure
    At("01099997000", ("DELIVERED", "0000"), **BY_TEXT),
    At("01099997008", ("FAILED", "3008"), steps=(step(),)),  # a dead number is dead for texts too
    At("01099997016", ("DELIVERED", "0000"), **BY_TEXT),
    At("01099997018", ("DELIVERED", "0000"), **BY_TEXT),
    At("01099997019", ("DELIVERED", "0000"), **BY_TEXT),
    At("01099997020", ("DELIVERED", "0000"), **BY_TEXT),
    At("01099997003", ("FAILED", "3003"), **BY_TEXT),
    At("01099997003", ("FAILED", "3003"), **BY_TEXT | {"steps": (step(), step("LMS"))}),  # 3003 lets no step follow
    At("01099990007", ("FAILED", "3050"), **BY_TEXT | {"sent": ()}),
    At("01099997018", ("DELIVERED", "0000"), "LMS", 2, ("AT", "LMS"), steps=(step("LMS", title="안내"),)),
    At("01099997018", ("DELIVERED", "0000"), "LMS", 2, ("AT", "LMS"), steps=(step("AUTO", title="안내"),)),
    At("01099993003", ("DELIVERED", "0000"), steps=(step(),)),
    # an unknown outcome starts a step only where the customer says so; for one-time codes unless he says no
    At("01099997005", ("UNKNOWN", "8100"), steps=(step(),)),
    At("01099997005", ("UNKNOWN", "8100"), steps=(step(on_unknown="N"),)),
    At("01099997005", ("DELIVERED", "0000"), **BY_TEXT | {"steps": (step(on_unknown="Y"),)}),
    At("01099997005", ("DELIVERED", "0000"), key="auth", **BY_TEXT),
    At("01099997005", ("UNKNOWN", "8100"), key="auth", steps=(step(on_unknown="N"),)),
    At("01099990001", ("UNKNOWN", "8100"), **BY_TEXT | {"steps": (step(on_unknown="Y"),)}),  # at the report deadline
    # so does the end of after_s; the AlimTalk that arrives later changes nothing
    At("01099990005", ("DELIVERED", "0000"), **BY_TEXT | {"steps": (step(after_s=1, on_unknown="Y"),)}),
    At("01099990005", ("DELIVERED", "0000"), steps=(step(after_s=1, on_unknown="N"),)),
    At("01099990005", ("DELIVERED", "0000"), key="auth", **BY_TEXT | {"steps": (step(after_s=1),)}),
]


@dataclass(slots=True)
class Sent:
    """A message on its way."""

    id: str
    mark: str  # stands in its text, and in no other's


@dataclass
class Run:
    """All messages of one home, by case."""

    home: Home
    callbacks: CallbackServer
    prefix: str
    by_case: dict[str, Sent] = field(default_factory=dict)
    _path: int = 0

    def url(self) -> str:
        """A path of its own for every message, so that no two share a call and its fate."""
        self._path += 1
        return self.callbacks.url(f"{self.prefix}{self._path}")

    def sms(self, number: str, *, expires: bool, **fields: Any) -> Sent:
        mark = new_id("x")
        more = {"expires_at": (datetime.now(UTC) + timedelta(seconds=EXPIRES_S)).isoformat()} if expires else {}
        # away from the others: five failures in a row open the breaker of the account
        key = "mass" if expires else "realtime"
        return Sent(self.home.sms(number, key=key, message=text(mark), callback_url=self.url(), **more, **fields), mark)

    def alimtalk(self, case: At) -> Sent:
        mark = new_id("x")
        steps = [{"callback": self.home.customers[0].callback, "message": text(mark), **s} for s in case.steps]
        fields: dict[str, Any] = {"fallback": steps[0] if len(steps) == 1 else steps} if steps else {}
        id_ = self.home.alimtalk(case.number, key=case.key, mapping={"name": text(mark)}, callback_url=self.url(), **fields)
        return Sent(id_, mark)

    def told(self, sent: Sent, last: tuple[str, str], count: int = 1) -> list[dict[str, Any]]:
        """The results of a message, once the last one that is expected has come."""

        def ready(found: dict[str, list[dict[str, Any]]]) -> bool:
            results = found.get(sent.id, [])
            return len(results) >= count and (pairs(results)[-1] == last or results[-1]["result"] != "UNKNOWN")

        return self.callbacks.wait(self.prefix, ready, RESULT_S, f"{last} of {sent.id}")[sent.id]

    def accepted(self, sent: Sent) -> list[str]:
        """As which types the simulator accepted a message."""
        return [entry["send_type"] for entry in self.home.sent() if sent.mark in entry["text"]]


def pairs(results: list[dict[str, Any]]) -> Told:
    return tuple((r["result"], r["report_code"]) for r in results)


@pytest.fixture(scope="module")
def runs(ims: Home, tmp_path_factory: pytest.TempPathFactory, callbacks: CallbackServer) -> Iterator[dict[str, Run]]:
    """A home for each key mode. In mode "call", as Bizgo: everything; in the others the numbers that decide about a whole call."""
    path = tmp_path_factory.mktemp("modes")
    homes = {"call": ims} | {mode: Home(path / mode, **FAST, simulator_keys=mode) for mode in ("recipient", "none")}
    others = [homes["recipient"], homes["none"]]
    try:
        in_threads([home.start for home in others], 90)
        callbacks.secrets |= {c.callback_secret for home in others for c in home.customers}
        runs = {mode: Run(home, callbacks, f"/magic/{mode}/") for mode, home in homes.items()}
        for mode, run in runs.items():
            for number, sms in SMS.items():
                if mode == "call" or number[-4:] in WHOLE_CALL:
                    run.by_case[number] = run.sms(number, expires=sms.expires)
        for case in AT:
            runs["call"].by_case[case.name] = runs["call"].alimtalk(case)
        runs["call"].by_case["late"] = runs["call"].sms("01099990005", expires=False, message_type="LMS")
        yield runs
    finally:
        for home in others:
            home.stop()


@pytest.fixture(scope="module")
def run(runs: dict[str, Run]) -> Run:
    return runs["call"]


def test_every_number_of_the_document_has_an_expectation() -> None:
    numbers = re.findall(r"^\| (0109999\d{4}) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(numbers) == sorted(SMS)
    whole = re.findall(r"^\| 0109999(\d{4}) \|.*\| yes \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(whole) == sorted(WHOLE_CALL)


@pytest.mark.parametrize("number", SMS)
def test_text(run: Run, number: str) -> None:
    sent, expected = run.by_case[number], SMS[number]
    results = run.told(sent, expected.told[-1])
    assert pairs(results) in expected.tellings()
    assert {(r["report_type"], r["attempts"], r["message_id"]) for r in results} == {("SMS", 1, sent.id)}
    assert len(run.accepted(sent)) == expected.sent


@pytest.mark.parametrize("case", AT, ids=lambda case: case.name)
def test_alimtalk(run: Run, case: At) -> None:
    sent = run.by_case[case.name]
    [result] = run.told(sent, case.told)[-1:]
    assert (result["result"], result["report_code"]) == case.told
    assert (result["report_type"], result["attempts"]) == (case.report_type, case.attempts)
    assert sorted(run.accepted(sent)) == sorted(case.sent)


def test_unknown_that_becomes_known_is_told_twice(run: Run) -> None:
    """An LMS whose report comes after its deadline."""
    sent = run.by_case["late"]
    results = run.told(sent, ("DELIVERED", "0000"), 2)
    assert pairs(results) == NO_REPORT + DELIVERED
    assert len({r["event_id"] for r in results}) == 2
    assert len(run.accepted(sent)) == 1
    assert run.home.result(sent.id) == results[-1]


def test_nothing_more_is_told_or_sent(run: Run) -> None:
    """Runs last: by now every report that the simulator had to make has come."""
    time.sleep(0.5)
    told = run.callbacks.results(run.prefix)
    for number, expected in SMS.items():
        assert pairs(told[run.by_case[number].id]) in expected.tellings(), number
    for case in AT:
        # an LMS has a short report deadline here: on a busy machine it may be UNKNOWN for a moment
        assert len(told[run.by_case[case.name].id]) == 1 or case.report_type == "LMS", case.name
    texts = [entry["text"] for entry in run.home.sent()]
    for name, sent in run.by_case.items():
        case_of = next((c for c in AT if c.name == name), None)
        most = len(case_of.sent) if case_of else 1
        assert sum(sent.mark in t for t in texts) <= most, name


@pytest.mark.parametrize("mode", ["recipient", "none"])
def test_whole_call_numbers_in_the_other_key_modes(runs: dict[str, Run], mode: str) -> None:
    run = runs[mode]
    for number, sent in run.by_case.items():
        expected = SMS[number]
        without = expected.without_keys if mode == "none" else None
        tellings, times = ((without[0],), without[1]) if without else (expected.tellings(), expected.sent)
        assert pairs(run.told(sent, tellings[0][-1])) in tellings, number
        assert len(run.accepted(sent)) == times, number
