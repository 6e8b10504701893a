"""Who may call: keys in either header, and open gateways that answer this machine only."""

from __future__ import annotations

import msgspec
import pytest

from dragoman import ir
from dragoman.accounts.caller import ANYONE, EVERYBODY, Caller
from dragoman.accounts.grants import Grants
from dragoman.accounts.keys import ClientKeys, Key, is_loopback, passed_on, unnamed
from dragoman.dialects.table import key_headers
from dragoman.wire.headers import HeaderMap

CAROL = Caller("carol", scopes=frozenset({"admin"}))
KNOWN = [Key("key-a", Caller("ann")), Key("key-b", Caller("bob", Grants({"m"}))), Key("key-c", CAROL)]
KEYS = ClientKeys(KNOWN, headers=key_headers(), required=True)
OPEN = ClientKeys(KNOWN, headers=key_headers(), required=False, hosts=["gateway.lan", "Other.LAN:8080", "]"])


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer key-a"},
        {"authorization": "bearer  key-a"},
        {"x-api-key": "key-a"},
        {"x-goog-api-key": "key-a"},
    ],
)
def test_a_known_key_names_its_caller(headers: dict[str, str]) -> None:
    assert KEYS.authenticate(headers) == Caller("ann")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Basic key-a"},
        {"x-api-key": "key-d"},
        {"x-api-key": "\udcff"},
    ],
)
def test_anything_else_is_401(headers: dict[str, str]) -> None:
    fault = KEYS.authenticate(headers)
    assert isinstance(fault, ir.Fault)
    assert (fault.kind, fault.code) == ("authentication", "invalid_api_key")


def test_a_key_may_be_granted_some_models_only() -> None:
    bob = KEYS.authenticate({"x-api-key": "key-b"})
    assert isinstance(bob, Caller)
    assert bob.may_use("m")
    assert not bob.may_use("n")


def test_a_key_opens_what_its_scopes_say() -> None:
    """2.20: models for most; the administration for those who are to have it, and then nothing else."""
    for caller, opened in ((Caller("ann"), "inference"), (CAROL, "admin")):
        for scope in ("inference", "admin"):
            barred = caller.barred(scope)
            assert (barred is None) is (scope == opened)
            if barred is not None:
                assert (barred.kind, barred.code) == ("permission", "insufficient_scope")
                assert scope in barred.message


def test_a_known_key_is_believed_where_none_is_needed() -> None:
    """An open gateway has an owner too."""
    stranger = ClientKeys(KNOWN, headers=key_headers(), required=False, any_host=True, anyone=EVERYBODY)
    assert stranger.authenticate({"x-api-key": "key-c", "host": "evil.example"}) == CAROL
    assert stranger.authenticate({"x-api-key": "key-d", "host": "evil.example"}) == EVERYBODY
    assert EVERYBODY.barred("admin") is not None
    assert ANYONE.barred("admin") is None


def test_an_authorization_header_counts_before_the_other() -> None:
    assert KEYS.presented({"authorization": "Bearer one", "x-api-key": "two"}) == "one"


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key", "x-dragoman-key", "x-bf-vk"])
def test_two_keys_in_one_header_are_refused(header: str) -> None:
    """RFC 9110, section 5.3. The last one would count in silence."""
    fields = [(header.encode(), b"Bearer key-a"), (b"accept", b"*/*"), (header.encode(), b"Bearer key-b")]
    fault = KEYS.contradicted(HeaderMap(fields), fields)
    assert fault is not None
    assert (fault.kind, fault.code, fault.param) == ("invalid_request", "repeated_header", header)
    assert header in fault.message
    assert "key-" not in fault.message


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"authorization", b"Bearer key-a"), (b"x-api-key", b"key-b")],
        [(b"authorization", b"Bearer key-a"), (b"authorization", b"Bearer key-a")],
        [(b"authorization", b"Bearer key-a"), (b"x-other", b"1"), (b"x-other", b"2")],
    ],
)
def test_other_headers_may_differ(fields: list[tuple[bytes, bytes]]) -> None:
    assert KEYS.contradicted(HeaderMap(fields), fields) is None


@pytest.mark.parametrize("value", ["key-c", " key-c ", "Bearer key-c", "bearer  key-c"])
@pytest.mark.parametrize("header", ["x-dragoman-key", "x-litellm-api-key", "x-portkey-api-key", "x-bf-vk"])
def test_a_header_of_our_own_counts_before_all_others(header: str, value: str) -> None:
    """The others may hold the client's credential for a provider."""
    assert KEYS.presented({header: value, "authorization": "Bearer theirs", "x-api-key": "two"}) == "key-c"
    assert KEYS.authenticate({header: value, "authorization": "Bearer theirs"}) == CAROL


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key", "api-key"])
def test_a_header_is_believed_before_the_address(header: str) -> None:
    assert KEYS.authenticate({}, "key-a") == Caller("ann")
    assert KEYS.authenticate({header: "key-b"}, "key-a") == Caller("bob", Grants({"m"}))
    assert isinstance(KEYS.authenticate({header: "key-d"}, "key-a"), ir.Fault)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LOCALHOST:1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "192.168.1.5",
        "app.localhost",
        "gateway.lan",
        "Gateway.lan.:80",
        "other.lan",
        "[::1]",
        "localhost:",
        "",
    ],
)
def test_an_open_gateway_answers_to_this_machines_names(host: str) -> None:
    assert OPEN.authenticate({"host": host}) == ANYONE


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::1]evil.example",
        "[::1].evil.example:80",
        "[::1",
        "x[::1]",
        "]",
        ":80",
        "localhost:80:80",
        "localhost:http",
    ],
)
def test_an_open_gateway_refuses_names_that_may_rebind(host: str) -> None:
    fault = OPEN.authenticate({"host": host})
    assert isinstance(fault, ir.Fault)
    assert fault.kind == "permission"
    assert OPEN.authenticate({"host": host}) == fault


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("localhost", True),
        ("127.9.9.9", True),
        ("0.0.0.0", False),
        ("", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.com", False),
    ],
)
def test_only_loopback_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_whom_nobody_named_is_called_by_the_key_alone() -> None:
    assert unnamed("key-a") == unnamed("key-a") != unnamed("key-b")
    assert "key-a" not in unnamed("key-a")


def test_a_key_that_the_path_begins_with_is_believed_before_all() -> None:
    headers = {"authorization": "Bearer key-b"}
    assert KEYS.authenticate(headers, "key-c", "key-a") == Caller("ann")
    assert isinstance(KEYS.authenticate(headers, "key-c", "key-x"), ir.Fault)
    assert KEYS.authenticate(headers, None, "") == Caller("bob", Grants({"m"}))


KEYLESS = ClientKeys(KNOWN, headers=key_headers(), required=True, keyless={"ollama": Caller("nobody")})


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.0.1", "::1"])
@pytest.mark.parametrize("host", ["", "localhost:8080", "127.0.0.1", "[::1]:8080"])
def test_a_face_may_be_keyless_on_this_machine(peer: str, host: str) -> None:
    assert KEYLESS.keyless("ollama", {"host": host}, peer) == Caller("nobody")
    assert KEYLESS.keyless("anthropic", {"host": host}, peer) is None
    assert KEYS.keyless("ollama", {"host": host}, peer) is None


@pytest.mark.parametrize(
    ("headers", "peer"),
    [
        ({}, "192.0.2.1"),
        ({}, ""),
        ({"host": "elsewhere.example"}, "127.0.0.1"),
        ({"authorization": "Bearer wrong"}, "127.0.0.1"),
        ({"x-api-key": "wrong"}, "127.0.0.1"),
        *(
            ({name: "192.0.2.1"}, "127.0.0.1")
            for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via")
        ),
    ],
)
def test_whoever_may_be_somewhere_else_needs_a_key(headers: dict[str, str], peer: str) -> None:
    assert KEYLESS.keyless("ollama", headers, peer) is None


def test_a_key_ends_with_its_time_and_its_successor_goes_on() -> None:
    now = [100.0]
    ann = Caller("ann")
    listed = [Key("key-old", ann, 200.0), Key("key-new", ann)]
    keys = ClientKeys(listed, headers=key_headers(), required=True, now=lambda: now[0])
    for moment, old in ((199.9, ann), (200.0, None), (1e12, None)):
        now[0] = moment
        told = keys.authenticate({"x-api-key": "key-old"})
        assert keys.authenticate({"x-api-key": "key-new"}) == ann
        if old is not None:
            assert told == msgspec.structs.replace(old, expires=200.0)
        else:
            assert isinstance(told, ir.Fault)
            assert (told.kind, told.code) == ("authentication", "expired_api_key")
            assert told.message.startswith("The key expired on 1970-01-01 00:03 UTC.")


@pytest.mark.parametrize("order", [(200.0, None), (None, 200.0), (50.0, 300.0), (300.0, 50.0)])
def test_of_one_value_that_is_stated_twice_the_longer_life_counts(
    order: tuple[float | None, float | None],
) -> None:
    ann = Caller("ann")
    keys = ClientKeys(
        [Key("key", ann, end) for end in order], headers=key_headers(), required=True, now=lambda: 250.0
    )
    expires = None if None in order else 300.0
    assert keys.authenticate({"x-api-key": "key"}) == msgspec.structs.replace(ann, expires=expires)


def test_an_expired_key_is_refused_where_none_is_needed() -> None:
    """It is no unknown one: its client has to learn that it ended."""
    keys = ClientKeys(
        [Key("key", Caller("ann"), 5.0)], headers=key_headers(), required=False, now=lambda: 6.0
    )
    assert isinstance(keys.authenticate({"x-api-key": "key"}), ir.Fault)
    assert keys.authenticate({"x-api-key": "other"}) == ANYONE


@pytest.mark.parametrize(
    ("name", "passed"),
    [("x-forwarded-for", True), ("via", True), ("cf-ray", True), ("host", False), ("x-request-id", False)],
)
def test_a_proxy_is_told_by_its_headers(name: str, passed: bool) -> None:
    assert passed_on({"host": "a", name: "b"}) is passed
