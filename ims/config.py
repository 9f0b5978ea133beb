"""Every setting, read from the environment here and nowhere else. A wrong value refuses to start and names itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ims.errors import Misconfigured
from ims.protocol.sealing import Keyring

_SECRET: dict[str, JsonValue] = {"secret": True}
_SERVERS = ("log", "records", "cache", "traces", "files")


def secret(default: str, *, description: str) -> Any:
    """A setting whose value may also lie in a file that IMS_<NAME>_FILE names, as mounted secrets do."""
    return Field(default, description=description, json_schema_extra=_SECRET)


def shares(*names: str, description: str) -> Any:
    """One provider, or several by comma with weights. Weight 0: only while no other can be called."""
    one = f"({'|'.join(names)})(:[0-9]{{1,3}})?"
    several = f"; several: {names[-1]}:3,{names[0]}:1" if len(names) > 1 else ""
    return Field(names[0], pattern=f"^{one}(,{one})*$", description=f"{description} {', '.join(names)}{several}.")


class Settings(BaseSettings):
    """The fields below as IMS_<NAME>; docs/settings.md is checked against them."""

    model_config = SettingsConfigDict(env_prefix="IMS_", extra="ignore")

    profile: Literal["embedded", "production"] = Field("embedded", description="One machine and its files, or servers.")
    home: Path = Field(Path(".ims"), description="Data folder of the embedded profile; in production, of `ims up` alone.")
    log: str = Field(
        "", description="Production: the event log, kafka://host:9092,host:9092 or kafka+ssl://...; /name behind it: a prefix."
    )
    log_ca_file: Path | None = Field(None, description="Certificate authority of kafka+ssl; empty: the system's.")
    log_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field("", description="How Kafka is logged in to.")
    log_username: str = Field("", description="Kafka's user.")
    log_password: str = secret("", description="Kafka's password.")
    log_deadline_s: float = Field(10, gt=0, le=60, description="Of one append to the log; then the outbox takes over.")
    records: str = secret("", description="Production: the records, mysql://user:password@host:3306/prefix_of_databases?tls=on&tls_ca=FILE.")
    records_connections: int = Field(8, ge=1, le=50, description="Of one process to each of the five databases, at most.")
    cache: str = secret("", description="Production: leases, rates and breakers, redis://, redis+cluster://h:p,h:p; rediss for TLS.")
    cache_ca_file: str = Field("", description="Certificate authority of rediss; empty: the system's.")
    traces: str = secret("", description="Production: traces, mongodb://host:27017/ims; ?tls=true&tlsCAFile=FILE.")
    files: str = secret("", description="Production: large things, s3://bucket?endpoint=...&region=...&tls_ca=FILE.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the intake URL; 0 takes a free one.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of the metrics of what `ims up` runs, on loopback; 0: a free one.")
    public_url: str = Field("", description="Where people reach the intake URL, https://...: links to opt out; empty: no ads by e-mail.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    function: str = Field("", description="What `ims serve` serves where none is named; several, by comma, go by the path.")
    trusted_proxies: str = Field("", description="Networks, by comma, whose X-Forwarded-For `ims serve` believes; empty: none.")
    keys: str = secret("", description="Keyring (JSON); empty: a 0600 file in the home, made at the first start.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Of our own log lines.")
    clock_offset_s: float = Field(0, description="Moves the clock; for tests of deadlines and night rules only.")

    restored_until: AwareDatetime | None = Field(
        None, description="Production, after a restore: when IMS was stopped. What is older is in no new call: decisions/0011."
    )

    providers_mt: str = shares("simulator", "bizgo", description="Who sends texts.")
    providers_kakao: str = shares("simulator", "bizgo", description="Who sends AlimTalk and brand messages.")
    providers_email: str = shares("simulator", "ses", "smtp", description="Who sends e-mail.")
    providers_push: str = shares("simulator", "push", description="Who sends app push (push: FCM and APNs, with each app's keys).")
    providers_rcs: str = shares("simulator", "bizgo", description="Who sends RCS.")
    provider_timeout_s: float = Field(10, gt=0, le=60, description="Of one provider call, all of it.")
    provider_tries: int = Field(3, ge=1, le=10, description="Tries in one delivery of an event before it is parked.")
    park_s: float = Field(5, gt=0, description="How long an event first rests when its provider is away.")

    simulator_url: str = Field("", description="Where the simulator listens; empty: the one that `ims up` starts.")
    simulator_port: int = Field(0, ge=0, le=65535, description="Port of the simulator that `ims up` starts; 0: a free one.")
    simulator_keys: Literal["call", "recipient", "none"] = Field("call", description="How it honours idempotency keys.")
    simulator_latency_ms: int = Field(0, ge=0, description="Time it takes for an answer.")
    simulator_reports_fast: Literal["webhook", "polling"] = Field("webhook", description="Delivery reports of auth and realtime.")
    simulator_reports_bulk: Literal["webhook", "polling"] = Field("polling", description="Delivery reports of mass and ad.")
    simulator_magic_scale: float = Field(1, gt=0, description="Scales the delays of its magic numbers.")
    simulator_secret: str = secret("simulator", description="Signs its webhooks; the simulator's --secret-file holds another.")

    bizgo_base_url: str = Field("https://mars.ibapi.kr", description="Bizgo OMNI.")
    bizgo_api_key: str = secret("", description="Account of mass and ad.")
    bizgo_reports: Literal["polling", "webhook"] = Field("polling", description="How its delivery reports come.")
    bizgo_webhook_secret: str = secret("", description="Verifies its webhooks.")
    bizgo_codes_file: Path | None = Field(None, description="JSON {family: {Bizgo report code: our code}}: the owner's table of codes.")
    bizgo_rate_per_s: float = Field(200, gt=0, description="Recipients a second of the account (Bizgo's limit).")
    bizgo_fast_base_url: str = Field("", description="Account of auth and realtime; empty: the first.")
    bizgo_fast_api_key: str = secret("", description="Account of auth and realtime; empty: the first.")
    bizgo_fast_reports: Literal["", "polling", "webhook"] = Field("", description="Empty: as the first.")
    bizgo_fast_webhook_secret: str = secret("", description="Empty: as the first.")
    bizgo_fast_reserve_share: float = Field(0.3, ge=0, lt=1, description="Of one account's rate, kept for auth and realtime.")

    fcm_url: str = Field("https://fcm.googleapis.com", description="FCM HTTP v1.")
    fcm_token_url: str = Field("https://oauth2.googleapis.com/token", description="Where FCM's access tokens come from.")
    apns_url: str = Field("", description="APNs; empty: Apple's production or sandbox, as each app is registered.")

    ses_region: str = Field("ap-northeast-2", description="Amazon SES: the region of the account.")
    ses_endpoint: str = Field("", description="Empty: Amazon's own; `localstack`: where localstack-client finds it; or a URL.")
    ses_access_key_id: str = secret("", description="Empty: what botocore finds (environment, role of the pod or machine).")
    ses_secret_access_key: str = secret("", description="Beside the key id.")
    ses_configuration_set: str = Field("", description="Publishes events to SNS, with our ref in their tags.")
    ses_topics: str = Field("", description="ARNs of the SNS topics, by comma, that post to /receipt/ses; empty: taken is delivered.")
    ses_rate_per_s: float = Field(14, gt=0, description="Recipients a second of the account; SES starts with 14, in its sandbox with 1.")

    smtp_host: str = Field("", description="SMTP: the relay.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_tls: Literal["starttls", "tls", "none"] = Field("starttls", description="How the connection is made private.")
    smtp_ca_file: str = Field("", description="Certificate authority of the relay; empty: the system's.")
    smtp_username: str = Field("", description="Login; empty: none.")
    smtp_password: str = secret("", description="Password of the login.")
    smtp_envelope_from: str = Field("", description="Where bounces go, bounces@mail.example.com; each mail has bounces+<ref>@ of its own.")
    smtp_reports: Literal["none", "dsn"] = Field("none", description="none: taken is delivered; dsn: asked to report, bounces come in.")
    smtp_bounce_secret: str = secret("", description="Bearer token of who posts bounces to /receipt/smtp.")
    smtp_dkim: str = secret("", description='Keys that sign, {"domain": {"selector", "key": PEM}}; empty: the relay signs.')
    smtp_connections: int = Field(8, ge=1, le=100, description="Connections to the relay of one process, per account.")
    smtp_rate_per_s: float = Field(100, gt=0, description="Mails a second that the relay may get; a guess.")
    mail_fast_reserve_share: float = Field(0.3, ge=0, lt=1, description="Of the rate of SES or the relay, kept for auth and realtime.")

    report_deadline_sms_s: float = Field(26 * 3600, gt=0, description="No delivery report by then: UNKNOWN (domain 5).")
    report_deadline_lms_s: float = Field(82 * 3600, gt=0, description="The same for LMS.")
    report_deadline_mms_s: float = Field(82 * 3600, gt=0, description="The same for MMS.")
    report_deadline_at_s: float = Field(600, gt=0, description="The same for AlimTalk.")
    report_deadline_bt_s: float = Field(600, gt=0, description="The same for brand messages.")
    report_deadline_rcs_s: float = Field(24 * 3600 + 600, gt=0, description="The same for RCS: its longest expiry option and 10 minutes.")
    report_deadline_email_s: float = Field(76 * 3600, gt=0, description="The same for e-mail.")
    report_deadline_push_s: float = Field(600, gt=0, description="The same for push, where a provider reports at all.")
    callback_retry_unit_s: float = Field(60, gt=0, description="Retry n of a callback waits (n^2 - n + 1) of these.")
    callback_timeout_s: float = Field(5, gt=0, le=30, description="Of one callback call, DNS to the last byte.")
    callback_allow_loopback: bool = Field(False, description="Lets callbacks go to loopback; on only in what `make run` starts.")

    delivery_retry: int = Field(8, ge=0, description="Attempts after the first before an event becomes a dead letter.")
    delivery_delay_s: float = Field(0.2, gt=0, description="Wait before attempt k+1 is 2^k of these.")
    delivery_timeout_s: float = Field(90, gt=0, description="Of one delivery of an event to a function.")
    handler_limit_s: float = Field(75, gt=0, description="Of one event in a function of `ims serve`; then it comes again.")
    poll_idle_s: float = Field(0.5, gt=0, description="Pause of the report poller when nothing waits.")

    files_days: int = Field(40, ge=1, le=400, description="How long uploaded files live; reservations reach 30 days ahead.")
    files_most_mib: int = Field(10_240, ge=1, description="What one customer's living files may take, in MiB.")
    log_retention_s: float = Field(3600, ge=0, description="How long handled events stay in the embedded log, at least.")
    x_ims_key: str = secret("", description="Credential of `ims send --url`, where IMS was not started from this home.")
    audit_days: int = Field(
        730, ge=1, description="How long the audit log of registers and campaigns is kept; a guess at what is asked of logs."
    )
    history_days: int = Field(90, ge=3, description="How long messages can be found by their id.")

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        """Each limit holds the one before it, or work that was nearly done is done again and again."""
        if not self.provider_timeout_s < self.handler_limit_s < self.delivery_timeout_s:
            raise ValueError("IMS_PROVIDER_TIMEOUT_S < IMS_HANDLER_LIMIT_S < IMS_DELIVERY_TIMEOUT_S must hold")
        return self

    @model_validator(mode="after")
    def _servers_of_the_profile(self) -> Self:
        named = [name for name in _SERVERS if getattr(self, name)]
        wanted = _SERVERS if self.profile == "production" else ()
        if missing := [f"IMS_{name.upper()}" for name in wanted if name not in named]:
            raise ValueError(f"IMS_PROFILE=production needs {', '.join(missing)}")
        if self.profile == "embedded" and named:
            raise ValueError(f"IMS_{named[0].upper()} goes with IMS_PROFILE=production")
        return self

    def keyring(self) -> Keyring:
        """The keys of this installation."""
        return Keyring.parse(self.keys) if self.keys else _home_keyring(self.home)


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment. Misconfigured names every wrong one."""
    try:
        return Settings(**_from_files(), **overrides)  # type: ignore[arg-type]  # names and types are checked by the model itself
    except ValidationError as exc:
        wrong = "; ".join(f"IMS_{str(e['loc'][0]).upper()}: {e['msg']}" if e["loc"] else e["msg"] for e in exc.errors())
        raise Misconfigured(wrong) from None  # the library's own text holds the values


def _from_files() -> dict[str, str]:
    """Secrets that lie in files. One that is given both ways is refused: who knows which was meant."""
    found = {}
    for name, field in Settings.model_fields.items():
        path = os.environ.get(f"IMS_{name.upper()}_FILE")
        if path is None or field.json_schema_extra != _SECRET:
            continue
        if f"IMS_{name.upper()}" in os.environ:
            raise Misconfigured(f"IMS_{name.upper()} and IMS_{name.upper()}_FILE: one of the two")
        try:
            found[name] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise Misconfigured(f"IMS_{name.upper()}_FILE cannot be read: {type(exc).__name__}") from exc
    return found


def _home_keyring(home: Path) -> Keyring:
    """The keyring in the home; made once, whoever comes first, readable by its owner only."""
    path = home / "keys.json"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = home / f"keys.{os.getpid()}.tmp"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(Keyring.generate().dump())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails when somebody was faster: theirs stands
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        folder = os.open(home, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name too: without the keys nothing that is ever accepted could be read again
        finally:
            os.close(folder)
    return Keyring.parse(path.read_text())
