"""send_push with the real provider and the stubs of both services: from the event to who is delivered and which tokens are dead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ims.adapters.providers.push.adapter import PushServices
from ims.lanes import Lane
from ims.runtime.pools import Weighed
from ims.testing.house import NOON
from tests.contracts.push_services.conftest import apns_rig, fcm_rig
from tests.functions.send_push.test_send_push import World, token, user, world

__all__ = ["world"]

APPLE = {n: f"{n:02x}" * 32 for n in range(1, 9)}


async def test_a_user_with_three_devices_one_of_them_dead(world: World, tmp_path: Path) -> None:
    async with fcm_rig() as google, apns_rig() as apple:
        google.now = apple.now = NOON
        serve(world, google, apple)
        await world.put("fcm-token-alive")
        await world.put("fcm-token-dead")
        await world.put(APPLE[1], platform="IOS")
        google.stub.outcomes = {"fcm-token-dead": "UNREGISTERED"}
        await world.send(user(), user("nobody"), token(APPLE[2], "IOS"))
        assert [m["token"] for m in google.sent] == ["fcm-token-alive"]
        assert sorted(m["device"] for m in apple.sent) == [APPLE[1], APPLE[2]]
    row = await world.row()
    assert [o.status for c in row.calls for o in c.outcomes] == ["delivered", "delivered"]
    assert await world.refused() == [(1, "FAILED", "4040")]
    assert [await world.state(t) for t in ("fcm-token-alive", "fcm-token-dead", APPLE[1])] == ["", "4041", ""]


async def test_a_quota_rests_the_event_and_sends_nothing_twice(world: World) -> None:
    async with fcm_rig() as google, apns_rig() as apple:
        google.now = apple.now = NOON
        serve(world, google, apple)
        google.behave("429")
        await world.send(token("fcm-token-0001"), token("fcm-token-0002"))
        assert len(google.sent) == 1
        held = await world.house.rows(Lane.REALTIME, "SELECT reason FROM held")
        assert held == [("8004",)]
        (call,) = [c for c in (await world.row()).calls if c.status != "done"]
        assert call.status == "not_sent" and call.first_at == 0


async def test_what_was_cut_off_is_unknown_and_never_sent_again(world: World) -> None:
    async with fcm_rig() as google, apns_rig() as apple:
        google.now = apple.now = NOON
        serve(world, google, apple)
        google.behave("close_after")
        await world.send(token("fcm-token-0001"))
        world.house.now += 20_000
        await world.house.forget_positions()
        await world.deliver()
        assert len(google.sent) == 1
    (call,) = (await world.row()).calls
    assert [(o.status, o.code) for o in call.outcomes] == [("unknown", "8002")]


def serve(world: World, google: Any, apple: Any) -> None:
    keys_of = world.house.registry.push_tokens.keys
    provider = PushServices(google.service, apple.service, keys_of, lambda: world.house.now, "fast", timeout_s=1.0)
    pool = [Weighed(provider)]
    world.house.ctx.providers = {**world.house.ctx.providers, ("push", "fast"): pool, ("push", "bulk"): pool}
