"""Administration paths of other gateways: each gets a hint, and a client's key in a path is no such path."""

import pytest

from dragoman.server.administration import instead, manages_keys


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/key/generate", "/admin/keys"),
        ("/v1/key/generate", "/admin/keys"),
        ("/team/new", "/admin/teams"),
        ("/spend/logs", "GET /admin/usage/records"),
        ("/budget/new", "PUT /admin/limits/NAME"),
        ("/provider/budgets", "/admin/limits"),
        ("/model/new", "PUT /admin/models/NAME"),
        ("/config/update", "config show"),
        ("/ui", "no pages"),
        ("/ui/deep/er", "no pages"),
        ("/guardrails/list", "nothing of the kind"),
        ("/health/readiness", "GET /health"),
        ("/ollama/api/tags", "/api"),
    ],
)
def test_the_path_of_another_gateway_has_a_hint(path: str, word: str) -> None:
    assert word in (instead(path) or "")


@pytest.mark.parametrize("path", ["/", "/v1/chat/completions", "/keyboard", "/uis", "/health"])
def test_any_other_path_has_none(path: str) -> None:
    assert instead(path) is None


@pytest.mark.parametrize(
    ("path", "manages"),
    [
        ("/key/info", True),
        ("/v1/key/info/", True),
        ("/key/service-account/generate", True),
        ("/key/sk-0123456789/v1/chat/completions", False),
        ("/key/", False),
        ("/keys/info", False),
    ],
)
def test_a_clients_key_in_a_path_is_told_from_a_word_of_litellm(path: str, manages: bool) -> None:
    assert manages_keys(path) is manages
