"""An account hides its secrets in what a provider says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.upstreams.account import Account, Redaction

HELD = Account({"x-api-key": "sk-first-secret"}, "cret", ("sk-first-secret", "eu"), "1", own=True)


def test_a_fault_has_none_of_the_secrets_but_the_very_short_ones() -> None:
    fault = ir.Fault("authentication", "sk-first-secret and other-secret in eu", code="of-other-secret")
    told = HELD.discreet(fault, ["other-secret"])
    assert (told.message, told.code) == ("[redacted] and [redacted] in eu", "of-[redacted]")
    assert (told.kind, told.blame) == (fault.kind, fault.blame)


def test_a_secret_that_begins_with_another_one_is_hidden_whole() -> None:
    redaction = HELD.redaction(["sk-first-secret-and-more"])
    assert redaction.text("sk-first-secret-and-more, sk-first-secret") == "[redacted], [redacted]"


SECRET = "ab+c/the-secret=="
EVENT = {"type": "session.updated", "session": {"tools": [{"headers": {SECRET: f"Bearer {SECRET}"}}]}}


@pytest.mark.parametrize("form", [str, str.encode])
@pytest.mark.parametrize("escaped", [("/", "/"), ("/", "\\/"), ("+", "\\u002B"), ("=", "\\u003d")])
def test_no_message_shows_a_secret_however_json_escapes_it(form: Any, escaped: tuple[str, str]) -> None:
    message = form(json.dumps(EVENT).replace(*escaped))
    told = Redaction([SECRET, "eu"]).message(message)
    assert type(told) is type(message)
    hidden = {"headers": {"[redacted]": "Bearer [redacted]"}}
    assert json.loads(told) == {"type": "session.updated", "session": {"tools": [hidden]}}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"no JSON: {SECRET}", "no JSON: [redacted]"),
        (f'{{"a": "{SECRET}", "a": 1}}', '{"a": "[redacted]", "a": 1}'),
        (b"\xff" + SECRET.encode() + b"\x00", b"\xff[redacted]\x00"),
    ],
)
def test_a_message_that_is_no_event_shows_no_secret_either(message: Any, expected: Any) -> None:
    assert Redaction([SECRET]).message(message) == expected


def test_a_message_without_a_secret_stays_as_it_is() -> None:
    for message in ("eu", '{"a":  "the-secret"}', b'{"a":  1e999, "b": "the-secret"}', b"\xff"):
        assert Redaction([SECRET, "eu"]).message(message) == message
    sound = '{"delta": "%s"}' % ("A" * 1000)
    assert Redaction([SECRET]).message(sound) is sound
    assert Redaction([]).message(sound) is sound


def test_an_account_that_replaces_another_hides_its_secrets_too() -> None:
    after = Account({"x-api-key": "sk-later-secret"}, "cret", ("sk-later-secret",)).succeeding(HELD)
    assert after.secrets == ("sk-later-secret", "sk-first-secret", "eu")
    assert after.headers == {"x-api-key": "sk-later-secret"}


def test_what_a_provider_repeats_of_a_credential_is_told_to_nobody() -> None:
    account = Account({}, secrets=("sk-0123456789", "eu"))
    told = ir.Fault("invalid_request", "sk-0123456789 in eu", "sk-0123456789", "sk-0123456789", "a more-456")
    said = account.discreet(told, ["more-456"])
    assert (said.message, said.code, said.param) == ("[redacted] in eu", "[redacted]", "[redacted]")
    assert said.type == "a [redacted]"
    assert account.discreet(ir.Fault("upstream", "no code")).code is None
    extra = {"anthropic": {"sk-0123456789": [{"seen": "more-456 in eu"}, 7, None]}}
    said = account.discreet(ir.Fault("upstream", "m", extra=extra), ["more-456"])
    assert said.extra == {"anthropic": {"[redacted]": [{"seen": "[redacted] in eu"}, 7, None]}}


def test_an_error_that_repeats_a_replaced_key_is_still_not_told() -> None:
    """A call that was sent with it may fail after its replacement."""
    account = Account({"authorization": "Bearer first-secret"}, "cret", ("first-secret",))
    for number in range(100):
        account = Account({}, None, (f"later-secret-{number}",)).succeeding(account)
    told = account.discreet(ir.Fault("upstream", "later-secret-99 and later-secret-90 are wrong"))
    assert told.message == "[redacted] and [redacted] are wrong"
    assert len(account.secrets) == 64


def test_whose_a_credential_is() -> None:
    assert Account({}).whose == "gateway"
    assert Account({}, own=True).whose == "tenant"
    assert Account({}, own=True, lent=True).whose == "client"


def test_words_of_a_configured_header_stay_in_messages_and_its_keys_do_not() -> None:
    key, other, name = "sk-short", "Bearer another-key-of-a-header", "Example Corp"
    account = Account({}, None, (key, other, name, "realtime=v1"), configured=(other, name, "realtime=v1"))
    redaction = account.redaction(["Example Town"])
    said = f"Welcome to {name} in Example Town! realtime=v1 {key} {other}"
    assert redaction.message(said) == f"Welcome to {name} in Example Town! realtime=v1 [redacted] [redacted]"
    assert redaction.text(said) == "Welcome to [redacted] in [redacted]! [redacted] [redacted] [redacted]"


def test_an_account_that_succeeds_another_knows_what_need_not_be_secret() -> None:
    before = Account({}, None, ("sk-before", "Example Corp"), configured=("Example Corp",))
    redaction = Account({}, None, ("sk-after-it",)).succeeding(before).redaction()
    assert redaction.message("Example Corp, sk-before, sk-after-it") == "Example Corp, [redacted], [redacted]"
