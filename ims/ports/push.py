"""What IMS knows of app push: apps with the services that reach them, and the tokens of their users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

ANDROID, IOS, WEB = "ANDROID", "IOS", "WEB"
PLATFORMS = (ANDROID, IOS, WEB)
MOST_LIVE = 10  # live tokens of one user in one app: a message to the user is as many requests; the one seen longest ago goes
MOST_WRITTEN = 500  # tokens in one write, and looked up in one read


@dataclass(frozen=True, slots=True)
class PushApp:
    """An app of a customer: which services it has keys for. The keys themselves are read by who signs with them."""

    app_id: str
    fcm: bool
    apns: bool

    def service(self, platform: str) -> str:
        """Who reaches this platform: fcm, apns, or nobody (empty). Without keys of Apple's, FCM reaches iOS itself."""
        if platform == IOS and self.apns:
            return "apns"
        return "fcm" if self.fcm else ""


@dataclass(frozen=True, slots=True)
class FcmKey:
    """A service account of Google's."""

    project_id: str
    client_email: str
    private_key: str = field(repr=False)
    private_key_id: str = ""


@dataclass(frozen=True, slots=True)
class ApnsKey:
    """A signing key of an Apple team, with the app that it is used for."""

    team_id: str
    key_id: str
    private_key: str = field(repr=False)
    topic: str = ""  # the app's bundle id
    environment: str = "production"  # production or sandbox: tokens of one are BadDeviceToken in the other


@dataclass(frozen=True, slots=True)
class PushKeys:
    """What the services of one app are signed in to with."""

    fcm: FcmKey | None = None
    apns: ApnsKey | None = None


class Consents(NamedTuple):
    """What a token's user agreed to (정보통신망법 제50조; an OS permission is none of these). Times are of the last change, 0: never."""

    notification: bool = True
    notification_at: int = 0
    ad: bool = False
    ad_at: int = 0
    night_ad: bool = False
    night_ad_at: int = 0


class NewToken(NamedTuple):
    """A token as its app registered it. None: the consent stays as it was (for a new token: as `Consents` begins)."""

    token: str
    platform: str
    app_user_id: str = ""
    notification: bool | None = None
    ad: bool | None = None
    night_ad: bool | None = None

    def __repr__(self) -> str:
        return f"<NewToken {self.platform}>"


class PushToken(NamedTuple):
    """A registered token. `token` and `app_user_id` are clear only where they were asked for."""

    digest: bytes  # keyed index of the token
    user: bytes  # keyed index of the app_user_id; empty: nobody's
    platform: str
    consents: Consents
    registered_at: int
    seen_at: int
    retired_code: str = ""  # why it is dead; empty: live
    token: str = ""
    app_user_id: str = ""

    def __repr__(self) -> str:
        return f"<PushToken {self.platform} {self.retired_code or 'live'}>"


class Retirement(NamedTuple):
    """A token that its service calls dead. `before`: a token registered later than that is a new one, and stays."""

    digest: bytes  # keyed index of the token
    code: str
    before: int


class PushTokens(Protocol):
    """Tokens of apps. Read at every call, never cached: consent and death count from the moment they are known."""

    async def live_of(self, customer: str, app_id: str, users: Sequence[bytes]) -> list[PushToken]:
        """Live tokens of these users (keyed index), clear, the last seen first, at most MOST_LIVE each."""
        ...

    async def known(self, customer: str, app_id: str, tokens: Sequence[bytes]) -> list[PushToken]:
        """Those of these tokens (keyed index) that are registered, live or dead, not clear."""
        ...

    async def retire(self, customer: str, app_id: str, dead: Sequence[Retirement]) -> int:
        """How many were retired. Saying it twice changes nothing."""
        ...
