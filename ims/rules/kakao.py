"""What AlimTalk and brand messages have in common: what each type of button needs (domain/korean-messaging.md 1.3 and 1.4)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

LINK_CHARACTERS = 500  # of a template's link (AlimTalk, basic brand messages)
FREE_LINK_CHARACTERS = 1_000  # of a brand message without a template
CHANNEL_ADDED = "채널 추가"  # the only name that Kakao lets an AC button have
BUSINESS_FORMS = ("톡에서 예약하기", "톡에서 설문하기", "톡에서 응모하기")  # of a BF button in a brand message (NHN)


class Wrong(NamedTuple):
    """One thing wrong with a message: the field, a synchronous code, and a detail in two languages."""

    field: str
    code: str
    ko: str
    en: str


class ButtonRule(NamedTuple):
    """What a button of one type must have."""

    all_of: tuple[str, ...] = ()
    two_of: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # the only ones allowed; none: any


_APPS = ("url_mobile", "scheme_ios", "scheme_android")
ALIMTALK_BUTTONS: Mapping[str, ButtonRule] = {
    "WL": ButtonRule(all_of=("url_mobile",)),
    "AL": ButtonRule(two_of=_APPS),
    "DS": ButtonRule(),
    "BK": ButtonRule(),
    "MD": ButtonRule(),
    "BC": ButtonRule(),
    "BT": ButtonRule(),
    "AC": ButtonRule(names=(CHANNEL_ADDED,)),
    "BF": ButtonRule(one_of=("biz_form_key", "biz_form_id")),
    "TN": ButtonRule(all_of=("tel_number",)),
    "P1": ButtonRule(all_of=("plugin_id",)),
    "P2": ButtonRule(all_of=("plugin_id",)),
    "P3": ButtonRule(all_of=("plugin_id",)),
}
QUICK_REPLIES: Mapping[str, ButtonRule] = {kind: ALIMTALK_BUTTONS[kind] for kind in ("WL", "AL", "BK", "MD", "BC", "BT", "BF")}
_BRAND_BUTTONS = {
    **{kind: ALIMTALK_BUTTONS[kind] for kind in ("WL", "AL", "BK", "MD")},
    "BF": ButtonRule(all_of=("biz_form_key",), names=BUSINESS_FORMS),
}
FREE_BUTTONS: Mapping[str, ButtonRule] = {**_BRAND_BUTTONS, "BC": ButtonRule(), "BT": ButtonRule()}  # no AC without a template
BASIC_BUTTONS: Mapping[str, ButtonRule] = {**_BRAND_BUTTONS, "AC": ALIMTALK_BUTTONS["AC"]}  # no BC and BT with one (SENS)

LINKS = ("url_mobile", "url_pc", "scheme_android", "scheme_ios")


def buttons(found: Sequence[Mapping[str, Any]], at: str, rules: Mapping[str, ButtonRule], code: str) -> Iterator[Wrong]:
    """What is wrong with buttons or quick replies apart from the lengths of their texts."""
    for i, button in enumerate(found):
        place, kind, name = f"{at}.{i}", button.get("type", ""), button.get("name", "")
        if "#{" in name:
            yield Wrong(f"{place}.name", code, "버튼 이름에 변수를 쓸 수 없습니다.", "A button's name holds no variables.")
        rule = rules.get(kind)
        if rule is None:
            allowed = ", ".join(rules)
            yield Wrong(f"{place}.type", "4000" if code == "4002" else code, f"사용할 수 있는 타입: {allowed}", f"Allowed types: {allowed}")
            continue
        yield from missing(button, place, rule.all_of, kind, code)
        if rule.two_of and _given(button, rule.two_of) < 2:
            names = ", ".join(rule.two_of)
            yield Wrong(place, code, f"{kind}에는 {names} 중 두 개가 필요합니다.", f"{kind} requires two of {names}.")
        if rule.one_of and not _given(button, rule.one_of):
            names = ", ".join(rule.one_of)
            yield Wrong(place, code, f"{kind}에는 {names} 중 하나가 필요합니다.", f"{kind} requires one of {names}.")
        if rule.names and name not in rule.names:
            names = ", ".join(rule.names)
            yield Wrong(f"{place}.name", code, f"{kind} 버튼의 이름: {names}", f"A {kind} button is called: {names}")


def missing(found: Mapping[str, Any], at: str, names: Collection[str], what: str, code: str) -> Iterator[Wrong]:
    """The fields that `what` requires and that are absent or empty."""
    for name in names:
        if found.get(name) in (None, "", [], {}):
            yield Wrong(f"{at}.{name}" if at else name, code, f"{what}에는 필수 항목입니다.", f"{what} requires it.")


def _given(found: Mapping[str, Any], names: Collection[str]) -> int:
    return sum(bool(found.get(name)) for name in names)
