"""The database tables, with types that mean the same in SQLite and PostgreSQL. The tables of usage
(`usage_tables`) and of the counters of limits (`limit_counters`) have their own modules.

Bodies are bytes, times are Unix seconds. Dependent rows are deleted with their parent (`ON DELETE CASCADE`).
This module has only the columns that this version reads and writes; `migrations` creates the tables, except
`schema_marks`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""The type of a primary key that is a number. SQLite can make the values of such a key only if its type is
INTEGER.
"""


def _where(condition: str) -> dict[str, Any]:
    """Return the options of an index that contains only the rows which meet a condition (SQL)."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


RESPONSES = sa.Table(
    "responses",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column(
        "inputs", sa.Integer, nullable=False
    ),  # the number of items that are input; the later items are output
    sa.Column("previous", sa.String),
    sa.Column("conversation", sa.String),
    sa.Column("deployment", sa.String),
    sa.Column("background", sa.Boolean, nullable=False),
    sa.Column("expires", sa.Double),
    sa.Column("lease", sa.Double),
    sa.Column("used", sa.Double, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Index("responses_by_use", "tenant", "used", "size"),
    sa.Index("responses_by_end", "expires"),
    sa.Index("responses_by_lease", "lease"),
)
RESPONSE_ITEMS = sa.Table(
    "response_items",
    METADATA,
    sa.Column("response", sa.ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("id", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("response_items_by_id", "tenant", "id"),
)
RESPONSE_EVENTS = sa.Table(
    "response_events",
    METADATA,
    sa.Column("response", sa.ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
CONVERSATIONS = sa.Table(
    "conversations",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("metadata", sa.LargeBinary, nullable=False),
    sa.Column("expires", sa.Double),
    sa.Column("next", sa.Integer, nullable=False),  # the place of the item that comes next
    sa.Column("used", sa.Double, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Index("conversations_by_use", "tenant", "used", "size"),
    sa.Index("conversations_by_end", "expires"),
)
CONVERSATION_ITEMS = sa.Table(
    "conversation_items",
    METADATA,
    sa.Column("conversation", sa.ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("id", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("conversation_items_by_id", "tenant", "id"),
)
SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, primary_key=True),
    sa.Column("next", sa.Integer, nullable=False),  # the place of the turn that comes next
    sa.Column("turns", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("used", sa.Double, nullable=False),
    sa.Column("expires", sa.Double, nullable=False),
    sa.Index("sessions_by_use", "used"),
    sa.Index("sessions_by_owner", "tenant", "used"),
    sa.Index("sessions_by_end", "expires"),
)
SESSION_TURNS = sa.Table(
    "session_turns",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant", sa.String, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.ForeignKeyConstraint(["id", "tenant"], ["sessions.id", "sessions.tenant"], ondelete="CASCADE"),
)
CHATS = sa.Table(
    "chats",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True),
    sa.Column("id", sa.String, nullable=False),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("messages", sa.LargeBinary, nullable=False),
    sa.Column("expires", sa.Double),
    sa.Column("used", sa.Double, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Index("chats_by_id", "tenant", "id", unique=True),
    sa.Index("chats_by_use", "tenant", "used", "size"),
    sa.Index("chats_by_end", "expires"),
)
CHAT_METADATA = sa.Table(
    "chat_metadata",
    METADATA,
    sa.Column("chat", sa.ForeignKey("chats.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)
SEALS = sa.Table(
    "seals",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True),
    sa.Column("owner", sa.LargeBinary, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
    sa.Index("seals_by_use", "owner", "until", "size"),
    sa.Index("seals_by_end", "until"),
)
SEAL_KEYS = sa.Table(
    "seal_keys",
    METADATA,
    sa.Column("key", sa.LargeBinary, primary_key=True),
    sa.Column("seal", sa.ForeignKey("seals.number", ondelete="CASCADE"), nullable=False),
    sa.Index("seal_keys_by_seal", "seal"),
)
SHARES = sa.Table(
    "shares",
    METADATA,
    sa.Column("kind", sa.String, primary_key=True),  # the table that the rows are in
    sa.Column("owner", sa.String, primary_key=True),  # a tenant; of seals the owner in hexadecimal digits
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("entries", sa.BigInteger, nullable=False),
)
"""How many bytes and rows each owner has in each table whose size is limited. Triggers update this table, so
it is right whichever process and version of Dragoman writes rows.
"""
EXCHANGES = sa.Table(
    "exchanges",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("request_id", sa.String, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("owner", sa.String, nullable=False),  # the client's name, "" = unknown
    sa.Column("model", sa.String),
    sa.Column("status", sa.Integer),
    sa.Column("ending", sa.String),
    sa.Column("error", sa.String),
    sa.Column("called", sa.String, nullable=False),  # deployments of the attempts, between bars: |a/x|b/y|
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("losses", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("line", sa.LargeBinary, nullable=False),
    sa.Column("trace", sa.LargeBinary, nullable=False),
    sa.Column("tenant", sa.String),  # NULL: the client belonged to none, or an older version wrote the row
    sa.Index("exchanges_by_request", "request_id"),
    sa.Index("exchanges_by_time", "created", "id"),
    sa.Index("exchanges_by_owner", "owner", "created", "size"),
    sa.Index("exchanges_by_model", "model", "created"),
    sa.Index("exchanges_failed", "created", "id", **_where("error IS NOT NULL")),
    sa.Index("exchanges_by_status", "status", "created", **_where("status >= 400")),
    sa.Index("exchanges_by_error", "error", "created", **_where("error IS NOT NULL")),
    sa.Index("exchanges_by_tenant", "tenant", "created", "id", **_where("tenant IS NOT NULL")),
)
SCHEMA_MARKS = sa.Table(
    "schema_marks",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)
"""What older versions need to know about the schema: `compatible_from` (`stores.standing`). `migrate` creates
this table.
"""
SECRETS = sa.Table(
    "secrets",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
ADDED = sa.Table(
    "added",
    METADATA,
    sa.Column("version", _NUMBER, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("text", sa.LargeBinary),  # NULL: this change has removed the entry
    sa.Column("author", sa.String, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Index("added_by_name", "kind", "name", "version"),
)
"""The changes to the entries that operators have added to the configuration."""
DIRECTORY = sa.Table(
    "directory",
    METADATA,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("text", sa.LargeBinary),  # NULL: removed
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("digest", sa.LargeBinary),
    sa.Column("before", sa.LargeBinary),
    sa.Index("directory_by_version", "version", unique=True),
)
"""Client keys, tenants, teams and users; and a row whose version tells when a tenant's provider key was last
changed.
"""
KEY_USES = sa.Table(
    "key_uses",
    METADATA,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
)
OWN_KEYS = sa.Table(
    "own_keys",
    METADATA,
    sa.Column("tenant", sa.String, primary_key=True),
    sa.Column("provider", sa.String, primary_key=True),
    sa.Column("cipher", sa.LargeBinary, nullable=False),
    sa.Column("master", sa.String, nullable=False),
    sa.Column("shown", sa.String, nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)
"""Providers' keys that tenants have brought, encrypted."""
OWNED = sa.Table(
    "owned",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("provider", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("upstream", sa.String, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Index("owned_by_upstream", "provider", "upstream", unique=True),
    sa.Index("owned_by_owner", "owner", "provider", "kind"),
)
"""Which client owns which object at a provider: files, batches and others."""
