"""What settings of a provider become: its bounds, its accounts, its upstream in each protocol."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.assembly.providers import accounts_of, answer_limits
from dragoman.config.load import Loaded

Load = Callable[..., Loaded]


@pytest.mark.parametrize(
    ("settings", "silence"),
    [
        ("", 1800.0),
        ("timeouts: {first_byte: 20s}", 60.0),
        ("answers: {max_silence: 5s}", 5.0),
        ("answers: {max_silence: 0}", None),
    ],
)
def test_a_provider_may_be_silent_three_times_as_long_as_for_its_first_byte(
    loaded: Load, settings: str, silence: float | None
) -> None:
    config = loaded(f"providers: {{openai: {{keys: k, {settings}}}}}").config
    assert answer_limits(config.providers.named["openai"]).silence == silence


def test_each_key_is_an_account_and_headers_go_with_all(loaded: Load) -> None:
    text = "providers: {openai: {keys: [first-key-123456, second-key-12345], headers: {X-Team: red}}}"
    provider = loaded(text).providers["openai"]
    accounts = accounts_of(provider, provider.apis[0])
    assert [account.headers["authorization"] for account in accounts] == [
        "Bearer first-key-123456",
        "Bearer second-key-12345",
    ]
    assert all(account.headers["x-team"] == "red" and "red" in account.secrets for account in accounts)


def test_a_provider_without_a_key_has_one_account(loaded: Load) -> None:
    provider = loaded("providers: {vllm: {}}").providers["vllm"]
    (account,) = accounts_of(provider, provider.apis[0])
    assert (account.tail, account.secrets) == (None, ())
