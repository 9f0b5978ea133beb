"""Each rule of the table, at its edges; and the table itself: codes that exist, files that name their rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ims import results
from ims.codes import CODES
from ims.rules import ad_form, law, night, phone
from ims.rules.law import Rule
from ims.topics import Channel

ROOT = Path(__file__).resolve().parents[3]
TEXTS = (Channel.MT, Channel.RCS, Channel.PUSH)
KAKAO = (Channel.BT, Channel.FT)


def at(moment: str) -> int:
    """Milliseconds of a time in Seoul."""
    return round(datetime.fromisoformat(f"{moment}+09:00").timestamp() * 1000)


@pytest.mark.parametrize("rule", list(law.rules()), ids=lambda r: r.id)
def test_a_rule_says_where_it_comes_from_and_its_codes_are_real(rule: Rule) -> None:
    assert rule.source and rule.ko.endswith(".") and rule.en.endswith(".")
    assert rule.answer or rule.result, "a rule that refuses nothing is none"
    assert not rule.answer or rule.answer in CODES
    assert not rule.result or results.listed("ims", rule.result)
    assert (ROOT / rule.where).is_file()


def test_ids_are_unique_and_every_rule_is_used() -> None:
    found = list(law.rules())
    assert len({r.id for r in found}) == len(found)
    code = "".join(p.read_text() for folder in ("ims", "functions") for p in (ROOT / folder).rglob("*.py") if p.name != "law.py")
    names = {id(value): name for name, value in vars(law).items() if isinstance(value, Rule)}
    pure = {"night.kakao", "sender.form"}  # of the same code as the rule beside them: decided in a file without codes
    assert [r.id for r in found if r.id not in pure and f"law.{names[id(r)]}" not in code] == []


@pytest.mark.parametrize(
    ("clock", "texts", "kakao"),
    [
        ("2027-03-01T20:49:59.999", False, False),
        ("2027-03-01T20:50:00", False, True),  # Kakao: until 20:50
        ("2027-03-01T20:59:59.999", False, True),
        ("2027-03-01T21:00:00", True, True),  # 제50조③: from 21:00
        ("2027-03-01T23:59:59.999", True, True),
        ("2027-03-02T00:00:00", True, True),
        ("2027-03-02T07:59:59.999", True, True),
        ("2027-03-02T08:00:00", False, False),  # until 08:00 of the next day
        ("2027-03-02T12:00:00", False, False),
        ("2028-02-28T23:59:59", True, True),
        ("2028-02-29T07:59:59", True, True),
        ("2028-02-29T08:00:00", False, False),
        ("2028-02-29T20:50:00", False, True),
        ("2028-02-29T21:00:00", True, True),
        ("2028-03-01T00:00:00", True, True),
        ("2027-12-31T23:59:59", True, True),
        ("2028-01-01T08:00:00", False, False),
    ],
)
def test_act_50_3_no_ads_at_night(clock: str, texts: bool, kakao: bool) -> None:
    """정보통신망법 제50조③, 시행령 제61조②: 21:00 to 08:00 but for e-mail. Kakao's own window ends at 20:50."""
    now = at(clock)
    assert {night.ad_window_closed(channel, now) for channel in TEXTS} == {texts}
    assert {night.ad_window_closed(channel, now) for channel in KAKAO} == {kakao}
    assert {night.kakao_closed(channel, now) for channel in KAKAO} == {kakao}
    assert not any(night.kakao_closed(channel, now) for channel in TEXTS)
    assert not night.ad_window_closed(Channel.EMAIL, now)


@pytest.mark.parametrize(
    ("clock", "opens"),
    [
        ("2028-02-28T21:00:00", "2028-02-29T08:00:00"),
        ("2028-02-29T00:00:00", "2028-02-29T08:00:00"),
        ("2028-02-29T07:59:59.999", "2028-02-29T08:00:00"),
        ("2028-02-29T08:00:00", "2028-02-29T08:00:00"),
        ("2028-02-29T20:59:59", "2028-02-29T20:59:59"),
        ("2028-02-29T21:00:00", "2028-03-01T08:00:00"),
        ("2027-02-28T23:59:59", "2027-03-01T08:00:00"),
        ("2027-12-31T21:00:00", "2028-01-01T08:00:00"),
    ],
)
def test_act_50_3_the_night_ends_at_eight(clock: str, opens: str) -> None:
    """정보통신망법 제50조③: what waits for the morning waits until 08:00 of that morning, over midnight and the 29th of February."""
    assert night.ad_window_opens(Channel.MT, at(clock)) == at(opens)
    assert night.ad_window_opens(Channel.EMAIL, at(clock)) == at(clock)


@pytest.mark.parametrize(("channel", "last"), [(Channel.MT, "21:00"), (Channel.PUSH, "21:00"), (Channel.BT, "20:50")])
def test_act_50_3_how_long_an_ad_may_wait_at_the_device(channel: Channel, last: str) -> None:
    """정보통신망법 제50조③: a push service must not keep an ad into the night."""
    assert night.ad_window_left_s(channel, at(f"2028-02-29T{last}:00") - 1_000) == 1
    assert night.ad_window_left_s(channel, at(f"2028-02-29T{last}:00")) == 0
    assert night.ad_window_left_s(channel, at("2028-02-29T07:59:59")) == 0


def test_the_night_is_seoul_s_whatever_the_machine_s_clock_says() -> None:
    """정보통신망법 제50조③: every hour of two days, against the calendar of Seoul."""
    for n in range(48):
        moment = datetime(2028, 2, 28, tzinfo=UTC) + timedelta(hours=n)
        hour = (moment + timedelta(hours=9)).hour
        assert night.ad_window_closed(Channel.MT, round(moment.timestamp() * 1000)) is (hour >= 21 or hour < 8)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("(광고)하나가게 봄 할인\n무료수신거부 080-123-4567", True),
        ("(광고) 하나가게 할인 무료거부 0801234567", True),
        (" (광고)하나가게 무료 수신거부: 080 1234 5678 ", True),
        ("(광/고)하나가게 무료수신거부 080-123-4567", False),
        ("[광고]하나가게 무료수신거부 080-123-4567", False),
        ("(광 고)하나가게 무료수신거부 080-123-4567", False),
        ("하나가게 (광고) 무료수신거부 080-123-4567", False),
        ("#{mark}하나가게 무료수신거부 080-123-4567", False),
        ("(광고)하나가게 무료수신거부 02-123-4567", False),
        ("(광고)하나가게 무료수신거부 080-123-4567 지금", False),
        ("(광고)하나가게", False),
        ("(광고)[하나가게] #{name}님 할인\n무료거부 080-123-4567", True),
        ("(광고)#{shop} 봄 할인 무료수신거부 080-123-4567", False),
        ("(광고) 무료수신거부 080-123-4567", False),
        ("(광고) ★★ 무료수신거부 080-123-4567", False),
        ("(광고)하나가게 무료수신거부 #{number}", False),
    ],
)
def test_act_50_4_and_annex_6_an_ad_is_marked(text: str, good: bool) -> None:
    """정보통신망법 제50조④·⑤·⑥, 시행령 별표 6: the mark literally at the start, a free way to refuse at the end."""
    assert (ad_form.lacks(text) is None) is good


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("15441234", True), ("02-123-4567", True), ("0801234567", True), ("07021234567", True), ("01023456789", True),
        ("03012345678", True),
        ("0215441234", True), ("05012345678", False), ("112", False), ("01012345678", False), ("07011234567", False), ("154412345", False),
    ],
)  # fmt: skip
def test_act_84_2_sender_numbers_of_an_allowed_form(number: str, good: bool) -> None:
    """전기통신사업법 제84조의2, 고시 제2015-32호: the forms of sender numbers."""
    assert (phone.callback(number) is not None) is good
