"""send_push: who is reached at this moment, what consents and nights refuse, and dead tokens retired once the outcome is stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ims import topics
from ims.lanes import TRAITS, Lane
from ims.ports.providers import Answer
from ims.ports.push import NewToken
from ims.ports.records import Change
from ims.protocol.envelope import Emit
from ims.protocol.events import Row, SendRequested, Shared
from ims.protocol.ids import new_birth
from ims.rules.registration import parse_registration
from ims.testing.house import NOON, House
from ims.testing.provider import ScriptedProvider
from ims.topics import Channel, SendType
from tests.ims.push_keys import push_app

NIGHT = NOON + 10 * 3_600_000  # 22:00 in Seoul


class World:
    def __init__(self, house: House) -> None:
        self.house = house
        self.birth = ""

    async def send(self, *rows: dict[str, Any], lane: Lane = Lane.REALTIME, **fields: Any) -> None:
        """One event of push, on its way to send_push."""
        house, now = self.house, self.house.now
        self.birth = new_birth(lane, now)
        shared = Shared(
            service_key=f"key{lane}", customer="acme", lane=lane, channel=Channel.PUSH, message_type="ALERT", text="본문", title="제목",
            fields={"app_id": "shop-app", "push_type": "ALERT", **fields},
        )  # fmt: skip
        made = [Row(pos=n, message_id=f"m{n}", **row) for n, row in enumerate(rows)]
        send_by = now + TRAITS[lane].send_within_s * 1_000
        data = SendRequested(
            birth=self.birth, attempt=1, received_at=now, send_by=send_by, distributed_at=now,
            send_type=SendType.PUSH, shared=shared, rows=made,
        )  # fmt: skip
        emit = Emit(topics.send(SendType.PUSH, lane), f"{self.birth}-send", data, self.birth, lane, Channel.PUSH)
        record = house.ctx.envelopes.seal(emit, "00-" + "1" * 32 + "-" + "2" * 16 + "-01", now)
        await house.ctx.journal.commit(lane, Change(), [record])
        await self.deliver()

    async def deliver(self) -> None:
        await self.house.pump(stages=("send_push",))

    async def row(self, lane: Lane = Lane.REALTIME) -> Any:
        (found,) = (await self.house.ctx.journal.dispatches(lane, [(self.birth, 1)])).values()
        return found

    async def refused(self, lane: Lane = Lane.REALTIME) -> list[tuple[int, str, str]]:
        return [(r.pos, r.result, r.code) for r in (await self.row(lane)).refused]

    async def put(self, token: str, user: str = "u1", platform: str = "ANDROID", **consents: bool) -> None:
        await self.house.registry.push_tokens.register("acme", "shop-app", [NewToken(token, platform, user, **consents)])

    async def state(self, token: str) -> str:
        index = self.house.ctx.sealer.index(token)
        (found,) = await self.house.registry.push_tokens.known("acme", "shop-app", [index])
        return found.retired_code

    def digest(self, token: str) -> str:
        return self.house.ctx.sealer.index(token).hex()

    @property
    def members(self) -> list[Any]:
        return [m for call in self.house.provider.calls for m in call.members]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    house = await House.open(tmp_path, ScriptedProvider(keys="none", max_members=1))
    file = {"customers": [{"name": "acme", "username": "acme", "push_apps": [push_app()]}]}
    await house.registry.register(parse_registration(json.dumps(file)))
    yield World(house)
    await house.close()


def user(name: str = "u1") -> dict[str, Any]:
    return {"to": name, "to_kind": "user"}


def token(text: str, platform: str = "ANDROID") -> dict[str, Any]:
    return {"to": text, "to_kind": "token", "fields": {"platform": platform}}


async def test_a_user_is_reached_by_every_live_token(world: World) -> None:
    await world.put("token-0001")
    await world.put("token-0002", platform="IOS")
    await world.put("token-0003", user="u2")
    await world.send(user())
    (member,) = world.members
    assert sorted((platform, text) for _, platform, text in member.fields["tokens"]) == [("ANDROID", "token-0001"), ("IOS", "token-0002")]
    assert world.house.provider.calls[0].fields["customer"] == "acme"


async def test_a_user_without_a_live_token_fails(world: World) -> None:
    await world.send(user())
    assert await world.refused() == [(0, "FAILED", "4040")] and world.members == []


async def test_a_token_that_nobody_registered_is_sent_to(world: World) -> None:
    await world.send(token("somebody's-token"))
    assert [m.fields["tokens"] for m in world.members] == [[(world.digest("somebody's-token"), "ANDROID", "somebody's-token")]]


async def test_a_token_that_is_known_to_be_dead_is_not(world: World) -> None:
    await world.put("token-0001")
    await world.house.registry.push_tokens.remove("acme", "shop-app", ["token-0001"])
    await world.send(token("token-0001"))
    assert await world.refused() == [(0, "FAILED", "4040")]


async def test_a_user_who_wants_no_notification_gets_none(world: World) -> None:
    await world.put("token-0001", notification=False)
    await world.send(user(), token("token-0001"))
    assert await world.refused() == [(0, "REJECTED", "7103"), (1, "REJECTED", "7103")]


@pytest.mark.parametrize(
    ("consents", "at", "code"),
    [
        ({}, NOON, "7103"),
        ({"ad": True}, NOON, ""),
        ({"ad": True}, NIGHT, "7101"),
        ({"ad": True, "night_ad": True}, NIGHT, ""),
        ({"night_ad": True}, NIGHT, "7103"),
        ({"ad": True, "notification": False}, NOON, "7103"),
    ],
)
@pytest.mark.parametrize("kind", ["user", "token"])
async def test_an_ad_needs_the_tokens_consents_of_this_hour(world: World, consents: dict[str, bool], at: int, code: str, kind: str) -> None:
    await world.put("token-0001", **consents)
    world.house.now = at
    await world.send(user() if kind == "user" else token("token-0001"), lane=Lane.AD, ad_flag="Y")
    assert [c for _, _, c in await world.refused(Lane.AD)] == ([code] if code else [])
    assert len(world.members) == (not code)


async def test_an_ad_to_a_token_without_consents_or_to_a_topic_is_refused(world: World) -> None:
    await world.send(token("unknown-token"), {"to": "news", "to_kind": "topic"}, lane=Lane.AD, ad_flag="Y")
    assert await world.refused(Lane.AD) == [(0, "REJECTED", "7103"), (1, "REJECTED", "7103")]


async def test_of_a_users_tokens_only_those_that_agreed_are_sent_an_ad(world: World) -> None:
    await world.put("token-0001", ad=True)
    await world.put("token-0002")
    await world.send(user(), lane=Lane.AD, ad_flag="Y")
    assert [[t[2] for t in m.fields["tokens"]] for m in world.members] == [["token-0001"]]


async def test_an_ad_is_not_kept_for_a_device_into_the_night(world: World) -> None:
    await world.put("token-0001", ad=True)
    await world.put("token-0002", user="u2", ad=True, night_ad=True)
    await world.send(user(), user("u2"), lane=Lane.AD, ad_flag="Y")
    assert [m.fields["ttl"] for m in world.members] == [9 * 3_600, 86_400]


@pytest.mark.parametrize(("lane", "fields", "ttl"), [(Lane.AUTH, {}, 180), (Lane.REALTIME, {}, 3_600), (Lane.AUTH, {"ttl": 9}, 9)])
async def test_without_a_time_of_its_own_a_push_lives_as_long_as_its_lane_tries(world: World, lane: Lane, fields: Any, ttl: int) -> None:
    await world.put("token-0001")
    await world.send(user(), lane=lane, **fields)
    assert [m.fields["ttl"] for m in world.members] == [ttl]


async def test_ten_calls_at_most_stand_open_at_once(world: World) -> None:
    await world.send(*(token(f"token-{n:04d}") for n in range(23)))
    assert len(world.members) == 23 and len({m.ref for m in world.members}) == 23


async def test_a_dead_token_is_retired_with_the_stored_outcome_and_again_after_a_crash(world: World) -> None:
    await world.put("token-0001")
    dead = Answer("failed", "4041", "UNREGISTERED", "", ((world.digest("token-0001"), "4041", NOON),))
    world.house.provider.script.append([dead])
    await world.send(user())
    assert await world.state("token-0001") == "4041"
    await world.house.registry.push_tokens.register("acme", "shop-app", [NewToken("token-0001", "ANDROID", "u1")])
    world.house.now += 1
    await world.put("token-0001")  # registered again, after what the service spoke of
    await world.house.forget_positions()
    await world.deliver()
    assert await world.state("token-0001") == "" and len(world.house.provider.calls) == 1


async def test_one_dead_token_does_not_keep_a_message_from_being_delivered(world: World) -> None:
    await world.put("token-0001")
    answer = Answer("delivered", "", "", "id-1", ((world.digest("token-0001"), "4101", NOON),))
    world.house.provider.script.append([answer])
    await world.send(user())
    (call,) = (await world.row()).calls
    assert (call.outcomes[0].status, await world.state("token-0001")) == ("delivered", "4101")
