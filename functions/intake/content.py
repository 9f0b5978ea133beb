"""From a checked body to what all its recipients share: registered senders and templates, texts, fallback steps, lane, times."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b

import msgspec

from functions.intake.ads import faults_of_ad
from functions.intake.channels import FORMS
from functions.intake.destinations import allowed
from functions.intake.faults import Fault
from functions.intake.fields import Common
from functions.intake.form import Ads, Check, Form, Recipient, WantedFile
from functions.intake.senders import registered_callback
from functions.intake.texts import Kind, Texts, no_title, text_kind
from ims.errors import Rejected
from ims.lanes import Lane
from ims.ports.registry import Template
from ims.protocol.events import Shared, Step
from ims.rules import law
from ims.rules.fallback import KINDS, PHONE
from ims.rules.lane import derive, is_ad
from ims.rules.send_by import send_by
from ims.rules.text import normalise
from ims.runtime.clients.callers import Asker
from ims.topics import Channel, may_exist

_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """What the recipients of one request have in common, and how each of them is checked."""

    form: Form
    shared: Shared
    texts: Texts
    mapping: dict[str, str]
    bill_code: str
    base: bytes  # digest of the content as the client wrote it: without the lane, which depends on how many came together
    send_by_ms: int
    files: tuple[WantedFile, ...] = ()
    own_check: Check | None = None

    def check(self, who: Recipient | None, mapping: Mapping[str, str]) -> list[Fault]:
        """What is wrong with the texts for this recipient, and what their channel looks at besides."""
        faults = self.texts.check(mapping)
        if who is None or faults:
            return faults
        if self.own_check is not None:
            faults = self.own_check(who, mapping)
        if who.kind and self.shared.fallback and (unreached := unreachable(who, self.shared.fallback)):
            faults.append(unreached)
        return faults

    def digest(self, who: Recipient, bill_code: str, mapping: Mapping[str, str]) -> bytes:
        """8 bytes that are the same when the same message is asked for again, in whatever company."""
        row: tuple[object, ...] = (who.to, bill_code, mapping)
        if who.kind or who.fields or who.also:
            row = (*row, who.kind, who.fields, who.also)
        return blake2b(self.base + _encoder.encode(row), digest_size=8).digest()

    def trimmed(self, mapping: dict[str, str]) -> dict[str, str]:
        """Only the values that a text uses: the rest need not travel."""
        names = self.texts.names
        return mapping if mapping.keys() <= names else {name: value for name, value in mapping.items() if name in names}


def values_of(raw: Mapping[str, str | int | float]) -> dict[str, str]:
    """A mapping as texts. ValueError with the name whose value would itself be a variable."""
    values: dict[str, str] = {}
    for name, value in raw.items():
        if isinstance(value, str):
            if "#{" in value:
                raise ValueError(name[:60])
            values[normalise(name)] = normalise(value)
        elif isinstance(value, int):
            values[normalise(name)] = str(value)
        else:
            values[normalise(name)] = format(Decimal(repr(value)), "f")  # never 1e-07
    return values


def nested_variable(name: str) -> Fault:
    """The fault of a value that holds `#{`: values are inserted once, so it would reach the recipient as it stands."""
    return Fault(f"mapping.{name}", "1400", "값에 #{를 쓸 수 없습니다.", "A value may not contain #{.")


def content_of(channel: Channel, model: Common, asker: Asker, *, recipients: int, skip: Collection[str]) -> tuple[Content, list[Fault]]:
    """The content and everything wrong with it. Fields in `skip` have faults already, so nothing is said of their absence."""
    faults: list[Fault] = []
    form = FORMS[channel]
    template = _template(channel, model, asker, faults)
    message = form.written(model)
    text = message or (template.text and normalise(template.text) if template else "")
    own = form.read(model, text, template, asker, faults)
    faults = [fault for fault in faults if fault.field.partition(".")[0] not in skip]
    if own.needs_text and not text and not {"message", "template_code"} & set(skip) and (template or not model.template_code):
        faults.append(Fault("message", "2020", "필수 항목입니다.", "It is required."))
    try:
        mapping = values_of(model.mapping)
    except ValueError as exc:
        faults.append(nested_variable(str(exc)))
        mapping = {}
    steps = _steps(model, asker, faults)
    texts = Texts([*own.places, *_places_of_steps(model, text)], empty_values=form.empty_values)
    faults += texts.faults
    marked = is_ad(text, own.title, *(t for s in model.fallback for t in (s.message, s.title)))
    ad = own.is_ad or marked or model.ad_flag == "Y" or (recipients == 1 and texts.becomes_ad(mapping))
    lane = _lane(channel, model, asker, faults, template=template, recipients=recipients, ad=ad)
    expires_at = _expires_at(model, asker, faults)
    if lane is Lane.AD:
        faults += faults_of_ad(channel, model, text, asker, expires_at)
    if model.callback_url and not allowed(model.callback_url, asker.customer.callback_allowed):
        faults.append(Fault("callback_url", "1400", "허용 목록에 없는 주소입니다.", "It is not on the customer's allow list."))
    shared = Shared(
        service_key=asker.key.key,
        customer=asker.customer.name,
        lane=lane,
        channel=channel,
        message_type=getattr(model, "message_type", ""),
        text=text,
        title=own.title,
        callback=own.callback,
        sender_key=own.sender_key,
        template_code=model.template_code,
        campaign_id=getattr(model, "campaign_id", ""),
        callback_url=model.callback_url,
        expires_at=expires_at,
        fallback=_chosen(steps, model, text, lane),
        header=own.header,
        attachment=own.attachment,
        supplement=own.supplement,
        fields=own.fields,
    )
    written = msgspec.structs.replace(shared, lane=Lane.AUTH, text=message, fallback=steps)
    base = blake2b(_encoder.encode((written, model.send_class, model.ad_flag)), digest_size=16).digest()
    by = send_by(channel, lane, asker.now_ms, expires_at)
    return Content(form, shared, texts, mapping, model.bill_code, base, by, tuple(own.files), own.check), faults


def unreachable(who: Recipient, steps: Collection[Step]) -> Fault | None:
    """The fault of a recipient whom a fallback step could not be sent to: nothing in the row says how."""
    found = {who.kind or PHONE, *who.also}
    if any(found.isdisjoint(KINDS[step.channel]) for step in steps):
        return Fault("phone_number", "2020", "대체발송에 필요합니다.", "The fallback needs it.")
    return None


def _template(channel: Channel, model: Common, asker: Asker, faults: list[Fault]) -> Template | None:
    if not model.template_code:
        return None
    template = asker.directory.template(asker.customer.name, channel.value, model.template_code)
    if template is None:
        faults.append(Fault("template_code", "2040"))
    return template


def _steps(model: Common, asker: Asker, faults: list[Fault]) -> list[Step]:
    """The fallback steps as the client wrote them; what `on_unknown` means by default is known with the lane."""
    steps = []
    for i, step in enumerate(model.fallback):
        number = registered_callback(step.callback, f"fallback.{i}.callback", asker, faults)
        steps.append(
            Step(
                type=step.type,
                callback=number,
                text=step.message or None,
                title=step.title,
                after_s=step.after_s,
                on_unknown=step.on_unknown == "Y",
            )
        )
        if step.title and step.type == "SMS":
            faults.append(no_title(f"fallback.{i}.title"))
    return steps


def _chosen(steps: list[Step], model: Common, text: str, lane: Lane) -> list[Step]:
    """The steps as they travel: a text that repeats the one before it is left out, so that requests can share an event."""
    chosen = []
    before = text
    for step, asked in zip(steps, model.fallback, strict=True):
        after = step.text or before
        on_unknown = step.on_unknown or (asked.on_unknown == "" and lane is Lane.AUTH)
        chosen.append(msgspec.structs.replace(step, text=None if after == before else after, on_unknown=on_unknown))
        before = after
    return chosen


def _places_of_steps(model: Common, text: str) -> Iterator[tuple[str, str, Kind]]:
    """Every text of the fallback steps with its field and kind; a step without a text takes the one before it."""
    for i, step in enumerate(model.fallback):
        text = step.message or text
        yield text, f"fallback.{i}.message", text_kind(step.type)
        yield step.title, f"fallback.{i}.title", Kind.TITLE


def _lane(
    channel: Channel, model: Common, asker: Asker, faults: list[Fault], *, template: Template | None, recipients: int, ad: bool
) -> Lane:
    category = template.category if template else ""
    try:
        lane = derive(asker.key.kind, category=category, recipients=recipients, ad=ad, send_class=model.send_class)
    except Rejected as exc:
        ko = "인증 키로는 한 번에 200명 이상에게 보낼 수 없습니다."
        faults.append(Fault(exc.field or "", exc.code, ko, "An auth key takes fewer than 200 recipients."))
        return asker.key.kind
    if lane is not Lane.AD:
        if not may_exist(channel, lane):
            ko = "인증 메시지를 보낼 수 없는 채널입니다."
            faults.append(Fault("send_class" if model.send_class else "", "1400", ko, "This channel carries no one-time codes."))
        return lane
    if FORMS[channel].ads is Ads.NEVER:
        why = (law.NO_ALIMTALK_ADS.answer, "message") if ad else ("1400", "send_class" if model.send_class == "ad" else "")
        faults.append(Fault(why[1], why[0], "알림톡으로는 광고를 보낼 수 없습니다.", "An AlimTalk may not carry advertisements."))
    return lane


def _expires_at(model: Common, asker: Asker, faults: list[Fault]) -> int:
    """Milliseconds; 0 when none was given."""
    if not model.expires_at:
        return 0
    try:
        moment = datetime.fromisoformat(model.expires_at).astimezone(UTC)
        at_ms = int(moment.timestamp() * 1_000)
    except (ValueError, OverflowError):
        faults.append(Fault("expires_at", "1400", "존재하지 않는 시각입니다.", "There is no such time."))
        return 0
    if at_ms <= asker.now_ms:
        faults.append(Fault("expires_at", "1400", "이미 지난 시각입니다.", "It has passed already.", passing=True))
    return at_ms
