"""The provider that deals tokens to their services: what several tokens of one recipient come to."""

from __future__ import annotations

from typing import Any

import pytest

from ims.adapters.providers.push.adapter import KEYS_KEPT_MS, PushServices
from ims.adapters.providers.push_service import Errand, Verdict
from ims.errors import CallRefused, NotSent, Rejected, Unclear
from ims.ports.providers import Answer, Outgoing, OutgoingCall
from ims.ports.push import ApnsKey, FcmKey, PushKeys
from ims.topics import SendType

NOW = 1_790_000_000_000
KEYS = PushKeys(FcmKey("p", "a@b", "k"), ApnsKey("T", "K", "k", "t"))
DEAD = Verdict("4041", "UNREGISTERED", dead_before=NOW)
TAKEN = Verdict(provider_id="id-1")


class Service:
    """Answers by address; remembers its errands."""

    def __init__(self) -> None:
        self.says: dict[str, Verdict | Exception] = {}
        self.errands: list[Errand] = []

    async def deliver(self, key: Any, errand: Errand) -> Verdict:
        self.errands.append(errand)
        said = self.says.get(errand.address, TAKEN)
        if isinstance(said, Exception):
            raise said
        return said

    async def close(self) -> None:
        pass


class Rig:
    def __init__(self) -> None:
        self.fcm, self.apns, self.keys, self.asked, self.now = Service(), Service(), KEYS, 0, NOW
        self.provider = PushServices(self.fcm, self.apns, self._keys_of, lambda: self.now, "bulk", timeout_s=1.0)

    async def _keys_of(self, customer: str, app_id: str) -> PushKeys:
        self.asked += 1
        assert (customer, app_id) == ("acme", "shop-app")
        return self.keys

    async def send(self, *tokens: tuple[str, str], text: str = "본문 #{n}", to_kind: str = "user", **fields: Any) -> Answer:
        given = [(f"d{n}", platform, token) for n, (platform, token) in enumerate(tokens)]
        member = Outgoing("ref-1", "news" if to_kind == "topic" else "u1", text, {"n": "1"}, to_kind, {"tokens": given, "ttl": 30})
        common = {"customer": "acme", "app_id": "shop-app", "push_type": "ALERT", **fields}
        (answer,) = await self.provider.send(OutgoingCall("k", 60, SendType.PUSH, [member], title="제목", fields=common))
        return answer

    def say(self, **said: Verdict | Exception) -> None:
        self.fcm.says = self.apns.says = said


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_each_token_goes_to_the_service_of_its_platform(rig: Rig) -> None:
    assert await rig.send(("ANDROID", "a"), ("IOS", "i"), ("WEB", "w")) == Answer("delivered", "", "", "id-1")
    assert [(e.address, e.platform) for e in rig.fcm.errands] == [("a", "ANDROID"), ("w", "WEB")]
    assert [e.address for e in rig.apns.errands] == ["i"] and len({e.trace for e in rig.fcm.errands + rig.apns.errands}) == 3
    assert rig.fcm.errands[0].push.body == "본문 1" and rig.fcm.errands[0].ttl_s == 30


async def test_without_a_key_of_apples_fcm_reaches_ios(rig: Rig) -> None:
    rig.keys = PushKeys(fcm=KEYS.fcm)
    await rig.send(("IOS", "i"))
    assert [e.platform for e in rig.fcm.errands] == ["IOS"]


async def test_without_any_key_it_fails_as_a_credential(rig: Rig) -> None:
    rig.keys = PushKeys()
    assert (await rig.send(("ANDROID", "a"))).code == "8003"


async def test_one_token_that_took_it_is_enough_and_the_dead_are_named(rig: Rig) -> None:
    rig.say(a=DEAD, i=Unclear("8002"))
    assert await rig.send(("ANDROID", "a"), ("IOS", "i"), ("WEB", "w")) == Answer("delivered", "", "", "id-1", (("d0", "4041", NOW),))


async def test_when_none_took_it_the_most_telling_code_stands(rig: Rig) -> None:
    rig.say(a=DEAD, i=Verdict("4032", "InvalidProviderToken"), w=Verdict("4001", "x", dead_before=5))
    answer = await rig.send(("ANDROID", "a"), ("IOS", "i"), ("WEB", "w"))
    assert (answer.status, answer.code, answer.dead) == ("failed", "4032", (("d0", "4041", NOW), ("d2", "4001", 5)))
    rig.say(a=DEAD, i=CallRefused("8003", "token 401"))
    assert (await rig.send(("ANDROID", "a"), ("IOS", "i"))).code == "8003"


async def test_where_one_may_have_taken_it_nobody_knows(rig: Rig) -> None:
    rig.say(a=DEAD, i=Unclear("8002"), w=NotSent("8004", "", 60))
    with pytest.raises(Unclear):
        await rig.send(("ANDROID", "a"), ("IOS", "i"), ("WEB", "w"))


async def test_surely_not_sent_is_tried_again_after_the_longest_wait(rig: Rig) -> None:
    rig.say(a=NotSent("8004", "", 7), i=NotSent("8004", "", 60), w=DEAD)
    with pytest.raises(NotSent) as caught:
        await rig.send(("ANDROID", "a"), ("IOS", "i"), ("WEB", "w"))
    assert caught.value.retry_after_s == 60


async def test_a_user_without_tokens(rig: Rig) -> None:
    assert await rig.send() == Answer("failed", "4040")


async def test_a_payload_that_grew_too_large_is_not_sent(rig: Rig) -> None:
    assert (await rig.send(("ANDROID", "a"), text="가" * 1_400)).code == "4131"
    assert (await rig.send(text="가" * 700, to_kind="topic")).code == "4131"
    assert rig.fcm.errands == []


async def test_a_topic_is_one_errand_of_fcm(rig: Rig) -> None:
    assert (await rig.send(to_kind="topic")).status == "delivered"
    assert [(e.address, e.platform) for e in rig.fcm.errands] == [("news", "")]


async def test_a_variable_without_a_value_is_ours(rig: Rig) -> None:
    with pytest.raises(CallRefused) as caught:
        await rig.send(("ANDROID", "a"), text="#{missing}")
    assert caught.value.code == "9999"


async def test_keys_are_read_once_a_minute(rig: Rig) -> None:
    await rig.send(("ANDROID", "a"))
    await rig.send(("ANDROID", "a"))
    assert rig.asked == 1
    rig.now += KEYS_KEPT_MS
    await rig.send(("ANDROID", "a"))
    assert rig.asked == 2


async def test_an_ad_is_marked_and_says_how_to_refuse(rig: Rig) -> None:
    await rig.send(("ANDROID", "a"), ad_flag="Y", contact="1544-1234", remove_guide="설정 > 알림")
    push = rig.fcm.errands[0].push
    assert (push.title, push.body) == ("(광고) 제목", "본문 1\n1544-1234\n설정 > 알림")


async def test_it_reports_nothing_and_can_be_asked_nothing(rig: Rig) -> None:
    abilities = rig.provider.abilities
    assert (abilities.keys, abilities.max_members, abilities.can_ask) == ("none", 1, False)
    assert await rig.provider.poll() is None
    with pytest.raises(Rejected):
        rig.provider.webhook({}, b"", 0)
