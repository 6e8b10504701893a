"""Rules for single values of settings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.config.values import addresses, is_private, may_meet, network, proxy, web_origin


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (web_origin, "https://a.example", "https://a.example/path"),
        (web_origin, "http://a.example:8080", "http://me:secret@a.example"),
        (proxy, "http://me:secret@10.0.0.1:3128", "ftp://me:secret@10.0.0.1"),
        (network, "10.0.0.0/8", "10.0.0.0/99"),
        (network, "files.internal", "not a host"),
        (addresses, "203.0.113.0/24", "example"),
    ],
)
def test_a_rule_refuses_with_words_that_hold_no_secret(
    rule: Callable[[str], None], good: str, bad: str
) -> None:
    rule(good)
    with pytest.raises(ValueError, match=r".") as refused:
        rule(bad)
    assert "secret" not in str(refused.value)
    assert "`keys`" not in str(refused.value), "no rule is for the URL of a provider"


def test_private_hosts() -> None:
    assert [is_private(host) for host in ("10.0.0.1", "vllm", "8.8.8.8", "api.example")] == [
        True,
        True,
        False,
        False,
    ]


def test_patterns_may_meet_if_they_begin_alike() -> None:
    assert may_meet("gpt-*", "gpt-[!o]*")
    assert not may_meet("gpt-*", "claude-*")
