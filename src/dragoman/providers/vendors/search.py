"""Vendors that mainly offer models for search: embeddings and reranking."""

from __future__ import annotations

from typing import Final

from dragoman.dialects.quirks import Quirks
from dragoman.providers.vendor import Vendor

SEARCH: Final = (
    # Its compatibility API (/compatibility/v1, `dialect: openai_chat`) has no citations, no documents and no
    # thinking of a stated length: https://docs.cohere.com/docs/compatibility-api.
    Vendor(
        name="cohere",
        title="Cohere",
        dialect="cohere",
        base_url="https://api.cohere.com/v2",
        path="/v2",
        appends=True,
        page="https://docs.cohere.com/reference/chat",
        serves=("chat", "embed", "rerank"),
        keys=("COHERE_API_KEY", "CO_API_KEY"),
        base_var="COHERE_BASE_URL",
        bases={"models": "/v1"},  # https://docs.cohere.com/reference/list-models
        models=("command-*", "c4ai-aya-*", "embed-*-v[234].0", "embed-v4.0", "rerank-v*", "rerank-*-v[23].0"),
    ),
    Vendor(
        name="jina",
        title="Jina AI",
        base_url="https://api.jina.ai/v1",
        page="https://api.jina.ai/redoc",
        serves=("embed", "rerank"),
        keys=("JINA_API_KEY",),
        base_var="JINA_BASE_URL",
        models=("jina-embeddings-*", "jina-reranker-*", "jina-clip-*", "jina-colbert-*"),
    ),
    Vendor(
        name="voyage",
        title="Voyage AI",
        base_url="https://api.voyageai.com/v1",
        page="https://docs.voyageai.com/reference/reranker-api",
        serves=("embed", "rerank"),
        keys=("VOYAGE_API_KEY",),
        base_var="VOYAGE_BASE_URL",
        quirks=Quirks(ranking="voyage"),
        models=("voyage-*", "rerank-2*", "rerank-lite-*"),
    ),
)
"""The rows, in the order in which the documentation lists them."""
