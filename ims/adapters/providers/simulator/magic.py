"""The magic numbers: what the simulator does for 0109999xxxx. Every other number is delivered at once.

One table, used by the server, by docs/simulator.md and by tests. Digits speak: 2xxx and 3xxx end in the code of a text
that fails (AlimTalk to them arrives), 7xxx in the AlimTalk code 3xxx (texts to them arrive, so a fallback can be seen
to work), 0xxx are about reports and answers. Seconds are multiplied by `--magic-scale`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ims.results import SUCCESS, ResultClass, family_of, look_up

PREFIX = "0109999"
UNLISTED = "ZZ99"  # a code that stands in no table


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery report, so many seconds after acceptance."""

    after_s: float = 0
    mt: str = SUCCESS
    kakao: str = SUCCESS

    def code(self, send_type: str) -> str:
        return self.kakao if family_of(send_type) == "kakao" else self.mt

    def status(self, send_type: str) -> str:
        """delivered, failed or unknown, as the code's class says."""
        code = self.code(send_type)
        if code == SUCCESS:
            return "delivered"
        return "unknown" if look_up(family_of(send_type), code).result_class is ResultClass.UNKNOWN else "failed"


_ARRIVES = (Told(),)


@dataclass(frozen=True, slots=True)
class Magic:
    """What happens to a number, and when `call` is set, to the whole call that holds it."""

    digits: str  # the last four
    does: str  # for the docs
    reports: tuple[Told, ...] = _ARRIVES
    refused: tuple[str, str] | None = None  # in the answer: code for texts, code for AlimTalk
    call: str = ""  # 429, 500, hang_before, hang_after, close_before, close_after, garbage, slow
    tries: int = 0  # so many tries of one key, then as any other number; 0: always
    answer_after_s: float = 0

    @property
    def number(self) -> str:
        return PREFIX + self.digits


def _text(code: str, does: str) -> Magic:
    return Magic(code, f"text: report fails with {code}, {does}", (Told(mt=code),))


def _kakao(code: str, does: str) -> Magic:
    return Magic("7" + code[1:], f"AlimTalk: report says {code}, {does}", (Told(kakao=code),))


HANG_S = 65  # longer than any time-out a sender of ours may have

_ALL = (
    Magic("0005", "delivered after 5 s", (Told(5),)),
    Magic("0001", "accepted, never reported", ()),
    Magic("0002", "reported twice: delivered, and the same 1 s later", (Told(), Told(1))),
    Magic("0003", "reported unknown (text 2000 as unlisted, AlimTalk 4001), delivered 3 s later",
          (Told(mt=UNLISTED, kakao="4001"), Told(3))),
    Magic("0004", "contradicted: delivered, then failed (3000) 1 s later", (Told(), Told(1, "3000", "3000"))),
    Magic("0006", "reported at once, while the call is answered only 1 s later", call="slow", answer_after_s=1),
    Magic("0007", "refused in the answer: text 3050, AlimTalk 3015", (), refused=("3050", "3015")),
    Magic("0008", f"report fails with {UNLISTED}, a code that no table lists", (Told(mt=UNLISTED, kakao=UNLISTED),)),
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
    Magic("7003", "nothing arrives: AlimTalk 3019, text 3003", (Told(mt="3003", kakao="3019"),)),
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

MAGIC: dict[str, Magic] = {magic.number: magic for magic in _ALL}


def table() -> str:
    """The table as docs/simulator.md shows it."""
    rows = ["| Number | What it does | Whole call |", "|---|---|---|"]
    rows += [f"| {m.number} | {m.does} | {'yes' if m.call else ''} |" for m in _ALL]
    return "\n".join(rows)
