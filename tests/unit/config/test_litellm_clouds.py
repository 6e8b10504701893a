"""LiteLLM's names of Bedrock's models, and its parameters for AWS and Azure."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.litellm_clouds import read, settings_of
from dragoman.config.litellm_values import filled


def text(value: Any) -> str:
    return filled(value, {})


@pytest.mark.parametrize(
    ("name", "model", "region"),
    [
        ("anthropic.claude-v2", "anthropic.claude-v2", None),
        ("converse/us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0", None),
        ("invoke/eu-west-1/mistral.mixtral", "mistral.mixtral", "eu-west-1"),
        ("us-gov-west-1/anthropic.claude-v2", "anthropic.claude-v2", "us-gov-west-1"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/x",
            "arn:aws:bedrock:us-east-1:1:inference-profile/x",
            None,
        ),
    ],
)
def test_a_name_may_hold_the_api_and_the_region(name: str, model: str, region: str | None) -> None:
    found, params = read(name, {"temperature": 1})
    assert found == model
    assert params == ({"temperature": 1} if region is None else {"temperature": 1, "aws_region_name": region})


@pytest.mark.parametrize(
    ("params", "settings"),
    [
        ({}, {}),
        ({"aws_region_name": "eu-central-1"}, {"region": "eu-central-1"}),
        ({"aws_access_key_id": "id"}, {}),
        (
            {"aws_access_key_id": "id", "aws_secret_access_key": "secret", "aws_session_token": "token"},
            {"keys": ["id:secret:token"]},
        ),
        ({"aws_bedrock_runtime_endpoint": "https://vpce.example"}, {"base_url": "https://vpce.example"}),
    ],
)
def test_parameters_become_settings(params: dict[str, Any], settings: dict[str, Any]) -> None:
    assert settings_of("bedrock", params, None, str) == settings


def test_a_base_url_is_that_of_bedrock_too() -> None:
    found = settings_of("bedrock", {"aws_region_name": ""}, "https://bedrock.example.com", str)
    assert found == {"base_url": "https://bedrock.example.com"}


def test_azure_has_a_version_only_if_it_is_dated() -> None:
    address = {"base_url": "https://one.openai.azure.com", "keys": ["${AZURE_API_KEY}"]}
    assert settings_of("azure", {}, "https://one.openai.azure.com/openai/v1/", text) == address
    dated = settings_of("azure", {"api_version": "2024-02-01"}, "https://one.openai.azure.com", text)
    assert dated == {**address, "api_version": "2024-02-01"}
    whole = "https://one.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-06-01"
    assert settings_of("azure", {}, whole, text) == {**address, "api_version": "2024-06-01"}
    variables = {"base_url": "${AZURE_API_BASE}", "keys": ["${AZURE_API_KEY}"]}
    assert settings_of("azure", {}, None, text) == variables
    assert settings_of("openai", {}, "https://one.example", str) is None


def test_a_version_of_another_form_ends_nothing() -> None:
    found = settings_of("azure", {"api_version": [1]}, "https://a.openai.azure.com", str)
    assert found is not None
    assert found["api_version"] == "[1]"


def test_cloudflare_is_asked_in_openais_protocol_at_the_same_account() -> None:
    keys = {"keys": ["${CLOUDFLARE_API_KEY}"]}
    account = "https://api.cloudflare.com/client/v4/accounts"
    usual = {"base_url": f"{account}/${{CLOUDFLARE_ACCOUNT_ID}}/ai/v1", **keys}
    assert settings_of("cloudflare", {}, None, text) == usual
    assert settings_of("cloudflare", {}, f"{account}/me/ai/run/", text) == {
        "base_url": f"{account}/me/ai/v1",
        **keys,
    }
