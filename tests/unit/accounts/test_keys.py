"""Who may call: keys in either header, and open gateways that answer this machine only."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.accounts.keys import ANYONE, EVERYBODY, Caller, ClientKeys, is_loopback, presented, unnamed

CAROL = Caller("carol", scopes=frozenset({"admin"}))
KNOWN = [("key-a", Caller("ann")), ("key-b", Caller("bob", frozenset({"m"}))), ("key-c", CAROL)]
KEYS = ClientKeys(KNOWN, required=True)
OPEN = ClientKeys(KNOWN, required=False, hosts=["gateway.lan", "Other.LAN:8080", "]"])


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
    stranger = ClientKeys(KNOWN, required=False, any_host=True, anyone=EVERYBODY)
    assert stranger.authenticate({"x-api-key": "key-c", "host": "evil.example"}) == CAROL
    assert stranger.authenticate({"x-api-key": "key-d", "host": "evil.example"}) == EVERYBODY
    assert EVERYBODY.barred("admin") is not None
    assert ANYONE.barred("admin") is None


def test_an_authorization_header_counts_before_the_other() -> None:
    assert presented({"authorization": "Bearer one", "x-api-key": "two"}) == "one"


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key", "api-key"])
def test_a_header_is_believed_before_the_address(header: str) -> None:
    assert KEYS.authenticate({}, "key-a") == Caller("ann")
    assert KEYS.authenticate({header: "key-b"}, "key-a") == Caller("bob", frozenset({"m"}))
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
    assert KEYS.authenticate(headers, None, "") == Caller("bob", frozenset({"m"}))


KEYLESS = ClientKeys(KNOWN, required=True, keyless={"ollama": Caller("nobody")})


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
