"""The database tables, with types that mean the same in SQLite and PostgreSQL.

Bodies are bytes, times are Unix seconds. Dependent rows are deleted with their parent (`ON DELETE CASCADE`).
This module has only the columns that this version reads and writes; `migrations` creates the tables.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

METADATA = MetaData()

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""The type of a key that the database numbers. SQLite numbers only columns of the type INTEGER."""

RESPONSES = Table(
    "responses",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("created", Double, nullable=False),
    Column("status", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column(
        "inputs", Integer, nullable=False
    ),  # the number of items that are input; the later items are output
    Column("previous", String),
    Column("conversation", String),
    Column("deployment", String),
    Column("background", Boolean, nullable=False),
    Column("expires", Double),
    Column("lease", Double),
    Column("used", Double, nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("responses_by_use", "tenant", "used", "size"),
    Index("responses_by_end", "expires"),
    Index("responses_by_lease", "lease"),
)
RESPONSE_ITEMS = Table(
    "response_items",
    METADATA,
    Column("response", ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("id", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("response_items_by_id", "tenant", "id"),
)
RESPONSE_EVENTS = Table(
    "response_events",
    METADATA,
    Column("response", ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
CONVERSATIONS = Table(
    "conversations",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("created", Double, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
    Column("expires", Double),
    Column("next", Integer, nullable=False),  # the place of the item that comes next
    Column("used", Double, nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("conversations_by_use", "tenant", "used", "size"),
    Index("conversations_by_end", "expires"),
)
CONVERSATION_ITEMS = Table(
    "conversation_items",
    METADATA,
    Column("conversation", ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("id", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("conversation_items_by_id", "tenant", "id"),
)
SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, primary_key=True),
    Column("next", Integer, nullable=False),  # the place of the turn that comes next
    Column("turns", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("used", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Index("sessions_by_use", "used"),
    Index("sessions_by_owner", "tenant", "used"),
    Index("sessions_by_end", "expires"),
)
SESSION_TURNS = Table(
    "session_turns",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    ForeignKeyConstraint(["id", "tenant"], ["sessions.id", "sessions.tenant"], ondelete="CASCADE"),
)
CHATS = Table(
    "chats",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("id", String, nullable=False),
    Column("tenant", String, nullable=False),
    Column("created", Double, nullable=False),
    Column("model", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("messages", LargeBinary, nullable=False),
    Column("expires", Double),
    Column("used", Double, nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("chats_by_id", "tenant", "id", unique=True),
    Index("chats_by_use", "tenant", "used", "size"),
    Index("chats_by_end", "expires"),
)
CHAT_METADATA = Table(
    "chat_metadata",
    METADATA,
    Column("chat", ForeignKey("chats.number", ondelete="CASCADE"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)
SEALS = Table(
    "seals",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("owner", LargeBinary, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("until", Double, nullable=False),
    Index("seals_by_use", "owner", "until", "size"),
    Index("seals_by_end", "until"),
)
SEAL_KEYS = Table(
    "seal_keys",
    METADATA,
    Column("key", LargeBinary, primary_key=True),
    Column("seal", ForeignKey("seals.number", ondelete="CASCADE"), nullable=False),
    Index("seal_keys_by_seal", "seal"),
)
SHARES = Table(
    "shares",
    METADATA,
    Column("kind", String, primary_key=True),  # the table that the rows are in
    Column("owner", String, primary_key=True),  # a tenant; of seals the owner in hexadecimal digits
    Column("size", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
)
"""How many bytes and rows each owner has. Triggers update it, so it is right whichever process or version
writes.
"""
SECRETS = Table(
    "secrets",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
