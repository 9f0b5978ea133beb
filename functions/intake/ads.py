"""What is asked of a request that is an advertisement: the hour, and the marks in every text message that may come of it.

The marks are literal (ims.rules.ad_form), so a text is looked at once for all its recipients, before substitution.
"""

from __future__ import annotations

from collections.abc import Iterator

from functions.intake.channels import FORMS
from functions.intake.faults import Fault
from functions.intake.fields import Common
from functions.intake.form import Ads
from ims.rules import ad_form, law, night
from ims.runtime.clients.callers import Asker
from ims.topics import Channel


def faults_of_ad(channel: Channel, model: Common, text: str, asker: Asker, expires_at: int) -> Iterator[Fault]:
    """What is wrong with it as an advertisement. `text` is the request's own, or its template's."""
    ads = FORMS[channel].ads
    if ads is Ads.NEVER:  # refused as such, whatever it says
        return
    if ads is Ads.BY_DAY:
        yield from _hour(channel, asker, expires_at)
    fields = {text: "message"} if channel is Channel.MT else {}  # other channels' own marks do not come along into a text message
    for i, step in enumerate(model.fallback):
        text = step.message or text
        fields.setdefault(text, f"fallback.{i}.message")
    for text, field in fields.items():
        if text and (wrong := ad_form.lacks(text)):
            yield Fault(field, law.AD_MARK.answer, *wrong)


def _hour(channel: Channel, asker: Asker, expires_at: int) -> Iterator[Fault]:
    """An ad at night is refused, unless its customer has it wait and it may still be sent in the morning.

    Where IMS keeps the customer's consents, who agreed to the night is looked up for each recipient right before the call.
    """
    choices = asker.customer.choices
    if law.requires_consents(choices) and not night.kakao_closed(channel, asker.now_ms):
        return
    morning = night.ad_window_opens(channel, asker.now_ms)
    waits = law.holds_night_ads(choices) and not 0 < expires_at <= morning
    if morning > asker.now_ms and not waits:
        yield Fault("", law.NIGHT.answer, *night.words(channel), passing=True)
