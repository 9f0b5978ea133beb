"""Which provider serves which family and account, from settings."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from ims.config import Settings
from ims.errors import Misconfigured
from ims.ports.attachments import Attachments
from ims.ports.clock import Clock
from ims.ports.providers import Provider
from ims.ports.push import PushKeys
from ims.runtime.pools import Pool, Weighed
from ims.telemetry import UNLISTED
from ims.topics import SENDERS

PushKeysOf = Callable[[str, str], Awaitable[PushKeys]]
ACCOUNTS = ("fast", "bulk")
FAMILIES = tuple(sender.removeprefix("send_") for sender in SENDERS)


def configured(settings: Settings, family: str) -> dict[str, int]:
    """The providers of a family with their weights, as IMS_PROVIDERS_<FAMILY> has them."""
    out: dict[str, int] = {}
    for part in getattr(settings, f"providers_{family}").split(","):
        name, _, weight = part.partition(":")
        if name in out:
            raise Misconfigured(f"IMS_PROVIDERS_{family.upper()} names {name} twice")
        out[name] = int(weight or 1)
    return out


def providers(
    settings: Settings, push_keys: PushKeysOf, attachments: Attachments, clock: Clock
) -> dict[tuple[str, str], Pool]:
    """(family, account) -> its providers; one instance per provider and account, so that its connections are shared."""
    made: dict[tuple[str, str], Provider] = {}

    def instance(name: str, account: str) -> Provider:
        if (name, account) not in made:
            match name:
                case "bizgo":
                    made[name, account] = _bizgo(settings, account, attachments, clock)
                case "ses":
                    made[name, account] = _ses(settings, account)
                case "smtp":
                    made[name, account] = _smtp(settings, account)
                case "push":
                    made[name, account] = _push(settings, account, push_keys, clock)
                case _:
                    made[name, account] = _simulator(settings, account)
        return made[name, account]

    return {
        (family, account): [Weighed(instance(name, account), weight) for name, weight in configured(settings, family).items()]
        for family in FAMILIES
        for account in ACCOUNTS
    }


def _simulator(settings: Settings, account: str) -> Provider:
    from ims.adapters.providers.simulator.adapter import Simulator

    return Simulator(
        settings.simulator_url or f"http://127.0.0.1:{settings.simulator_port}",
        account,
        keys=settings.simulator_keys,
        secret=settings.simulator_secret,
        timeout_s=settings.provider_timeout_s,
        on_unlisted=_unlisted("simulator"),
    )


def _mail_rate(settings: Settings, account: str, rate_per_s: float) -> float:
    """One account's rate is shared out: what the reserved lanes keep, mass can never borrow."""
    share = settings.mail_fast_reserve_share
    return rate_per_s * (share if account == "fast" else 1 - share)


def _ses(settings: Settings, account: str) -> Provider:
    from ims.adapters.providers.ses.adapter import Ses

    return Ses(
        settings.ses_region,
        account,
        endpoint=settings.ses_endpoint,
        access_key_id=settings.ses_access_key_id,
        secret_access_key=settings.ses_secret_access_key,
        configuration_set=settings.ses_configuration_set,
        topics=settings.ses_topics,
        rate_per_s=_mail_rate(settings, account, settings.ses_rate_per_s),
        timeout_s=settings.provider_timeout_s,
    )


def _smtp(settings: Settings, account: str) -> Provider:
    from ims.adapters.providers.smtp.adapter import Smtp

    return Smtp(
        settings.smtp_host,
        settings.smtp_port,
        account,
        envelope_from=settings.smtp_envelope_from,
        tls=settings.smtp_tls,
        username=settings.smtp_username,
        password=settings.smtp_password,
        ca_file=settings.smtp_ca_file,
        dkim=settings.smtp_dkim,
        reports=settings.smtp_reports,
        bounce_secret=settings.smtp_bounce_secret,
        connections=settings.smtp_connections,
        rate_per_s=_mail_rate(settings, account, settings.smtp_rate_per_s),
        timeout_s=settings.provider_timeout_s,
    )


def _push(settings: Settings, account: str, keys_of: PushKeysOf, clock: Clock) -> Provider:
    from ims.adapters.providers.apns.adapter import Apns
    from ims.adapters.providers.fcm.adapter import Fcm
    from ims.adapters.providers.push.adapter import PushServices

    limit = settings.provider_timeout_s
    of_one = limit * 0.9  # a service says whether its request had left; the limit of the whole call does not know
    fcm = Fcm(settings.fcm_url, settings.fcm_token_url, clock, timeout_s=of_one)
    return PushServices(fcm, Apns(settings.apns_url, clock, timeout_s=of_one), keys_of, clock, account, timeout_s=limit)


def _bizgo(settings: Settings, account: str, attachments: Attachments, clock: Clock) -> Provider:
    from ims.adapters.providers.bizgo.adapter import Bizgo

    own = account == "fast" and settings.bizgo_fast_api_key
    # One account's rate is shared out: what the reserved lanes keep, mass can never borrow.
    rate = settings.bizgo_rate_per_s
    if not settings.bizgo_fast_api_key:
        share = settings.bizgo_fast_reserve_share
        rate *= share if account == "fast" else 1 - share
    return Bizgo(
        (settings.bizgo_fast_base_url if own else "") or settings.bizgo_base_url,
        settings.bizgo_fast_api_key if own else settings.bizgo_api_key,
        account,
        reports=(settings.bizgo_fast_reports if account == "fast" else "") or settings.bizgo_reports,
        webhook_secret=(settings.bizgo_fast_webhook_secret if own else "") or settings.bizgo_webhook_secret,
        rate_per_s=rate,
        timeout_s=settings.provider_timeout_s,
        on_unlisted=_unlisted("bizgo"),
        more_codes=_more_codes(settings),
        attachments=attachments,
        clock=clock,
    )


def reports_come(settings: Settings, provider: Provider) -> str:
    """How an account's delivery reports come: "polling", "webhook", or "never"."""
    if provider.name == "push":
        return "never"
    fast = provider.account == "fast"
    if provider.name == "bizgo":
        return (settings.bizgo_fast_reports if fast else "") or settings.bizgo_reports
    if provider.name in {"ses", "smtp"}:
        return "webhook"
    return settings.simulator_reports_fast if fast else settings.simulator_reports_bulk


def _more_codes(settings: Settings) -> dict[str, dict[str, str]]:
    if settings.bizgo_codes_file is None:
        return {}
    try:
        codes: dict[str, dict[str, str]] = json.loads(settings.bizgo_codes_file.read_text())
    except (OSError, ValueError) as exc:
        raise Misconfigured(f"IMS_BIZGO_CODES_FILE cannot be read: {type(exc).__name__}") from exc
    return codes


def _unlisted(provider: str):  # type: ignore[no-untyped-def]  # a one-line closure over a metric
    return lambda _code: UNLISTED.labels(provider).inc()
