import unicodedata

import pytest

from ims.rules.text import Unencodable, byte_count, chosen_type, normalise


@pytest.mark.parametrize(("text", "size"), [("", 0), ("abc\n", 4), ("한글", 4), ("뷁", 2), ("a가€♥①", 9)])
def test_bytes_are_counted_in_cp949(text: str, size: int) -> None:
    assert byte_count(text) == size


@pytest.mark.parametrize("character", ["😀", "₩", "–", "•", "©", "\u00a0", "\u200b", "é"])
def test_the_first_unencodable_character_is_named(character: str) -> None:
    with pytest.raises(Unencodable) as caught:
        byte_count(f"가나{character}다😀")
    assert (caught.value.character, caught.value.position) == (character, 2)


def test_decomposed_hangul_and_crlf_are_normalised() -> None:
    assert normalise(unicodedata.normalize("NFD", "한글") + "\r\n끝\r") == "한글\n끝\n"


@pytest.mark.parametrize(("title", "size", "kind"), [("", 90, "SMS"), ("", 91, "LMS"), ("제목", 10, "LMS")])
def test_auto_is_sms_while_it_fits(title: str, size: int, kind: str) -> None:
    assert chosen_type(title, size) == kind
