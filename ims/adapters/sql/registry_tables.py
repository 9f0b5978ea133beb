"""The tables of the registry (contract 6). Every look-up goes by a primary key or an index; times are milliseconds UTC.

`key_id` beside a sealed column names the key under which it opens. Names compare byte by byte.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    VARBINARY,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from ims.adapters.sql.column_types import ON_A_SERVER, name, number64, sealed

metadata = MetaData()

RECIPIENT_BYTES = 12  # of Sealer.index
SOURCE_CHARACTERS = 60  # of where a consent was given, and of the version of its wording
VALUE_CHARACTERS = 60  # of what a stop names: codes, ids and keys are at most 40


def _customer(*, key: bool = False) -> Column[str]:
    return Column("customer", name(40), primary_key=key, nullable=False)


def _created_at() -> Column[int]:
    return Column("created_at", BigInteger, nullable=False)


# One row, raised in every write transaction: a reader sees by one cheap read whether its snapshot is still the newest.
registry_version = Table(
    "registry_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    _created_at(),
    **ON_A_SERVER,
)

customers = Table("customers", metadata, Column("name", name(40), primary_key=True), _created_at(), **ON_A_SERVER)

credentials = Table(
    "credentials",
    metadata,
    Column("username", name(40), primary_key=True),  # belongs to one customer
    Column("digest", VARBINARY(32), primary_key=True),  # SHA-256 of the secret
    _customer(),
    Column("live", Boolean, nullable=False),
    Column("expires_at", BigInteger),  # set when rotated: it lives on for the overlap
    _created_at(),
    Index("credentials_by_customer", "customer"),
    **ON_A_SERVER,
)

service_keys = Table(
    "service_keys",
    metadata,
    Column("key", name(40), primary_key=True),
    _customer(),
    Column("kind", String(10), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("allowed_ips", Text, nullable=False),  # networks, one a line
    Column("rate_per_s", Integer, nullable=False),
    Column("daily_cap", Integer, nullable=False),
    _created_at(),
    Index("service_keys_by_customer", "customer", "created_at"),
    **ON_A_SERVER,
)

sender_numbers = Table(
    "sender_numbers",
    metadata,
    _customer(key=True),
    Column("number", String(20), primary_key=True),
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# What customers said of numbers that they want to send from, and what was decided. A number may be sent from when it stands in
# sender_numbers: an approval puts it there.
number_claims = Table(
    "number_claims",
    metadata,
    _customer(key=True),
    Column("number", String(20), primary_key=True),
    Column("state", String(10), nullable=False),  # claimed, approved, refused
    Column("proof", name(40), nullable=False),  # file_key; empty: a registered number that was refused later
    Column("reason", name(200), nullable=False),  # of a refusal
    Column("claimed_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),  # 0: not yet
    _created_at(),
    Index("number_claims_by_state", "state", "claimed_at"),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

sender_profiles = Table(
    "sender_profiles",
    metadata,
    _customer(key=True),
    Column("sender_key", name(40), primary_key=True),
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

sending_domains = Table(
    "sending_domains",
    metadata,
    _customer(key=True),
    Column("domain", name(253), primary_key=True),  # as the DNS spells it
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

templates = Table(
    "templates",
    metadata,
    _customer(key=True),
    Column("channel", String(10), primary_key=True),
    Column("code", name(30), primary_key=True),
    Column("text", Text, nullable=False),
    Column("category", String(10), nullable=False),
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

endpoints = Table(
    "endpoints",
    metadata,
    _customer(key=True),
    Column("url", Text, nullable=False),  # empty: polling only
    Column("allowed", Text, nullable=False),  # prefixes of callback_url, one a line
    _created_at(),
    **ON_A_SERVER,
)

callback_secrets = Table(
    "callback_secrets",
    metadata,
    Column("id", String(32), primary_key=True),
    _customer(),
    Column("sealed", sealed(), nullable=False),
    Column("key_id", String(20), nullable=False),
    Column("expires_at", BigInteger),
    _created_at(),
    Index("callback_secrets_by_customer", "customer", "created_at"),
    **ON_A_SERVER,
)

# A recipient who wants nothing more of a customer on a channel; the number itself is not kept.
opt_outs = Table(
    "opt_outs",
    metadata,
    _customer(key=True),
    Column("channel", String(10), primary_key=True),
    Column("recipient", VARBINARY(RECIPIENT_BYTES), primary_key=True),  # keyed index
    _created_at(),
    Index("opt_outs_by_time", "customer", "channel", "created_at"),
    sqlite_with_rowid=False,  # the primary key is the table: a look-up touches nothing else
    **ON_A_SERVER,
)

# What people agreed to, and what of it they withdrew: in force while it was agreed to later. Whose number it is is not kept.
consents = Table(
    "consents",
    metadata,
    _customer(key=True),
    Column("channel", String(10), primary_key=True),
    Column("recipient", VARBINARY(RECIPIENT_BYTES), primary_key=True),  # keyed index
    Column("purpose", String(10), primary_key=True),  # ims.ports.consents.PURPOSES
    Column("agreed_at", BigInteger, nullable=False),  # 0: never
    Column("withdrawn_at", BigInteger, nullable=False),  # 0: never
    Column("source", name(SOURCE_CHARACTERS), nullable=False),  # of the latest agreement, as is the wording
    Column("wording", name(SOURCE_CHARACTERS), nullable=False),
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# Emergency stops. `customer` empty: whoever sends it.
stops = Table(
    "stops",
    metadata,
    _customer(key=True),
    Column("kind", String(10), primary_key=True),  # customer, template, sender, campaign
    Column("value", name(VALUE_CHARACTERS), primary_key=True),
    Column("since", BigInteger, nullable=False),
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# What customers chose where a rule leaves them a choice: the ids of ims.rules.law.
customer_rules = Table(
    "customer_rules",
    metadata,
    _customer(key=True),
    Column("rule", String(30), primary_key=True),
    Column("choice", String(30), nullable=False),
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# Customers nothing of whose campaigns leaves before it is approved.
approving_customers = Table("approving_customers", metadata, _customer(key=True), _created_at(), **ON_A_SERVER)

# What was ordered of campaigns. One without a row runs as its lane does.
campaigns = Table(
    "campaigns",
    metadata,
    Column("service_key", name(40), primary_key=True),
    Column("campaign_id", name(30), primary_key=True),
    _customer(),
    Column("state", String(10), nullable=False),  # running, paused, cancelled
    Column("pace_per_s", Integer, nullable=False),  # 0: none of its own
    Column("approved_by", name(40), nullable=False),  # user name; empty: nobody yet
    Column("changed_at", BigInteger, nullable=False),
    _created_at(),
    Index("campaigns_by_change", "changed_at"),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# Apps that push goes to; the keys of their services are sealed together: JSON of ims.ports.push.PushKeys.
push_apps = Table(
    "push_apps",
    metadata,
    _customer(key=True),
    Column("app_id", name(40), primary_key=True),
    Column("fcm", Boolean, nullable=False),
    Column("apns", Boolean, nullable=False),
    Column("sealed", sealed(), nullable=False),
    Column("key_id", String(20), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# Tokens of apps. Writing them leaves the change counter alone: they are many, and no snapshot holds them.
push_tokens = Table(
    "push_tokens",
    metadata,
    _customer(key=True),
    Column("app_id", name(40), primary_key=True),
    Column("token", VARBINARY(RECIPIENT_BYTES), primary_key=True),  # keyed index
    Column("owner", VARBINARY(RECIPIENT_BYTES), nullable=False),  # keyed index of the app_user_id; empty: nobody's
    Column("platform", String(10), nullable=False),
    Column("sealed", sealed(), nullable=False),  # the token and the app_user_id
    Column("key_id", String(20), nullable=False),
    Column("notification", Boolean, nullable=False),
    Column("notification_at", BigInteger, nullable=False),  # of the last change of the consent; 0: never said
    Column("ad", Boolean, nullable=False),
    Column("ad_at", BigInteger, nullable=False),
    Column("night_ad", Boolean, nullable=False),
    Column("night_ad_at", BigInteger, nullable=False),
    Column("registered_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger, nullable=False),  # 0: live
    Column("retired_code", String(10), nullable=False),
    _created_at(),
    Index("push_tokens_by_owner", "customer", "app_id", "owner", "retired_at", "seen_at"),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# What operators said of providers: it stands over what is configured.
provider_words = Table(
    "provider_words",
    metadata,
    Column("family", String(10), primary_key=True),
    Column("provider", String(20), primary_key=True),
    Column("stopped", Boolean, nullable=False),
    Column("weight", Integer),  # none: as configured
    _created_at(),
    **ON_A_SERVER,
)

# Clear secrets of the demo customers only: `ims up` prints them again after a restart.
demo_secrets = Table(
    "demo_secrets",
    metadata,
    _customer(key=True),
    Column("username", name(40), primary_key=True),
    Column("sealed", sealed(), nullable=False),
    Column("key_id", String(20), nullable=False),
    _created_at(),
    **ON_A_SERVER,
)

rcs_brands = Table(
    "rcs_brands",
    metadata,
    _customer(key=True),
    Column("brand_key", name(40), primary_key=True),
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# The chatbots of brands, by the numbers that they send from.
rcs_chatbots = Table(
    "rcs_chatbots",
    metadata,
    _customer(key=True),
    Column("brand_key", name(40), primary_key=True),
    Column("number", String(20), primary_key=True),
    _created_at(),
    sqlite_with_rowid=False,
    **ON_A_SERVER,
)

# What customers uploaded for their messages; the content and its name lie sealed in the store of files.
files = Table(
    "files",
    metadata,
    Column("file_key", name(40), primary_key=True),
    Column("customer", name(40), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("content_type", String(100), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("key_id", String(20), nullable=False),
    _created_at(),
    Column("expires_at", BigInteger, nullable=False),
    Index("files_by_customer", "customer", "expires_at"),
    Index("files_by_end", "expires_at"),
    **ON_A_SERVER,
)

# What a provider's account calls a file that it was given.
handed_files = Table(
    "handed_files",
    metadata,
    Column("file_key", name(40), primary_key=True),
    Column("handed_to", name(60), primary_key=True),  # provider/account/use
    Column("given", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("handed_files_by_end", "expires_at"),
    **ON_A_SERVER,
)

# Who changed what, in the order in which it was committed. JSON of masked fields; empty: there was nothing.
audits = Table(
    "audits",
    metadata,
    Column("number", number64(), primary_key=True, autoincrement=True),
    _customer(),
    Column("user", name(40), nullable=False),
    Column("address", String(45), nullable=False),
    Column("action", String(40), nullable=False),
    Column("target", name(200), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    _created_at(),
    Index("audits_by_customer", "customer", "number"),
    Index("audits_by_time", "created_at"),
    **ON_A_SERVER,
)


def create(conn: Connection) -> None:
    """Make what is missing. For the embedded profile and tests; servers are migrated."""
    metadata.create_all(conn)
    conn.execute(insert_ignored(registry_version), {"id": 1, "version": 1, "created_at": 0})


def insert_ignored(table: Table) -> Any:
    """An insert that leaves an existing row as it is, in every dialect that we speak."""
    return (
        insert(table)
        .prefix_with("OR IGNORE", dialect="sqlite")
        .prefix_with("IGNORE", dialect="mysql")
        .prefix_with("IGNORE", dialect="mariadb")
    )


def version(conn: Connection) -> int:
    """The change counter."""
    return int(conn.execute(select(registry_version.c.version)).scalar_one())


def bump(conn: Connection) -> None:
    """Tell every reader, in the transaction of the change itself, that a snapshot is old."""
    conn.execute(update(registry_version).values(version=registry_version.c.version + 1))
