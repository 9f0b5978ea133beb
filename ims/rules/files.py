"""What an uploaded file may be, channel by channel, and how its key and name look. Limits are of domain 1.2, 1.4, 1.5 and 1.7."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

KIB = 1024
JPEG, PNG, GIF = "image/jpeg", "image/png", "image/gif"
PICTURES = frozenset({JPEG, PNG, GIF})
NAME_CHARACTERS = 200
MOST_PIXELS = 25_000_000  # of any picture: what the largest phones take; a guess at where an honest one ends
_KEY = re.compile(r"20\d{6}-[0-9a-f]{24}")
_TURNED = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # makes gpj.exe read exe.jpg


@dataclass(frozen=True, slots=True)
class Found:
    """What a content turned out to be."""

    content_type: str
    width: int = 0  # pixels; 0: no picture
    height: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one use. Pixels of 0: no limit of its own."""

    bytes_most: int
    types: frozenset[str]  # empty: every type that is known
    count_most: int  # files of one message
    width_most: int = 0
    height_most: int = 0
    width_least: int = 0
    ratio_most: float = 0.0  # width over height
    ratio_least: float = 0.0


_KAKAO = {"types": frozenset({JPEG, PNG}), "count_most": 1, "width_least": 500}
# By the query parameter `channel` of an upload. Kakao's pixels and ratios come from its dealers' guides, not re-read.
USES: Mapping[str, Limits] = {
    "mms": Limits(300 * KIB, frozenset({JPEG}), 3, 1500, 1440),  # Bizgo; NHN: 1000 x 1000 and 800 KB of all three
    "rcs": Limits(1024 * KIB, frozenset({JPEG, PNG}), 6),  # 1 MB a card
    "bt": Limits(5 * 1024 * KIB, ratio_most=2.0, ratio_least=0.75, **_KAKAO),  # type: ignore[arg-type]
    "bt-wide": Limits(5 * 1024 * KIB, ratio_most=2.0, ratio_least=1.0, **_KAKAO),  # type: ignore[arg-type]
    "proof": Limits(10 * 1024 * KIB, frozenset({JPEG, PNG, "application/pdf"}), 1),  # of a sender number; a guess
    "email": Limits(10 * 1024 * KIB, frozenset(), 10),  # NHN: 10 files, 30 MB together; SES: 40 MB in base64
}
BYTES_MOST = max(limits.bytes_most for limits in USES.values())


def well_formed(key: str) -> bool:
    """Whether this could be a file_key of ours."""
    return _KEY.fullmatch(key) is not None


def clean_name(given: str) -> str | None:
    """A file's name in NFC; none when it holds a path, control characters or characters that turn the direction of reading."""
    name = unicodedata.normalize("NFC", given).strip()
    bad = not name or len(name) > NAME_CHARACTERS or name.startswith(".") or name.endswith(".")
    if bad or any(c in name for c in '/\\:*?"<>|') or not name.isprintable() or _TURNED.search(name):
        return None
    return name


def refusal(limits: Limits, found: Found) -> tuple[str, str] | None:
    """Why this use does not take it, in Korean and English."""
    if limits.types and found.content_type not in limits.types:
        allowed = ", ".join(sorted(limits.types))
        return f"{allowed}만 사용할 수 있습니다.", f"Only {allowed} can be used."
    if not found.width:
        return None
    w, h = found.width, found.height
    size = f"{w}x{h}"
    if w * h > MOST_PIXELS:
        return f"{size}: 화소가 너무 많습니다.", f"{size} has too many pixels."
    if (limits.width_most and w > limits.width_most) or (limits.height_most and h > limits.height_most):
        most = f"{limits.width_most}x{limits.height_most}"
        return f"{size}, 최대 {most}입니다.", f"{size}, at most {most}."
    if w < limits.width_least:
        return f"가로 {w}, 최소 {limits.width_least}입니다.", f"It is {w} wide, at least {limits.width_least}."
    if limits.ratio_most and not limits.ratio_least <= w / h <= limits.ratio_most:
        ratio = f"{limits.ratio_least:g} - {limits.ratio_most:g}"
        return f"{size}: 가로:세로 비율은 {ratio}입니다.", f"{size}: width over height must be {ratio}."
    return None
