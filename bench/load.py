"""What a run sends: computed from a seed, so that the generator and the books agree without telling each other.

Message ids look like UUIDs cut to the 30 characters that the contract allows, numbers are drawn without repeats from
010[2-9]xxxxxxx outside the simulator's magic range, every row has a mapping of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

SLOTS = 8  # runs side by side draw their numbers from spaces that do not meet
_FIRST = 20_000_000
_SPACE = (99_990_000 - _FIRST) // SLOTS
_SYLLABLES = "김이박최정강조윤장임한오서신권황안송류홍민준서연지우현도하윤수빈은채원예"

TEXT = "#{name}님, 예약번호 #{code} 확인 부탁드립니다."
CODE_TEXT = "[아이엠에스] 인증번호 {code}를 입력해 주십시오."  # as clients send one-time codes: rendered already

Row = tuple[str, str]  # message id, number


def rows(seed: int, slot: int, count: int) -> list[Row]:
    """All messages of a run."""
    rng = random.Random(seed)
    numbers = rng.sample(range(_SPACE), count)
    return [(f"{rng.getrandbits(120):030x}", f"010{_FIRST + SLOTS * n + slot}") for n in numbers]


def _mapping(rng: random.Random) -> str:
    name = "".join(rng.choices(_SYLLABLES, k=3))
    return f'{{"name":"{name}","code":"{rng.randrange(10**6):06d}"}}'


def single_bodies(seed: int, slot: int, count: int, fields: str, *, rendered: bool) -> Iterator[bytes]:
    """A sendMessage body for each row; `fields` is what all share, as the inside of a JSON object."""
    rng = random.Random(seed + 1)
    for message_id, number in rows(seed, slot, count):
        if rendered:
            words = f'"message":"{CODE_TEXT.format(code=f"{rng.randrange(10**6):06d}")}"'
        else:
            words = f'"message":"{TEXT}","mapping":{_mapping(rng)}'
        yield f'{{"message_id":"{message_id}","phone_number":"{number}",{words},{fields}}}'.encode()


def bulk_bodies(seed: int, slot: int, count: int, fields: str, size: int, magic: str = "") -> Iterator[tuple[bytes, int]]:
    """sendMessages bodies of `size` rows each, with their number of rows; `magic`: stands in for every 100th number."""
    rng = random.Random(seed + 1)
    everything = rows(seed, slot, count)
    for start in range(0, count, size):
        parts = []
        for i, (message_id, number) in enumerate(everything[start : start + size]):
            to = magic if magic and i % 100 == 0 else number
            parts.append(f'{{"message_id":"{message_id}","phone_number":"{to}","mapping":{_mapping(rng)}}}')
        head = f'{{"campaign_id":"c-{seed % 10**9}-{start}","message":"{TEXT}",{fields},"receiver_list":['
        yield (head + ",".join(parts) + "]}").encode(), len(parts)
