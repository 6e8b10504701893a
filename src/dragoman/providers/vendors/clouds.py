"""Clouds that serve models of many makers to the cloud's own customers."""

from __future__ import annotations

from typing import Final

from dragoman.dialects.access import ModelList
from dragoman.dialects.quirks import Quirks
from dragoman.providers.vendor import ApiRow, Located, Vendor, narrow

_BETAS: Final = frozenset(
    # https://platform.claude.com/docs/en/build-with-claude/overview, the page
    # model-parameters-anthropic-claude-messages-tool-use.html of https://docs.aws.amazon.com/bedrock/latest/userguide
    # with those beside it, and LiteLLM's `anthropic_beta_headers_config.json`, read in 2026-11.
    {
        *(
            "compact-2026-01-12",
            "computer-use-2025-01-24",
            "computer-use-2025-11-24",
            "context-1m-2025-08-07",
        ),
        *("context-management-2025-06-27", "interleaved-thinking-2025-05-14", "tool-search-tool-2025-10-19"),
        *("thinking-binding-controls-2026-08-01", "thinking-display-updates-2026-08-18"),
    }
)
"""Anthropic's beta features that both Bedrock and Vertex AI accept."""
_CLAUDE_AT_BEDROCK: Final = ApiRow(
    path="/model/{model}/invoke",
    stream="/model/{model}/invoke-with-response-stream",
    quirks=Quirks(
        body_version="bedrock-2023-05-31",
        stream_member=False,
        server_tools=False,
        betas=_BETAS
        | {
            *("computer-use-2024-10-22", "effort-2025-11-24", "fine-grained-tool-streaming-2025-05-14"),
            "tool-examples-2025-10-29",
        },
        media_urls=False,
        odd_call_ids=False,
    ),
    models=("anthropic.claude-*", "*.anthropic.claude-*", "arn:*anthropic.claude-*"),
)

_CLAUDE_AT_VERTEX: Final = ApiRow(
    # The client `anthropic` 2.12.0 (`lib/vertex`) asks v1, and leaves the betas in their header.
    swaps={"/v1beta1/": "/v1/", "/publishers/google": ""},
    path="/publishers/anthropic/models/{model}:rawPredict",
    stream="/publishers/anthropic/models/{model}:streamRawPredict",
    quirks=Quirks(
        body_version="vertex-2023-10-16",
        server_tools=False,
        betas=_BETAS,
        media_urls=False,
        odd_call_ids=False,
    ),
    models=("claude-*",),
)
_OPEN_MODELS: Final = (
    *("meta/*", "deepseek-ai/*", "qwen/*", "zai-org/*", "moonshotai/*", "minimaxai/*", "openai/gpt-oss-*"),
)
"""Patterns of the models that Vertex AI serves for other publishers in OpenAI's protocol."""
_OPEN_AT_VERTEX: Final = ApiRow(
    # https://docs.cloud.google.com/vertex-ai/generative-ai/docs/maas/call-open-model-apis; LiteLLM
    # (`vertex_llm_base.py`, `create_vertex_url`) asks the same path.
    swaps={"/publishers/google": "/endpoints/openapi"},
    quirks=narrow(),
    models=_OPEN_MODELS,
)
_MANTLE_OPENAI: Final = ("openai.gpt-[!o]*",)
"""Patterns of OpenAI's own models at Amazon, which have other paths. Recordings show that the gpt-oss models
have the usual paths.
"""
_VERTEX: Final = Located(
    # The client google-genai 3.4.0 (`_api_client.py`), and
    # https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/vertex-ai-express-mode-api-reference
    # for API keys without a project, read in 2026-11.
    host="{region}-aiplatform.googleapis.com",
    hosts={
        "global": "aiplatform.googleapis.com",
        "us": "aiplatform.us.rep.googleapis.com",
        "eu": "aiplatform.eu.rep.googleapis.com",
    },
    version="/v1beta1",
    folder="/projects/{project}/locations/{region}",
    publisher="/publishers/google",
    region="global",
)

CLOUDS: Final = (
    Vendor(
        name="bedrock",
        title="Amazon Bedrock",
        base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
        page="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
        dialect="bedrock",
        path="",
        keys=("AWS_BEARER_TOKEN_BEDROCK",),
        base_var="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        region="us-east-1",
        region_vars=("AWS_REGION", "AWS_DEFAULT_REGION"),
        # The partitions of AWS: `partitions.json` of botocore 1.44.5.
        domains={
            "cn-": "amazonaws.com.cn",
            "eusc-": "amazonaws.eu",
            "us-iso-": "c2s.ic.gov",
            "us-isob-": "sc2s.sgov.gov",
            "eu-isoe-": "cloud.adc-e.uk",
            "us-isof-": "csp.hci.ic.gov",
        },
        access_key=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        quirks=Quirks(media_urls=False, counts=True, widens=frozenset()),
        also={"anthropic": _CLAUDE_AT_BEDROCK},
        # The ids of models, and of inference profiles, which begin with the region's group.
        models=(
            *("anthropic.claude-*", "amazon.nova-*", "amazon.titan-text-*", "meta.llama*", "mistral.*"),
            *("us.*", "eu.*", "apac.*", "jp.*", "au.*", "ca.*", "global.*", "us-gov.*", "arn:aws*:bedrock:*"),
        ),
        known=("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-2-lite-v1:0"),
    ),
    Vendor(
        name="vertex",
        title="Google Vertex AI",
        base_url="https://aiplatform.googleapis.com/v1beta1/publishers/google",
        page="https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/get-token-count",
        serves=("chat", "embed", "image", "speech", "transcription"),
        dialect="gemini",
        path="/v1beta1/publishers/google",
        region_vars=("GOOGLE_CLOUD_LOCATION",),
        project_vars=("GOOGLE_CLOUD_PROJECT",),
        located=_VERTEX,
        # The client google-genai 3.4.0 (`models.py`, `list`): the list is beside the projects.
        bases={"models": "/v1beta1/publishers/google"},
        listing=ModelList(
            member="publisherModels",
            name="name",
            prefix="publishers/google/models/",
            query={"pageSize": "100"},
            cursor="pageToken",
            following="nextPageToken",
        ),
        identity="google",
        quirks=Quirks(counts=True, vertex_operations=True, server_call_parts=False, widens=frozenset()),
        also={"anthropic": _CLAUDE_AT_VERTEX, "openai_chat": _OPEN_AT_VERTEX},
        chats=("!claude-*", *(f"!{pattern}" for pattern in _OPEN_MODELS)),
    ),
    # Models of Bedrock in OpenAI's and Anthropic's protocols. The beginning of the path depends on the model:
    # recorded requests, and https://docs.aws.amazon.com/bedrock/latest/userguide/inference-responses-api.html.
    Vendor(
        name="bedrock-mantle",
        title="Amazon Bedrock (mantle)",
        base_url="https://bedrock-mantle.us-east-1.api.aws/v1",
        page="https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html",
        region="us-east-1",
        region_vars=("AWS_REGION", "AWS_DEFAULT_REGION"),
        quirks=Quirks(functions=False, call_signatures=False),
        also={
            "openai_responses": ApiRow(path="/openai/v1/responses", drops="/v1", models=_MANTLE_OPENAI),
            "anthropic": ApiRow(
                path="/anthropic/v1/messages",
                drops="/v1",
                quirks=Quirks(odd_call_ids=False),
                models=("anthropic.*",),
            ),
        },
        chats=("!anthropic.*", *(f"!{pattern}" for pattern in _MANTLE_OPENAI)),
    ),
    # A model's name is that of a serving endpoint of the workspace.
    Vendor(
        name="databricks",
        title="Databricks",
        base_url="https://WORKSPACE.cloud.databricks.com/serving-endpoints",
        path="/serving-endpoints",
        account="WORKSPACE",
        page="https://learn.microsoft.com/en-us/azure/databricks/machine-learning/model-serving/query-chat-models",
        serves=("chat", "embed"),
        keys=("DATABRICKS_TOKEN",),
        base_var="DATABRICKS_BASE_URL",
        # https://docs.databricks.com/api/workspace/servingendpoints/list
        bases={"models": "/api/2.0"},
        listing=ModelList(path="/serving-endpoints", member="endpoints", name="name"),
        quirks=narrow(),
    ),
    Vendor(
        name="snowflake",
        title="Snowflake Cortex",
        base_url="https://ACCOUNT.snowflakecomputing.com/api/v2/cortex/v1",
        path="/api/v2/cortex/v1",
        account="ACCOUNT",
        page="https://docs.snowflake.com/en/en/user-guide/snowflake-cortex/cortex-rest-api",
        keys=("SNOWFLAKE_PAT",),
        base_var="SNOWFLAKE_BASE_URL",
        quirks=Quirks(
            functions=False,
            call_signatures=False,
            developer_role=False,
            reasoning_request="reasoning",  # recorded: {"effort": "low"}, and entries of `reasoning_details`
        ),
        also={"anthropic": ApiRow(models=("claude-*",))},
    ),
    Vendor(
        name="cloudflare",
        title="Cloudflare Workers AI",
        base_url="https://api.cloudflare.com/client/v4/accounts/account-id/ai/v1",
        path="/ai/v1",
        account="account-id",
        page="https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility",
        serves=("chat", "embed"),
        keys=("CLOUDFLARE_API_KEY",),
        base_var="CLOUDFLARE_BASE_URL",
        # https://developers.cloudflare.com/api/resources/ai/subresources/models/methods/list
        bases={"models": "/ai"},
        listing=ModelList(
            path="/models/search",
            member="result",
            name="name",
            query={"per_page": "100"},
            cursor="page",
            numbered=True,
        ),
        quirks=narrow(),
        also={"openai_responses": ApiRow(models=("@cf/openai/*",))},
    ),
)
"""The rows, in the order in which the documentation lists them."""
