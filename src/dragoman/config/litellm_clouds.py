"""Converts LiteLLM's parameters for Azure, Amazon Bedrock and Cloudflare into settings of a provider. Pure.

https://docs.litellm.ai/docs/providers/azure, https://docs.litellm.ai/docs/providers/bedrock,
https://docs.litellm.ai/docs/providers/cloudflare_workers
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.config import litellm_vertex
from dragoman.config.litellm_vertex import Text

_ACCESS_KEY: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_DEPLOYMENT: Final = re.compile(r"(https?://[^/?#]+)/openai/deployments/[^?#]*(?:\?api-version=([^&#]+))?")
"""The URL of a deployment, as Azure's pages show it: (the resource's address, the version in it)."""
_ACCOUNT: Final = "https://api.cloudflare.com/client/v4/accounts/os.environ/CLOUDFLARE_ACCOUNT_ID/ai/v1"
_ROUTES: Final = frozenset({"converse", "converse_like", "invoke"})

PARAMS: Final = litellm_vertex.PARAMS | {*_ACCESS_KEY, "aws_region_name", "aws_bedrock_runtime_endpoint"}
"""The parameters of Bedrock and of Vertex AI alone that become settings of a provider."""


def read(model: str, params: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return (the id of a Bedrock model, the parameters). Routes such as `converse/` are left out. If the
    model's name contains a region, the result has a copy of the parameters in which it is the
    `aws_region_name`.

    model: the name without `bedrock/`, such as `converse/us.anthropic.claude-…` or `eu-west-1/mistral.…`.
    """
    while True:
        first, slash, rest = model.partition("/")
        if slash and first in _ROUTES:
            model = rest
        elif slash and _REGION.fullmatch(first):
            model, params = rest, {**params, "aws_region_name": first}
        else:
            return model, params


def settings_of(prefix: str, params: Mapping[str, Any], base: Any, text: Text) -> dict[str, Any] | None:
    """Return those of the settings `base_url`, `api_version`, `region` and `keys` that follow from the
    parameters; None = the provider is not Azure, Cloudflare or Bedrock. An `api_key` in the parameters is not
    read: for Azure and Cloudflare `keys` has the vendor's usual variable, unless the caller replaces it.

    prefix: LiteLLM's name of the provider. base: the base URL in the parameters, None = there is none. text:
    turns a value into a text of Dragoman's configuration.
    """
    if prefix == "azure":
        return _azure(params, base, text)
    if prefix == "cloudflare":
        return _cloudflare(base, text)
    return _bedrock(params, base, text) if prefix == "bedrock" else None


def _azure(params: Mapping[str, Any], base: Any, text: Text) -> dict[str, Any]:
    stated = text(base or "os.environ/AZURE_API_BASE")
    whole = _DEPLOYMENT.fullmatch(stated)
    settings: dict[str, Any] = {
        "base_url": (whole[1] if whole else stated).rstrip("/").removesuffix("/openai/v1")
    }
    version = params.get("api_version") or (whole and whole[2])
    if version not in (None, "v1"):
        settings["api_version"] = text(version)
    return {**settings, "keys": [text("os.environ/AZURE_API_KEY")]}


def _cloudflare(base: Any, text: Text) -> dict[str, Any]:
    """Return `base_url` and `keys` for an account at Cloudflare. LiteLLM asks `…/ai/run/MODEL`; here the same
    account is asked in OpenAI's protocol, at `…/ai/v1`.
    """
    stated = text(base or _ACCOUNT).rstrip("/")
    if stated.endswith("/ai/run"):
        stated = stated.removesuffix("run") + "v1"
    return {"base_url": stated, "keys": [text("os.environ/CLOUDFLARE_API_KEY")]}


def _bedrock(params: Mapping[str, Any], base: Any, text: Text) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if endpoint := params.get("aws_bedrock_runtime_endpoint") or base:
        settings["base_url"] = text(endpoint)
    if region := params.get("aws_region_name"):
        settings["region"] = text(region)
    name, secret, token = (params.get(part) for part in _ACCESS_KEY)
    if name is not None and secret is not None:
        settings["keys"] = [":".join(text(part) for part in (name, secret, token) if part is not None)]
    return settings
