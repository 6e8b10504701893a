"""Servers that an operator runs, and Ollama's cloud."""

from __future__ import annotations

from typing import Final

import msgspec

from dragoman.dialects.quirks import USUALLY_WIDER, Quirks
from dragoman.providers.vendor import ENDLESS, USUAL, ApiRow, Vendor

_WITHOUT_URLS: Final = Quirks(media_urls=False, forced_calls=False)
"""The quirks of Ollama's Responses API. LM Studio's, and Anthropic's protocol at both, have more."""
_UNSIGNED: Final = msgspec.structs.replace(_WITHOUT_URLS, json_schema=False, signatures=False)
"""The quirks that Ollama and LM Studio have in Anthropic's protocol."""
_COUNTING: Final = ApiRow(quirks=Quirks(counts=True, signatures=False))
"""Anthropic's protocol for open models, including its endpoint that counts the tokens of prompts."""
_ENDLESS: Final = ApiRow(quirks=Quirks(widens=USUALLY_WIDER.union(ENDLESS)))
"""The Completions API where -1 as `max_tokens` means no limit."""
_OLLAMA: Final = Vendor(
    name="ollama",
    title="Ollama",
    base_url="http://localhost:11434/v1",
    page="https://docs.ollama.com/api/openai-compatibility",
    serves=("chat", "embed", "transcription"),
    base_var="OLLAMA_HOST",
    host_port=11434,
    quirks=Quirks(
        functions=False,
        max_tokens_field="max_tokens",
        developer_role=False,
        media_urls=False,
        forced_calls=False,  # `tool_choice` is not among the supported fields
        # Nor are these: they are ignored, so that a client would get one answer and not know why.
        refuses=frozenset({"logit_bias", "n"}),
        widens=USUALLY_WIDER.union(ENDLESS),  # -1 means no limit
    ),
    # Its own protocol has other paths than the protocols that it offers for the clients of others. The fields
    # of Anthropic's that are not supported: https://docs.ollama.com/api/anthropic-compatibility.
    also={
        "openai_responses": ApiRow(quirks=_WITHOUT_URLS),
        "anthropic": ApiRow(quirks=_UNSIGNED),
        "ollama": ApiRow(drops="/v1"),
        "openai_completions": _ENDLESS,
    },
)

OWN_MACHINE: Final = (
    _OLLAMA,
    # https://docs.ollama.com/cloud, and recorded requests to ollama.com.
    msgspec.structs.replace(
        _OLLAMA,
        name="ollama-cloud",
        title="Ollama's cloud",
        base_url="https://ollama.com/v1",
        page="https://docs.ollama.com/cloud",
        serves=("chat",),
        keys=("OLLAMA_API_KEY",),
        base_var=None,
        host_port=None,
    ),
    Vendor(
        name="vllm",
        title="vLLM",
        base_url="http://localhost:8000/v1",
        page="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        serves=("chat", "embed", "transcription", "rerank"),
        quirks=Quirks(
            functions=False,
            developer_role=False,
            extensions=frozenset({"min_p", "repetition_penalty", "top_k"}),
        ),
        also={
            "openai_responses": USUAL,
            # Prompts are counted at /v1/messages/count_tokens: `vllm.entrypoints.anthropic` of vllm 0.33.0.
            "anthropic": _COUNTING,
            # `response_format` of `CompletionRequest` in
            # https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/completion/protocol.py
            "openai_completions": ApiRow(quirks=Quirks(completion_format=True)),
        },
    ),
    Vendor(
        name="llamacpp",
        title="llama.cpp server",
        base_url="http://localhost:8080/v1",
        page="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        serves=("chat", "embed", "rerank"),
        quirks=Quirks(
            functions=False,
            developer_role=False,
            extensions=frozenset({"min_p", "repeat_penalty", "top_k", "typical_p"}),
            widens=USUALLY_WIDER.union(ENDLESS),  # -1 means no limit, as in its `n_predict`
        ),
        also={
            # https://github.com/ggml-org/llama.cpp/issues/20607: no event states its `output_index`.
            "openai_responses": ApiRow(quirks=Quirks(numbered_events=False)),
            # The page: `POST /v1/messages/count_tokens`.
            "anthropic": _COUNTING,
            "openai_completions": _ENDLESS,
        },
    ),
    Vendor(
        name="lmstudio",
        title="LM Studio",
        base_url="http://localhost:1234/v1",
        page="https://lmstudio.ai/docs/developer/openai-compat",
        serves=("chat", "embed"),
        quirks=Quirks(
            functions=False,
            max_tokens_field="max_tokens",
            developer_role=False,
            # lmstudio-ai/lmstudio-bug-tracker#1120: "'url' field must be a base64 encoded image".
            media_urls=False,
            # #670: a choice that names a tool is refused. #2115: `required` is not always obeyed.
            forced_calls=False,
            refuses=frozenset({"n"}),  # ignored: its page of supported fields has no `n`
            json_object=False,  # #189: "'response_format.type' must be 'json_schema' or 'text'"
            extensions=frozenset({"repeat_penalty", "top_k"}),
            widens=USUALLY_WIDER.union(ENDLESS),  # -1 in the examples of its page
        ),
        # #1120 is about the Responses API, too. #2403: there, a schema is not obeyed.
        also={
            "openai_responses": ApiRow(quirks=msgspec.structs.replace(_WITHOUT_URLS, json_schema=False)),
            "anthropic": ApiRow(quirks=_UNSIGNED),
            "openai_completions": _ENDLESS,
        },
    ),
    Vendor(
        name="sglang",
        title="SGLang",
        base_url="http://localhost:30000/v1",
        page="https://docs.sglang.io/docs/basic_usage/send_request",
        serves=("chat", "embed", "rerank"),
        quirks=Quirks(functions=False, max_tokens_field="max_tokens", developer_role=False),
        also={"openai_completions": USUAL},  # https://docs.sglang.io/docs/get-started/quickstart
    ),
    Vendor(
        name="tgi",
        title="Text Generation Inference",
        base_url="http://localhost:3000/v1",
        page="https://huggingface.co/docs/text-generation-inference/messages_api",
        quirks=Quirks(functions=False, max_tokens_field="max_tokens", developer_role=False),
    ),
    # Its port: https://docs.docker.com/reference/cli/docker/model/install-runner
    Vendor(
        name="docker",
        title="Docker Model Runner",
        base_url="http://localhost:12434/engines/v1",
        path="/engines/v1",
        page="https://kestra.io/plugins/plugin-ai/provider/io.kestra.plugin.ai.provider.dockermodel",
        serves=("chat", "embed"),
        quirks=Quirks(functions=False, max_tokens_field="max_tokens", developer_role=False),
    ),
    # Before version 2 its path was /v1-openai: https://docs.gpustack.ai/user-guide/openai-compatible-apis
    Vendor(
        name="gpustack",
        title="GPUStack",
        base_url="http://localhost/v1",
        page="https://docs.gpustack.ai/latest/user-guide/openai-compatible-apis/",
        serves=("chat", "embed", "image", "speech", "transcription", "rerank"),
        quirks=Quirks(functions=False, max_tokens_field="max_tokens", developer_role=False),
    ),
)
"""The rows, in the order in which the documentation lists them."""
