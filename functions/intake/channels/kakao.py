"""What Kakao's channels share: buttons and quick replies, with their links (domain 1.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from functions.intake.faults import Fault
from functions.intake.fields import LINE, Body, Code20, Code30, Link, nfc
from functions.intake.texts import Kind

ButtonType = Literal["WL", "AL", "DS", "BK", "MD", "BC", "BT", "AC", "BF", "TN", "P1", "P2", "P3"]


class Button(Body):
    """A button, or a quick reply, as Kakao's dealers take it (domain 1.3)."""

    type: ButtonType
    name: Annotated[str, StringConstraints(min_length=1, max_length=14, pattern=LINE), BeforeValidator(nfc)]
    url_mobile: Link = ""
    url_pc: Link = ""
    scheme_android: Link = ""
    scheme_ios: Link = ""
    target: Literal["", "out"] = ""
    chat_extra: Annotated[str, StringConstraints(max_length=50, pattern=LINE), BeforeValidator(nfc)] = ""
    chat_event: Annotated[str, StringConstraints(max_length=50, pattern=r"^[A-Za-z0-9_]*$")] = ""
    tel_number: Code20 = ""
    plugin_id: Code30 = ""
    biz_form_key: Code30 = ""


class Attachment(Body):
    """What hangs below an AlimTalk."""

    button: Annotated[list[Button], Field(max_length=5)] = Field(default_factory=list)


class Supplement(Body):
    """Quick replies (바로연결)."""

    quick_reply: Annotated[list[Button], Field(max_length=10)] = Field(default_factory=list)


def links(buttons: list[Button], at: str, code: str, faults: list[Fault]) -> Iterator[tuple[str, str, Kind]]:
    """The links of buttons, which may hold variables; their names may not [Kakao]."""
    for i, button in enumerate(buttons):
        apps = [button.url_mobile, button.scheme_ios, button.scheme_android]
        if "#{" in button.name:
            faults.append(Fault(f"{at}.{i}.name", code, "버튼 이름에 변수를 쓸 수 없습니다.", "A button's name holds no variables."))
        if button.type == "WL" and not button.url_mobile:
            faults.append(Fault(f"{at}.{i}.url_mobile", code, "WL에는 필수 항목입니다.", "WL requires it."))
        if button.type == "AL" and sum(map(bool, apps)) < 2:
            ko = "AL에는 url_mobile, scheme_ios, scheme_android 중 두 개가 필요합니다."
            faults.append(Fault(f"{at}.{i}", code, ko, "AL requires two of url_mobile, scheme_ios, scheme_android."))
        for name in ("url_mobile", "url_pc", "scheme_android", "scheme_ios"):
            yield getattr(button, name), f"{at}.{i}.{name}", Kind.LINK
