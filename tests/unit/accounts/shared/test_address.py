from __future__ import annotations

import re

import pytest

from dragoman.accounts.shared.address import Address, parsed


@pytest.mark.parametrize(
    ("stated", "address", "shown"),
    [
        ("redis://cache", Address("tcp", (("cache", 6379),)), "redis://cache:6379"),
        ("valkey://cache:7000/2", Address("tcp", (("cache", 7000),), database=2), "redis://cache:7000/2"),
        (
            "rediss://me:p%40ss@cache",
            Address("tls", (("cache", 6379),), user="me", password="p@ss"),
            "rediss://cache:6379",
        ),
        ("redis://:secret@[::1]:1", Address("tcp", (("::1", 1),), password="secret"), "redis://[::1]:1"),
        ("unix:///run/v%20k.sock", Address("unix", path="/run/v k.sock"), "unix:///run/v k.sock"),
        (
            "sentinel+redis://a,b:27000/main/3",
            Address("sentinel", (("a", 26379), ("b", 27000)), master="main", database=3),
            "sentinel+redis://a:26379,b:27000/main/3",
        ),
        (
            "sentinel+rediss://:x@a/main",
            Address("sentinel+tls", (("a", 26379),), master="main", password="x"),
            "sentinel+rediss://a:26379/main",
        ),
    ],
)
def test_an_address_is_read_and_shown_without_secrets(stated: str, address: Address, shown: str) -> None:
    assert parsed(stated) == address
    assert address.shown() == shown


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ("cache:6379", "must be a redis, rediss, valkey, unix or sentinel URL"),
        ("http://cache", "must be a redis, rediss, valkey, unix or sentinel URL"),
        ("redis://", "must name a host"),
        ("redis://cache:no", "has a wrong port"),
        (
            "redis://a,b",
            "names several servers; only Sentinels may be several (sentinel+redis://a,b/mymaster)",
        ),
        ("redis://cache/one", "may end in the number of a database only"),
        ("sentinel+redis://a", "must end in the name by which the Sentinels know the server: …/mymaster"),
        ("unix://", "must name the path of a socket: unix:///run/valkey.sock"),
        ("redis://[::1", "is not a valid URL"),
    ],
)
def test_a_wrong_address_is_refused(stated: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        parsed(stated)
