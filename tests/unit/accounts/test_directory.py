"""The directory in memory: found by hash, combined with teams and tenants, kept when the database is not."""

from __future__ import annotations

import os
import tracemalloc
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.accounts.directory import UNKNOWN, Again, Declared, Directory
from dragoman.accounts.keys import ClientKeys
from dragoman.accounts.limits import Limit, Subject
from dragoman.accounts.minting import digest, minted
from dragoman.accounts.rights import Owner, UnreadableLimits
from dragoman.state.directory import HolderEntry, KeyEntry, Permitted, Row

NOW = 1_000.0


def key(name: str, secret: str = "s", *, version: int = 1, before: str | None = None, **stated: Any) -> Row:
    entry = KeyEntry(id=f"key_{name}", shown="…", created=1.0, created_by="me", **stated)
    old = None if before is None else digest(before)
    return Row("keys", name, msgspec.json.encode(entry), version, "me", 1.0, digest(secret), old)


def holder(kind: Any, name: str, **stated: Any) -> Row:
    entry = HolderEntry(created=1.0, created_by="me", **stated)
    return Row(kind, name, msgspec.json.encode(entry), 1, "me", 1.0)


def found(directory: Directory, secret: str = "s") -> Caller | ir.Fault | None:
    return directory.find(digest(secret))


def of(*rows: Row, declared: Declared | None = None) -> Directory:
    made = Directory(declared)
    made.take(rows)
    made.reached(1)
    return made


def test_a_key_is_found_by_its_hash_alone() -> None:
    caller = found(of(key("ann", scopes=("inference", "admin"), tags=("x",))))
    assert caller == Caller("ann", scopes=frozenset({"inference", "admin"}), key="key_ann", tags=("x",))
    assert found(of(key("ann")), "other") is None


def test_scopes_of_a_newer_version_grant_nothing_and_stop_nothing() -> None:
    caller = found(of(key("ann", scopes=("inference", "billing"))))
    assert caller == Caller("ann", scopes=frozenset({"inference"}), key="key_ann")


def test_what_its_team_and_its_teams_tenant_may() -> None:
    directory = of(
        holder("tenants", "acme", models=("fast", "slow")),
        holder("teams", "lab", tenant="acme", faces=("anthropic",)),
        key("ann", team="lab", models=("fast", "other")),
    )
    caller = found(directory)
    assert isinstance(caller, Caller)
    assert (caller.tenant, caller.team, caller.may.faces) == ("acme", "lab", frozenset({"anthropic"}))
    assert [caller.may_use(name) for name in ("fast", "slow", "other")] == [True, False, False]
    directory.take([holder("tenants", "acme", models=("slow",))])
    changed = found(directory)
    assert isinstance(changed, Caller)
    assert not changed.may_use("fast")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([key("ann", disabled=True)], "The key is disabled."),
        ([key("ann", team="lab")], "The key's team lab (which is gone) is disabled."),
        ([holder("users", "u", disabled=True), key("ann", user="u")], "The key's user u is disabled."),
        (
            [
                holder("tenants", "a"),
                holder("tenants", "b"),
                holder("teams", "t", tenant="b"),
                key("ann", tenant="a", team="t"),
            ],
            "The key's team t (of another tenant) is disabled.",
        ),
    ],
)
def test_a_key_that_is_disabled_or_whose_owner_is(rows: list[Row], said: str) -> None:
    fault = found(of(*rows))
    assert isinstance(fault, ir.Fault)
    assert (fault.message, fault.code) == (said, "key_disabled")


def test_a_holder_that_is_made_again_is_another_one() -> None:
    """The keys of the first one, of its teams and of its users stay refused."""
    directory = of(
        holder("tenants", "acme", id="one"),
        holder("teams", "lab", id="l", tenant="acme", tenant_id="one"),
        key("ann", "a", tenant="acme", tenant_id="one"),
        key("bob", "b", team="lab", team_id="l"),
    )
    assert [isinstance(found(directory, one), Caller) for one in "ab"] == [True, True]
    directory.take([Row("tenants", "acme", None, 2, "me", 1.0)])
    gone = [found(directory, one) for one in "ab"]
    directory.take([holder("tenants", "acme", id="two"), key("new", "n", tenant="acme", tenant_id="two")])
    again = [found(directory, one) for one in "ab"]
    assert gone == again
    assert [code(one) for one in again if one is not None] == ["key_disabled"] * 2
    assert code(found(directory, "n") or UNKNOWN) == "new"
    # The team is put into the new tenant, as a new team: only keys that are made for it then are valid.
    moved = holder("teams", "lab", id="m", tenant="acme", tenant_id="two")
    directory.take([moved, key("cid", "c", team="lab", team_id="m")])
    assert code(found(directory, "b") or UNKNOWN) == "key_disabled"
    assert code(found(directory, "c") or UNKNOWN) == "cid"
    assert [directory.tenant_of_key(one) for one in ("ann", "bob", "new", "cid")] == [
        None,
        None,
        "acme",
        "acme",
    ]


def test_the_tenant_of_a_key_and_what_it_may_look_at() -> None:
    directory = of(
        *(holder("tenants", "acme"), holder("teams", "lab", tenant="acme"), holder("users", "eve")),
        key("ann", "a", team="lab", user="eve", scopes=("inference", "admin")),
        key("bob", "b", user="eve", scopes=("read",)),
    )
    assert [directory.tenant_of_key(one) for one in ("ann", "bob", "none")] == ["acme", None, None]
    ann, bob = found(directory, "a"), found(directory, "b")
    assert isinstance(ann, Caller)
    assert isinstance(bob, Caller)
    assert (sorted(ann.scopes), sorted(ann.scopes_in_tenant)) == (["inference"], ["admin"])
    assert (sorted(bob.scopes), sorted(bob.scopes_in_tenant)) == (["read"], [])


def test_holders_without_an_id_are_known_by_their_names() -> None:
    """Those that were made before there were ids, and those of the configuration."""
    directory = of(holder("tenants", "acme"), key("ann", "a", tenant="acme"))
    assert code(found(directory, "a") or UNKNOWN) == "ann"
    directory.take([holder("tenants", "acme", id="one")])  # removed and made again since
    assert code(found(directory, "a") or UNKNOWN) == "key_disabled"
    directory.declare(Declared(tenants={"acme": Permitted()}))
    assert code(found(directory, "a") or UNKNOWN) == "ann"


def test_a_revoked_key_is_as_unknown_as_one_that_never_was() -> None:
    directory = of(key("ann", revoked=5.0))
    assert found(directory) is None
    assert found(directory) is None  # decoded by now
    assert directory.has_keys


def test_the_key_before_a_rotation_is_valid_until_its_time() -> None:
    directory = of(key("ann", "new", before="old", before_until=NOW + 5, expires=NOW + 9))
    new, old = found(directory, "new"), found(directory, "old")
    assert isinstance(new, Caller)
    assert isinstance(old, Caller)
    assert (new.expires, old.expires, new.key == old.key) == (NOW + 9, NOW + 5, True)
    directory.take([key("ann", "newest", version=2)])
    assert [found(directory, one) for one in ("new", "old")] == [None, None]


def test_what_the_configuration_declares_wins() -> None:
    directory = of(key("ann"), key("bob", "b", tenant="acme"), holder("tenants", "acme", models=("x",)))
    directory.declare(Declared(frozenset({"ann"}), tenants={"acme": Permitted(models=("y",))}))
    assert found(directory) is None
    caller = found(directory, "b")
    assert isinstance(caller, Caller)
    assert [caller.may_use("x"), caller.may_use("y")] == [False, True]


def test_uses_are_noted() -> None:
    directory = of(key("ann"), key("old", "o", expires=1.0))
    keys = clients(directory)
    for secret in ("s", "unknown", "o"):
        keys.authenticate({"authorization": f"Bearer {secret}"})
    assert directory.uses == {"key_ann": NOW}


def test_who_only_asks_whose_a_key_is_does_not_use_it() -> None:
    directory = of(key("ann"))
    assert clients(directory).name_of("s") == "ann"
    assert clients(directory).knows(digest("s"))
    assert directory.uses == {}


def clients(directory: Directory, *, required: bool | None = None) -> ClientKeys:
    return ClientKeys([], required=required, directory=directory, now=lambda: NOW)


def code(answer: Caller | ir.Fault) -> str | None:
    return answer.code if isinstance(answer, ir.Fault) else answer.name


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}", "host": "localhost"}


@pytest.mark.parametrize(
    ("required", "read", "sent", "said"),
    [
        (True, True, "s", "ann"),
        (True, True, "unknown", "invalid_api_key"),
        (True, False, "unknown", "keys_unavailable"),
        (True, False, None, "invalid_api_key"),
        (None, False, None, "keys_unavailable"),
        (None, True, None, "invalid_api_key"),
        (False, True, None, "anyone"),
        (False, True, "unknown", "anyone"),
    ],
)
def test_who_is_admitted(required: bool | None, read: bool, sent: str | None, said: str) -> None:
    directory = of(key("ann")) if read else Directory()
    keys = clients(directory, required=required)
    headers = {"host": "localhost"} if sent is None else bearer(sent)
    assert code(keys.authenticate(headers)) == said


def test_a_gateway_is_open_until_a_key_is_made_and_never_again() -> None:
    directory = Directory()
    directory.reached(0)
    keys = clients(directory)
    assert not keys.required
    directory.take([key("ann", revoked=1.0)])
    assert keys.required


def test_an_expired_key_says_so_and_a_mistyped_one_too() -> None:
    keys = clients(of(key("ann", expires=NOW)), required=True)
    assert code(keys.authenticate(bearer("s"))) == "expired_api_key"
    whole = minted(os.urandom(32))
    fault = keys.authenticate(bearer(whole[:-1] + ("a" if whole[-1] != "a" else "b")))
    assert isinstance(fault, ir.Fault)
    assert "mistyped" in fault.message
    assert keys.again() is not keys


def test_a_hundred_thousand_keys_take_less_than_80_mb() -> None:
    tracemalloc.start()
    try:
        directory = Directory()
        for number in range(10_000):
            directory.take([key(f"client-{number}", f"secret-{number}", metadata={"of": "somebody"})])
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(directory) == 10_000
    assert size < 8_000_000


def test_a_hash_that_another_key_has_now_stays_with_it() -> None:
    """A gateway that was away hears of all changes at once, the latest one of each key."""
    directory = of(key("ann", "first"))
    directory.take([key("ben", "first", version=2), key("ann", "second", version=3)])
    names = [
        caller.name for one in ("first", "second") if isinstance(caller := found(directory, one), Caller)
    ]
    assert names == ["ben", "ann"]


def test_a_holder_that_was_removed_is_remembered() -> None:
    directory = Directory()
    directory.take([Row("tenants", "acme", None, 1, "me", 1.0)])
    assert directory.was_removed("tenants", "acme")
    assert not directory.was_removed("teams", "acme")
    directory.forget()
    assert not directory.was_removed("tenants", "acme")


def test_who_has_the_name_of_an_earlier_one_is_counted_apart() -> None:
    directory = of(
        holder("tenants", "acme", id="0123456789", usage_since=5.0),
        holder("teams", "lab", id="abcdefghij", tenant="acme", tenant_id="0123456789"),
        key("ann", team="lab", team_id="abcdefghij"),
    )
    caller = found(directory)
    assert isinstance(caller, Caller)
    assert caller.counted == {"tenant": "acme/@01234567"}
    assert directory.again("tenant", "acme") == Again("acme/@01234567", 5.0)
    assert directory.again("team", "lab") is directory.again("key", "acme") is None
    directory.declare(Declared(tenants={"acme": Permitted()}))  # a file declares it: it goes by its name
    assert directory.again("tenant", "acme") is None


def limits_of(stated: Any, name: str, subject: Subject) -> tuple[Limit, ...]:
    if stated != "good":
        raise UnreadableLimits(f"limits: {stated}")
    return (Limit(f"{subject} {name}", "requests", 1, "minute", subject),)


@pytest.mark.parametrize(
    ("rows", "whose", "owner"),
    [
        ([key("ann", limits="bad")], "the key", ("key", "ann")),
        (
            [holder("teams", "lab", limits="bad"), key("ann", team="lab")],
            "the key's team lab",
            ("team", "lab"),
        ),
        (
            [holder("users", "u", limits="bad"), key("ann", user="u", limits="good")],
            "the key's user u",
            ("user", "u"),
        ),
        (
            [
                holder("tenants", "acme", limits="bad"),
                holder("teams", "t", tenant="acme"),
                key("ann", team="t"),
            ],
            "the key's tenant acme",
            ("tenant", "acme"),
        ),
    ],
)
def test_a_key_is_refused_if_limits_that_hold_for_it_cannot_be_read(
    rows: list[Row], whose: str, owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    directory = of(*rows, key("bob", "b", limits="good"), declared=Declared(limits_of=limits_of))
    fault = found(directory)
    assert isinstance(fault, ir.Fault)
    assert (fault.kind, fault.code) == ("permission", "limits_unreadable")
    assert fault.message == (
        f"The limits of {whose} cannot be read, so the key is refused until an operator corrects them: "
        "limits: bad."
    )
    assert directory.unreadable == {owner: "limits: bad"}
    assert isinstance(found(directory, "b"), Caller), "others go on"
    list(directory.limits())
    directory.take([key("cid", "c")])
    found(directory)
    assert len(caplog.messages) == 1, caplog.messages
    assert f"{owner[0]} {owner[1]} cannot be read" in caplog.messages[0]
    directory.take([corrected(row) for row in rows])
    assert isinstance(found(directory), Caller)
    assert directory.unreadable == {}


@pytest.mark.parametrize(
    "text", [b"", b"null", b'{"id": 5}', b"{", b'{"shown": "\xff"}', b'{"limits": ' + b"[" * 5000]
)
@pytest.mark.parametrize("read", [True, False])
@pytest.mark.parametrize("kind", ["keys", "teams"])
def test_an_entry_that_is_not_valid_is_refused_and_the_others_go_on(
    kind: Any, read: bool, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    directory = of(key("ann", team="lab"), holder("teams", "lab"), key("bob", "b"))
    if not read:
        directory.forget()
        directory.reached(-1)
    row = {"keys": key("ann", version=2), "teams": holder("teams", "lab")}[kind]
    rows = [key("ann", team="lab"), holder("teams", "lab"), msgspec.structs.replace(row, text=text)]
    directory.take([*rows, key("cid", "c"), key("bob", "b")])
    directory.reached(2)
    fault = found(directory)
    assert isinstance(fault, ir.Fault)
    assert (fault.kind, fault.code) == ("permission", "limits_unreadable")
    assert "the entry is not valid: " in fault.message
    assert all(isinstance(found(directory, secret), Caller) for secret in "bc")
    assert [why.partition(": ")[0] for why in directory.unreadable.values()] == ["the entry is not valid"]
    assert len(caplog.messages) == 1
    assert directory.key("bob") is not None
    assert list(directory.limits()) == []
    directory.take([key("ann", team="lab"), holder("teams", "lab")])
    assert isinstance(found(directory), Caller)
    assert directory.unreadable == {}


def corrected(row: Row) -> Row:
    return msgspec.structs.replace(row, text=(row.text or b"").replace(b'"bad"', b'"good"'))


def test_limits_that_cannot_be_read_are_known_before_a_request_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At the start by the limits of all, later when the row comes; not those that stop nobody."""
    late = [
        key("ann", limits="bad"),
        key("old", "o", limits="bad", revoked=1.0),
        key("file", "f", limits="bad"),
        holder("tenants", "acme", limits="bad"),
    ]
    declared = Declared(frozenset({"file"}), tenants={"acme": Permitted()}, limits_of=limits_of)
    directory = of(*late, key("bob", "b", limits="good"), declared=declared)
    assert directory.unreadable == {}
    assert [one.name for one in directory.limits()] == ["key bob"]
    assert directory.unreadable == {("key", "ann"): "limits: bad"}
    directory.take([key("cid", "c", limits="worse"), holder("teams", "lab", limits="bad")])
    assert [*directory.unreadable] == [("key", "ann"), ("key", "cid"), ("team", "lab")]
    assert len(caplog.messages) == 3
    directory.take([Row("keys", "ann", None, 2, "me", 1.0)])
    directory.declare(Declared(frozenset({"cid"}), limits_of=limits_of))
    assert [*directory.unreadable] == [("team", "lab")]
