"""What is wrong with a request: field, code and words in two languages. Values never get in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ims.codes import CODES
from ims.errors import Rejected

LISTED_FAULTS = 100  # more than any honest mistake has; a body of a million unknown fields must not become the answer


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. The words are a detail after the code's own sentence."""

    field: str
    code: str
    ko: str = ""
    en: str = ""
    passing: bool = False  # only because of the hour: the same request may have been accepted before, and is then replayed

    def message(self, english: bool = False) -> str:
        """The whole sentence."""
        return f"{CODES[self.code].text(english)} {self.en if english else self.ko}".rstrip()


class Rejections(Rejected):
    """A request with one or more faults; its own code is the first one's."""

    def __init__(self, errors: Sequence[Fault]) -> None:
        super().__init__(errors[0].code, errors[0].field)
        self.errors = tuple(errors[:LISTED_FAULTS])
