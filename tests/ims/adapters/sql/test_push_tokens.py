"""Push apps and tokens in the registry: sealed, bounded, consents with their times, dead ones retired once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ims.adapters.embedded.files import LaneFile
from ims.adapters.sql.push_tokens import REMOVED, SURPLUS
from ims.adapters.sql.registry import SqlRegistry
from ims.adapters.sql.registry_tables import create, push_apps, push_tokens, version
from ims.errors import Rejected
from ims.ports.push import MOST_LIVE, NewToken, Retirement
from ims.protocol.sealing import Keyring, Sealer
from ims.rules.registration import RegistrationRefused, parse_registration
from tests.ims.push_keys import p256_key, p384_key, push_app, rsa_key

TOKEN = "token-of-a-phone-0001"
USER = "user-7"


class World:
    def __init__(self, file: LaneFile) -> None:
        self.file = file
        self.now = 1_790_000_000_000
        self.sealer = Sealer(Keyring.generate())
        self.registry = SqlRegistry(file, self.sealer, now_ms=lambda: self.now)
        self.tokens = self.registry.push_tokens

    async def app(self, **more: Any) -> None:
        customer = {"name": "acme", "username": "acme-api", "push_apps": [push_app(**more)]}
        await self.registry.register(parse_registration(json.dumps({"customers": [customer]})))

    async def put(self, token: str = TOKEN, user: str = USER, platform: str = "ANDROID", **consents: bool) -> int:
        return await self.tokens.register("acme", "shop-app", [NewToken(token, platform, user, **consents)])

    async def live(self, user: str = USER) -> list[Any]:
        return await self.tokens.live_of("acme", "shop-app", [self.sealer.index(user)])

    async def known(self, token: str = TOKEN) -> Any:
        (found,) = await self.tokens.known("acme", "shop-app", [self.sealer.index(token)])
        return found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    file = LaneFile(tmp_path / "registry.db", create)
    made = World(file)
    await made.app()
    yield made
    file.close()


async def test_an_app_says_which_services_it_has_and_its_keys_open_for_who_signs(world: World) -> None:
    app = (await world.registry.directory()).push_app("acme", "shop-app")
    assert app is not None and (app.fcm, app.apns) == (True, True)
    assert [app.service(p) for p in ("ANDROID", "IOS", "WEB")] == ["fcm", "apns", "fcm"]
    keys = await world.tokens.keys("acme", "shop-app")
    assert keys.fcm is not None and keys.fcm.project_id == "shop-1" and keys.fcm.private_key == rsa_key()
    assert keys.apns is not None and (keys.apns.topic, keys.apns.environment) == ("kr.example.shop", "production")
    assert "PRIVATE" not in repr(keys)
    assert (await world.tokens.keys("acme", "other")).fcm is None
    assert (await world.registry.directory()).push_app("other", "shop-app") is None


async def test_a_file_that_leaves_a_service_out_keeps_its_keys(world: World) -> None:
    await world.app(fcm=None, apns={**push_app()["apns"], "environment": "sandbox"})
    keys = await world.tokens.keys("acme", "shop-app")
    assert keys.fcm is not None and keys.apns is not None and keys.apns.environment == "sandbox"


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"fcm": {"project_id": "p", "client_email": "a@b", "private_key": "no key"}}, "fcm.private_key"),
        ({"apns": {**push_app()["apns"], "private_key": rsa_key()}}, "apns.private_key"),
        ({"apns": {**push_app()["apns"], "private_key": p384_key()}}, "apns.private_key"),
        ({"fcm": {**push_app()["fcm"], "private_key": p256_key()}}, "fcm.private_key"),
        ({"fcm": {**push_app()["fcm"], "project_id": "../other"}}, "fcm.project_id"),
        ({"apns": {**push_app()["apns"], "environment": "test"}}, "apns.environment"),
    ],
)
async def test_a_key_that_cannot_sign_is_refused_at_registration(world: World, more: dict[str, Any], place: str) -> None:
    with pytest.raises(RegistrationRefused) as caught:
        await world.app(**more)
    assert [p.place for p in caught.value.problems] == [f"customers[0].push_apps[0].{place}"]
    assert "BEGIN" not in str(caught.value)


async def test_nothing_lies_open_in_the_file(world: World) -> None:
    await world.put()
    rows = await world.file.read(lambda conn: [tuple(r) for t in (push_tokens, push_apps) for r in conn.execute(select(t))])
    shown = repr(rows)
    for secret in (TOKEN, USER, "PRIVATE KEY", "push@shop-1"):
        assert secret not in shown


async def test_tokens_do_not_make_every_process_read_the_registry_again(world: World) -> None:
    before = await world.file.read(version)
    await world.put()
    await world.tokens.retire("acme", "shop-app", [Retirement(world.sealer.index(TOKEN), "4041", world.now)])
    assert await world.file.read(version) == before


async def test_consents_keep_the_time_of_their_last_change(world: World) -> None:
    first = world.now
    assert await world.put(ad=True) == 1
    world.now += 1_000
    assert await world.put(ad=True, night_ad=True) == 0
    world.now += 1_000
    await world.put(notification=False)
    consents = (await world.known()).consents
    assert consents == (False, first + 2_000, True, first, True, first + 1_000)


async def test_an_os_permission_is_no_consent_to_ads(world: World) -> None:
    await world.put()
    assert (await world.known()).consents == (True, 0, False, 0, False, 0)


async def test_a_token_moves_with_who_signs_in(world: World) -> None:
    await world.put()
    await world.put(user="user-8", platform="IOS")
    assert await world.live() == []
    (token,) = await world.live("user-8")
    assert (token.token, token.app_user_id, token.platform) == (TOKEN, "user-8", "IOS")


async def test_a_user_has_a_bounded_number_of_live_tokens(world: World) -> None:
    for n in range(MOST_LIVE + 2):
        world.now += 1
        await world.put(f"token-of-a-phone-{n:04d}")
    assert [t.token[-2:] for t in await world.live()] == [f"{n:02d}" for n in reversed(range(2, MOST_LIVE + 2))]
    assert (await world.known("token-of-a-phone-0000")).retired_code == SURPLUS


async def test_a_dead_token_is_retired_unless_it_was_registered_again(world: World) -> None:
    await world.put()
    digest = world.sealer.index(TOKEN)
    assert await world.tokens.retire("acme", "shop-app", [Retirement(digest, "4101", world.now - 1)]) == 0
    assert len(await world.live()) == 1
    assert await world.tokens.retire("acme", "shop-app", [Retirement(digest, "4101", world.now)]) == 1
    assert await world.tokens.retire("acme", "shop-app", [Retirement(digest, "4041", world.now)]) == 0
    assert await world.live() == [] and (await world.known()).retired_code == "4101"
    world.now += 1
    await world.put()
    assert len(await world.live()) == 1


async def test_what_an_app_takes_back_is_sent_nothing_more(world: World) -> None:
    await world.put()
    assert await world.tokens.remove("acme", "shop-app", [TOKEN, "another-token"]) == 1
    assert (await world.known()).retired_code == REMOVED
    assert await world.tokens.count("acme") == [("shop-app", "ANDROID", REMOVED, 1)]


async def test_tenants_and_apps_are_apart(world: World) -> None:
    await world.put()
    digest, user = world.sealer.index(TOKEN), world.sealer.index(USER)
    assert await world.tokens.live_of("other", "shop-app", [user]) == await world.tokens.known("acme", "other", [digest]) == []
    with pytest.raises(Rejected):
        await world.tokens.register("acme", "other", [NewToken(TOKEN, "ANDROID")])


async def test_many_users_are_looked_up_at_once(world: World) -> None:
    await world.tokens.register("acme", "shop-app", [NewToken(f"token-of-many-{n:04d}", "IOS", f"u{n}") for n in range(300)])
    found = await world.tokens.live_of("acme", "shop-app", [world.sealer.index(f"u{n}") for n in range(300)])
    assert sorted(t.app_user_id for t in found) == sorted(f"u{n}" for n in range(300))
