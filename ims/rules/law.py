"""The rules of law, carriers and Kakao that IMS keeps, as data: what each says, where it comes from, where it is looked at.

Files that refuse something name the rule here and take its codes from it; docs/rules.md is rendered from this table.
Korean text of the sources and what is unconfirmed in them: domain/korean-messaging.md, which the section numbers mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ims import results


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. A code is empty where the rule is not looked at there."""

    id: str
    ko: str
    en: str
    source: str  # article, decree, notice, or whose contract
    where: str  # the file that decides
    answer: str = ""  # code of the answer to a request (ims.codes)
    result: str = ""  # code of a message's result (ims.results), where it is looked at after acceptance
    moved_by: str = ""  # what operators or customers set; empty: nothing moves it


_ACT = "정보통신망법"
_DECREE = "정보통신망법 시행령"

NIGHT = Rule(
    "night",
    "21:00부터 다음 날 08:00까지는 별도의 야간 수신동의 없이 광고를 보내지 않는다(이메일 제외).",
    "No advertisement from 21:00 to 08:00 without a separate consent to the night; e-mail is excepted.",
    f"{_ACT} 제50조③, {_DECREE} 제61조②",
    "ims/rules/night.py",
    answer="2060",
    result=results.NIGHT_AD,
    moved_by="night_ads (ims register): refuse, or hold until 08:00; consents to the night (ims consents)",
)
NIGHT_KAKAO = Rule(
    "night.kakao",
    "브랜드메시지는 08:00부터 20:50까지만 보낸다.",
    "Brand messages go out from 08:00 to 20:50 only.",
    "Kakao (result 3022; domain 1.4)",
    "ims/rules/night.py",
    answer="2060",
    result=results.NIGHT_AD,
    moved_by="night_ads (ims register): refuse, or hold until 08:00",
)
AD_MARK = Rule(
    "ad.mark",
    "광고는 (광고)와 업체명으로 시작한다. 변형 표기, 그림, 변수 값은 인정하지 않는다.",
    "An advertisement begins with (광고) and the sender's name, literally: no variants, no picture, no variable.",
    f"{_ACT} 제50조④·⑤, {_DECREE} 별표 6",
    "ims/rules/ad_form.py",
    answer="2061",
    result=results.AD_FORM,
)
AD_OPT_OUT = Rule(
    "ad.opt_out",
    "광고는 비용 없는 수신거부 방법(무료수신거부 080 번호, 이메일은 링크)으로 끝난다.",
    "An advertisement ends with a free way to refuse: a number of 080, in e-mail a link.",
    f"{_ACT} 제50조④·⑥, {_DECREE} 별표 6",
    "ims/rules/ad_form.py",
    answer="2061",
    result=results.AD_FORM,
    moved_by="IMS_PUBLIC_URL (the link of e-mail)",
)
NO_ALIMTALK_ADS = Rule(
    "ad.alimtalk",
    "알림톡으로는 광고를 보내지 않는다.",
    "An AlimTalk carries no advertisement.",
    "Kakao (domain 1.3)",
    "functions/intake/content.py",
    answer="2061",
)
CONSENT = Rule(
    "consent",
    "명시적 사전동의가 없으면 광고를 보내지 않는다. 채널별로, 호출 직전에 확인한다(푸시: 토큰의 광고 동의).",
    "No advertisement without explicit prior consent, by channel, looked up right before every call (push: the token's).",
    f"{_ACT} 제50조①",
    "ims/runtime/composing.py",
    result=results.NO_CONSENT,
    moved_by="consents (ims register): required, or the customer's own affair; ims consents, ims push-tokens",
)
OPTED_OUT = Rule(
    "refusal",
    "수신거부 또는 동의 철회 뒤에는 보내지 않는다. 호출 직전에 확인한다.",
    "Nothing after a refusal or withdrawal; looked up right before every call.",
    f"{_ACT} 제50조②",
    "ims/runtime/composing.py",
    result=results.OPTED_OUT,
    moved_by="optouts (docs/registers.md), ims optout",
)
SENDER_FORM = Rule(
    "sender.form",
    "발신번호는 지역번호, 010, 15xx·16xx·18xx, 070, 080, 030 번호이며 050, 특수번호, 미할당 대역은 쓸 수 없다.",
    "A sender number is a landline, 010, 15xx, 16xx, 18xx, 070, 080 or 030; never 050, a special number or an unassigned range.",
    "전기통신사업법 제84조의2, 고시 제2015-32호",
    "ims/rules/phone.py",
    answer="2051",
)
SENDER_REGISTERED = Rule(
    "sender.registered",
    "발신번호는 그 고객이 미리 등록한 번호여야 한다.",
    "A sender number is one that the customer registered beforehand.",
    "전기통신사업법 제84조의2, 고시 제2015-32호",
    "functions/intake/senders.py",
    answer="2051",
    moved_by="numbers (docs/registers.md), sender_numbers (ims register)",
)
EXPIRED = Rule(
    "expiry",
    "인증은 3분, 실시간은 1시간, 대량과 광고는 24시간(또는 expires_at)이 지나면 보내지 않는다.",
    "Nothing is sent after its time: auth 3 minutes, realtime 1 hour, mass and ads 24 hours, or expires_at.",
    "contract 4; practice for one-time codes (domain 2.4)",
    "ims/runtime/composing.py",
    result=results.EXPIRED_IN_QUEUE,
    moved_by="expires_at",
)
STOPPED = Rule(
    "stop",
    "비상정지한 고객, 템플릿, 발신, 캠페인은 보내지 않는다.",
    "Nothing of a customer, template, sender or campaign that was stopped.",
    "IMS (contract 3)",
    "ims/runtime/composing.py",
    result=results.STOPPED,
    moved_by="ims stop",
)


HOLD = "hold"  # the choice of NIGHT that lets an ad wait for the morning
REQUIRED = "required"  # the choice of CONSENT that has IMS look for it


def holds_night_ads(choices: Mapping[str, str]) -> bool:
    """Whether a customer's ads wait for the morning. Otherwise they are refused at night."""
    return choices.get(NIGHT.id) == HOLD


def requires_consents(choices: Mapping[str, str]) -> bool:
    """Whether a customer's ads go only to those whose consent IMS was told of. Otherwise the customer answers for it."""
    return choices.get(CONSENT.id) == REQUIRED


def rules() -> Iterator[Rule]:
    """Every rule, in the order of this file."""
    return (value for value in globals().values() if isinstance(value, Rule))
