"""The link to opt out: who made it, for whom, and nothing in it that names a person."""

from __future__ import annotations

import pytest

from ims.errors import Rejected
from ims.protocol.sealing import Keyring, Sealer
from ims.rules.unsubscribe import link, opened, token
from ims.topics import Channel

RING = Keyring.generate()
SEALER = Sealer(RING)
TO = "hong@example.com"


def test_a_link_names_customer_channel_and_recipient_to_us_alone() -> None:
    made = token(SEALER, "acme", Channel.EMAIL, TO)
    assert opened(SEALER, made) == ("acme", Channel.EMAIL, SEALER.index(TO))
    assert link("https://ims.example/", made) == f"https://ims.example/ims/unsubscribe/{made}"
    assert "hong" not in made and "acme" not in made and token(SEALER, "acme", Channel.EMAIL, TO) != made


def test_a_link_opens_after_its_key_was_rotated_out_of_use() -> None:
    made = token(SEALER, "acme", Channel.EMAIL, TO)
    later = Keyring("k2", {**RING.data, "k2": bytes(32)}, RING.index, RING.tag)
    assert opened(Sealer(later), made).customer == "acme"


@pytest.mark.parametrize("place", range(0, 66, 9))
def test_a_link_that_was_changed_is_none_of_ours(place: int) -> None:
    made = token(SEALER, "acme", Channel.EMAIL, TO)
    other = "A" if made[place] != "A" else "B"
    with pytest.raises(Rejected) as caught:
        opened(SEALER, made[:place] + other + made[place + 1 :])
    assert caught.value.code == "1404"


@pytest.mark.parametrize("made", ["", ".", "k1.", "k1.!!!!", "k1.한글", "k9." + "A" * 60, "k1." + "A" * 1000, "k1.AAAA"])
def test_nonsense_is_none_of_ours(made: str) -> None:
    with pytest.raises(Rejected):
        opened(SEALER, made)


def test_another_installation_makes_no_links_of_ours() -> None:
    with pytest.raises(Rejected):
        opened(SEALER, token(Sealer(Keyring.generate()), "acme", Channel.EMAIL, TO))
