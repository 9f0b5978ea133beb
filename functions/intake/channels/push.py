"""push: app push (domain 9.2). The recipient is a token, a user of the app, or a topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from typing_extensions import TypedDict

from functions.intake import fields
from functions.intake.channels.mt import BAD_NUMBER
from functions.intake.faults import Fault
from functions.intake.fields import LINE, LINES, MAX_ROWS, STRICT, Campaign, Common, One, Phone, line, nfc
from functions.intake.form import Ads, Form, Own, Recipient
from functions.intake.texts import Measure
from ims.lanes import Lane
from ims.ports.push import ANDROID, IOS, PushApp
from ims.ports.registry import Template
from ims.rules import law
from ims.rules import push as rules
from ims.rules.kakao import LINK_CHARACTERS
from ims.rules.lane import is_ad
from ims.rules.limits import Limit
from ims.rules.phone import recipient as mobile
from ims.rules.template import MissingVariable
from ims.runtime.clients.callers import Asker

_PAYLOAD = Limit(rules.PAYLOAD_BYTES)  # of the whole payload, which is counted besides
_MOST_DATA = 50  # keys: the payload's bytes are the limit that counts
_Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE), BeforeValidator(nfc)]
_Value = Annotated[str, StringConstraints(max_length=4_000, pattern=LINES), BeforeValidator(nfc)]
_Data = Annotated[dict[_Name, _Value], Field(max_length=_MOST_DATA)]
_Kind = Literal["", "ALERT", "BACKGROUND"]


def _short(value: str) -> str:
    if len(value.encode()) > rules.COLLAPSE_BYTES:
        raise ValueError("too long")
    return value


class Target(TypedDict, total=False):
    """Whom it is for: exactly one of token (with its platform), app_user_id (all live tokens of that user) and topic."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    token: Annotated[str, StringConstraints(min_length=8, max_length=1_000, pattern=r"^[\x21-\x7E]+$")] | None
    platform: Literal["ANDROID", "IOS", "WEB"] | None
    app_user_id: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=LINE), BeforeValidator(nfc)] | None
    topic: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.~%-]+$")] | None


class PushMessage(Common):
    """App push."""

    message_type: _Kind = ""
    push_type: _Kind = ""  # the same by its other name
    app_id: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=LINE)]
    title: line(rules.TITLE_CHARACTERS) = ""  # type: ignore[valid-type]
    image_url: Annotated[str, StringConstraints(max_length=1_000, pattern=r"^(https://[^\x00-\x20\x7F\\]+)?$")] = ""
    link_url: fields.Link = ""
    data: _Data = {}  # noqa: RUF012 - pydantic copies it
    badge: Annotated[int, Field(ge=0, le=99_999)] | None = None
    sound: line(100) = ""  # type: ignore[valid-type]
    channel_id: line(100) = ""  # type: ignore[valid-type]
    collapse_key: Annotated[str, StringConstraints(max_length=64, pattern=LINE), AfterValidator(_short)] = ""
    priority: Literal["", "HIGH", "NORMAL"] = ""
    ttl: Annotated[int, Field(ge=0, le=rules.MOST_TTL_S)] | None = None
    contact: line(50) = ""  # type: ignore[valid-type]
    remove_guide: line(100) = ""  # type: ignore[valid-type]


class PushOne(PushMessage, One):
    """push/sendMessage."""

    target: Target
    phone_number: Phone = ""  # where fallback steps that are texts find the recipient


class PushCampaign(PushMessage, Campaign):
    """push/sendMessages without its rows."""


class Receiver(fields.Row):
    """A row of receiver_list."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    target: Target
    phone_number: NotRequired[Phone]


class PushMany(PushCampaign):
    """push/sendMessages, whole: what the document shows."""

    receiver_list: Annotated[list[Receiver], Field(min_length=1, max_length=MAX_ROWS)]


_SHOWN = ("title", "message", "image_url", "sound", "channel_id")  # what a push that nobody sees cannot have


def read(model: PushMessage, text: str, template: Template | None, asker: Asker, faults: list[Fault]) -> Own:
    """The app, what belongs to the kind of push, and everything that is counted after substitution."""
    del template
    kind = _kind(model, faults)
    app = asker.directory.push_app(asker.customer.name, model.app_id) if model.app_id else None
    if app is None and model.app_id:
        faults.append(Fault("app_id", "2052", "등록되지 않은 앱입니다.", "The app is not registered."))
    faults += [
        Fault(f"data.{name[:60]}", "1400", "예약된 이름입니다.", "The name is reserved.") for name in model.data if rules.reserved(name)
    ]
    ad = model.ad_flag == "Y" or model.send_class == "ad" or asker.key.kind is Lane.AD or is_ad(text, model.title)
    if kind == rules.BACKGROUND:
        faults += [_not_shown(name) for name in _SHOWN if getattr(model, name)]
        if model.badge is not None:
            faults.append(_not_shown("badge"))
        if ad:
            faults.append(Fault("ad_flag", "1400", "BACKGROUND로는 광고를 보낼 수 없습니다.", "A BACKGROUND push is no advertisement."))
        if not model.data:
            faults.append(Fault("data", "2020", "BACKGROUND에는 필수 항목입니다.", "BACKGROUND requires it."))
    elif ad:
        ko, en = "광고에는 필수 항목입니다.", "An advertisement requires it."
        faults += [Fault(name, law.AD_OPT_OUT.answer, ko, en) for name in ("contact", "remove_guide") if not getattr(model, name)]
    own = _fields(model, kind, ad=ad)
    places: list[tuple[str, str, Measure]] = [
        (text, "message", _PAYLOAD),
        (model.title, "title", Limit(rules.TITLE_CHARACTERS)),
        (model.link_url, "link_url", Limit(LINK_CHARACTERS)),
    ]
    places += [(value, f"data.{name[:60]}", _PAYLOAD) for name, value in model.data.items()]
    return Own(
        title=model.title,
        fields=own,
        places=places if kind == rules.ALERT else places[2:],
        is_ad=ad,
        needs_text=kind == rules.ALERT,
        check=_checker(app, model.title, text if kind == rules.ALERT else "", own, ad=ad) if app and kind else None,
    )


def _kind(model: PushMessage, faults: list[Fault]) -> str:
    if model.message_type and model.push_type and model.message_type != model.push_type:
        faults.append(Fault("push_type", "1400", "message_type과 다릅니다.", "It differs from message_type."))
    kind = model.message_type or model.push_type
    if not kind:
        faults.append(Fault("message_type", "2020", "필수 항목입니다.", "It is required."))
    return kind


def _not_shown(name: str) -> Fault:
    return Fault(name, "1400", "BACKGROUND에는 쓸 수 없습니다.", "A BACKGROUND push shows nothing.")


def _fields(model: PushMessage, kind: str, *, ad: bool) -> dict[str, Any]:
    """What travels to the provider: only what was given."""
    given = {name: getattr(model, name) for name in ("image_url", "link_url", "data", "sound", "channel_id", "collapse_key", "priority")}
    own: dict[str, Any] = {"app_id": model.app_id, "push_type": kind or rules.ALERT, **{n: v for n, v in given.items() if v}}
    own |= {name: value for name, value in (("badge", model.badge), ("ttl", model.ttl)) if value is not None}
    return own | {"ad_flag": "Y", "contact": model.contact, "remove_guide": model.remove_guide} if ad else own


def _checker(
    app: PushApp, title: str, text: str, own: Mapping[str, Any], *, ad: bool
) -> Callable[[Recipient, Mapping[str, str]], list[Fault]]:
    """What is looked at for every recipient: that a service reaches them, and the bytes of the payload that it would get."""
    keyless = not (app.fcm or app.apns)  # an app to try with: the simulator asks for no keys

    def check(who: Recipient, mapping: Mapping[str, str]) -> list[Fault]:
        if who.kind == "topic":
            if ad:
                ko, en = "동의를 확인할 수 없어 광고를 보낼 수 없습니다.", "Nobody can say who in a topic agreed to advertisements."
                return [Fault("target.topic", "1400", ko, en)]
            platforms, limit = [""], rules.TOPIC_BYTES
        else:
            platforms, limit = [who.fields["platform"]] if who.kind == "token" else [ANDROID, IOS], rules.PAYLOAD_BYTES
        services = {platform: app.service(platform) for platform in platforms}
        if not any(services.values()) and not keyless:
            return [Fault("target.platform", "1400", "앱에 이 플랫폼의 키가 없습니다.", "The app has no key for this platform.")]
        try:
            push = rules.rendered(title, text, own, mapping)
        except MissingVariable:
            return []  # said already
        size = max(rules.size(push, service or ("apns" if platform == IOS else "fcm"), platform) for platform, service in services.items())
        if size > limit:
            ko, en = f"페이로드가 {size}바이트, 최대 {limit}바이트입니다.", f"The payload has {size} bytes, at most {limit}."
            return [Fault("message" if text else "data", "2010", ko, en)]
        return []

    return check


_KIND_OF = {"token": "token", "app_user_id": "user", "topic": "topic"}
_REQUIRED = Fault("target", "2020", "token, app_user_id, topic 중 하나가 필요합니다.", "One of token, app_user_id, topic is required.")
_TOO_MANY = Fault("target", "1400", "token, app_user_id, topic 중 하나만 쓸 수 있습니다.", "Only one of the three may stand.")
_PLATFORM = Fault("target.platform", "2020", "token에는 필수 항목입니다.", "A token requires it.")
_NO_PLATFORM = Fault("target.platform", "1400", "token에만 쓸 수 있습니다.", "It goes with a token only.")


def recipient(given: Mapping[str, Any]) -> Recipient | list[Fault]:
    """The one of the three that stands there, and the telephone for fallback steps that are texts."""
    target = given.get("target") or {}
    chosen = [(kind, value) for name, kind in _KIND_OF.items() if (value := target.get(name))]
    platform = target.get("platform")
    faults: list[Fault] = []
    if len(chosen) != 1:
        faults.append(_TOO_MANY if chosen else _REQUIRED)
    elif (chosen[0][0] == "token") != bool(platform):
        faults.append(_NO_PLATFORM if platform else _PLATFORM)
    phone = mobile(given["phone_number"]) if given.get("phone_number") else ""
    if phone is None:
        faults.append(BAD_NUMBER)
    if faults or phone is None:
        return faults
    kind, to = chosen[0]
    return Recipient(to, kind, {"platform": platform} if platform else {}, {"phone": phone} if phone else {})


FORM = Form(
    one=PushOne,
    campaign=PushCampaign,
    many=PushMany,
    row=Receiver,
    recipient_fields=("target", "phone_number"),
    read=read,
    recipient=recipient,
    name=("PushMessage", "an app push"),
    ads=Ads.ALWAYS,  # the night is each token's own consent, asked at dispatch
    example={
        "message_id": "push-20270101-0001",
        "message_type": "ALERT",
        "app_id": "demo-app",
        "target": {"app_user_id": "user-1"},
        "title": "주문",
        "message": "#{name}님, 주문이 접수되었습니다.",
        "mapping": {"name": "홍길동"},
        "link_url": "myapp://order/1",
        "data": {"order_id": "1"},
    },
)
