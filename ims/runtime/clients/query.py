"""What a read is asked for by its query: each name once and known, all faults at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TypeVar
from urllib.parse import parse_qsl

from ims.errors import Rejected
from ims.rules.faults import Fault, Rejections

T = TypeVar("T")
NO_DAY = date.min
NEVER = datetime.min.replace(tzinfo=UTC)
_MOST = 50
INSTANT = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})"  # RFC 3339, with its offset
_DAY = r"\d{4}-\d{2}-\d{2}"


class Query:
    """Reads its fields one by one, gathers what is wrong with them, and says it all at `done`."""

    def __init__(self, query: str, known: Sequence[str]) -> None:
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST)
        except ValueError:
            raise Rejected("1400") from None
        self._faults = [
            Fault(n[:60], "1400", f"알 수 없는 항목입니다: {n[:60]}", f"Unknown field: {n[:60]}") for n, _ in pairs if n not in known
        ]
        self._given: dict[str, str] = {}
        for name, value in pairs:
            if name in self._given:
                self.wrong(name, "두 번 있습니다.", "It stands twice.")
            self._given[name] = value

    def wrong(self, name: str, ko: str, en: str, code: str = "1400") -> None:
        """One fault a field is told."""
        if all(f.field != name for f in self._faults):
            self._faults.append(Fault(name, code, ko, en))

    def done(self) -> None:
        """Rejections when anything was wrong."""
        if self._faults:
            raise Rejections(self._faults)

    def given(self, name: str) -> bool:
        return name in self._given

    def word(self, name: str, most: int) -> str:
        """Empty where it is not given."""
        value = self._given.get(name, "")
        if name in self._given and not 1 <= len(value) <= most:
            self.wrong(name, f"1자 이상 {most}자 이하여야 합니다.", f"It must have 1 to {most} characters.")
        return value

    def plain(self, name: str, most: int) -> str:
        """A code: letters and digits of ASCII, as its column holds them. Empty where it is not given."""
        value = self._given.get(name, "")
        if name in self._given and not re.fullmatch(rf"[A-Za-z0-9]{{1,{most}}}", value):
            self.wrong(name, f"영문자와 숫자 1자 이상 {most}자 이하여야 합니다.", f"It must have 1 to {most} letters and digits.")
        return value

    def one_of(self, name: str, words: Sequence[str]) -> str:
        """Empty where it is not given."""
        value = self._given.get(name, "")
        if name in self._given and value not in words:
            self.wrong(name, f"{', '.join(words)} 중 하나여야 합니다.", f"It must be one of {', '.join(words)}.")
        return value

    def number(self, name: str, most: int, default: int) -> int:
        """From 1."""
        value = self._given.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,6}", value) or not 1 <= int(value) <= most:
            self.wrong(name, f"1 이상 {most:,} 이하여야 합니다.", f"It must be 1 to {most:,}.")
            return default
        return int(value)

    def day(self, name: str) -> date:
        """A calendar day, required; NO_DAY where it is wrong."""
        return self._required(name, _DAY, date.fromisoformat, "yyyy-MM-dd") or NO_DAY

    def instant(self, name: str) -> datetime:
        """A moment with its offset, required; NEVER where it is wrong."""
        return self._required(name, INSTANT, datetime.fromisoformat, "yyyy-MM-ddTHH:mm:ss+09:00") or NEVER

    def _required(self, name: str, pattern: str, parse: Callable[[str], T], form: str) -> T | None:
        if name not in self._given:
            self.wrong(name, "필수 항목입니다.", "It is required.", "2020")
            return None
        try:
            if re.fullmatch(pattern, self._given[name]):
                return parse(self._given[name])
        except ValueError:
            pass  # a day that does not exist: said below
        self.wrong(name, f"{form} 형식의 존재하는 시각이어야 합니다.", f"It must be a real {form}.")
        return None
