"""The magic numbers: what the simulator does for 0109999xxxx. Every other recipient is delivered at once.

One table, used by the server, by docs/simulator.md and by tests. Digits speak: 2xxx and 3xxx end in the code of a text
that fails (AlimTalk to them arrives), 7xxx in the AlimTalk code 3xxx (texts to them arrive, so a fallback can be seen
to work), 0xxx are about reports and answers. Seconds are multiplied by `--magic-scale`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ims.results import SUCCESS, ResultClass, family_of, look_up

PREFIX = "0109999"
_MARKS = (PREFIX.encode(), b"@magic.example", b"magic-")  # of every magic recipient's bytes, in any channel
UNLISTED = "ZZ99"  # a code that stands in no table


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery report, so many seconds after acceptance."""

    after_s: float = 0
    mt: str = SUCCESS
    kakao: str = SUCCESS
    email: str = SUCCESS
    push: str = SUCCESS
    rcs: str = SUCCESS

    def code(self, report_type: str) -> str:
        code: str = getattr(self, family_of(report_type))
        return code

    def status(self, report_type: str) -> str:
        """delivered, failed or unknown, as the code's class says."""
        code = self.code(report_type)
        if code == SUCCESS:
            return "delivered"
        return "unknown" if look_up(family_of(report_type), code).result_class is ResultClass.UNKNOWN else "failed"


_ARRIVES = (Told(),)


@dataclass(frozen=True, slots=True)
class Magic:
    """What happens to a number, and when `call` is set, to the whole call that holds it."""

    digits: str  # the last four
    does: str  # for the docs
    reports: tuple[Told, ...] = _ARRIVES
    refused: Told | None = None  # in the answer, with these codes
    call: str = ""  # 429, 500, hang_before, hang_after, close_before, close_after, garbage, slow
    tries: int = 0  # so many tries of one key, then as any other number; 0: always
    answer_after_s: float = 0

    def refusal(self, report_type: str) -> str:
        """The code that refuses such a message in the answer; empty: it is taken."""
        code = self.refused.code(report_type) if self.refused else SUCCESS
        return "" if code == SUCCESS else code

    @property
    def recipients(self) -> tuple[str, str, str]:
        """What works it: a number, an e-mail address, and a token, user or topic of a push."""
        return PREFIX + self.digits, f"{self.digits}@magic.example", f"magic-{self.digits}"


def _text(code: str, does: str) -> Magic:
    return Magic(code, f"text: report fails with {code}, {does}", (Told(mt=code),))


def _kakao(code: str, does: str) -> Magic:
    return Magic("7" + code[1:], f"AlimTalk: report says {code}, {does}", (Told(kakao=code),))


def _email(code: str, does: str) -> Magic:
    return Magic(code, f"e-mail: report fails with {code}, {does}", (Told(email=code),))


def _push(code: str, does: str) -> Magic:
    return Magic(code, f"push: refused in the answer with {code}, {does}", refused=Told(push=code))


def _rcs(code: str, does: str) -> Magic:
    return Magic(code, f"RCS: report fails with {code}, {does}", (Told(rcs=code),))


HANG_S = 65  # longer than any time-out a sender of ours may have

ALL = (
    Magic("0005", "delivered after 5 s", (Told(5),)),
    Magic("0001", "accepted, never reported", ()),
    Magic("0002", "reported twice: delivered, and the same 1 s later", (Told(), Told(1))),
    Magic("0003", "reported unknown (AlimTalk 4001, RCS 6006, others as unlisted), delivered 3 s later",
          (Told(mt=UNLISTED, kakao="4001", email=UNLISTED, push=UNLISTED, rcs="6006"), Told(3))),
    Magic("0004", "contradicted: delivered, then failed (text and AlimTalk 3000, e-mail 5000, push 5001, RCS 6003) 1 s later",
          (Told(), Told(1, "3000", "3000", "5000", "5001", "6003"))),
    Magic("0006", "reported at once, while the call is answered only 1 s later", call="slow", answer_after_s=1),
    Magic("0007", "refused in the answer: text 3050, AlimTalk 3015, e-mail 5701, push 4041, RCS 6007", (),
          refused=Told(0, "3050", "3015", "5701", "4041", "6007")),
    Magic("0008", f"report fails with {UNLISTED}, a code that no table lists",
          (Told(0, UNLISTED, UNLISTED, UNLISTED, UNLISTED, UNLISTED),)),
    _text("2003", "switched off (temporary)"),
    _text("3003", "dead number (permanent)"),
    _text("3006", "recipient refuses (policy, suppress)"),
    _text("3011", "server error (temporary, retryable)"),
    _text("3012", "spam filter (policy)"),
    _text("3017", "sender number breaks the rule (config)"),
    _text("3018", "sender line is protected (config)"),
    _kakao("3000", "internal error (temporary, retryable)"),
    _kakao("3005", "success uncertain (unknown)"),
    _kakao("3008", "bad phone number (permanent, no fallback)"),
    _kakao("3016", "text differs from the template (config)"),
    _kakao("3018", "not an active user (permanent, fallback)"),
    _kakao("3019", "not a KakaoTalk user (permanent, fallback)"),
    _kakao("3020", "recipient blocked AlimTalk (policy)"),
    Magic("7003", "nothing arrives: AlimTalk 3019, text 3003, e-mail 5101, push 5001, RCS 6001",
          (Told(0, "3003", "3019", "5101", "5001", "6001"),)),
    _email("5101", "no such mailbox (permanent)"),
    _email("5202", "mailbox full (temporary)"),
    _email("5902", "complaint (policy, suppress)"),
    _push("4041", "dead token (permanent, retired)"),
    _push("4031", "token of another project (permanent, retired)"),
    _rcs("6001", "no RCS on the handset (permanent, fallback)"),
    _rcs("6004", "expired (temporary, fallback)"),
    _rcs("6007", "brand not usable (config)"),
    Magic("0429", "429 with Retry-After 1, twice for a key, then accepted", call="429", tries=2),
    Magic("0430", "429 with Retry-After 1, always", call="429"),
    Magic("0500", "500 once for a key, nothing accepted, then accepted", call="500", tries=1),
    Magic("0501", "500 always, nothing accepted", call="500"),
    Magic("0600", f"hangs, nothing accepted (no answer for {HANG_S} s)", call="hang_before"),
    Magic("0601", "hangs after accepting", call="hang_after"),
    Magic("0602", "closes the connection after accepting, before answering", call="close_after"),
    Magic("0603", "closes the connection, nothing accepted", call="close_before"),
    Magic("0604", "accepts, then answers garbage", call="garbage"),
)

MAGIC: dict[str, Magic] = {recipient: magic for magic in ALL for recipient in magic.recipients}


def may_hold(body: bytes) -> bool:
    """Whether a call may name a magic recipient: a quick look at its bytes."""
    return any(mark in body for mark in _MARKS)


def table() -> str:
    """The table as docs/simulator.md shows it."""
    rows = ["| Number | What it does | Whole call |", "|---|---|---|"]
    rows += [f"| {m.recipients[0]} | {m.does} | {'yes' if m.call else ''} |" for m in ALL]
    return "\n".join(rows)
