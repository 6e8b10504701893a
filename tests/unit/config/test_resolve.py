"""What a provider speaks, where and with which key: its row, the operator's word over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from dragoman.config.load import Loaded
from dragoman.config.resolve import provider_of
from dragoman.config.settings import Provider
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.table import DIALECTS
from dragoman.providers.provider import Api
from dragoman.seams.secret import Secret
from dragoman.testing import corpus

Load: TypeAlias = Callable[..., Loaded]


def spoken(loaded: Load, row: str) -> dict[str, Api]:
    """The protocols of a provider named `p`, by dialect, in their order."""
    apis = loaded(f"providers: {{p: {{keys: key-012345, {row}}}}}").providers["p"].apis
    return {api.dialect: api for api in apis}


@pytest.mark.parametrize(
    ("row", "urls"),
    [
        (
            "catalog: openai",
            {
                "openai_chat": "https://api.openai.com/v1/chat/completions",
                "openai_responses": "https://api.openai.com/v1/responses",
                "openai_completions": "https://api.openai.com/v1/completions",
            },
        ),
        ("catalog: anthropic", {"anthropic": "https://api.anthropic.com/v1/messages"}),
        (
            "catalog: mistral, base_url: 'https://api.eu.mistral.ai'",
            {
                "mistral": "https://api.eu.mistral.ai/v1/chat/completions",
                "openai_responses": "https://api.eu.mistral.ai/v1/responses",
            },
        ),
        # Beside what the chat endpoint lies below, however that was written.
        *(
            (
                f"catalog: deepseek, base_url: '{base}'",
                {
                    "openai_chat": f"{base}/chat/completions",
                    "openai_responses": f"{base}/responses",
                    "anthropic": "https://api.deepseek.com/anthropic/v1/messages",
                    "openai_completions": "https://api.deepseek.com/beta/completions",
                },
            )
            for base in ("https://api.deepseek.com", "https://api.deepseek.com/v1")
        ),
        # Anthropic's protocol stands beside the whole folder of the chat endpoint.
        *(
            (
                f"catalog: {vendor}, base_url: '{host}{folder}'",
                {
                    "openai_chat": f"{host}{folder}/chat/completions",
                    "anthropic": f"{host}{beside}/v1/messages",
                },
            )
            for vendor, host, folder, beside in (
                ("zai", "https://api.z.ai", "/api/paas/v4", "/api/anthropic"),
                ("zai", "https://api.z.ai", "/api/coding/paas/v4", "/api/anthropic"),
                ("zhipu", "https://open.bigmodel.cn", "/api/paas/v4", "/api/anthropic"),
                ("dashscope", "https://dashscope.aliyuncs.com", "/compatible-mode/v1", "/apps/anthropic"),
                (
                    "dashscope-intl",
                    "https://dashscope-intl.aliyuncs.com",
                    "/compatible-mode/v1",
                    "/apps/anthropic",
                ),
            )
        ),
        (
            "catalog: perplexity",
            {
                "openai_chat": "https://api.perplexity.ai/chat/completions",
                "openai_responses": "https://api.perplexity.ai/v1/responses",
            },
        ),
        (
            "catalog: vllm, base_url: 'http://gpu:8000'",
            {
                "openai_chat": "http://gpu:8000/v1/chat/completions",
                "openai_responses": "http://gpu:8000/v1/responses",
                "anthropic": "http://gpu:8000/v1/messages",
                "openai_completions": "http://gpu:8000/v1/completions",
            },
        ),
        # The operator's word goes before the row, and says what nobody knows.
        ("catalog: openai, apis: []", {"openai_chat": "https://api.openai.com/v1/chat/completions"}),
        (
            "catalog: deepseek, apis: [anthropic, {dialect: openai_responses, path: /beta/responses}]",
            {
                "openai_chat": "https://api.deepseek.com/chat/completions",
                "anthropic": "https://api.deepseek.com/anthropic/v1/messages",
                "openai_responses": "https://api.deepseek.com/beta/responses",
            },
        ),
        ("base_url: 'http://own:1'", {"openai_chat": "http://own:1/v1/chat/completions"}),
        (
            "base_url: 'http://own:1', dialect: openai_responses, apis: openai_chat",
            {
                "openai_responses": "http://own:1/v1/responses",
                "openai_chat": "http://own:1/v1/chat/completions",
            },
        ),
        (
            "base_url: 'http://own:1', apis: [gemini]",
            {
                "openai_chat": "http://own:1/v1/chat/completions",
                "gemini": "http://own:1/v1/models/{model}:generateContent",
            },
        ),
    ],
)
def test_where_each_protocol_is_asked(loaded: Load, row: str, urls: dict[str, str]) -> None:
    apis = spoken(loaded, row)
    assert {name: api.chat_url for name, api in apis.items()} == urls
    assert list(apis) == list(urls)


def test_streams_of_a_further_protocol_have_their_own_address(loaded: Load) -> None:
    api = spoken(loaded, "base_url: 'http://own:1', apis: [gemini, anthropic]")
    assert api["gemini"].stream_url == "http://own:1/v1/models/{model}:streamGenerateContent?alt=sse"
    assert api["anthropic"].stream_url == api["anthropic"].chat_url


@pytest.mark.parametrize(
    ("row", "auth"),
    [
        ("catalog: deepseek", "x-api-key"),
        ("catalog: fireworks", "bearer"),
        ("catalog: deepseek, apis: [{dialect: anthropic, auth: bearer}]", "bearer"),
        ("base_url: 'http://own:1', apis: anthropic", "bearer"),
        ("base_url: 'http://own:1', auth: x-api-key, apis: anthropic", "x-api-key"),
    ],
)
def test_how_a_key_travels_in_a_further_protocol(loaded: Load, row: str, auth: str) -> None:
    assert spoken(loaded, row)["anthropic"].auth == auth


def test_a_further_protocol_has_quirks_headers_and_models_of_its_own(loaded: Load) -> None:
    stated = "{dialect: anthropic, quirks: {signatures: false}}"
    apis = spoken(loaded, f"catalog: deepseek, quirks: {{json_schema: true}}, apis: [{stated}]")
    assert apis["openai_chat"].quirks.json_schema
    assert apis["anthropic"].quirks == Quirks(signatures=False)
    assert apis["anthropic"].fixed == {"anthropic-version": "2023-06-01"}
    assert apis["openai_chat"].fixed == {}
    openai = spoken(loaded, "catalog: openai")
    assert openai["openai_chat"].models is openai["openai_responses"].models is None
    assert "davinci-*" in (openai["openai_completions"].models or ())


def test_a_dated_version_changes_paths_and_protocols(loaded: Load) -> None:
    row = "catalog: azure, base_url: 'https://r.openai.azure.com', api_version: %s"
    apis = spoken(loaded, row % "2024-10-21")
    assert {name: (api.chat_url, api.query, api.base_url) for name, api in apis.items()} == {
        name: (
            f"https://r.openai.azure.com/openai/deployments/{{model}}{path}",
            "?api-version=2024-10-21",
            "https://r.openai.azure.com/openai",
        )
        for name, path in (("openai_chat", "/chat/completions"), ("openai_completions", "/completions"))
    }
    assert {api.auth for api in apis.values()} == {"api-key"}
    new = spoken(loaded, row % "2025-03-01-preview")["openai_responses"]
    assert (new.chat_url, new.base_url) == ("https://r.openai.azure.com/openai/responses", None)


@pytest.mark.parametrize(
    ("version", "field", "options"),
    [
        ("2024-08-01-preview", "max_tokens", False),
        ("2024-09-01-preview", "max_completion_tokens", True),
        ("2024-10-21", "max_completion_tokens", True),
    ],
)
def test_old_versions_have_quirks_that_an_operator_may_take_back(
    loaded: Load, version: str, field: str, options: bool
) -> None:
    row = f"catalog: azure, base_url: 'https://r.openai.azure.com', api_version: {version}"
    for api in spoken(loaded, row).values():
        assert (api.quirks.max_tokens_field, api.quirks.stream_options) == (field, options)
    own = spoken(loaded, f"{row}, quirks: {{stream_options: true}}")["openai_chat"]
    assert own.quirks.stream_options


def test_the_inference_api_speaks_one_protocol(loaded: Load) -> None:
    url = "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview"
    apis = spoken(loaded, f"catalog: azure, base_url: '{url}'")
    assert {name: (api.chat_url, api.query) for name, api in apis.items()} == {
        "openai_chat": (
            "https://r.services.ai.azure.com/models/chat/completions",
            "?api-version=2024-05-01-preview",
        )
    }
    assert apis["openai_chat"].quirks.stream_options


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("azure: {keys: k}", "set base_url: https://RESOURCE.openai.azure.com/openai/v1, with your own"),
        ("openai: {keys: k, api_version: 2024-10-21}", "only the API of a known provider such as azure"),
        ("p: {base_url: 'https://h.example', api_version: 2024-10-21}", "set `catalog`"),
        (
            "azure: {keys: k, base_url: 'https://r.services.ai.azure.com/models'}",
            "azure.api_version: the API below /models needs a version",
        ),
        ("azure: {keys: k, base_url: 'https://r.openai.azure.com?a=1'}", "must not have a query"),
    ],
)
def test_mistakes_about_versions(mistakes: Callable[..., list[str]], row: str, told: str) -> None:
    (line,) = mistakes(f"providers: {{{row}}}")
    assert told in line


_AZURES: Final = {
    "azure.chat": "openai_chat",
    "azure.completions": "openai_completions",
    "azure.embeddings": "openai_chat",
    "azure.responses": "openai_responses",
}


def test_a_region_that_is_none_is_told_without_a_guess(mistakes: Callable[..., list[str]]) -> None:
    (told,) = mistakes("providers: {bedrock: {region: evil.example}}")
    assert told.endswith("providers.bedrock: 'evil.example' is no name of a region")


def test_a_broken_access_key_is_no_bearer_token(mistakes: Callable[..., list[str]]) -> None:
    row = "providers: {bedrock: {region: eu-central-1, keys: ['AKIAIOSFODNN7EXAMPLE:short']}}"
    (told,) = mistakes(row)
    assert "`ID:SECRET`" in told
    assert "short" not in told


REGIONS: Final = (
    *("us-east-1", "eu-central-1", "mx-central-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"),
    *("us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1"),
)


@pytest.mark.parametrize("region", REGIONS)
def test_bedrock_is_asked_at_the_host_that_amazons_client_asks(region: str) -> None:
    botocore = pytest.importorskip("botocore.session", reason="the library of Amazon is not installed")
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    theirs = botocore.Session().create_client("bedrock-runtime", region_name=region, **keys)
    assert provider_of("bedrock", Provider(region=region), {}).base_url == theirs.meta.endpoint_url


@pytest.mark.wire
@pytest.mark.parametrize(("api", "dialect"), _AZURES.items())
def test_azure_is_asked_where_recorded_requests_went(recorded: Path, api: str, dialect: str) -> None:
    """The recorded URL, written as `base_url`, leads to itself."""
    for exchange in corpus.read(recorded, api):
        if exchange.request is None or (url := exchange.request.url) is None:
            continue
        provider = provider_of("azure", Provider(base_url=url), {})
        (spoken,) = [one for one in provider.apis if one.dialect == dialect]
        path = "/embeddings" if api == "azure.embeddings" else DIALECTS[dialect].paths.chat
        made = spoken.chat_url.removesuffix(DIALECTS[dialect].paths.chat) + path + spoken.query
        deployment = url.partition("/deployments/")[2].partition("/")[0]
        assert made.replace("{model}", deployment) == url.replace(".com//", ".com/")


GOOGLE = "/publishers/google"


@pytest.mark.parametrize(
    ("spelled", "project", "region", "expected"),
    [
        (None, "p", None, "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global" + GOOGLE),
        (
            None,
            "p",
            "US",
            "https://aiplatform.us.rep.googleapis.com/v1beta1/projects/p/locations/us" + GOOGLE,
        ),
        (
            None,
            "p",
            "asia-east1",
            "https://asia-east1-aiplatform.googleapis.com/v1beta1/projects/p/locations/asia-east1" + GOOGLE,
        ),
        (None, None, None, "https://aiplatform.googleapis.com/v1beta1" + GOOGLE),
        (
            "https://proxy.example/vertex/",
            "p",
            "eu",
            "https://proxy.example/vertex/v1beta1/projects/p/locations/eu" + GOOGLE,
        ),
        ("https://proxy.example/v1", "p", "eu", "https://proxy.example/v1/projects/p/locations/eu" + GOOGLE),
        (
            "https://h.example/v1/projects/q/locations/l",
            None,
            None,
            "https://h.example/v1/projects/q/locations/l" + GOOGLE,
        ),
        (
            "https://h.example/v1/projects/q/locations/l/publishers/google/models/m:generateContent",
            "p",
            None,
            "https://h.example/v1/projects/q/locations/l" + GOOGLE,
        ),
    ],
)
def test_where_vertex_lies(
    spelled: str | None, project: str | None, region: str | None, expected: str
) -> None:
    keys = (Secret("an-express-key"),) if project is None else None
    settings = Provider(base_url=spelled, project=project, region=region, keys=keys)
    account = provider_of("vertex", settings, {})
    assert account.base_url == expected
    assert account.chat_url == expected + "/models/{model}:generateContent"
    others = {api.dialect: api.chat_url for api in account.further}
    place = expected.removesuffix(GOOGLE)
    claude = place.replace("/v1beta1/", "/v1/") + "/publishers/anthropic/models/{model}:rawPredict"
    further = {"anthropic": claude, "openai_chat": place + "/endpoints/openapi/chat/completions"}
    assert others == (further if "/projects/" in expected else {})


@pytest.mark.parametrize("region", ["evil.example", "a/b", "", "ä"])
def test_a_location_is_one_part_of_a_host(region: str) -> None:
    settings = Provider(project="p", region=region)
    if region == "":  # stated as nothing
        assert "/locations/global/" in provider_of("vertex", settings, {}).base_url
        return
    with pytest.raises(ValueError, match="is no name of a location"):
        provider_of("vertex", settings, {})
