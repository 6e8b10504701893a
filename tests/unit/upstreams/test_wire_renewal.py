"""Credentials that are replaced while calls run."""

from __future__ import annotations

from dragoman import ir
from dragoman.upstreams.account import Account


def test_an_error_that_repeats_a_replaced_key_is_still_not_told() -> None:
    """A call that was sent with it may fail after its replacement."""
    account = Account({"authorization": "Bearer first-secret"}, "cret", ("first-secret",))
    for number in range(100):
        account = Account({}, None, (f"later-secret-{number}",)).succeeding(account)
    told = account.discreet(ir.Fault("upstream", "later-secret-99 and later-secret-90 are wrong"))
    assert told.message == "[redacted] and [redacted] are wrong"
    assert len(account.secrets) == 64
