"""What is said of receivers of alerts that cannot be used; their URLs and secrets are never shown."""

from __future__ import annotations

import pytest

from dragoman.config.load import load
from dragoman.errors import ConfigError

URL, SECRET = "https://hooks.example/token-1234", "sixteen-characters"


@pytest.mark.parametrize(
    ("alert", "path", "message"),
    [
        ({"url": "hooks.example/token-1234"}, "alerts[0].url", "expected http://host/path or"),
        ({"url": "ftp://hooks.example/token-1234"}, "alerts[0].url", "expected http://host/path or"),
        ({"url": "https://hooks.example:99999/token-1234"}, "alerts[0].url", "expected http://host/path or"),
        ({"url": "https://hooks.example/token-1234 5"}, "alerts[0].url", "expected http://host/path or"),
        ({"url": "https://ann:token-1234@hooks.example"}, "alerts[0].url", "a user name in the URL"),
        ({"secret": "short"}, "alerts[0].secret", "the secret needs at least 16 characters"),
        ({"secret": "whsec_this is no base64"}, "alerts[0].secret", "expected base64 after `whsec_`"),
        ({"events": []}, "alerts[0].events", "no alert is sent"),
        ({"events": ["outages"]}, "alerts[0].events[0]", ""),
    ],
)
def test_what_cannot_be_used_is_named(alert: dict[str, object], path: str, message: str) -> None:
    with pytest.raises(ConfigError) as failed:
        load({"alerts": [{"url": URL, "secret": SECRET, **alert}]}, {})
    (problem,) = failed.value.problems
    assert (problem.path, problem.message[: len(message)]) == (path, message)
    assert "token-1234" not in str(failed.value)


def test_both_kinds_of_secrets_are_taken() -> None:
    for secret in (SECRET, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
        (alert,) = load({"alerts": [{"url": URL, "secret": secret}]}, {}).config.alerts
        assert alert.secret.reveal() == secret
        assert "token-1234" not in repr(alert)
