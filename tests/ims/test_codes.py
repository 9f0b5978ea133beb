import pytest

from ims.codes import CODES

_OTHERS = {"1401": 401, "1403": 403, "1101": 403, "1100": 404, "1404": 404, "1405": 405, "2030": 409, "1409": 409}
_OTHERS |= {"1413": 413, "1415": 415, "1429": 429, "9998": 503, "9999": 500, "0000": 200}


@pytest.mark.parametrize("code", CODES)
def test_http_status_mirrors_the_code(code: str) -> None:
    assert CODES[code].status == _OTHERS.get(code, 400)


def test_every_code_has_words_in_both_languages_and_only_two_say_when_to_come_again() -> None:
    assert all(c.ko and c.en and c.code == key for key, c in CODES.items())
    assert {c.code for c in CODES.values() if c.retry_after_s} == {"1429", "9998"}
    assert len({c.name for c in CODES.values()}) == len(CODES) == 36
