"""The form and the signature of webhooks, as Standard Webhooks states them."""

from __future__ import annotations

import json

import pytest

from dragoman.alerts.alert import Alert
from dragoman.alerts.webhook import body, headers, key_of


def test_the_example_of_the_specification() -> None:
    """https://github.com/standard-webhooks/standard-webhooks (the test vectors of its libraries)"""
    payload = b'{"test": 2432232314}'
    made = headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330.9,
        payload,
        key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    )
    assert made["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert made["webhook-timestamp"] == "1614265330"
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_any_other_secret_is_used_as_it_is() -> None:
    assert key_of("a secret of my own") == b"a secret of my own"
    with pytest.raises(ValueError, match="expected base64"):
        key_of("whsec_no base64!")


def test_the_body_says_what_happened_and_nothing_that_is_unknown() -> None:
    alert = Alert("outage", 1_700_000_000.1234, "up", "up/m", "up/m: failed")
    assert json.loads(body(alert)) == {
        "type": "outage",
        "timestamp": "2023-11-14T22:13:20.123Z",
        "data": {"provider": "up", "deployment": "up/m", "message": "up/m: failed"},
    }
